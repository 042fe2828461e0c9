"""One volume for several namespaces: a PersistentVolume of the same storage and a claim in each that uses it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from outfitter.api.quantities import parse_quantity
from outfitter.canonical import covers, stamp
from outfitter.children import observe
from outfitter.naming import LABEL_OWNER_UID, shared_volume
from outfitter.observe import State
from outfitter.plan.diff import check_ownership, diff
from outfitter.plan.writes import Create, Delete, Plan, Write, WritePhase, in_phase
from outfitter.problems import Problem, blocks, note, serious, stalled, waiting, without_notes
from outfitter.reasons import Reason
from outfitter.render.shared_volume import pair
from outfitter.snapshot import CachedObject, Reader, Resource


@dataclass(frozen=True)
class Sharing:
    """How a volume is shared. `claim`: name of the claim in other namespaces; `instead`: what to do where it cannot be.

    `reaches`: whether a namespace may use it. `field`: the field of the spec that asks for it.
    """

    claim: str
    field: str
    instead: str
    reaches: Callable[[str], bool]
    writable: bool = False
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Labels of the user for the claims."""


def unshareable(reader: Reader, sharing: Sharing) -> Problem | None:
    """Return why this installation shares no volumes."""
    settings = reader.settings
    if settings.watch_namespaces:
        text = (
            "PersistentVolumes are cluster-scoped, and this operator serves only the namespaces in "
            f"watchNamespaces. {_sentence(sharing.instead)}"
        )
        return stalled(Reason.UNSUPPORTED, text, sharing.field)
    if not settings.shared_drivers:
        text = (
            "No storage driver is permitted for sharing. Ask an administrator to add one to staticPvDrivers, or "
            f"{sharing.instead}"
        )
        return stalled(Reason.UNSUPPORTED, text, sharing.field)
    return None


def volume_of(reader: Reader, claim: CachedObject) -> CachedObject | Problem:
    """Return the PersistentVolume of a claim.

    Users choose `volumeName` of a claim. Only a volume that is bound to the claim is its volume, and of any other one
    nothing is reported.
    """
    where = f"PersistentVolumeClaim {claim.namespace}/{claim.name}"
    name = claim.body["spec"].get("volumeName") or ""
    phase = (claim.body.get("status") or {}).get("phase")
    if not name or phase != "Bound":
        late = " Start a workload in that namespace that mounts it." if reader.binds_late(claim) and not name else ""
        return waiting(Reason.PENDING, f"{where} is not bound yet.{late}")
    volume = reader.get("PersistentVolume", "", name)
    holder = (volume.body["spec"].get("claimRef") or {}) if volume else {}
    if volume is None or holder.get("uid") != claim.uid:
        return waiting(Reason.PENDING, f"{where} is bound, but its PersistentVolume {name} is not known yet.")
    return volume


def shareable(reader: Reader, volume: CachedObject, sharing: Sharing) -> Problem | None:
    """Return why a PersistentVolume cannot be mounted in other namespaces."""
    driver = (volume.body["spec"].get("csi") or {}).get("driver", "")
    if LABEL_OWNER_UID in (volume.body["metadata"].get("labels") or {}):
        text = (
            f"PersistentVolume {volume.name} is the volume of another namespace, and only its owner can share it. "
            "Use a claim with a volume of its own."
        )
        return stalled(Reason.UNSUPPORTED, text, sharing.field)
    if driver in reader.settings.shared_drivers:
        return None
    if driver:
        text = (
            f"PersistentVolume {volume.name} uses CSI driver {driver}, which is not in staticPvDrivers. Ask an "
            f"administrator to add the driver if it can share volumes, or {sharing.instead}"
        )
    else:
        text = (
            f"PersistentVolume {volume.name} does not use a CSI driver. Use a StorageClass with a driver in "
            f"staticPvDrivers, or {sharing.instead}"
        )
    return stalled(Reason.UNSUPPORTED, text, sharing.field)


def source_of(reader: Reader, claim: CachedObject, sharing: Sharing) -> CachedObject | Problem:
    """Return the PersistentVolume of a claim if it can be mounted in other namespaces, otherwise why not."""
    volume = volume_of(reader, claim)
    return volume if isinstance(volume, Problem) else shareable(reader, volume, sharing) or volume


def users_elsewhere(reader: Reader, resource: Resource, sharing: Sharing) -> list[str]:
    """Return the other namespaces with users of an object that may use it, by name."""
    used = sorted({user.namespace for user in reader.users} - {resource.live.namespace})
    spaces = [(name, reader.get("Namespace", "", name)) for name in used]
    return [name for name, live in spaces if live and not live.deleting and sharing.reaches(name)]


@dataclass
class _Shares:
    made: list[Write] = dataclasses.field(default_factory=list)
    left: list[Write] = dataclasses.field(default_factory=list)
    problems: list[Problem] = dataclasses.field(default_factory=list)
    synced: int = 0


