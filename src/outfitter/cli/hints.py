"""What files lack to be rendered as in a cluster, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from outfitter.api.v1alpha1.datasource import DataPhase
from outfitter.naming import LABEL_PROJECT
from outfitter.reasons import Reason
from outfitter.simulator.simulation import Simulation
from outfitter.snapshot import CachedObject

_NOT_THERE: Final = (Reason.REFERENCE_NOT_FOUND, Reason.NOT_CREATED)


def hints(simulation: Simulation) -> list[str]:
    """Return a sentence for each thing to add to the files or to the command line."""
    return [*_identity(simulation), *_namespaces(simulation), *_volumes(simulation)]


def _identity(simulation: Simulation) -> Iterator[str]:
    if any(_has(live, Reason.NEEDS_IDENTITY) for live in simulation.resources()):
        yield "To render an object as that of a user, add --as USER."


def _namespaces(simulation: Simulation) -> Iterator[str]:
    """Yield the Namespaces that use nothing of others, if something may be for them."""
    system = simulation.settings.system_namespace
    names = {live.namespace for live in simulation.resources() if _has(live, *_NOT_THERE)} - {system}
    offers = any(_is_shared(live) for live in simulation.resources())
    for name in sorted(names) if offers else ():
        labels = (simulation.cluster.find("Namespace", "", name) or {})["metadata"].get("labels") or {}
        if LABEL_PROJECT not in labels:
            yield (
                f"Namespace {name} has no label {LABEL_PROJECT} in the files, so it uses nothing that other namespaces "
                f"share. To add it: kubectl get namespace {name} -o yaml"
            )


def _volumes(simulation: Simulation) -> Iterator[str]:
    """Yield what the volumes of several namespaces need."""
    late = [live for live in simulation.resources() if _is_shared(live) and _phase(live) != DataPhase.READY.value]
    if late and not simulation.settings.shared_drivers:
        yield "Volumes of several namespaces need OUTFITTER_STATIC_PV_DRIVERS: the operator's setting staticPvDrivers."
    elif names := [f"{live.namespace}/{live.name}" for live in late if _has(live, Reason.PENDING, Reason.NOT_CREATED)]:
        yield (
            f"The volume of DataSource {', '.join(names)} is not known. Add its PersistentVolumeClaim to the files, "
            "and the PersistentVolume of the claim, or its StorageClass. To add those of a cluster: "
            "kubectl get pvc,pv,sc -A -o yaml"
        )


def _is_shared(live: CachedObject) -> bool:
    """Return whether other namespaces can mount the volume of a DataSource."""
    spec: Mapping[str, Any] = live.body.get("spec") or {}
    volume, claim = spec.get("dataVolume") or {}, spec.get("pvc") or {}
    wide = (spec.get("scope") or {}).get("type", "project") != "project"
    return live.kind == "DataSource" and bool(
        volume.get("sharedScopes") or (wide and (volume or claim.get("dataSharing")))
    )


def _phase(live: CachedObject) -> str:
    return str((live.body.get("status") or {}).get("phase", ""))


def _has(live: CachedObject, *reasons: Reason) -> bool:
    return any(item.get("issue") in reasons for item in (live.body.get("status") or {}).get("issues") or ())
