"""One volume for several namespaces: a PersistentVolume of the same storage and a claim in each that uses it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from outfitter.api.quantities import parse_quantity
from outfitter.canonical import covers, stamp
from outfitter.children import observe
from outfitter.naming import LABEL_OWNER_UID, shared_volume
from outfitter.observe import State
from outfitter.plan.diff import check_ownership, diff, place
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


def _leftovers(reader: Reader, resource: Resource, sharing: Sharing, where: Sequence[str], found: _Shares) -> None:
    """Plan the deletion of the volumes of namespaces without users, and of those that may not use it any more.

    A volume goes after its claim. The API server keeps a deleted claim while pods mount it, and no other pod can mount
    it. In a namespace in scope it is deleted only when no pod mounts it, because such a pod could not restart.
    """
    gone: dict[str, CachedObject] = {}
    for child in reader.children(resource.live, anywhere=True):
        namespace = _namespace_of(child)
        if namespace == resource.live.namespace or namespace in where or not _is_shared(child, resource, sharing):
            continue
        claim = child if child.kind == "PersistentVolumeClaim" else _claim_of(reader, child)
        ours = claim is not child or _volume_binds(reader, resource, child)
        mounted = ours and bool(namespace) and reader.mounted(namespace, sharing.claim)
        if mounted and claim is child:
            text = (
                f"Pods still mount PersistentVolumeClaim {namespace}/{child.name}, which nothing in scope uses any "
                "more. It is deleted when they are gone. Suspend the workloads that use it."
            )
            found.problems.append(note(Reason.VOLUME_IN_USE, text, namespace=namespace))
        first = claim or child
        if not first.deleting and not (mounted and sharing.reaches(namespace)):
            gone[first.uid] = first
    found.left += map(Delete, gone.values())


def _is_shared(child: CachedObject, resource: Resource, sharing: Sharing) -> bool:
    """Return whether a child is a claim or a volume for another namespace."""
    if child.kind == "PersistentVolume":
        return child.name == shared_volume(resource.live.uid, _namespace_of(child))
    return child.kind == "PersistentVolumeClaim" and child.name == sharing.claim


def _claim_of(reader: Reader, volume: CachedObject) -> CachedObject | None:
    """Return the claim that a volume is bound to, whatever its labels are: users can remove them."""
    reserved = volume.body["spec"].get("claimRef") or {}
    held = reader.get("PersistentVolumeClaim", reserved.get("namespace", ""), reserved.get("name", ""))
    return held if binds(volume, held) else None


def _volume_binds(reader: Reader, resource: Resource, claim: CachedObject) -> bool:
    """Return whether a claim has a volume of ours. Its labels do not prove that: users can write them."""
    volume = reader.get_untracked("PersistentVolume", "", shared_volume(resource.live.uid, claim.namespace))
    return volume is not None and volume.owner == resource.live.uid and binds(volume, claim)


def _namespace_of(child: CachedObject) -> str:
    """Return the namespace that a claim or a volume of ours is for."""
    if child.kind != "PersistentVolume":
        return child.namespace
    return str((child.body["spec"].get("claimRef") or {}).get("namespace") or "")


def _keep(
    reader: Reader, resource: Resource, source: Mapping[str, Any], namespace: str, sharing: Sharing, found: _Shares
) -> None:
    """Plan claim and volume of one namespace. Both are immutable: an outdated one is deleted and created again.

    The claim goes first: a deleted volume that is bound exists until its claim is gone, and would block both.
    """
    held = reader.get("PersistentVolumeClaim", namespace, sharing.claim)
    size = (held.body["spec"]["resources"]["requests"] if held else source["spec"]["capacity"])["storage"]
    wanted, volume = pair(resource.live, source, sharing.claim, namespace, size, writable=sharing.writable)
    wanted["metadata"]["labels"] = {**sharing.labels, **wanted["metadata"]["labels"]}
    result = diff(reader, resource, [wanted])
    found.problems += [_elsewhere(problem, namespace) for problem in result.problems]
    live = reader.get_untracked("PersistentVolume", "", volume["metadata"]["name"])
    if serious(result.problems):
        if held is not None and held.deleting and _volume_binds(reader, resource, held):
            _in_use(reader, held, f"{place(held.kind, namespace, held.name)}, which is being deleted", found)
        return
    verdict = check_ownership(reader, live, resource) if live else None
    if (
        live is not None
        and held is not None
        and live.deleting
        and live.owner == resource.live.uid
        and binds(live, held)
    ):
        if not _in_use(reader, held, f"PersistentVolume {live.name}, which is being deleted", found):
            found.made.append(Delete(held))
    elif verdict is not None:
        found.problems.append(_elsewhere(verdict, namespace))
    elif live is None:
        found.made += [*result.writes, Create(stamp(volume))]
    elif reserved_for_another(live, held) or _outdated(live, volume):
        if not binds(live, held):
            found.made += [Delete(live), *([Delete(held)] if held and _was_bound(held) else [])]
        elif held is not None and not _in_use(reader, held, "the former volume", found):
            found.made.append(Delete(held))
    else:
        found.made += result.writes
        found.synced += held is not None and observe(held).state is State.READY


def _in_use(reader: Reader, held: CachedObject, volume: str, found: _Shares) -> bool:
    """Return whether pods mount a claim that should be replaced, and note it. `volume`: what they mount, in words."""
    if not reader.mounted(held.namespace, held.name):
        return False
    text = (
        f"Pods in namespace {held.namespace} mount {volume}. Stop the workloads that use it: they mount the present "
        "one when they start again."
    )
    found.problems.append(note(Reason.VOLUME_IN_USE, text, namespace=held.namespace))
    return True


def _was_bound(held: CachedObject) -> bool:
    return (held.body.get("status") or {}).get("phase") in ("Bound", "Lost")


def binds(volume: CachedObject, held: CachedObject | None) -> bool:
    """Return whether a volume is bound to a claim, or was until one of them was deleted."""
    return held is not None and (volume.body["spec"].get("claimRef") or {}).get("uid") == held.uid


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
