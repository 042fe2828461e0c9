"""The users of an asset, for its status: counts, a capped list, and when each type of workload last used it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from heapq import nsmallest
from typing import Any, Final

from outfitter.api.v1alpha1 import KINDS, kind_of
from outfitter.api.v1alpha1.asset import LISTED_USERS, UsedBy
from outfitter.api.v1alpha1.datasource import SOURCE_TYPES
from outfitter.api.v1alpha1.policyfields import SECTIONS
from outfitter.api.v1alpha1.workloadtemplate import WorkloadTemplateSpec
from outfitter.naming import LABEL_DEPARTMENT
from outfitter.resolve.scope import Reach, reach, scope_problem
from outfitter.snapshot import CachedObject, Key, Reader, Resource

# The fields of UsedBy are the plurals of the kinds that can use something, in camelCase.
_FIELDS: Final = {str(field.alias).lower(): str(field.alias) for field in UsedBy.model_fields.values()}
_LISTS: Final = {kind.name: _FIELDS[kind.plural] for kind in KINDS if kind.plural in _FIELDS}
_RUNS: Final = {kind.name: kind.runs.name for kind in KINDS if kind.runs is not None}


def used_by(reader: Reader, users: Iterable[Key], only: str = "") -> dict[str, Any]:
    """Return `status.usedBy` of an asset; the lists hold the first users by namespace and name.

    Of a user that does not depend on the asset, only the name: a change of its phase would not requeue the asset.
    `only`: of users in other namespaces than this one, only the name too.
    """
    chosen, dependents = set(users), set(reader.users)
    by_kind: dict[str, list[Key]] = {}
    for key in chosen:
        by_kind.setdefault(key.kind, []).append(key)
    result: dict[str, Any] = {"total": len(chosen)}
    for kind in sorted(by_kind.keys() & _LISTS.keys()):
        rows = result[_LISTS[kind]] = []
        for key in nsmallest(LISTED_USERS, by_kind[kind]):
            shown = key in dependents and only in ("", key.namespace)
            live = reader.get_untracked(*key) if shown else None
            facts = dict(_shown(kind, live.body)) if live else {}
            rows.append({"namespace": key.namespace, "name": key.name, **facts})
    return result


def uses(reader: Reader, asset: Resource) -> dict[str, Any]:
    """Return the status of an asset as a part of the catalogue: who can use it, who does, and who did."""
    system = reader.settings.system_namespace
    where = reach(asset, system) if scope_problem(asset, system) is None else Reach("")
    own = reader.labels(asset.live.namespace).get(LABEL_DEPARTMENT, "") if where.type == "project" else ""
    supported = supported_types(asset)
    # A project that shares a data volume sees who uses it, and not what the other projects do with it.
    only = asset.live.namespace if asset.live.namespace != system else ""
    return {
        "usedBy": used_by(reader, reader.users, only),
        "usage": _usage(reader, asset),
        "scope": where.type or None,
        "department": where.name or own or None,
        "supports": {workload_type: workload_type in supported for workload_type in SECTIONS},
    }


def supported_types(asset: Resource) -> tuple[str, ...]:
    """Return the types of workloads that may use an asset."""
    spec: Any = asset.model.spec
    if isinstance(spec, WorkloadTemplateSpec):
        return (spec.workload_type,)
    return spec.supported_types or tuple(SECTIONS)


def _usage(reader: Reader, asset: Resource) -> dict[str, Any] | None:
    """Return the newest uses of an asset, also by workloads that are gone; None without any.

    The time is that of the Ready condition of a workload that started once, so a restart of the operator changes none.
    """
    former = ((asset.body.get("status") or {}).get("usage") or {}).get("lastUsed") or ()
    last = {(item["namespace"], item["workloadType"]): str(item["time"]) for item in former}
    for key in reader.users:
        live = reader.get_untracked(*key) if key.kind in _RUNS else None
        if live is not None and live.ready_since:
            place = (key.namespace, _RUNS[key.kind])
            last[place] = max(live.ready_since, last.get(place, ""))
    newest = sorted(sorted(last.items()), key=lambda pair: pair[1], reverse=True)[:LISTED_USERS]
    rows = [{"namespace": place, "workloadType": name, "time": time} for (place, name), time in newest]
    return {"lastUsed": rows} if rows else None


def _shown(kind: str, body: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    spec, status = body.get("spec") or {}, body.get("status") or {}
    if creator := status.get("createdBy"):
        yield "createdBy", creator
    if kind in _RUNS and (phase := status.get("runPhase" if kind == "Artifact" else "phase")):
        yield "phase", phase
    if kind == "DataSource" and (source := next((name for name in SOURCE_TYPES if spec.get(name)), "")):
        yield "type", source
    if kind == "Environment" and (tools := sorted({item["toolType"] for item in spec.get("connections") or ()})):
        yield "toolTypes", tools


def shown_to_assets(live: CachedObject) -> tuple[Any, ...]:
    """Return what the status of an asset holds of one of its users: if it changes, the asset is due."""
    kind = kind_of(live.kind)
    if kind.name not in _LISTS:
        return ()
    return *_shown(kind.name, live.body), live.ready_since
