"""DataSources whose one volume several namespaces mount: a dataVolume, and a shared pvc with dataSharing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from outfitter.api.v1alpha1.datasource import DataPhase, DataSource
from outfitter.observe import State, diagnose_claim
from outfitter.plan.shared_volume import Sharing, share, source_of, unshareable
from outfitter.plan.workload.causes import claim_problem
from outfitter.plan.writes import Plan
from outfitter.problems import Problem, note, serious, stalled, waiting, without_notes
from outfitter.reasons import Reason
from outfitter.render.claims import access_modes
from outfitter.render.placement import user_labels
from outfitter.resolve.scope import is_wide, usable_in
from outfitter.resolve.volumes import DataVolume, PvcVolume, shared_claim
from outfitter.snapshot import CachedObject, Reader, Resource
from outfitter.status import StatusInput

_MANY = frozenset({"ReadWriteMany", "ReadOnlyMany"})
_ORIGIN = "spec.dataVolume.originPvcName"


def plan_data_volume(reader: Reader, asset: Resource, volume: DataVolume, facts: dict[str, Any]) -> Plan:
    """Plan a data volume: check its origin, and mount it in the namespaces of its users."""
    offered = is_offered(reader, asset)
    instead = "remove the field to use the volume in its own project only."
    sharing = _sharing(reader, asset, "spec.dataVolume.sharedScopes", instead)
    claim = reader.get("PersistentVolumeClaim", asset.live.namespace, volume.claim_name)
    problems = [] if volume.original else [DataVolume.unsupported("spec.dataVolume.useOriginalVolume")]
    problems += _origin_problems(reader, asset, volume.claim_name, claim)
    problems += _single_node(claim) if claim is not None and offered else ()
    seen = diagnose_claim(reader, claim) if claim is not None else None
    ready = seen is not None and seen.state is State.READY and not serious(problems)
    reason, message = (Reason.BOUND, "") if ready or seen is None else (seen.reason, seen.message)
    facts["claimName"] = volume.claim_name
    draft = StatusInput(ready, reason, message, tuple(problems), facts, (int(not serious(problems)), 1))
    return _shared(reader, asset, Plan(draft), sharing, claim, offered=offered)


def is_offered(reader: Reader, asset: Resource) -> bool:
    """Return whether a data volume is for other namespaces too."""
    assert isinstance(asset.model, DataSource)
    volume = asset.model.spec.data_volume
    return bool(volume and volume.shared_scopes) or is_wide(asset, reader.settings.system_namespace)


def plan_shared_claim(reader: Reader, asset: Resource, volume: PvcVolume, plan: Plan) -> Plan:
    """Return the plan of the one claim of a shared DataSource, extended by the volumes for its users."""
    sharing = _sharing_of_claim(reader, asset, volume)
    claim = reader.get("PersistentVolumeClaim", asset.live.namespace, volume.claim_name)
    problems = list(plan.status.problems)
    problems += _not_for_many(_modes(claim), sharing) if claim is not None else ()
    ready = plan.status.ready and not serious(problems)
    draft = replace(plan.status, ready=ready, problems=tuple(problems), targets=(int(ready), 1))
    return _shared(reader, asset, replace(plan, status=draft), sharing, claim, offered=True)


def barred(reader: Reader, asset: Resource, volume: PvcVolume) -> Plan | None:
    """Return the plan that creates no claim, if the one of a shared DataSource could not be shared."""
    sharing = _sharing_of_claim(reader, asset, volume)
    problems: list[Problem] = []
    if volume.ephemeral:
        text = "An ephemeral claim belongs to one workload and cannot be shared. Create a new DataSource without it."
        problems.append(stalled(Reason.INVALID_SPEC, text, "spec.pvc.ephemeral"))
    elif not volume.existing:
        problems += _not_for_many(set(access_modes(volume.info)), sharing)
    problem = unshareable(reader, sharing)
    problems += [problem] if problem else []
    facts = {"claimName": volume.claim_name, "phase": DataPhase.NOT_READY.value}
    return Plan(StatusInput(False, problems[0].reason, "", tuple(problems), facts, (0, 1))) if problems else None


def _sharing_of_claim(reader: Reader, asset: Resource, volume: PvcVolume) -> Sharing:
    instead = "create a new DataSource without dataSharing."
    return replace(_sharing(reader, asset, "spec.pvc.dataSharing", instead), writable=not volume.read_only)


def _sharing(reader: Reader, asset: Resource, field: str, instead: str) -> Sharing:
    assert isinstance(asset.model, DataSource)
    return Sharing(
        shared_claim(asset),
        field,
        instead,
        lambda namespace: usable_in(reader, asset, namespace),
        labels=user_labels(asset.model.spec.labels, reader.settings)[0],
    )


def _shared(
    reader: Reader, asset: Resource, plan: Plan, sharing: Sharing, claim: CachedObject | None, *, offered: bool
) -> Plan:
    """Return the plan with the volumes of other namespaces, and the facts about all of them.

    A volume that is not offered any more is still mounted by the pods that run.
    """
    refusal = unshareable(reader, sharing)
    if refusal is None:
        usable = offered and claim is not None and not serious(plan.status.problems)
        plan = share(reader, asset, plan, sharing, source_of(reader, claim, sharing) if usable and claim else None)
    elif offered:
        status = plan.status
        plan = replace(plan, status=replace(status, ready=False, problems=(*status.problems, refusal), targets=(0, 1)))
    status = plan.status
    facts = {
        "phase": _phase(asset, claim, status.problems, ready=status.ready),
        "volumeName": _volume_name(asset, claim),
        "sharedClaimName": sharing.claim if offered else None,
    }
    return replace(plan, status=replace(status, facts={**status.facts, **facts}))


def _phase(asset: Resource, claim: CachedObject | None, problems: Iterable[Problem], *, ready: bool) -> str:
    """Return the phase of a volume; what is wrong in another namespace does not change it."""
    found = [problem for problem in without_notes(problems) if problem.namespace in ("", asset.live.namespace)]
    if any(problem.reason is not Reason.PENDING for problem in found):
        return DataPhase.NOT_READY.value
    if claim is None or not _is_bound(claim):
        return DataPhase.CREATING.value
    return (DataPhase.READY if ready and not found else DataPhase.UNKNOWN).value


def _volume_name(asset: Resource, claim: CachedObject | None) -> str | None:
    """Return the PersistentVolume of the claim; of a claim that is gone, the one that it had."""
    if claim is None:
        return (asset.body.get("status") or {}).get("volumeName")
    return claim.body["spec"].get("volumeName") if _is_bound(claim) else None


def _is_bound(claim: CachedObject) -> bool:
    return bool((claim.body.get("status") or {}).get("phase") in ("Bound", "Lost"))


def _origin_problems(reader: Reader, asset: Resource, name: str, claim: CachedObject | None) -> Iterator[Problem]:
    """Yield why the claim with the data cannot be used."""
    where = f"PersistentVolumeClaim {asset.live.namespace}/{name}"
    volume = _volume_name(asset, claim)
    if claim is None and volume:
        text = (
            f"{where} is deleted. Its data was in PersistentVolume {volume}. Create the claim again for that volume, "
            "or delete this object. Pods that mount it keep running."
        )
        yield stalled(Reason.LOST_PHASE, text, _ORIGIN)
    elif claim is None:
        yield waiting(Reason.NOT_CREATED, f"{where} does not exist. Create it.", _ORIGIN)
    elif claim.deleting:
        text = f"{where} is being deleted. Its data is in PersistentVolume {volume}. Keep the volume, or copy the data."
        yield stalled(Reason.LOST_PHASE, text, _ORIGIN)
    elif lost := claim_problem(reader, claim, _ORIGIN):
        yield lost


def _single_node(claim: CachedObject) -> Iterator[Problem]:
    """Yield the note that a claim is shared which is for one node."""
    if _MANY & _modes(claim):
        return
    text = (
        f"PersistentVolumeClaim {claim.namespace}/{claim.name} has no access mode for several nodes. While a pod "
        "mounts it on one node, pods on other nodes may not start. Use one with ReadOnlyMany or ReadWriteMany."
    )
    yield note(Reason.SINGLE_NODE, text, _ORIGIN)


def _not_for_many(modes: set[str], sharing: Sharing) -> Iterator[Problem]:
    """Yield the problem of a claim that several namespaces cannot mount as they should."""
    needed = frozenset({"ReadWriteMany"}) if sharing.writable else _MANY
    if needed & modes:
        return
    mode = "readWriteMany" if sharing.writable else "readOnlyMany or readWriteMany"
    text = f"Several namespaces mount the claim, which is for one node. Create a new DataSource with {mode}."
    yield stalled(Reason.INVALID_SPEC, text, "spec.pvc.claimInfo.accessModes")


def _modes(claim: CachedObject) -> set[str]:
    return set((claim.body.get("spec") or {}).get("accessModes") or ())
