"""The content of an Inference of an Artifact, or of an Artifact with `run`: containers, sizes, volumes, model."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from outfitter.api.v1alpha1.containers import PROBE_PORT, Container, ContainerGroup, Probe
from outfitter.api.v1alpha1.workspace import WorkspaceSpec
from outfitter.api.validation import incomplete_part
from outfitter.problems import Problem, stalled
from outfitter.reasons import Reason
from outfitter.resolve.artifact import ResolvedArtifact, definition, unbuilt
from outfitter.resolve.artifact_target import ArtifactTarget, find_target
from outfitter.resolve.credentials import usable_key
from outfitter.resolve.distributed import resolve_distributed
from outfitter.resolve.groups import PlacedGroup, place_groups
from outfitter.resolve.layers import Layer, compute_layer, own_layers
from outfitter.resolve.login import as_login, uses_login, with_login
from outfitter.resolve.merge import Merged, merge
from outfitter.resolve.model import ModelVolume, model_volume
from outfitter.resolve.nim import CACHE_VARIABLE, NGC_KEY, PORT_VARIABLES
from outfitter.resolve.policies import Policies
from outfitter.resolve.private import requester
from outfitter.resolve.references import Found, check_variables, label
from outfitter.resolve.request import WorkloadRequest
from outfitter.resolve.scheduling import scheduling
from outfitter.resolve.template import with_template
from outfitter.resolve.volumes import (
    asset_volumes,
    check_volumes,
    imposed_volumes,
    inline_volumes,
    mounted_images,
    not_imposed,
    with_nodes,
)
from outfitter.resolve.workload import (
    ContainerUse,
    GroupUse,
    Resolved,
    imposed_facts,
    pull_secrets,
    read_submission,
    repeated,
    resolve_workload,
    shape_problems,
)
from outfitter.snapshot import Reader

NIM_PORT = 8000
BUILT_IN = "Outfitter"
"""Origin of built-in values."""


@dataclass(frozen=True)
class _Context:
    reader: Reader
    request: WorkloadRequest
    found: Found
    definition: ResolvedArtifact
    model: ModelVolume | None
    policies: Policies


def resolve(reader: Reader, request: WorkloadRequest, policies: Policies) -> Resolved:
    """Resolve a workload of any kind."""
    if request.traits.grouped:
        return resolve_distributed(reader, request, policies)
    if request.artifact is None and not request.own_artifact:
        return resolve_workload(reader, request, policies)
    found = Found(requester(request))
    request = with_template(reader, request, found)
    chosen, placed = _chosen(reader, request)
    attached = list(asset_volumes(reader, request, found))
    found.problems += repeated(request)
    merged = merge([*compute_layer(reader, request, found), *own_layers(request)])
    merged = policies.apply(request, merged, attached, found)
    spec = read_submission(request.traits, merged, found)
    imposed = imposed_volumes(reader, request, policies.imposed, found)
    volumes = [*not_imposed(attached, policies.imposed), *inline_volumes(request, spec.storage), *imposed]
    volumes = check_volumes(reader, request.namespace, volumes, found)
    groups: tuple[GroupUse, ...] = ()
    facts: Mapping[str, Any] = {}
    images: list[str] = []
    model = None
    if isinstance(chosen, Problem):
        found.problems.append(chosen)
    else:
        if chosen.definition.resource.live.uid != request.resource.live.uid:
            found.keep(chosen.definition.resource)
        if reader.settings.builds_images:  # else it is refused as unsupported
            found.problems += unbuilt(chosen.definition)
        images = [item.image_uri or "" for group in chosen.definition.groups for item in group.containers]
        if chosen.definition.type == "nim":
            model = model_volume(
                reader, request, chosen.definition, volumes, _for_download(request, merged, chosen.definition), found
            )
            volumes += [model.use] if model.use else []
            facts = model.facts
        volumes = with_nodes(reader, request.namespace, volumes)
        context = _Context(reader, request, found, chosen.definition, model, policies)
        groups = tuple(
            _group(context, group, use.key, merged) for group, use in zip(chosen.definition.groups, placed, strict=True)
        )
        found.problems += _unknown_sizings(request, chosen.definition)
    pull = pull_secrets(reader, request.namespace, spec, [*images, *mounted_images(volumes)], found, request.type)
    scheduled = scheduling(reader, request, merged.fields, policies.allows, found)
    found.problems += shape_problems(request.traits, Merged({**merged.fields, "artifact": {}}), complete=False)
    return Resolved(
        request,
        merged,
        spec,
        tuple(volumes),
        pull,
        tuple(found.sources.values()),
        tuple(found.problems),
        groups,
        artifact=None if isinstance(chosen, Problem) else chosen,
        assets=tuple(found.uses),
        facts={**facts, **imposed_facts(policies)},
        missing_cache=model.missing if model else None,
        outgrown_cache=model.outgrown if model else None,
        scheduling=scheduled,
    )


def _chosen(reader: Reader, request: WorkloadRequest) -> tuple[ArtifactTarget | Problem, tuple[PlacedGroup, ...]]:
    """Return the artifact with its main group first, and the keys of its groups."""
    if request.artifact is not None:
        found = find_target(reader, request.namespace, request.artifact)
    else:
        own = definition(reader, request.resource)
        found = own if isinstance(own, Problem) else ArtifactTarget(own, None)
    if isinstance(found, Problem):
        return found, ()
    named = {group.name: group for group in found.definition.running}
    placed = place_groups(list(named), request.running)
    return replace(found, definition=replace(found.definition, groups=tuple(named[use.name] for use in placed))), placed


def _group(context: _Context, group: ContainerGroup, key: str, merged: Merged) -> GroupUse:
    """Return the containers of one group, the primary first."""
    places = sorted(range(len(group.containers)), key=lambda place: place != group.primary)
    containers: list[ContainerUse] = []
    login = False
    for place in places:
        use, login = _container(context, group, place, merged, primary=place == group.primary, login=login)
        containers.append(use)
    compute = [container.spec.compute.to_dict() for container in containers]
    context.policies.pod(compute, context.found, f"spec.containerGroups[{group.name}]")
    return GroupUse(group.name, key, tuple(containers))


def _container(
    context: _Context, group: ContainerGroup, place: int, merged: Merged, *, primary: bool, login: bool
) -> tuple[ContainerUse, bool]:
    """Return one container, and whether the pod has the ids of the login, as its first container says."""
    item, name = group.containers[place], group.container_names[place]
    field = f"spec.containerGroups[{group.name}].containers[{name}]"
    nim = context.definition.type == "nim" and primary
    layers = [Layer(label(context.definition.resource), _submission(item))]
    if primary and "compute" in merged.fields:
        layers += _split(merged)
    sizing = context.request.sizing(group.name)
    own = next((each for each in sizing.containers if each.name == name), None) if sizing else None
    compute_field = "spec.compute"
    if own is not None:
        layers.append(Layer(label(context.request.resource), {"compute": own.compute.to_dict()}))
        run = "spec.run" if context.request.own_definition else "spec"
        compute_field = f"{run}.containerGroups[{group.name}].containers[{name}].compute"
    main = primary and group.name == context.definition.groups[0].name
    result = context.policies.container(merge(layers), context.found, field, main=main)
    login = login or (primary and uses_login(result.fields))
    result = as_login(result) if login else result
    result = with_login(context.reader, context.request, result, context.found, field)
    if nim:  # below all others, and no business of policies
        built_in = merge([Layer(BUILT_IN, _nim_defaults(context, item, f"{field}.environmentVars"))])
        fields = merge([Layer("", built_in.fields), Layer("", result.fields)]).fields
        result = Merged(fields, {**built_in.origins, **result.origins})
    spec = WorkspaceSpec.model_validate(_without_own_profile(result.fields, item))
    namespace = context.request.namespace
    spec = check_variables(context.reader, namespace, spec, context.found, field=f"{field}.environmentVars")
    for error in incomplete_part(spec.compute):
        context.found.problems.append(
            stalled(Reason.INVALID_SPEC, error.message, f"{compute_field}.{'.'.join(map(str, error.path))}")
        )
    probes = {"startupProbe": item.startup_probe, "readinessProbe": item.readiness_probe}
    probes["livenessProbe"] = item.liveness_probe
    own_probes = dict.fromkeys((key for key, probe in probes.items() if probe), label(context.definition.resource))
    origins = {**result.origins, **own_probes}
    port = item.port if primary else None
    return ContainerUse(name, spec, origins, port, item, field, nim, compute_field), login


def _without_own_profile(fields: Mapping[str, Any], item: Container) -> Mapping[str, Any]:
    """Return the fields without the seccomp profile that a container sets for itself: theirs is that of the pod."""
    if item.security_context.seccomp_profile is None:
        return fields
    security = {name: value for name, value in fields["security"].items() if name != "seccompProfileType"}
    return {**fields, "security": security}


def _for_download(request: WorkloadRequest, merged: Merged, found: ResolvedArtifact) -> dict[str, Any]:
    """Return the merged fields, with the compute of the container that needs the model."""
    layers = list(_split(merged)) if "compute" in merged.fields else []
    for group in found.groups[:1]:
        sizing = request.sizing(group.name)
        name = group.container_names[group.primary]
        own = next((each for each in sizing.containers if each.name == name), None) if sizing else None
        layers += [Layer("", {"compute": own.compute.to_dict()})] if own is not None else []
    return {**merged.fields, **merge(layers).fields}


def _split(merged: Merged) -> Iterator[Layer]:
    """Yield the compute part of a submission, leaf by leaf with its origin."""
    for name, value in merged.fields["compute"].items():
        origin = merged.origins.get(f"compute.{name}", "")
        yield Layer(origin, {"compute": {name: value}})


def _submission(item: Container) -> dict[str, Any]:
    """Return a container of an artifact as fields of a submission."""
    variables = []
    for each in item.environment_vars:
        if each.source == "apiToken":
            continue  # the policy rejects it
        given = {"value": each.value, "credential": each.credential.to_dict() if each.credential else None}
        variables.append({"name": each.name, **{key: value for key, value in given.items() if value is not None}})
    context = item.security_context
    custom = context.run_as_user is not None or context.run_as_group is not None
    security = {
        "uidGidSource": "custom" if custom else None,
        "runAsUid": context.run_as_user,
        "runAsGid": context.run_as_group,
        "allowPrivilegeEscalation": context.allow_privilege_escalation,
        "readOnlyRootFilesystem": context.read_only_root_filesystem,
        "capabilities": list(context.capabilities.add) or None,
        "seccompProfileType": context.seccomp_profile.type if context.seccomp_profile else None,
    }
    probe = item.readiness_probe
    submission: dict[str, Any] = {
        "image": item.image_uri,
        "command": shlex.join(item.entrypoint) if item.entrypoint else None,
        "environmentVariables": variables,
        "security": {key: value for key, value in security.items() if value is not None},
    }
    return {**submission, **({"probes": {"readiness": _readiness(probe, item.port)}} if probe else {})}


def _readiness(probe: Probe, port: int | None) -> dict[str, Any]:
    """Return a readiness probe as fields of a submission; what the artifact does not set is absent."""
    given = probe.to_dict()
    target = {str(name): given[name] for name in ("scheme", "host") if name in given}
    get: dict[str, Any] = {"path": probe.path, "port": probe.port or port or PROBE_PORT, **target}
    names = ("initialDelaySeconds", "periodSeconds", "timeoutSeconds", "failureThreshold")
    numbers: dict[str, Any] = {name: given[name] for name in names if name in given}
    return {**numbers, "handler": {"httpGet": get}}


def _nim_defaults(context: _Context, item: Container, field: str) -> dict[str, Any]:
    """Return the defaults of every NIM container."""
    variables: list[dict[str, Any]] = []
    if item.port not in (None, NIM_PORT) and not {each.name for each in item.environment_vars} & set(PORT_VARIABLES):
        # Older images know only the second name. A user who sets one of them knows which one the image reads.
        variables += [{"name": name, "value": str(item.port)} for name in PORT_VARIABLES]
    if context.model is not None:
        variables.append({"name": CACHE_VARIABLE, "value": context.model.path})
    named = any(each.name == NGC_KEY for each in item.environment_vars)
    if not named and (context.model is None or not context.model.filled):
        key = usable_key(context.reader, context.request.namespace, context.found, field, context.request.type)
        if key is not None:
            variables.append({"name": NGC_KEY, "credential": {"name": key.live.name, "key": NGC_KEY}})
    return {"environmentVariables": variables, "compute": {"largeShmRequest": True}}


def _unknown_sizings(request: WorkloadRequest, found: ResolvedArtifact) -> Iterator[Problem]:
    """Yield the sizings of groups and containers that the artifact does not have."""
    field = "spec.run.containerGroups" if request.own_definition else "spec.containerGroups"
    names = {group.name: group.container_names for group in found.groups}
    for sizing in request.sizings:
        if sizing.name not in names:
            text = (
                f"{found.resource.key} has no container group {sizing.name}. Use one of its groups: {', '.join(names)}."
            )
            yield stalled(Reason.INVALID_SPEC, text, f"{field}[{sizing.name}]")
            continue
        for item in sizing.containers:
            if item.name not in names[sizing.name]:
                text = (
                    f"Container group {sizing.name} of {found.resource.key} has no container {item.name}. Use one of "
                    f"its containers: {', '.join(names[sizing.name])}."
                )
                yield stalled(Reason.INVALID_SPEC, text, f"{field}[{sizing.name}].containers[{item.name}]")
