"""A resolved workload -> one pod template per container group, and the claims that it makes itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from outfitter.naming import ANNOTATION_RESTARTED_AT, LABEL_CONTAINER_GROUP, group_labels, owner_labels, selector_labels
from outfitter.problems import Problem
from outfitter.render import computeresource, connection, container, environment, placement, volumes
from outfitter.render.computeresource import GPU
from outfitter.render.pod import PodPatch, assemble, for_sidecar
from outfitter.resolve.references import label
from outfitter.resolve.volumes import PvcVolume
from outfitter.resolve.workload import ContainerUse, GroupUse, Resolved
from outfitter.settings import Settings


@dataclass(frozen=True)
class GroupPods:
    """The pods of one container group. `port`: where they serve.

    `recreate`: an old pod must go before a new one starts. `deadline`: seconds in which a new pod must be ready.
    """

    name: str
    template: Mapping[str, Any]
    port: int | None = None
    recreate: bool = False
    deadline: int | None = None


@dataclass(frozen=True)
class Rendered:
    """The pods of a workload, where their parts come from, and what is wrong with them."""

    groups: tuple[GroupPods, ...]
    origins: Mapping[str, str]
    problems: tuple[Problem, ...]


def pods(resolved: Resolved, settings: Settings) -> Rendered:
    """The pod template of every container group. Origins of the first group stand without its name."""
    live = resolved.request.resource.live
    exposure = connection.endpoints(resolved.spec, live.name, live.namespace, settings)
    problems: list[Problem] = []
    origins: dict[str, str] = {}
    groups = []
    for number, group in enumerate(resolved.groups):
        parts = list(_parts(resolved, group, settings, problems, first=number == 0))
        if number == 0:
            main = group.containers[0]
            ports = connection.container_ports(exposure.inside, main.port)
            parts.append(PodPatch(label(resolved.request.resource), ports=ports, of=main.name))
        assembled = assemble([*parts, _fixed(resolved, group)])
        problems += assembled.problems
        prefix = "" if number == 0 else f"groups[{group.name}]."
        origins |= {f"{prefix}{path}": source for path, source in assembled.origins.items()}
        groups.append(_group(resolved, group, assembled.template))
    return Rendered(tuple(groups), origins, (*dict.fromkeys(problems), *exposure.problems))


def _parts(
    resolved: Resolved, group: GroupUse, settings: Settings, problems: list[Problem], *, first: bool
) -> Iterator[PodPatch]:
    """Environment, compute, placement, volumes, in this order; what is said once is told of with the first group."""
    request = resolved.request
    who = label(request.resource)
    noted = problems if first else []
    for number, use in enumerate(group.containers):
        for part in _container(use, who, settings, problems):
            yield replace(part, of=use.name) if number == 0 else for_sidecar(part, use.name)
    selector = _selector(resolved, group)
    part, found = placement.pod_patch(resolved.spec, who, selector, settings)
    noted += found
    yield replace(part, of=group.containers[0].name)
    for volume in resolved.volumes:
        made, found = volumes.pod_patch(volume, settings)
        noted += found
        if made is not None:
            yield from _mounted(made, group)


def _container(use: ContainerUse, who: str, settings: Settings, problems: list[Problem]) -> Iterator[PodPatch]:
    part, found = environment.pod_patch(use.spec, use.origins.get("image", who), settings)
    problems += found
    yield container.with_container_overrides(part, use)
    origin = next((source for path, source in use.origins.items() if path.startswith("compute.")), who)
    part, found = computeresource.pod_patch(use.spec.compute, origin, settings)
    problems += found
    yield part


def _mounted(part: PodPatch, group: GroupUse) -> Iterator[PodPatch]:
    """A volume in every container of the pod."""
    for number, use in enumerate(group.containers):
        yield replace(part, of=use.name) if number == 0 else replace(part, of=use.name, volumes=(), init=())


def _fixed(resolved: Resolved, group: GroupUse) -> PodPatch:
    request = resolved.request
    live = request.resource.live
    labels = owner_labels(live.kind, live.name, live.uid)
    if request.type != "workspace":
        labels[LABEL_CONTAINER_GROUP] = group.name
    return PodPatch(
        label(request.resource),
        pull_secrets=resolved.pull_secrets,
        labels=labels,
        annotations={ANNOTATION_RESTARTED_AT: request.restarted_at} if request.restarted_at else {},
        pod=container.pod_fields(resolved),
        of=group.containers[0].name,
    )


def _selector(resolved: Resolved, group: GroupUse) -> dict[str, str]:
    live = resolved.request.resource.live
    if resolved.request.type == "workspace":
        return selector_labels(live.kind, live.name)
    return group_labels(live.kind, live.name, group.name)


def _group(resolved: Resolved, group: GroupUse, template: Mapping[str, Any]) -> GroupPods:
    limits = [item.get("resources", {}).get("limits", {}) for item in template["spec"]["containers"]]
    gpus = any(name == GPU or name.startswith("nvidia.com/mig-") for each in limits for name in each)
    single = any(isinstance(volume, PvcVolume) and volume.single_node for volume in resolved.volumes)
    serving = getattr(resolved.spec, "serving_configuration", None)
    given = serving.initialization_timeout_seconds if serving else None
    return GroupPods(
        group.name, template, group.containers[0].port, gpus or single, given or container.start_seconds(template)
    )