def share(
    reader: Reader, resource: Resource, made: Plan, sharing: Sharing, source: CachedObject | Problem | None
) -> Plan:
    """Return the plan of an object, extended by the volumes for the namespaces of its users.

    `source`: the PersistentVolume that is shared. Without one, what is there stays.
    """
    where, home = users_elsewhere(reader, resource, sharing), resource.live.namespace
    found = _Shares()
    _leftovers(reader, resource, sharing, where, found)
    if isinstance(source, Problem):
        found.problems.append(source)
    elif source is not None:
        for namespace in where:
            _keep(reader, resource, source.body, namespace, sharing, found)
    draft = made.status
    facts = {**draft.facts, "targets": {"desired": len(where), "synced": found.synced}}
    failures = without_notes(found.problems)
    everywhere = any(not problem.namespace for problem in (*without_notes(draft.problems), *failures))
    broken = len(where) if everywhere else len({problem.namespace for problem in failures})
    draft = replace(
        draft,
        ready=draft.ready and not blocks(home, failures),
        facts=facts,
        problems=(*draft.problems, *found.problems),
        targets=(0, 1) if everywhere else (draft.targets[0] + len(where) - broken, len(where) + 1),
    )
    writes = (*made.writes, *in_phase(WritePhase.CLEANUP, (*found.left, *found.made)))
    return replace(made, status=draft, writes=writes, replan_after_write=made.replan_after_write or bool(found.made))


def _leftovers(reader: Reader, resource: Resource, sharing: Sharing, where: Iterable[str], found: _Shares) -> None:
    """Plan the deletion of the volumes of namespaces without users, and of those that may not use it any more.

    A claim that a pod mounts stays: it would be deleted only in name, and the pod could not restart.
    """
    names = {shared_volume(resource.live.uid, at) for at in where}
    kept = {(sharing.claim, at) for at in where}
    for child in reader.children(resource.live, anywhere=True):
        namespace = _namespace_of(child)
        of_ours = child.kind == "PersistentVolume" or (child.kind, child.name) == _claim_place(sharing)
        at_home = child.namespace == resource.live.namespace
        if not of_ours or at_home or child.deleting or child.name in names or (child.name, namespace) in kept:
            continue
        if namespace and reader.mounted(namespace, sharing.claim):
            if child.kind == "PersistentVolumeClaim":
                text = (
                    f"Pods still mount PersistentVolumeClaim {namespace}/{child.name}, which nothing in scope uses any "
                    "more. Outfitter deletes it when they are gone."
                )
                found.problems.append(note(Reason.VOLUME_IN_USE, text, namespace=namespace))
            continue
        found.left.append(Delete(child))


def _claim_place(sharing: Sharing) -> tuple[str, str]:
    return "PersistentVolumeClaim", sharing.claim


def _namespace_of(child: CachedObject) -> str:
    """Return the namespace that a claim or a volume of ours is for."""
    if child.kind != "PersistentVolume":
        return child.namespace
    return str((child.body["spec"].get("claimRef") or {}).get("namespace") or "")


def _keep(
    reader: Reader, resource: Resource, source: Mapping[str, Any], namespace: str, sharing: Sharing, found: _Shares
) -> None:
    """Plan claim and volume of one namespace. Both are immutable: an outdated one is deleted and created again."""
    held = reader.get("PersistentVolumeClaim", namespace, sharing.claim)
    size = (held.body["spec"]["resources"]["requests"] if held else source["spec"]["capacity"])["storage"]
    wanted, volume = pair(resource.live, source, sharing.claim, namespace, size, writable=sharing.writable)
    wanted["metadata"]["labels"] = {**sharing.labels, **wanted["metadata"]["labels"]}
    result = diff(reader, resource, [wanted])
    found.problems += [_elsewhere(problem, namespace) for problem in result.problems]
    if serious(result.problems):
        return
    live = reader.get_untracked("PersistentVolume", "", volume["metadata"]["name"])
    verdict = check_ownership(reader, live, resource) if live else None
    if verdict is not None:
        found.problems.append(_elsewhere(verdict, namespace))
    elif live is None:
        found.made += [*result.writes, Create(stamp(volume))]
    elif reserved_for_another(live, held) or _outdated(live, volume):
        if held is not None and not reserved_for_another(live, held) and reader.mounted(namespace, sharing.claim):
            text = (
                f"Pods in namespace {namespace} mount the former volume. Stop the workloads that use it: they mount "
                "the present one when they start again."
            )
            found.problems.append(note(Reason.VOLUME_IN_USE, text, namespace=namespace))
            return
        lost = held is not None and (held.body.get("status") or {}).get("phase") in ("Bound", "Lost")
        found.made += [Delete(live), *([Delete(held)] if held and lost else [])]
    else:
        found.made += result.writes
        found.synced += held is not None and observe(held).state is State.READY


def reserved_for_another(live: CachedObject, held: CachedObject | None) -> bool:
    """Return whether a volume is reserved for a claim that is gone."""
    reserved = (live.body["spec"].get("claimRef") or {}).get("uid")
    return bool(reserved) and (held is None or held.uid != reserved)


def _outdated(live: CachedObject, volume: Mapping[str, Any]) -> bool:
    """Return whether a volume has other storage, or another size, than the origin."""
    wanted, spec = stamp(dict(volume))["spec"], live.body["spec"]
    sizes = (item["capacity"]["storage"] for item in (wanted, spec))
    return not covers(wanted["csi"], spec.get("csi")) or len({parse_quantity(size) for size in sizes}) > 1


def _elsewhere(problem: Problem, namespace: str) -> Problem:
    reason = Reason.REPLICATION_ERROR if problem.reason == Reason.NAME_TAKEN else problem.reason
    return replace(problem, reason=reason, namespace=namespace)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
