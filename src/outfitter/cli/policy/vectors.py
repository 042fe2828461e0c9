"""Test vectors of policies: a chain of policies, a submission, and what must come of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from outfitter.api.v1alpha1.policyfields import SECTIONS
from outfitter.cli.yaml_loader import Loader, decoded
from outfitter.errors import ConfigurationError
from outfitter.policy.chain import SCOPES, Policy, effective_policy
from outfitter.policy.imposed import ImposedAsset
from outfitter.policy.rule import Source
from outfitter.policy.submission import Verdict, apply_policy

_OTHER_SCOPES: Final = {"fallback": "system"}


def are_vectors(path: Path) -> bool:
    """Whether a path is a file whose content is a list, as no file of objects is."""
    if not path.is_file():
        return False
    text = decoded(str(path), path.read_bytes())
    first = next((line for line in text.splitlines() if line.strip() and not line.startswith(("#", "---"))), "")
    return first.startswith(("- ", "["))


def read_vectors(file: Path) -> list[dict[str, Any]]:
    """Return the vectors of a file. Raises ConfigurationError where it holds none."""
    try:
        content = yaml.load(decoded(str(file), file.read_bytes()), Loader=Loader)  # noqa: S506 - a safe loader
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}.") from None
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{file} is not valid YAML: {error}.") from None
    if not isinstance(content, list) or not all(isinstance(item, dict) for item in content):
        raise ConfigurationError(f"{file} is no list of vectors, each with id, chain, submit, and effective or errors.")
    return content


def mismatches(vector: Mapping[str, Any]) -> Iterator[str]:
    """Yield one line for each difference between a vector and what the policies do."""
    workload_type = str(vector.get("type") or "workspace")
    if workload_type not in SECTIONS:
        yield f"type: {workload_type} is no workload type"
        return
    chain = [_policy(entry, workload_type) for entry in vector.get("chain") or ()]
    policy, errors = effective_policy(chain, workload_type)
    found = sorted([error.source.scope, error.field, error.reason] for error in errors)
    yield from _differ("policyErrors", _rows(vector.get("policyErrors")), found)
    yield from differences(vector, apply_policy(policy, vector.get("submit") or {}))


def differences(case: Mapping[str, Any], verdict: Verdict) -> Iterator[str]:
    """Yield one line for each difference between the expected verdict of a case and the real one."""
    broken = sorted([violation.field, violation.rule] for violation in verdict.violations)
    yield from _differ("errors", _rows(case.get("errors")), broken)
    expected, found = (without_empty_objects(tree) for tree in (case.get("effective"), verdict.effective))
    if "effective" in case and not _equal(expected, found):
        yield f"effective: expected {case['effective']}, got {verdict.effective}"


def _policy(entry: Mapping[str, Any], workload_type: str) -> Policy:
    scope = str(entry.get("scope") or "project")
    scope = _OTHER_SCOPES.get(scope, scope)
    if scope not in SCOPES:
        raise ConfigurationError(f"{scope} is no scope. Scopes are: {', '.join(SCOPES)}.")
    imposed = tuple(_imposed(entry.get("imposedAssets")))
    spec = {**entry, "imposedAssets": _references(entry.get("imposedAssets"))}
    return Policy(Source(scope), str(entry.get("type") or workload_type), spec, imposed)


def _references(assets: Any) -> Any:
    """Return imposed assets as a policy names them; those of a vector bring their content with them."""
    if isinstance(assets, Mapping):
        return {section: _references(entries) for section, entries in assets.items()}
    if not isinstance(assets, list):
        return assets
    return [{"name": asset.name} for asset in _imposed(assets)]


def _imposed(assets: Any) -> Iterator[ImposedAsset]:
    sections = assets if isinstance(assets, Mapping) else {"": assets}
    for section, entries in sections.items():
        for entry in entries or ():
            if not isinstance(entry, Mapping):
                yield ImposedAsset(str(entry), "", section=section)
                continue
            yield ImposedAsset(
                name=str(entry.get("name") or entry.get("id") or ""),
                kind=str(entry.get("kind") or ""),
                volume={} if entry.get("missing") else entry.get("spec") or {},
                credential=bool(entry.get("credential")),
                section=section,
            )


def _rows(rows: Any) -> list[list[str]]:
    return sorted([str(part) for part in row] for row in rows or ())


def _differ(part: str, expected: list[list[str]], found: list[list[str]]) -> Iterator[str]:
    if expected != found:
        yield f"{part}: expected {expected}, got {found}"


def without_empty_objects(tree: Any) -> Any:
    """Drop fields that are an object without fields: the workload does not have them."""
    if isinstance(tree, list):
        return [without_empty_objects(item) for item in tree]
    if not isinstance(tree, Mapping):
        return tree
    kept = {key: without_empty_objects(value) for key, value in tree.items()}
    return {key: value for key, value in kept.items() if value != {}}


def _equal(one: Any, other: Any) -> bool:
    """Compare what YAML can say: numbers by value, and true is no number."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_equal(*pair) for pair in zip(one, other, strict=True))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
