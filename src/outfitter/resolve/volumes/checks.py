"""Checks of volumes: whether the mounted objects exist, how many nodes can mount them, what an inference may mount."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from outfitter.problems import Problem, stalled, waiting
from outfitter.reasons import Reason
from outfitter.resolve.references import Found, credential_key, key_problem
from outfitter.resolve.volumes.volume import VolumeUse
from outfitter.snapshot import Reader


def check_volumes(reader: Reader, namespace: str, volumes: list[VolumeUse], found: Found) -> None:
    """Look up what volumes mount."""
    for use in volumes:
        problem: Problem | None = None
        if use.member == "configMapVolume":
            problem = key_problem(reader, "ConfigMap", namespace, use.claim, "", use.field)
        elif use.member == "secretVolume" and getattr(use.leaf, "credential", None):
            answer = credential_key(reader, namespace, use.leaf.credential, "", f"{use.field}.credential")
            if isinstance(answer, Problem):
                problem = answer
            else:
                found.keep(*answer)
        elif use.member == "secretVolume":
            problem = key_problem(reader, "Secret", namespace, use.leaf.secret, "", use.field)
        elif use.member == "pvc" and (use.leaf.existing_pvc or (use.asset and not use.leaf.ephemeral)):
            claim = reader.get("PersistentVolumeClaim", namespace, use.claim)
            ours = (
                use.leaf.existing_pvc or use.asset is None or (claim is not None and claim.owner == use.asset.live.uid)
            )
            if claim is not None and not ours:
                text = (
                    f"{use.source} has no claim here: PersistentVolumeClaim {namespace}/{use.claim} is not Outfitter's"
                )
                problem = waiting(Reason.NOT_CREATED, text, use.field)
            elif claim is None:
                problem = waiting(
                    Reason.NOT_CREATED, f"PersistentVolumeClaim {namespace}/{use.claim} does not exist yet", use.field
                )
        if problem:
            found.problems.append(problem)


def with_nodes(reader: Reader, namespace: str, volumes: Iterable[VolumeUse]) -> list[VolumeUse]:
    """The volumes, told apart by whether two pods on different nodes can have them."""
    return [replace(use, single=_single_node(reader, namespace, use)) for use in volumes]


def _single_node(reader: Reader, namespace: str, use: VolumeUse) -> bool:
    if use.member != "pvc":
        return False
    live = reader.get("PersistentVolumeClaim", namespace, use.claim)
    if live is not None:
        modes = set((live.body.get("spec") or {}).get("accessModes") or ())
        return not modes & {"ReadWriteMany", "ReadOnlyMany"}
    chosen = use.leaf.claim_info.access_modes if use.leaf.claim_info else None
    return not (chosen and (chosen.read_write_many or chosen.read_only_many))


def not_for_inference(volumes: Iterable[VolumeUse]) -> Iterator[Problem]:
    """The volumes that an inference cannot mount."""
    for use in volumes:
        if use.member == "s3" or (use.member == "pvc" and use.leaf.ephemeral):
            what = "an s3 bucket" if use.member == "s3" else "an ephemeral claim"
            yield stalled(
                Reason.TYPE_NOT_SUPPORTED, f"an inference cannot mount {what}: use another data source", use.field
            )
