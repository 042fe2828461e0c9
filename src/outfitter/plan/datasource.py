"""The plan of a DataSource: it creates claims and copies, and checks existing objects."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from outfitter.api.v1alpha1.datasource import DataSource
from outfitter.api.v1alpha1.volumes import ClaimInfo
from outfitter.naming import data_source_config_map, owner_labels
from outfitter.observe import State, diagnose_claim
from outfitter.plan.compliance import compliance
from outfitter.plan.data_volume import barred, is_offered, plan_data_volume, plan_shared_claim
from outfitter.plan.diff import Diff, diff, prune
from outfitter.plan.replication import keep_copies, labelled
from outfitter.plan.used_by import uses
from outfitter.plan.workload.causes import claim_problem
from outfitter.plan.writes import Plan, WritePhase, in_phase
from outfitter.policy.beside import data_source_item
from outfitter.problems import Problem, blocks, note, stalled, waiting, without_notes
from outfitter.reasons import Level, Reason
from outfitter.render.claims import persistent_volume_claim, reserved_attributes
from outfitter.render.owner import owner_reference
from outfitter.render.placement import user_labels
from outfitter.resolve.references import label
from outfitter.resolve.scope import is_wide, scope_problem, targets
from outfitter.resolve.volumes import (
    ConfigMapVolume,
    DataVolume,
    PvcVolume,
    SecretVolume,
    Volume,
    VolumeUse,
    source_volume,
)
from outfitter.settings import Settings
from outfitter.snapshot import Reader, Resource
from outfitter.status import StatusInput


def plan_data_source(reader: Reader, asset: Resource) -> Plan:
    """Plan a DataSource: create claims or copies, otherwise check what its volume mounts."""
    source_type, volume = source_volume(asset, VolumeUse(label(asset), asset.live.name, "spec", asset=asset))
    item = data_source_item(asset)
    facts: dict[str, Any] = {"type": source_type or None, **uses(reader, asset)}
    facts |= compliance(reader, asset, {}, beside=(item,) if item else ())
    problem = scope_problem(asset, reader.settings.system_namespace)
    problems = [problem] if problem else []
    if volume is None:
        problems.append(
            stalled(
                Reason.INVALID_SPEC,
                "The DataSource has no source. Set one of nfs, hostPath, git, s3, image, pvc, configMapVolume, "
                "secretVolume and dataVolume.",
                "spec",
            )
        )
    if volume is None or problems:
        return Plan(StatusInput(False, problems[0].reason, "", tuple(problems), facts, (0, 1)))
    where, wide = targets(reader, asset), is_wide(asset, reader.settings.system_namespace)
    plan = _with_volume(reader, asset, volume, where, facts, wide=wide)
    creates = (isinstance(volume, PvcVolume) and not volume.ephemeral) or (isinstance(volume, ConfigMapVolume) and wide)
    creates = creates or (isinstance(volume, DataVolume) and is_offered(reader, asset))
    if creates or not asset.body["spec"].get("labels"):
        return plan
    text = "Outfitter creates no object for this DataSource itself. The field has no effect."
    problem = note(Reason.NOT_ENFORCED, text, "spec.labels")
    return replace(plan, status=replace(plan.status, problems=(*plan.status.problems, problem)))


def _with_volume(
    reader: Reader, asset: Resource, volume: Volume, where: list[str], facts: dict[str, Any], *, wide: bool
) -> Plan:
    match volume:
        case PvcVolume():
            return _noted(_pvc(reader, asset, volume, where, facts), volume, wide=wide)
        case DataVolume():
            return plan_data_volume(reader, asset, volume, facts)
        case ConfigMapVolume() if wide:
            return _config_map(reader, asset, volume.config_map, where, facts)
        case _:
            return _described(reader, asset, volume, where, facts)


def _noted(plan: Plan, volume: PvcVolume, *, wide: bool) -> Plan:
    """Add the note that one namespace has one volume anyway."""
    if wide or not volume.data_sharing:
        return plan
    text = (
        "Only the namespace of this DataSource uses its volume, so there is nothing to share. The field has no effect."
    )
    problem = note(Reason.NOT_ENFORCED, text, "spec.pvc.dataSharing")
    return replace(plan, status=replace(plan.status, problems=(*plan.status.problems, problem)))


def _described(reader: Reader, asset: Resource, volume: Volume, where: list[str], facts: dict[str, Any]) -> Plan:
    """Check a volume for which the DataSource creates no object."""
    found = (volume.source_problem(reader, namespace) for namespace in where)
    problems = [problem for problem in found if problem is not None]
    fine = len(where) - len(problems)
    if isinstance(volume, ConfigMapVolume | SecretVolume):
        facts["targets"] = {"desired": len(where), "synced": fine}
    ready, counts = not blocks(asset.live.namespace, problems), (fine, max(len(where), 1))
    return Plan(StatusInput(ready, Reason.VALID, "", tuple(dict.fromkeys(problems)), facts, counts))


def _config_map(reader: Reader, asset: Resource, name: str, where: list[str], facts: dict[str, Any]) -> Plan:
    """Copy a shared ConfigMap into every namespace in scope."""
    namespace, copy_name = asset.live.namespace, data_source_config_map(asset.live.name)
    source = reader.keyed_data("ConfigMap", namespace, name, data=True)
    if source is None:
        problem = waiting(
            Reason.NOT_CREATED,
            f"ConfigMap {namespace}/{name} does not exist. Create it.",
            "spec.configMapVolume.configMap",
        )
        facts["targets"] = {"desired": len(where), "synced": 0}
        kept = [{"kind": "ConfigMap", "metadata": {"namespace": at, "name": copy_name}} for at in where]
        left = prune(reader, asset, ("ConfigMap",), kept)
        draft = StatusInput(False, problem.reason, "", (problem,), facts, (0, max(len(where), 1)))
        return Plan(draft, in_phase(WritePhase.EARLY, left))
    copies = [
        labelled(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": copy_name, "namespace": target},
                **({"data": dict(source.data)} if source.data else {}),
                **({"binaryData": dict(source.binary)} if source.binary else {}),
            },
            asset,
            reader.settings,
        )
        for target in where
    ]
    writes, problems = keep_copies(reader, asset, copies)
    gone = prune(reader, asset, ("ConfigMap",), copies)
    fine = len(where) - len(without_notes(problems))
    facts["targets"] = {"desired": len(where), "synced": fine}
    ready, counts = not blocks(namespace, problems), (fine, max(len(where), 1))
    draft = StatusInput(ready, Reason.SYNCED, "", tuple(problems), facts, counts)
    return Plan(draft, (*in_phase(WritePhase.EARLY, gone), *writes))


def _pvc(reader: Reader, asset: Resource, volume: PvcVolume, where: list[str], facts: dict[str, Any]) -> Plan:
    facts["claimName"] = volume.claim_name
    if volume.data_sharing and is_wide(asset, reader.settings.system_namespace):
        if (refused := barred(reader, asset, volume)) is not None:
            return replace(refused, status=replace(refused.status, facts={**facts, **refused.status.facts}))
        one = _claims(reader, asset, volume, [asset.live.namespace], facts)
        return plan_shared_claim(reader, asset, volume, one)
    return _claims(reader, asset, volume, where, facts)


def _claims(reader: Reader, asset: Resource, volume: PvcVolume, where: list[str], facts: dict[str, Any]) -> Plan:
    """Create a claim in each namespace, or check those that exist."""
    name = volume.claim_name
    if volume.ephemeral and not volume.existing:
        del facts["claimName"]
        return Plan(StatusInput(True, Reason.VALID, "Each workload creates its own claim.", (), facts, (1, 1)))
    if volume.existing:
        missing = [found for namespace in where if (found := _existing(reader, namespace, name))]
        missing += [
            replace(found, namespace=namespace)
            for namespace in where
            for found in volume.contradictions(reader, namespace, "spec.pvc")
        ]
        return _report(reader, asset, facts, Diff(problems=missing), where)
    wanted = [_claim(asset, volume, namespace, reader.settings) for namespace in where]
    result = diff(reader, asset, wanted)
    result.problems += reserved_attributes(volume.info or ClaimInfo(), "spec.pvc.claimInfo")
    result.problems += [
        note(
            Reason.CLAIM_LEFT,
            f"PersistentVolumeClaim {live.namespace}/{live.name} is outside the scope of the DataSource. Delete "
            "the claim if you do not need its data.",
        )
        for live in (write.live for write in prune(reader, asset, ("PersistentVolumeClaim",), wanted))
        if live.name == name  # not the claims of a shared volume
    ]
    return _report(reader, asset, facts, result, where)


def _claim(asset: Resource, volume: PvcVolume, namespace: str, settings: Settings) -> dict[str, Any]:
    assert isinstance(asset.model, DataSource)
    live, retain = asset.live, asset.model.spec.reclaim_policy != "Delete"
    labels = {
        **user_labels(asset.model.spec.labels, settings)[0],
        **owner_labels(live.kind, live.name, live.uid),
    }
    claim = persistent_volume_claim(volume.info or ClaimInfo(), volume.claim_name, namespace, labels, retain=retain)
    if not retain and namespace == live.namespace:
        claim["metadata"]["ownerReferences"] = [owner_reference(asset)]
    return claim


def _existing(reader: Reader, namespace: str, name: str) -> Problem | None:
    live = reader.get("PersistentVolumeClaim", namespace, name)
    if live is None:
        text = f"PersistentVolumeClaim {namespace}/{name} does not exist. Create it, or remove existingPvc."
        return waiting(Reason.NOT_CREATED, text, "spec.pvc.claimName", namespace)
    return claim_problem(reader, live, namespace=namespace)


def _report(reader: Reader, asset: Resource, facts: dict[str, Any], result: Diff, where: list[str]) -> Plan:
    problems, home = list(result.problems), asset.live.namespace
    ready, message = True, ""
    for namespace in where:
        live = reader.get("PersistentVolumeClaim", namespace, facts["claimName"])
        seen = diagnose_claim(reader, live) if live else None
        if namespace == home and (seen is None or seen.state is not State.READY):
            ready, message = False, seen.message if seen else "No volume is bound yet."
        if seen is None:
            continue
        if seen.state is State.FAILED and not any(problem.namespace == namespace for problem in problems):
            problems.append(Problem(seen.reason, seen.message, seen.reason.level, namespace=namespace))
    broken = {problem.namespace or where[0] for problem in problems if problem.level > Level.NOTE} if where else set()
    fine = len(where) - len(broken)
    facts["targets"] = {"desired": len(where), "synced": fine}
    ready = ready and not blocks(home, problems)
    reason = Reason.BOUND if ready else Reason.PENDING
    return Plan(
        StatusInput(ready, reason, message, tuple(problems), facts, (fine, max(len(where), 1))), tuple(result.writes)
    )
