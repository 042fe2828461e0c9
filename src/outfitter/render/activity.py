"""The container that watches a workspace for use: what `idleTimeoutSeconds` adds to its pod."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from outfitter.api.v1alpha1 import runs_to_end
from outfitter.idleness import WatchedPort
from outfitter.naming import ACTIVITY
from outfitter.problems import Problem, note, stalled
from outfitter.reasons import Reason
from outfitter.render.connection import Endpoint, Endpoints
from outfitter.render.pod import PodPatch
from outfitter.render.urls import path_of
from outfitter.resolve.references import label
from outfitter.resolve.workload import Resolved
from outfitter.settings import Settings

FIELD: Final = "spec.idleTimeoutSeconds"
JUPYTER: Final = "jupyter-notebook"
_FOLDER: Final = "/run/outfitter"
_SECONDS: Final = "--seconds="
# The limits equal the requests, so that a pod whose other containers do the same is of class Guaranteed.
_RESOURCES: Final[Mapping[str, str]] = {"cpu": "50m", "memory": "32Mi"}
# The kernel drops a signal for the first process of a container that has no handler yet. After a report, the kubelet
# starts the container again while Outfitter stops the pod, and the start takes about a second with so little CPU.
_SECONDS_OF_START: Final = 3
# The container alone meets Pod Security restricted, also in a pod that does not. The image sets the user.
_SECURITY: Final[Mapping[str, Any]] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def limit(spec: Any) -> int | None:
    """Return the `idleTimeoutSeconds` of a merged submission; None without one, and for other types of workloads."""
    found: int | None = getattr(spec, "idle_timeout_seconds", None)
    return found


def without_effect(resolved: Resolved) -> Iterator[Problem]:
    """Yield the note that the limit has no effect: for a workspace that ends by itself, and for `run`."""
    if limit(resolved.spec) is None or _applies(resolved):
        return
    text = "A workspace that ends by itself is not stopped for being idle. Use maxRuntimeSeconds."
    if resolved.request.own_definition:
        text = "An Environment that runs is not stopped for being idle. Use a Workspace."
    yield note(Reason.NOT_ENFORCED, text, FIELD)


def pod_patch(resolved: Resolved, exposure: Endpoints, settings: Settings) -> tuple[list[PodPatch], list[Problem]]:
    """Return the container, its volume, and why it cannot watch; nothing without a limit that applies."""
    seconds = limit(resolved.spec)
    if seconds is None or not _applies(resolved):
        return [], []
    if not settings.activity_image:
        text = (
            "The operator has no image that watches for use. Ask an administrator to set activityImage "
            "(OUTFITTER_ACTIVITY_IMAGE), or remove the field."
        )
        return [], [stalled(Reason.UNSUPPORTED, text, FIELD)]
    ports = watched_ports(exposure, _probed(resolved))
    if not ports:
        text = "The workspace has no port, so nothing shows whether it is used. Add a connection, or remove the field."
        return [], [stalled(Reason.INVALID_SPEC, text, FIELD)]
    source = resolved.merged.origins.get("idleTimeoutSeconds") or label(resolved.request.resource)
    container = {
        "image": settings.activity_image,
        "command": ["python", "-m", "outfitter.activity"],
        "args": [f"{_SECONDS}{seconds}", *_arguments(ports), f"--mark={_FOLDER}/idle"],
        **_end(resolved),
        "securityContext": _SECURITY,
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    patch = PodPatch(
        source,
        of=ACTIVITY,
        container=container,
        requests=_RESOURCES,
        limits=_RESOURCES,
        volumes=[{"name": ACTIVITY, "emptyDir": {"sizeLimit": "1Mi"}}],
        mounts=[{"name": ACTIVITY, "mountPath": _FOLDER}],
    )
    return [patch], []


def _end(resolved: Resolved) -> dict[str, Any]:
    """Return how the container waits until it has a handler. The API server rejects a wait beyond the grace period."""
    grace = resolved.spec.termination_grace_period_seconds
    if grace is not None and grace <= _SECONDS_OF_START:
        return {}
    return {"lifecycle": {"preStop": {"sleep": {"seconds": _SECONDS_OF_START}}}}


def _applies(resolved: Resolved) -> bool:
    return not resolved.request.own_definition and not runs_to_end(resolved.request.traits, resolved.spec)


def _probed(resolved: Resolved) -> int | None:
    """Return the port to which the kubelet connects again and again."""
    probe = resolved.spec.probes.readiness
    get = probe.handler.http_get if probe is not None and probe.handler else None
    return get.port if get is not None else None


def watched_ports(exposure: Endpoints, probed: int | None) -> list[WatchedPort]:
    """Return the ports by which people use a workspace, in their order. `probed`: that of the readiness probe."""
    return [
        _watched(number, exposure.inside, probed) for number in dict.fromkeys(item.port for item in exposure.inside)
    ]


def _watched(number: int, inside: tuple[Endpoint, ...], probed: int | None) -> WatchedPort:
    addresses = [item for item in inside if item.port == number]
    paths = (path_of(item.url) if item.url else "/" for item in addresses if item.tool == JUPYTER)
    balanced = any(item.type == "LoadBalancer" for item in addresses)
    return WatchedPort(number, balanced or number == probed, next(paths, None))


def _arguments(ports: list[WatchedPort]) -> Iterator[str]:
    for port in ports:
        yield f"--port={port.number}" if port.jupyter is None else f"--jupyter={port.number}{port.jupyter}"
        if port.checked:
            yield f"--checked={port.number}"


def watched_seconds(template: Mapping[str, Any]) -> int | None:
    """Return the limit that the container of a pod template has; None without the container."""
    words = (word for item in template["spec"]["containers"] if item["name"] == ACTIVITY for word in item["args"])
    return next((int(word.removeprefix(_SECONDS)) for word in words if word.startswith(_SECONDS)), None)


def is_watched(template: Mapping[str, Any]) -> bool:
    """Return whether a pod template has the container."""
    return any(item["name"] == ACTIVITY for item in template["spec"]["containers"])


def unwatched(template: Mapping[str, Any]) -> dict[str, Any]:
    """Return a pod template without the container and its volume."""
    spec = dict(template["spec"])
    for name in ("containers", "volumes"):
        spec[name] = [item for item in spec.get(name, ()) if item["name"] != ACTIVITY]
    return {**template, "spec": {name: value for name, value in spec.items() if value != []}}
