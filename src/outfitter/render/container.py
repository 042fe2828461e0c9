"""Settings of containers of artifacts: probes, seccomp profile, NIM defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import ceil
from typing import Any

from outfitter.api.v1alpha1.containers import PROBE_PORT, Probe
from outfitter.render.pod import PodPatch
from outfitter.resolve.workload import ContainerUse, GroupUse, Resolved

_LOADING_SECONDS = 1200  # loading a model can take 20 minutes
# Probes of a NIM container unless the artifact sets them.
_NIM_PROBES: Mapping[str, Mapping[str, Any]] = {
    "startupProbe": {"path": "/v1/health/ready", "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 120},
    "readinessProbe": {"path": "/v1/health/ready", "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 3},
    "livenessProbe": {"path": "/v1/health/live", "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 3},
}
# The user of the image must be able to write into the volume of the model.
NIM_POD: Mapping[str, Any] = {"securityContext": {"fsGroup": 1000, "fsGroupChangePolicy": "OnRootMismatch"}}
# After SIGTERM a server stops listening at once, but nodes send requests to it for seconds until they update their
# rules. The pod serves that long, so a rollout has no failed request (decision 23).
_DRAIN: Mapping[str, Any] = {"preStop": {"sleep": {"seconds": 10}}}
_USUAL_SECONDS = 600  # the default of the Deployment controller


def with_container_overrides(part: PodPatch, use: ContainerUse) -> PodPatch:
    """Return the patch of a container with the settings of its definition."""
    item = use.definition
    added: dict[str, Any] = {"lifecycle": dict(_DRAIN)} if use.port else {}
    if item is None:
        return replace(part, ports=_ports(use), container={**part.container, **added})
    for name, probe in (
        ("startupProbe", item.startup_probe),
        ("readinessProbe", item.readiness_probe),
        ("livenessProbe", item.liveness_probe),
    ):
        if probe is not None:
            added[name] = _probe(probe, use.port)
            if use.nim and name == "startupProbe" and "failure_threshold" not in probe.model_fields_set:
                added[name]["failureThreshold"] = ceil(_LOADING_SECONDS / probe.period_seconds)
            if name in part.container:  # with what policies add to it
                added[name] = _combined(added[name], part.container[name])
        elif use.nim and name not in part.container:
            added[name] = _nim_probe(_NIM_PROBES[name], use.port)
    profile = item.security_context.seccomp_profile
    security = dict(part.container.get("securityContext") or {})
    if profile is not None:
        given = {"type": profile.type, "localhostProfile": profile.localhost_profile}
        security["seccompProfile"] = {key: value for key, value in given.items() if value}
    return replace(part, ports=_ports(use), container={**part.container, **added, "securityContext": security})


def _ports(use: ContainerUse) -> list[dict[str, Any]]:
    return [{"containerPort": use.port, "protocol": "TCP"}] if use.port else []


def _probe(probe: Probe, port: int | None) -> dict[str, Any]:
    get = {
        "path": probe.path,
        "port": probe.port or port or PROBE_PORT,
        "scheme": probe.scheme,
        "host": probe.host,
        "httpHeaders": [{"name": name, "value": value} for name, value in sorted(probe.http_headers.items())] or None,
    }
    return {
        "httpGet": {key: value for key, value in get.items() if value is not None},
        # The API server does not store a zero.
        **({"initialDelaySeconds": probe.initial_delay_seconds} if probe.initial_delay_seconds else {}),
        "periodSeconds": probe.period_seconds,
        "timeoutSeconds": probe.timeout_seconds,
        "failureThreshold": probe.failure_threshold,
    }


def _combined(probe: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    return {**probe, **over, "httpGet": {**probe["httpGet"], **over.get("httpGet", {})}}


def _nim_probe(numbers: Mapping[str, Any], port: int | None) -> dict[str, Any]:
    rest = {key: value for key, value in numbers.items() if key != "path"}
    return {"httpGet": {"path": numbers["path"], "port": port, "scheme": "HTTP"}, **rest}


def pod_fields(resolved: Resolved, group: GroupUse) -> dict[str, Any]:
    """Return the pod fields of a nim artifact; a group of its primary container counts instead."""
    own_group = group.containers[0].spec.security.run_as_gid is not None
    if resolved.artifact is None or resolved.artifact.definition.type != "nim" or own_group:
        return {}
    return dict(NIM_POD)


def start_seconds(template: Mapping[str, Any]) -> int | None:
    """Return the seconds that the startup probes allow, if longer than the default deadline."""
    longest = 0
    for item in template["spec"]["containers"]:
        probe = item.get("startupProbe")
        if probe:
            tries = probe.get("failureThreshold", 3) * probe.get("periodSeconds", 10)
            longest = max(longest, probe.get("initialDelaySeconds", 0) + tries)
    return longest + 60 if longest + 60 > _USUAL_SECONDS else None
