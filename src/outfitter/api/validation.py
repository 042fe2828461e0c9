"""Offline validation: all errors of an object, by the schema and rules of its CRD and by checks in Python."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, get_args

from pydantic.alias_generators import to_camel

from outfitter.api.base import Model
from outfitter.api.metadata import metadata_errors
from outfitter.api.patterns import PATTERN_WORDS, SHELL_PATTERN, matches
from outfitter.api.rules import Rule
from outfitter.api.schema import resource_schema
from outfitter.api.shape import FieldError, Path, did_you_mean, shape_errors, unknown_fields, without_nulls
from outfitter.api.v1alpha1 import ALL_KINDS, kind_of
from outfitter.api.version import API_VERSION, GROUP


def strict_errors(body: Mapping[str, Any], previous: Mapping[str, Any] | None = None) -> list[FieldError]:
    """Return all errors of an object; with `previous`, also forbidden changes.

    The API server reports the same, but stops at the first layer with errors.
    """
    names = [kind.name for kind in ALL_KINDS]
    if body.get("kind") not in names:
        return [
            FieldError(
                ("kind",), f"{body.get('kind')!r} is not a kind of {GROUP}.{did_you_mean(body.get('kind'), names)}"
            )
        ]
    errors = []
    if body.get("apiVersion") != API_VERSION:
        errors.append(FieldError(("apiVersion",), f"The value must be {API_VERSION}."))
    kind = kind_of(body["kind"])
    schema = resource_schema(kind.model)
    errors += shape_errors(schema, {key: value for key, value in body.items() if key not in ("status", "metadata")}, ())
    errors += unknown_fields(schema["properties"].get("status", {}), body.get("status"), ("status",))
    errors += metadata_errors(body.get("metadata"))
    body, previous = without_nulls(body), previous and without_nulls(previous)
    if isinstance(body.get("spec"), Mapping):
        bad = [error.path for error in errors]
        errors += _rule_errors(kind.model, {key: body[key] for key in ("metadata", "spec") if key in body}, (), bad)
        if previous is not None:
            errors += _change_errors(kind.model, body, previous, (), bad)
    return sorted(set(errors), key=lambda error: [str(part) for part in error.path])


def incomplete(model: type[Model], spec: Mapping[str, Any] | Model) -> list[FieldError]:
    """Return what is missing or contradictory in the spec of a workload after the merge of assets and policies.

    `model`: that of the spec. Paths are relative to the spec.
    """
    return list(_completeness(model, _plain(spec), ()))


def contradiction(part: Model) -> FieldError | None:
    """Return the first broken rule of a part of a spec, which an older schema or a policy let pass."""
    found = _rule_errors(type(part), part.to_dict(), (), [])
    return next(found, None)


def incomplete_part(part: Model) -> list[FieldError]:
    """Return what is missing or contradictory in a part of a spec; paths are relative to the part."""
    return list(_completeness(type(part), part.to_dict(), ()))


def runtime_violations(spec: Mapping[str, Any] | Model) -> Iterator[FieldError]:
    """Yield errors of objects that an older schema took; paths are relative to the spec."""
    plain = _plain(spec)
    for field in ("command", "args"):
        line = plain.get(field)
        if isinstance(line, str) and not matches(SHELL_PATTERN, line):
            yield FieldError((field,), PATTERN_WORDS[SHELL_PATTERN])


def _plain(spec: Mapping[str, Any] | Model) -> Mapping[str, Any]:
    return spec.to_dict() if isinstance(spec, Model) else spec


def _model_in(annotation: object) -> type[Model] | None:
    """Return the model inside `M | None`, `tuple[M, ...]` and similar annotations."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


@cache  # called for every node of an object in each reconciliation
def _inner_models(model: type[Model]) -> tuple[tuple[str, type[Model]], ...]:
    found = ((to_camel(name), _model_in(field.annotation)) for name, field in model.model_fields.items())
    return tuple((key, inner) for key, inner in found if inner)


def _children(model: type[Model], value: Mapping[str, Any]) -> Iterator[tuple[str, type[Model], Any]]:
    for key, inner in _inner_models(model):
        if key in value:
            yield key, inner, value[key]


def _nodes(model: type[Model], value: object, path: Path) -> Iterator[tuple[type[Model], Mapping[str, Any], Path]]:
    """Yield every object of the tree with its model, outermost first."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _nodes(model, item, (*path, index))
    if isinstance(value, Mapping):
        yield model, value, path
        for key, inner, child in _children(model, value):
            yield from _nodes(inner, child, (*path, key))


def _error(rule: Rule, path: Path) -> FieldError:
    return FieldError((*path, *(rule.field.split(".") if rule.field else ())), rule.message)


@cache
def _rules(model: type[Model]) -> tuple[Rule, ...]:
    return tuple(model.rules())


def _rule_errors(model: type[Model], spec: object, root: Path, bad: list[Path]) -> Iterator[FieldError]:
    for owner, node, path in _nodes(model, spec, root):
        if any(other[: len(path)] == path for other in bad):
            continue  # a rule may assume that the schema holds below it
        for rule in _rules(owner):
            if not (owner.PARTIAL and rule.complete) and not rule.check(node):
                yield _error(rule, path)


def _completeness(model: type[Model], spec: object, root: Path) -> Iterator[FieldError]:
    for owner, node, path in _nodes(model, spec, root):
        if node.get("exclude"):
            continue
        for name in owner.MANDATORY:
            if to_camel(name) not in node:
                yield FieldError(
                    (*path, to_camel(name)), "The field is required, and no asset or policy sets it. Set the field."
                )
        for rule in _rules(owner):
            if not rule.check(node):
                yield _error(rule, path)


def _change_errors(model: type[Model], new: object, old: object, path: Path, bad: list[Path]) -> Iterator[FieldError]:
    """Compare along fields only: items of lists have no stable identity."""
    if not isinstance(new, Mapping) or not isinstance(old, Mapping):
        return
    if any(other[: len(path)] == path for other in bad):
        return
    for transition in model.transitions():
        if not transition.check(new, old):
            yield FieldError((*path, *(transition.field.split(".") if transition.field else ())), transition.message)
    for key, inner, child in _children(model, new):
        yield from _change_errors(inner, child, old.get(key), (*path, key), bad)
