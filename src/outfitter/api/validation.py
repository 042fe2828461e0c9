"""Offline validation: all errors of an object, by the schema and rules of its CRD and by checks in Python."""

import shlex
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, get_args

from pydantic.alias_generators import to_camel

from outfitter.api.base import API_VERSION, GROUP, Model
from outfitter.api.rules import Rule
from outfitter.api.schema import NAME_RULE, resource_schema
from outfitter.api.shape import FieldError, Path, did_you_mean, shape_errors
from outfitter.api.types import ROOT_NAME_PATTERN, matches
from outfitter.api.v1alpha1 import KINDS, kind_of
from outfitter.api.v1alpha1.containers import container_names

_METADATA_FIELDS = (
    "annotations", "creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "finalizers", "generateName",
    "generation", "labels", "managedFields", "name", "namespace", "ownerReferences", "resourceVersion", "selfLink",
    "uid",
)  # fmt: skip


def strict_errors(body: Mapping[str, Any], previous: Mapping[str, Any] | None = None) -> list[FieldError]:
    """Return all errors of an object; with `previous`, also forbidden changes.

    The API server reports the same, but stops at the first layer with errors.
    """
    body = _without_nulls(body)
    previous = None if previous is None else _without_nulls(previous)
    names = [kind.name for kind in KINDS]
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
    errors += _metadata_errors(body.get("metadata"))
    if isinstance(body.get("spec"), Mapping):
        bad = [error.path for error in errors]
        errors += _rule_errors(kind.model, {key: body[key] for key in ("metadata", "spec") if key in body}, (), bad)
        if previous is not None:
            errors += _change_errors(kind.model, body, previous, (), bad)
        errors += [
            FieldError(("spec", *error.path), error.message) for error in runtime_violations(body["kind"], body["spec"])
        ]
    return sorted(set(errors), key=lambda error: [str(part) for part in error.path])


def incomplete(kind: str, spec: Mapping[str, Any] | Model) -> list[FieldError]:
    """Return what is missing or contradictory in the spec of a workload after the merge of assets and policies.

    Paths are relative to the spec.
    """
    return list(_completeness(_spec_model(kind), _plain(spec), ()))


def incomplete_part(part: Model) -> list[FieldError]:
    """Return what is missing or contradictory in a part of a spec; paths are relative to the part."""
    return list(_completeness(type(part), part.to_dict(), ()))


def runtime_violations(kind: str, spec: Mapping[str, Any] | Model) -> list[FieldError]:
    """Return errors that no schema can express; paths are relative to the spec."""
    plain = _plain(spec)
    del kind  # the fields have the same meaning wherever they occur
    return [error for check in _RUNTIME_CHECKS for error in check(plain)]


def _unbalanced_quotes(spec: Mapping[str, Any]) -> Iterator[FieldError]:
    for field in ("command", "args"):
        line = spec.get(field)
        try:
            if isinstance(line, str):
                shlex.split(line)
        except ValueError as error:
            cause = "A backslash ends the line. Remove it."
            if "quotation" in str(error):
                cause = "A quote is not closed. Close it."
            yield FieldError((field,), f"The text cannot be split into words. {cause}")


def _propagation_differs(spec: Mapping[str, Any]) -> Iterator[FieldError]:
    storage = spec.get("storage")
    volumes = storage.get("hostPath") if isinstance(storage, Mapping) else None
    if not isinstance(volumes, list):
        return
    modes = {
        volume.get("mountPropagation", "None")
        for volume in volumes
        if isinstance(volume, Mapping) and not volume.get("exclude")
    }
    if len(modes) > 1:
        yield FieldError(
            ("storage", "hostPath"),
            "The hostPath volumes have different values of mountPropagation. Set one value for all.",
        )


def _duplicate_names(spec: Mapping[str, Any]) -> Iterator[FieldError]:
    storage = spec.get("storage")
    lists: dict[Path, Any] = {("ports",): spec.get("ports"), ("exposedUrls",): spec.get("exposedUrls")}
    if isinstance(storage, Mapping):
        lists |= {("storage", field): items for field, items in storage.items()}
    for path, items in lists.items():
        seen: set[object] = set()
        for index, item in enumerate(items if isinstance(items, list) else ()):
            name = item.get("name") if isinstance(item, Mapping) else None
            if isinstance(name, str) and name in seen:
                yield FieldError((*path, index, "name"), f"Another item has the name {name!r}. Rename one of them.")
            seen.add(name)


def _made_container_names(spec: Mapping[str, Any]) -> Iterator[FieldError]:
    groups = spec.get("containerGroups")
    for index, group in enumerate(groups if isinstance(groups, list) else ()):
        containers = group.get("containers") if isinstance(group, Mapping) else None
        if not isinstance(containers, list) or not all(isinstance(item, Mapping) for item in containers):
            continue
        made = {name for item, name in zip(containers, container_names(containers), strict=True) if "name" not in item}
        for place, item in enumerate(containers):
            if item.get("name") in made:
                yield FieldError(
                    ("containerGroups", index, "containers", place, "name"),
                    f"Another container without a name gets the name {item['name']!r}. Set a name for that container.",
                )


def _affinity_without_key(spec: Mapping[str, Any]) -> Iterator[FieldError]:
    affinity = spec.get("podAffinity")
    if isinstance(affinity, Mapping) and affinity and "key" not in affinity:
        text = "The affinity has no key, so it has no effect. Set a label of nodes such as topology.kubernetes.io/zone."
        yield FieldError(("podAffinity", "key"), text)


_RUNTIME_CHECKS: tuple[Callable[[Mapping[str, Any]], Iterator[FieldError]], ...] = (
    _unbalanced_quotes,
    _propagation_differs,
    _duplicate_names,
    _made_container_names,
    _affinity_without_key,
)
"""Checks for all kinds; each reads only its own fields."""


def _metadata_errors(metadata: object) -> list[FieldError]:
    if not isinstance(metadata, Mapping):
        return [FieldError(("metadata",), "The field is required. Set an object with at least a name.")]
    errors = [
        FieldError(("metadata", field), f"The field is unknown.{did_you_mean(field, _METADATA_FIELDS)}")
        for field in metadata
        if field not in _METADATA_FIELDS
    ]
    name = metadata.get("name")
    if name is None and "generateName" not in metadata:
        errors.append(FieldError(("metadata", "name"), "The field is required."))
    elif name is not None and not (isinstance(name, str) and len(name) <= 50 and matches(ROOT_NAME_PATTERN, name)):
        errors.append(FieldError(("metadata", "name"), NAME_RULE["message"].replace("metadata.name", "The name", 1)))
    return errors


def _spec_model(kind: str) -> type[Model]:
    model = kind_of(kind).model.model_fields["spec"].annotation
    assert isinstance(model, type)  # every kind declares the model of its spec
    return model


def _without_nulls(value: Any) -> Any:
    """Drop fields that are null, as the API server does; a null item of a list stays, because it is an error."""
    if isinstance(value, Mapping):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


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
