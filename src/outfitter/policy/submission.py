"""A submission under an effective policy: what it becomes, or everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from outfitter.api.v1alpha1.policyfields import IDS, SOURCE_OF_IDS, policy_fields
from outfitter.policy.effective import EffectivePolicy, Fields, Items, Section
from outfitter.policy.imposed import ImposedAsset
from outfitter.policy.items import apply_items
from outfitter.policy.rule import Source
from outfitter.policy.values import drop, get, is_empty, put, same, scaled, shown, without_absent
from outfitter.policy.violation import Violation
from outfitter.resolve.merge import clean_path

_ONLY_WORKER: Final = frozenset(path.partition(".")[0] for path in policy_fields("distributed", "worker")) - frozenset(
    path.partition(".")[0] for path in policy_fields("distributed", "master")
)


@dataclass(frozen=True)
class Verdict:
    """The result of applying an effective policy to a submission."""

    effective: Mapping[str, Any]
    """The submission with all defaults and imposed volumes; also where there are violations."""
    violations: tuple[Violation, ...] = ()
    """All of them, by field."""
    sources: Mapping[str, Source] = field(default_factory=dict)
    """Path of a value or `labels[cost]` of an item -> the policy that set it."""
    imposed: tuple[ImposedAsset, ...] = ()
    """The assets that were mounted."""
    notes: tuple[str, ...] = ()
    """What else the user should read."""


@dataclass
class _State:
    """One section while it is judged."""

    tree: dict[str, Any]
    violations: list[Violation] = field(default_factory=list)
    sources: dict[str, Source] = field(default_factory=dict)
    imposed: list[ImposedAsset] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def apply_policy(policy: EffectivePolicy, submission: Mapping[str, Any]) -> Verdict:
    """Return the effective submission and all violations; the submission is template, assets and inline fields merged.

    A distributed submission has `spec` and `masterSpec`, or masterSpecSameAsWorker. A section that it lacks is not
    judged.
    """
    given = without_absent(submission)
    if "" in policy.sections:
        return _verdict(given, {"": _section(policy.sections[""], given)})
    worker = given.setdefault("spec", {})
    if given.pop("masterSpecSameAsWorker", False):
        given["masterSpec"] = {key: value for key, value in without_absent(worker).items() if key not in _ONLY_WORKER}
    states = {"worker": _section(policy.sections["worker"], worker)}
    if "masterSpec" in given:
        states["master"] = _section(policy.sections["master"], given["masterSpec"])
    return _verdict(given, states)


def _verdict(tree: dict[str, Any], states: Mapping[str, _State]) -> Verdict:
    violations: list[Violation] = []
    sources: dict[str, Source] = {}
    for section, state in states.items():
        prefix = f"{section}." if section else ""
        violations += [replace(item, field=f"{prefix}{item.field}") for item in state.violations]
        sources |= {f"{prefix}{path}": source for path, source in state.sources.items()}
    return Verdict(
        tree,
        tuple(sorted(violations, key=lambda item: (item.field, item.rule))),
        sources,
        tuple(asset for state in states.values() for asset in state.imposed),
        tuple(note for state in states.values() for note in state.notes),
    )


def _section(section: Section, tree: dict[str, Any]) -> _State:
    """Judge and complete one section, in place."""
    state = _State(tree)
    _say_custom(section, tree)
    for policy in section.fields:
        _field(policy, state)
    kinds = {items.table.path for items in section.items}
    imposed: dict[str, dict[str, ImposedAsset]] = {}
    for asset in section.imposed:
        path = f"storage.{asset.storage}"
        if path in kinds:
            imposed.setdefault(path, {})[asset.name] = asset
            state.imposed.append(asset)
        else:
            state.notes.append(
                f"{asset.source} imposes DataSource {asset.name}, whose type this workload cannot mount."
            )
    paths = {asset.mount_path: asset for asset in state.imposed}
    for items in section.items:
        fixed = imposed.get(items.table.path, {})
        given = get(tree, items.parts)
        if given is not None or items.instances or fixed:
            _items(items, given if isinstance(given, list) else [], fixed, paths, state)
    return state


def _say_custom(section: Section, tree: dict[str, Any]) -> None:
    """Set `custom` where ids are given without their source, if policies have a say in the source."""
    security = tree.get("security")
    if not isinstance(security, Mapping) or security.get("uidGidSource") is not None:
        return
    asked = any(field.table.path == SOURCE_OF_IDS for field in section.fields)
    if asked and any(security.get(name) is not None for name in IDS):
        put(tree, SOURCE_OF_IDS.split("."), "custom")


def _field(policy: Fields, state: _State) -> None:
    """Set the default of one field, and judge its value."""
    own = get(state.tree, policy.parts)
    default = without_absent(policy.default.value) if policy.default else None
    source, rule = policy.default.source if policy.default else None, policy.rule
    if default is None and rule is not None and rule.default_from is not None:
        base = rule.default_from
        default = scaled(policy.table, get(state.tree, base.parts), base.source, base.factor)
        source = rule.source
    if own is None and default is not None:
        put(state.tree, policy.parts, default)
        if source is not None:
            state.sources[policy.table.path] = source
    if rule is None:
        return
    path, value = policy.table.path, default if own is None else own
    if rule.required and is_empty(value):
        state.violations.append(Violation(path, "required", source=rule.source))
    if not rule.can_edit and own is not None and (default is None or not same(policy.table, own, default)):
        state.violations.append(
            Violation(path, "canEdit", shown(own), "" if default is None else shown(default), rule.source)
        )
    if value is not None:
        for word, allowed in rule.broken_by(value):
            state.violations.append(Violation(path, word, shown(value), allowed, rule.source))


def _items(
    policy: Items, given: list[Any], fixed: Mapping[str, ImposedAsset], paths: Mapping[str, ImposedAsset], state: _State
) -> None:
    """Merge and judge the items of one field; imposed volumes come last."""
    table = policy.table
    found = apply_items(policy, given, fixed)
    state.violations += found.violations
    for (key, path), source in found.sources.items():
        state.sources[f"{table.path}[{key}].{path}" if path else f"{table.path}[{key}]"] = source
    if paths and table.path.startswith("storage."):
        for key, leaves in found.items.items():
            mount_path = leaves.get(table.mount_path)
            asset = paths.get(clean_path(mount_path)) if isinstance(mount_path, str) else None
            if asset is not None:
                where = f"{table.path}.instances[{key}]"
                state.violations.append(Violation(where, "mountPath", shown(mount_path), asset.name, asset.source))
    volumes = found.to_list() + [without_absent(asset.volume) for asset in fixed.values()]
    for asset in fixed.values():
        state.sources[f"{table.path}[{asset.name}]"] = asset.source
    if volumes:
        put(state.tree, policy.parts, volumes)
    else:
        drop(state.tree, policy.parts)
