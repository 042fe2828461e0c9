"""A resolved workload -> one pod template per container group."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeGuard

from outfitter.api.v1alpha1 import runs_to_end
from outfitter.naming import ANNOTATION_RESTARTED_AT, LABEL_CONTAINER_GROUP, group_labels, owner_labels, selector_labels
from outfitter.problems import Problem
from outfitter.render import (
    activity,
    buckets,
    claims,
    computeresource,
    connection,
    container,
    environment,
    fetch,
    gpu,
    placement,
    scheduling,
    volumes,
)
from outfitter.render.connection import Endpoints
from outfitter.render.one_service import in_one_service
from outfitter.render.pod import PodPatch, assemble, for_sidecar
from outfitter.render.podset import PodSet
from outfitter.resolve.ports import protocol_of_connection
from outfitter.resolve.references import label
from outfitter.resolve.serving import BUILT_IN
from outfitter.resolve.volumes import DataVolume, GitVolume, PvcVolume, S3Volume, Volume
from outfitter.resolve.workload import ContainerUse, GroupUse, Resolved
from outfitter.settings import Settings


@dataclass(frozen=True)
class Rendered:
    """The pods of a workload, its addresses, the origins of its values, and its problems."""

    groups: tuple[PodSet, ...]
    exposure: Endpoints
    origins: Mapping[str, str]
    problems: tuple[Problem, ...]


def pods(resolved: Resolved, settings: Settings, added: Sequence[PodPatch] = ()) -> Rendered:
    """Return the pod template of every container group, with `added`. Origins of the first group have no prefix."""
    live = resolved.request.resource.live
    exposure = connection.endpoints(resolved.spec, live.name, live.namespace, settings)
    if not resolved.request.traits.grouped:  # the Service of a group leads to all its pods
        exposure = in_one_service(exposure, resolved.groups[0].containers[0].port)
    problems: list[Problem] = []
    origins: dict[str, str] = {}
    groups = []
    for number, group in enumerate(resolved.groups):
        patches, found = _patches(resolved, group, settings, first=number == 0)
        if number == 0:
            main = group.containers[0]
            ports = connection.container_ports(exposure.inside, main.port)
            patches.append(PodPatch(label(resolved.request.resource), ports=ports, of=main.name))
            watcher, refused = activity.pod_patch(resolved, exposure, settings)
            patches += watcher
            problems += [*activity.without_effect(resolved), *refused]
        gpus = gpu.render(_gpu_uses(resolved, group), resolved.request.name, settings)
        assembled = assemble(
            [*patches, *gpus.patches, *_scheduling(resolved, group, settings), *added, _fixed(resolved, group)]
        )
        problems += [*found, *gpus.problems, *assembled.problems]
        prefix = "" if number == 0 else f"groups[{group.name}]."
        origins |= {f"{prefix}{path}": source for path, source in assembled.origins.items()}
        groups.append(_group(resolved, group, assembled.template, gpus, settings))
    problems += claims.reserved(resolved)
    problems += scheduling.remarks(resolved.scheduling, settings)
    problems += connection.unplain_paths(exposure)
    return Rendered(tuple(groups), exposure, origins, (*dict.fromkeys(problems), *exposure.problems))


def _patches(
    resolved: Resolved, group: GroupUse, settings: Settings, *, first: bool
) -> tuple[list[PodPatch], list[Problem]]:
    """Return environment, compute, placement and volumes, in this order. The first group reports what they share."""
    who = label(resolved.request.resource)
    patches: list[PodPatch] = []
    problems: list[Problem] = []
    mounted = {volume.use.mount_path.rstrip("/") for volume in resolved.volumes}
    for number, use in enumerate(group.containers):
        parts, found = _container(use, who, settings, mounted)
        if number == 0:
            patches += [replace(part, of=use.name) for part in parts]
        else:
            patches += [for_sidecar(_without_fs_group(part, group), use.name) for part in parts]
        problems += found
    part, shared = placement.pod_patch(resolved.spec, who, _selector(resolved, group), settings)
    patches.append(replace(part, of=group.containers[0].name))
    fetched = list(_fetched(resolved, group, patches, settings))
    for volume in resolved.volumes:
        mount = _mount(volume, resolved, settings)
        patches += _mounted(mount, group) if mount is not None else ()
    patches += [part for each in fetched for part in _mounted(each, group)]
    return patches, [*problems, *(shared if first else ())]


def _mount(volume: Volume, resolved: Resolved, settings: Settings) -> PodPatch | None:
    """Return the volume and its mount; None for one that is fetched."""
    bucket = buckets.mount_of(volume, resolved, settings) if isinstance(volume, S3Volume) else None
    if bucket is not None and isinstance(volume, S3Volume):
        return buckets.pod_patch(volume, bucket)
    return volumes.pod_patch(volume, settings)


def _is_fetched(volume: Volume, resolved: Resolved, settings: Settings) -> TypeGuard[fetch.Source]:
    """Return whether a container fetches the volume."""
    if isinstance(volume, S3Volume):
        return buckets.mount_of(volume, resolved, settings) is None
    return isinstance(volume, GitVolume)


def _fetched(
    resolved: Resolved, group: GroupUse, patches: Sequence[PodPatch], settings: Settings
) -> Iterator[PodPatch]:
    """Yield what fetches repositories and buckets before the containers start. `patches`: those of the containers."""
    sources = [volume for volume in resolved.volumes if _is_fetched(volume, resolved, settings)]
    if not sources:
        return
    first, compute = patches[:2]
    pod = {
        **(first.pod.get("securityContext") or {}),
        **container.pod_fields(resolved, group).get("securityContext", {}),
    }
    once = runs_to_end(resolved.request.traits, resolved.spec) and _after_failure(resolved) == "Never"
    user = fetch.PodUser((first.container.get("securityContext") or {}).get("runAsUser"), pod.get("fsGroup"), once)
    names = [volumes.volume_name(source) for source in sources]
    parts = list(fetch.pod_patches(sources, names, user, compute, settings))
    taken = any(fetch.configures_git(part.env) for part in patches)
    yield replace(parts[0], env=fetch.trust(sources, taken))
    yield from parts[1:]


def _without_fs_group(part: PodPatch, group: GroupUse) -> PodPatch:
    """Return the patch of a sidecar, which leaves the group of the volumes to the primary container."""
    context = part.pod.get("securityContext") or {}
    if group.containers[0].spec.security.run_as_gid is None or "fsGroup" not in context:
        return part
    kept = {name: value for name, value in context.items() if not name.startswith("fsGroup")}
    return replace(part, pod={**part.pod, "securityContext": kept})


def _container(
    use: ContainerUse, who: str, settings: Settings, mounted: Collection[str]
) -> tuple[list[PodPatch], list[Problem]]:
    part, problems = environment.pod_patch(use.spec, use.origins.get("image", who), settings, mounted)
    compute, found = computeresource.pod_patch(use.spec.compute, _compute_origin(use, who), use.compute_field)
    return [container.with_container_overrides(part, use), compute], [*problems, *found]


def _compute_origin(use: ContainerUse, who: str) -> str:
    return next((source for path, source in use.origins.items() if path.startswith("compute.")), who)


def _gpu_uses(resolved: Resolved, group: GroupUse) -> list[gpu.GpuUse]:
    who = label(resolved.request.resource)
    return [
        gpu.GpuUse(use.name, use.spec.compute, _compute_origin(use, who), use.compute_field) for use in group.containers
    ]


def _scheduling(resolved: Resolved, group: GroupUse, settings: Settings) -> Iterator[PodPatch]:
    """Yield how the pod is scheduled, whatever labels the user sets."""
    who = label(resolved.request.resource)
    for part in scheduling.pod_patch(resolved.scheduling, who, BUILT_IN, settings):
        yield replace(part, of=group.containers[0].name)


def _mounted(part: PodPatch, group: GroupUse) -> Iterator[PodPatch]:
    """Mount a volume in every container of the pod."""
    for number, use in enumerate(group.containers):
        yield replace(part, of=use.name) if number == 0 else replace(part, of=use.name, volumes=(), init=())


def _fixed(resolved: Resolved, group: GroupUse) -> PodPatch:
    request = resolved.request
    live = request.resource.live
    labels = owner_labels(live.kind, live.name, live.uid)
    if request.traits.serves:
        labels[LABEL_CONTAINER_GROUP] = group.key
    ends = runs_to_end(request.traits, resolved.spec)
    return PodPatch(
        label(request.resource),
        pull_secrets=resolved.pull_secrets,
        labels=labels,
        annotations={ANNOTATION_RESTARTED_AT: request.restarted_at} if request.restarted_at else {},
        container={"terminationMessagePolicy": "FallbackToLogsOnError"} if ends else {},
        pod={**container.pod_fields(resolved, group), **({"restartPolicy": _after_failure(resolved)} if ends else {})},
        of=group.containers[0].name,
    )


def _after_failure(resolved: Resolved) -> str:
    return resolved.spec.restart_policy or "Never"


def _selector(resolved: Resolved, group: GroupUse) -> dict[str, str]:
    live = resolved.request.resource.live
    if resolved.request.traits.serves:
        return group_labels(live.kind, live.name, group.key)
    return selector_labels(live.kind, live.name)


def _group(
    resolved: Resolved, group: GroupUse, template: Mapping[str, Any], gpus: gpu.Gpus, settings: Settings
) -> PodSet:
    single = any(isinstance(volume, PvcVolume | DataVolume) and volume.single_node for volume in resolved.volumes)
    timeouts = getattr(resolved.spec, "serving_configuration", None)
    given = timeouts.initialization_timeout_seconds if timeouts else None
    return PodSet(
        group.name,
        template,
        group.containers[0].port,
        gpu.uses_devices(template) or single,
        given or container.start_seconds(template),
        protocol=protocol_of_connection(resolved.spec),
        label=group.key if group.key != group.name else None,
        controller_labels=scheduling.controller_labels(resolved.scheduling, settings),
        devices=gpus.claims,
    )
