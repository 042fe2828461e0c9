"""Whether an asset alone complies with the policies of the projects that it reaches, and where policies impose it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import astuple, dataclass, replace
from functools import cache, lru_cache, reduce
from typing import Any, Final

import orjson

from outfitter.api.v1alpha1.policyfields import SECTIONS, PolicyField, policy_fields
from outfitter.policy.beside import BesideItem, connection_items, violations_beside, with_serving_port
from outfitter.policy.declared import item_key
from outfitter.policy.effective import EffectivePolicy
from outfitter.policy.in_force import InForce, in_force
from outfitter.policy.submission import apply_policy
from outfitter.policy.values import get, put
from outfitter.policy.violation import Violation
from outfitter.resolve.scope import Reach, projects_in_scope, reach
from outfitter.snapshot import Reader, Resource

Given = tuple[Mapping[str, Any], Sequence[BesideItem]]
"""What an asset gives to a submission, and its volumes that are no fields of it."""
UNSUPPORTED: Final = "unsupported"
"""The rule of a field that the type of workload does not have; no policy says it."""


@dataclass(frozen=True)
class Row:
    """One unit of the scope of an asset, and one type of workload."""

    where: Reach
    """A project, a department whose projects all agree, or the cluster if all of its projects agree."""
    workload_type: str
    replica_type: str
    """worker or master of a distributed workload, otherwise empty."""
    reasons: tuple[Violation, ...] = ()
    """What does not comply."""


@dataclass(frozen=True)
class Report:
    """What the policies of its projects say about an asset."""

    compliance: tuple[Row, ...]
    """Where it does not comply."""
    imposed: tuple[Row, ...]
    """Where policies mount it into every workload."""


def report(
    reader: Reader,
    asset: Resource,
    given: Given,
    types: Collection[str],
    of_master: Given | None = None,
) -> Report:
    """Return where an asset does not comply, and where it is imposed.

    `given`: what it gives to a submission, whose connections count too, and its volumes that are no fields.
    `of_master`: the same for the section `master`, where it differs. `types`: the types of workloads that may use it. A
    later change of a policy or a Namespace requeues after the window of usedBy.
    """
    contents = {"master": _content(*of_master)} if of_master is not None else {}
    content = _content(*given)
    compliance: list[Row] = []
    imposed: list[Row] = []
    with reader.deferred():
        projects = projects_in_scope(reader, asset)
        where = reach(asset, reader.settings.system_namespace)
        for workload_type, sections in SECTIONS.items():
            units = _units(reader, where, projects, workload_type)
            found = {project: in_force(reader, project, workload_type) for project in units}
            for section in sections:
                reasons: dict[str, tuple[Violation, ...]] = {}
                mounted: dict[str, tuple[Violation, ...] | bool] = {}
                for project, counts in found.items():
                    is_imposed = _is_imposed(counts, asset, section)
                    judged_here = workload_type in types and not is_imposed
                    wrong = _wrong(counts, contents.get(section, content), section) if judged_here else ()
                    reasons |= dict.fromkeys(units[project], wrong)
                    mounted |= dict.fromkeys(units[project], is_imposed)
                compliance += (
                    Row(unit, workload_type, section, reasons[project])
                    for unit, project in _agreed(where, projects, reasons)
                )
                imposed += (Row(unit, workload_type, section) for unit, _ in _agreed(where, projects, mounted))
    return Report(tuple(compliance), tuple(imposed))


def _content(fields: Mapping[str, Any], beside: Sequence[BesideItem]) -> bytes:
    items = (*beside, *connection_items(fields))
    return orjson.dumps([with_serving_port(dict(fields)), [astuple(item) for item in items]])


def _units(reader: Reader, where: Reach, projects: Mapping[str, str], workload_type: str) -> dict[str, list[str]]:
    """Return the projects that have the same policies, under the first of them."""
    if where.type == "project":
        return {project: [project] for project in projects}
    scopes = reader.policy_scopes(workload_type)
    system = reader.settings.system_namespace
    own = {namespace for namespace, _, _ in scopes}
    ruled = {name for namespace, scope, name in scopes if namespace == system and scope == "department"}
    first: dict[tuple[str, str], str] = {}
    units: dict[str, list[str]] = {}
    for project, department in projects.items():
        chain = (department if department in ruled else "", project if project in own else "")
        units.setdefault(first.setdefault(chain, project), []).append(project)
    return units


def _agreed(where: Reach, projects: Mapping[str, str], outcomes: Mapping[str, Any]) -> Iterator[tuple[Reach, str]]:
    """Yield the widest units whose projects all have the same outcome, if there is one, each with a project of it."""
    if not any(outcomes.values()):
        return
    if where.type != "project" and len(set(outcomes.values())) == 1:
        yield Reach("department", where.name) if where.type == "department" else Reach("cluster"), next(iter(outcomes))
        return
    departments: dict[str, list[str]] = {}
    for project, department in projects.items():
        departments.setdefault(department, []).append(project)
    for department, members in sorted(departments.items()):
        whole = where.type in ("cluster", "tenant") and department and len({outcomes[each] for each in members}) == 1
        if whole and outcomes[members[0]]:
            yield Reach("department", department), members[0]
        elif not whole:
            yield from ((Reach("project", project), project) for project in members if outcomes[project])


def _is_imposed(counts: InForce, asset: Resource, section: str) -> bool:
    imposed = {found.name for found in counts.policy.sections[section].imposed}
    return any(found.live.uid == asset.live.uid for name, found in counts.assets.items() if name in imposed)


def _wrong(counts: InForce, content: bytes, section: str) -> tuple[Violation, ...]:
    """Return the violations that are the fault of the asset: not those of an invalid policy, or of the defaults."""
    found = judged(counts.policy, content).get(section, ())
    if not found:
        return ()
    invalid = {error.source for error in counts.invalid}
    known = {(item.field, item.rule) for item in _of_defaults(counts.policy).get(section, ())}
    return tuple(item for item in found if item.source not in invalid and (item.field, item.rule) not in known)


@lru_cache(maxsize=4096)
def judged(policy: EffectivePolicy, content: bytes) -> Mapping[str, tuple[Violation, ...]]:
    """Return the violations of the fields of an asset by section: one evaluation for all projects with this policy.

    The fields are a part of a submission, so a field that is required and missing breaks no rule.
    """
    fields, beside = orjson.loads(content)
    return _violations(policy, fields, [BesideItem(*item) for item in beside])


@lru_cache(maxsize=1024)
def _of_defaults(policy: EffectivePolicy) -> Mapping[str, tuple[Violation, ...]]:
    """Return what the defaults of a policy break by themselves."""
    return _violations(policy, {}, ())


def _violations(
    policy: EffectivePolicy, fields: Mapping[str, Any], beside: Sequence[BesideItem]
) -> dict[str, tuple[Violation, ...]]:
    submission = fields if "" in policy.sections else {"spec": fields, "masterSpec": fields}
    found = [item for item in apply_policy(policy, submission).violations if item.rule != "required"]
    result = {}
    for section in policy.sections:
        prefix = f"{section}." if section else ""
        own = [replace(item, field=item.field.removeprefix(prefix)) for item in found if item.field.startswith(prefix)]
        own += violations_beside(policy.sections[section], beside, fields)
        written = reduce(_with_item, beside, fields)
        result[section] = (*own, *_lacking(policy.workload_type, section, written))
    return result


def _lacking(workload_type: str, section: str, fields: Mapping[str, Any]) -> Iterator[Violation]:
    """Yield the fields that workloads of this type do not have, unless they are false or empty."""
    known = policy_fields(workload_type, section)
    for path, table in _every_field().items():
        value = get(fields, path.split("."))
        if not value:
            continue
        if path not in known:
            yield Violation(path, UNSUPPORTED, "", workload_type)
        elif table.type == "itemized" and isinstance(value, list):
            missing = [name for name in table.content if name not in known[path].content]
            for item in value:
                for name in (name for name in missing if get(item, name.split("."))):
                    where = f"{path}.attributes.{name}[{item_key(table, item)}]"
                    yield Violation(where, UNSUPPORTED, "", workload_type)


def _with_item(fields: Mapping[str, Any], item: BesideItem) -> dict[str, Any]:
    result = deepcopy(dict(fields))
    steps = item.path.split(".")
    put(result, steps, [*(get(result, steps) or ()), dict(item.fields)])
    return result


@cache
def _every_field() -> Mapping[str, PolicyField]:
    """Return every field that workloads of any type have; of an item that differs, with all of its fields."""
    found: dict[str, PolicyField] = {}
    for workload_type, sections in SECTIONS.items():
        for section in sections:
            for path, table in policy_fields(workload_type, section).items():
                before = found.get(path)
                found[path] = replace(table, content={**before.content, **table.content}) if before else table
    return found
