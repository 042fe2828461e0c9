"""One volume of a NimCache for several namespaces: a read-only PersistentVolume and a claim in each that uses it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from outfitter.canonical import covers, stamp
from outfitter.children import observe
from outfitter.naming import shared_claim, shared_volume
from outfitter.observe import State
from outfitter.plan.diff import check_ownership, diff
from outfitter.plan.writes import Create, Delete, Plan, Write, WritePhase, in_phase
from outfitter.problems import Problem, blocks, serious, stalled, waiting, without_notes
from outfitter.reasons import Reason
from outfitter.render import nimcache
from outfitter.resolve.scope import covers as reaches
from outfitter.resolve.scope import is_wide
from outfitter.snapshot import CachedObject, Reader, Resource

_FIELD = "spec.sharing"


def unshareable(reader: Reader, resource: Resource) -> Problem | None:
    """Return why a cache cannot be mounted in other namespaces."""
    settings = reader.settings
    if not is_wide(resource, settings.system_namespace):
        text = f"Only a NimCache of wider scope in namespace {settings.system_namespace} is shared. Remove the field."
        return stalled(Reason.INVALID_SPEC, text, _FIELD)
    if settings.watch_namespaces:
        text = (
            "PersistentVolumes are cluster-scoped, and this operator serves only the namespaces in "
            "watchNamespaces. Set the field to download."
        )
        return stalled(Reason.UNSUPPORTED, text, _FIELD)
    if not settings.shared_drivers:
        text = (
            "No storage driver is permitted for sharing. Ask an administrator to add one to staticPvDrivers, or "
            "set the field to download."
        )
        return stalled(Reason.UNSUPPORTED, text, _FIELD)
    return None


@dataclass
class _Shares:
    writes: list[Write] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    synced: int = 0


def share(reader: Reader, resource: Resource, made: Plan) -> Plan:
    """Return the plan of a cache, extended by the volumes for the namespaces of its users."""
    where = _namespaces(reader, resource)
    keep = {(shared_claim(resource.live.name), at) for at in where} | {
        (shared_volume(resource.live.uid, at), "") for at in where
    }
    keep.add((resource.live.name, resource.live.namespace))
    found = _Shares()
    for child in reader.children(resource.live):
        volume = child.kind in ("PersistentVolume", "PersistentVolumeClaim")
        if volume and not child.deleting and (child.name, child.namespace) not in keep:
            found.writes.append(Delete(child))
    draft = made.status
    if draft.facts.get("phase") == "Ready":
        source = _source(reader, resource, draft.facts["claimName"])
        if isinstance(source, Problem):
            found.problems.append(source)
        else:
            for namespace in where:
                _keep(reader, resource, source, namespace, found)
    facts = {**draft.facts, "targets": {"desired": len(where), "synced": found.synced}}
    failures = without_notes(found.problems)
    everywhere = any(not problem.namespace for problem in failures)
    broken = len(where) if everywhere else len({problem.namespace for problem in failures})
    draft = replace(
        draft,
        ready=draft.ready and not blocks(resource.live.namespace, failures),
        facts=facts,
        problems=(*draft.problems, *found.problems),
        targets=(0, 1) if everywhere else (draft.targets[0] + len(where) - broken, len(where) + 1),
    )
    writes = (*made.writes, *in_phase(WritePhase.CLEANUP, found.writes))
    return replace(made, status=draft, writes=writes, replan_after_write=made.replan_after_write or bool(found.writes))


def _namespaces(reader: Reader, resource: Resource) -> list[str]:
    """Return the namespaces with workloads that use the cache and are in its scope."""
    home = resource.live.namespace
    used = sorted({user.namespace for user in reader.users} - {home})
    spaces = [(name, reader.get("Namespace", "", name)) for name in used]
    return [name for name, live in spaces if live and not live.deleting and reaches(reader, resource, name)]


def _source(reader: Reader, resource: Resource, name: str) -> Mapping[str, Any] | Problem:
    """Return the PersistentVolume of the cache, or why it cannot be shared."""
    held = reader.get("PersistentVolumeClaim", resource.live.namespace, name)
    volume = (held.body["spec"].get("volumeName") or "") if held else ""
    live = reader.get("PersistentVolume", "", volume) if volume else None
    if live is None:
        return waiting(Reason.PENDING, f"PersistentVolumeClaim {resource.live.namespace}/{name} is not bound yet.")
    body = live.body
    driver = (body["spec"].get("csi") or {}).get("driver", "")
    if driver in reader.settings.shared_drivers:
        return body
    if driver:
        text = (
            f"PersistentVolume {volume} uses CSI driver {driver}, which is not in staticPvDrivers. Ask an "
            "administrator to add the driver if it can share volumes, or set the field to download."
        )
    else:
        text = (
            f"PersistentVolume {volume} does not use a CSI driver. Use a StorageClass with a driver in "
            "staticPvDrivers, or set the field to download."
        )
    return stalled(Reason.UNSUPPORTED, text, _FIELD)


def _keep(reader: Reader, resource: Resource, source: Mapping[str, Any], namespace: str, found: _Shares) -> None:
    """Plan claim and volume of one namespace. Both are immutable: an outdated one is deleted and created again."""
    held = reader.get("PersistentVolumeClaim", namespace, shared_claim(resource.live.name))
    size = (held.body["spec"]["resources"]["requests"] if held else source["spec"]["capacity"])["storage"]
    wanted, volume = nimcache.shared(resource, source, namespace, size)
    result = diff(reader, resource, [wanted])
    found.problems += [_elsewhere(problem, namespace) for problem in result.problems]
    if serious(result.problems):
        return
    live = reader.get_untracked("PersistentVolume", "", volume["metadata"]["name"])
    verdict = check_ownership(reader, live, resource) if live else None
    if verdict is not None:
        found.problems.append(_elsewhere(verdict, namespace))
    elif live is None:
        found.writes += [*result.writes, Create(stamp(volume))]
    elif _outdated(live, volume, held):
        lost = held is not None and (held.body.get("status") or {}).get("phase") in ("Bound", "Lost")
        found.writes += [Delete(live), *([Delete(held)] if held and lost else [])]
    else:
        found.writes += result.writes
        found.synced += held is not None and observe(held).state is State.READY


def _outdated(live: CachedObject, volume: Mapping[str, Any], held: CachedObject | None) -> bool:
    """Return whether a volume has other storage than the cache, or is reserved for a deleted claim."""
    spec = live.body["spec"]
    reserved = (spec.get("claimRef") or {}).get("uid")
    if reserved and (held is None or held.uid != reserved):
        return True
    return not covers(stamp(dict(volume))["spec"]["csi"], spec.get("csi"))


def _elsewhere(problem: Problem, namespace: str) -> Problem:
    reason = Reason.REPLICATION_ERROR if problem.reason == Reason.NAME_TAKEN else problem.reason
    return replace(problem, reason=reason, namespace=namespace)
