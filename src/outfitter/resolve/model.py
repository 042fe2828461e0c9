"""The volume with the model of a nim artifact: its own claim, an existing one, or a NimCache."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from outfitter.api.v1alpha1.volumes import ClaimInfo
from outfitter.naming import model_claim, shared_claim
from outfitter.problems import Problem, stalled, under_way, waiting
from outfitter.reasons import Reason
from outfitter.resolve.artifact import ResolvedArtifact
from outfitter.resolve.causes import first_cause, serious_issue
from outfitter.resolve.model_cache import CacheRequest, cache_request, outgrown, serving_cache, shared_cache
from outfitter.resolve.model_choice import model_choice
from outfitter.resolve.nim import CACHE_PATH, CACHE_VARIABLE, given_cache_path
from outfitter.resolve.references import Found, label, other_object
from outfitter.resolve.request import WorkloadRequest
from outfitter.resolve.volumes import PvcVolume, Volume, VolumeUse
from outfitter.snapshot import CachedObject, Reader, Resource


@dataclass(frozen=True)
class ModelVolume:
    """The volume with the model, and its facts for the status. `filled`: the download is complete."""

    path: str
    use: PvcVolume | None
    filled: bool
    facts: Mapping[str, Any] = field(default_factory=dict)
    missing: CacheRequest | None = None
    outgrown: CachedObject | None = None


def model_volume(
    reader: Reader,
    request: WorkloadRequest,
    found: ResolvedArtifact,
    volumes: Iterable[Volume],
    submission: Mapping[str, Any],
    notes: Found,
) -> ModelVolume:
    """Return the volume in which the primary containers find their model. `submission`: see cache_request."""
    who, path = label(found.resource), _path(found, notes)
    mounted = next((volume for volume in volumes if volume.use.mount_path.rstrip("/") == path), None)
    if mounted is not None:
        claim = mounted.claim_name if isinstance(mounted, PvcVolume) else None
        return ModelVolume(path, None, True, {"claimName": claim})
    if found.storage.mode == "nimCache":
        return _cache(reader, request, found, path, submission, notes)
    name = found.storage.claim_name
    if name is not None:
        if reader.get("PersistentVolumeClaim", request.namespace, name) is None:
            text = f"PersistentVolumeClaim {request.namespace}/{name} does not exist. Create it."
            notes.problems.append(waiting(Reason.NOT_CREATED, text, "spec.storage.claimName"))
        use = PvcVolume(_use(who, "spec.storage.claimName", path), name, existing=True)
        return ModelVolume(path, use, True, {"claimName": name})
    size = found.storage.pvc_size or reader.settings.nim_volume_size
    claim = model_claim(request.name)
    use = PvcVolume(_use(who, "spec.storage", path), claim, ClaimInfo(size=size), owned=True)
    return ModelVolume(path, use, False, {"claimName": claim})


def _path(found: ResolvedArtifact, notes: Found) -> str:
    """Return where the model is mounted: where the primary containers look for it."""
    paths: dict[str, str] = {}
    for group in found.groups:
        container = group.containers[group.primary]
        field_name = f"spec.containerGroups[{group.name}].containers[{group.container_names[group.primary]}]"
        path = given_cache_path(container.environment_vars, f"{field_name}.environmentVars")
        if isinstance(path, Problem):
            notes.problems.append(path)
        elif path is not None:
            paths.setdefault(path, f"{field_name}.environmentVars[{CACHE_VARIABLE}]")
    if len(paths) > 1:
        text = f"All container groups share one volume of the model. Set the same {CACHE_VARIABLE} in each of them."
        notes.problems.append(stalled(Reason.CONFLICT, text, list(paths.values())[-1]))
    return next(iter(paths), CACHE_PATH)


def _use(origin: str, field_name: str, path: str) -> VolumeUse:
    return VolumeUse(origin, "model", field_name, mount_path=path)


def _cache(
    reader: Reader,
    request: WorkloadRequest,
    found: ResolvedArtifact,
    path: str,
    submission: Mapping[str, Any],
    notes: Found,
) -> ModelVolume:
    field_name = "spec.storage.mode"
    container = next((group.containers[group.primary] for group in found.groups), None)
    if container is None:
        return ModelVolume(path, None, True)
    wanted = model_choice(container.image_uri or "", container.environment_vars)
    cache = serving_cache(reader, request.namespace, wanted)
    shared = shared_cache(reader, request.namespace, wanted) if cache is None else None
    if shared is not None and getattr(shared.model.spec, "sharing", None) == "staticPV":
        return _mounted_elsewhere(reader, request, shared, path, notes)
    status = (cache.body.get("status") or {}) if cache else {}
    phase, claim = status.get("phase", "Pending"), status.get("claimName", "")
    if cache is not None and phase == "Ready":
        notes.keep(cache)
        use = PvcVolume(_use(label(cache), field_name, path), claim, existing=True)
        return ModelVolume(path, use, True, _facts(cache.live.name, claim, phase))
    asked = cache_request(reader, request, container, wanted, submission, notes)
    old = cache.live if cache is not None and outgrown(reader, cache, asked) else None
    if cache is None or not status or old is not None:
        # Missing, not reconciled yet, or created again: its users wait in all cases.
        name = cache.live.name if cache else asked.name
        notes.problems.append(
            under_way(Reason.CACHE_NOT_READY, f"NimCache {request.namespace}/{name} is being created.", field_name)
        )
        missing = None if cache else asked
        return ModelVolume(path, None, True, _facts(name, "", "Pending"), missing, old)
    why = first_cause(cache, request.namespace, "The model is not downloaded yet.")
    trouble = any(serious_issue(issue) for issue in status.get("issues") or ()) or status.get("failure")
    smooth = phase in ("Pending", "Downloading") and not trouble
    say = under_way if smooth else waiting
    notes.problems.append(say(Reason.CACHE_NOT_READY, f"{cache.key} is not ready. {why}", field_name))
    return ModelVolume(path, None, True, _facts(cache.live.name, claim, phase))


def _facts(name: str, claim: str, phase: str) -> dict[str, Any]:
    named = {"name": name, "claimName": claim, "phase": phase}
    return {"nimCache": {key: value for key, value in named.items() if value}}


def _mounted_elsewhere(
    reader: Reader, request: WorkloadRequest, cache: Resource, path: str, notes: Found
) -> ModelVolume:
    """Return the volume of a shared cache: a read-only claim that the cache creates in the namespace of its user."""
    field_name, claim = "spec.storage.mode", shared_claim(cache.live.name)
    status = cache.body.get("status") or {}
    phase = status.get("phase", "Pending")
    named = {"name": cache.live.name, "namespace": cache.live.namespace, "claimName": claim, "phase": phase}
    live = reader.get("PersistentVolumeClaim", request.namespace, claim)
    bound = live is not None and live.owner == cache.live.uid and not live.deleting and _bound(live)
    if not bound:
        why = first_cause(cache, request.namespace, "Outfitter is creating the volume.")
        if live is not None and live.owner != cache.live.uid:
            why = other_object(live, cache)
        text = f"{cache.key} is not available in namespace {request.namespace} yet. {why}"
        notes.problems.append(waiting(Reason.CACHE_NOT_READY, text, field_name))
        return ModelVolume(path, None, True, {"nimCache": named})
    notes.keep(cache)
    use = PvcVolume(_use(label(cache), field_name, path), claim, read_only=True, existing=True)
    return ModelVolume(path, use, True, {"nimCache": named})


def _bound(claim: CachedObject) -> bool:
    """Return whether a claim is bound."""
    return bool((claim.body.get("status") or {}).get("phase") == "Bound")
