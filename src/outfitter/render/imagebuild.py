"""ImageBuild -> the Job that builds and pushes its image; and the ImageBuild that an Artifact asks for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.resources import files
from typing import Any, Final

from outfitter.api.registry_hosts import host_key
from outfitter.api.version import API_VERSION
from outfitter.naming import (
    ANNOTATION_BUILD_DESTINATION,
    ANNOTATION_BUILD_SOURCE,
    BUILD_CONTAINER,
    LABEL_ON_DEMAND,
    build_job,
    owner_labels,
)
from outfitter.problems import Problem
from outfitter.render import fetch, scheduling, volumes
from outfitter.render.owner import child_meta
from outfitter.render.pod import PodPatch, assemble
from outfitter.resolve.build_inputs import BuildInputs
from outfitter.resolve.builds import BuildSource
from outfitter.resolve.private import LOGIN
from outfitter.resolve.references import label
from outfitter.resolve.scheduling import Scheduling
from outfitter.resolve.volumes import ConfigMapVolume, GitVolume
from outfitter.settings import Settings
from outfitter.snapshot import Resource

SCRIPT: Final = (files("outfitter.render") / "scripts" / "build.sh").read_text()
_WORK: Final = "/outfitter/work"
_DOCKER: Final = "/outfitter/docker"
_DAEMON: Final = "/outfitter/buildkit"
_MESSAGE: Final = "/dev/termination-log"
_DAEMON_FILES: Final = ("address", "ca.crt", "ca.pem", "cert.pem", "key.pem", "tls.crt", "tls.key")
_USER: Final = 65532
_LAST_WORDS: Final = 120  # seconds in which a script that took too long can say so
_KEPT_SECONDS: Final = 86400  # the Job of a build that has ended, for its log
_PREEMPTIBILITY: Final = "non-preemptible"
_DISRUPTED: Final[Mapping[str, Any]] = {
    "rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
}
_RESTRICTED: Final[Mapping[str, Any]] = {
    "runAsUser": _USER,
    "runAsGroup": _USER,
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
    "readOnlyRootFilesystem": True,
}
_POD: Final[Mapping[str, Any]] = {"fsGroup": _USER, "seccompProfile": {"type": "RuntimeDefault"}}
_IN_USER_NAMESPACE: Final[Mapping[str, Any]] = {
    "runAsUser": 0,
    "runAsGroup": 0,
    "allowPrivilegeEscalation": False,
    "procMount": "Unmasked",
    "capabilities": {"drop": ["ALL"], "add": ["SETFCAP", "SETGID", "SETUID"]},
    "readOnlyRootFilesystem": True,
}
"""Root of a user namespace, without rights on the node. BuildKit cannot mount under a seccomp profile."""


def on_demand(artifact: Resource, source: BuildSource, name: str) -> dict[str, Any]:
    """Return the ImageBuild of one source of an Artifact, which owns it."""
    meta = child_meta(artifact)
    group, container = source.places[0]
    return {
        "apiVersion": API_VERSION,
        "kind": "ImageBuild",
        "metadata": {**meta, "name": name, "labels": {**meta["labels"], LABEL_ON_DEMAND: "true"}},
        "spec": {"artifact": {"name": artifact.live.name}, "container": {"group": group, "name": container}},
    }


def job(resource: Resource, inputs: BuildInputs, settings: Settings) -> tuple[dict[str, Any], list[Problem]]:
    """Return the Job of a build. It ends with its first failure; only a pod that a node loses is replaced."""
    meta = child_meta(resource)
    scheduled = Scheduling(inputs.queue, preemptibility=_PREEMPTIBILITY)
    parts = _patches(resource, inputs, scheduled, settings)
    assembled = assemble(replace(part, of=BUILD_CONTAINER) for part in parts)
    manifest = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            **meta,
            "labels": {**meta["labels"], **scheduling.download_labels(scheduled, settings)},
            "name": build_job(resource.live.name),
            "annotations": {
                ANNOTATION_BUILD_SOURCE: inputs.source.key,
                ANNOTATION_BUILD_DESTINATION: inputs.destination,
            },
        },
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": settings.build_timeout_seconds + _LAST_WORDS,
            "ttlSecondsAfterFinished": _KEPT_SECONDS,
            "podFailurePolicy": _DISRUPTED,
            "template": assembled.template,
        },
    }
    return manifest, list(assembled.problems)


def _patches(resource: Resource, inputs: BuildInputs, scheduled: Scheduling, settings: Settings) -> Iterator[PodPatch]:
    who, live = label(resource), resource.live
    if settings.build_backend == "job":
        yield _of_template(who, inputs, settings)
    else:
        yield _of_script(who, inputs, settings)
    yield _files(who, inputs, settings)
    compute = PodPatch(who)
    if isinstance(inputs.volume, GitVolume):
        user = fetch.PodUser(0 if _is_root(settings) else _USER, None if _is_root(settings) else _USER, once=True)
        sized = settings.model_copy(update={"data_size_limit": settings.build_size_limit})
        yield from fetch.pod_patches([inputs.volume], ["source"], user, compute, sized)
    elif (volume := volumes.pod_patch(inputs.volume, settings)) is not None:
        yield volume
    yield from scheduling.pod_patch(scheduled, who, who, settings)
    yield PodPatch(who, pull_secrets=inputs.pull_secrets, labels=owner_labels(live.kind, live.name, live.uid))


def _is_root(settings: Settings) -> bool:
    return settings.build_backend == "daemonless"


def _of_script(who: str, inputs: BuildInputs, settings: Settings) -> PodPatch:
    """Return the container that runs our script: a client of BuildKit, or BuildKit itself."""
    root = _is_root(settings)
    resources = json.loads(settings.build_resources or "{}")
    values = _variables(inputs, settings)
    return PodPatch(
        who,
        env=[{"name": f"OUTFITTER_{name}", "value": fetch.literal(value)} for name, value in values],
        requests=resources.get("requests") or {},
        limits=resources.get("limits") or {},
        container={
            "image": settings.build_image,
            "command": ["sh", "-ec", SCRIPT],
            "securityContext": dict(_IN_USER_NAMESPACE if root else _RESTRICTED),
            "terminationMessagePolicy": "FallbackToLogsOnError",
        },
        pod={
            "restartPolicy": "Never",
            **({"hostUsers": False} if root else {"securityContext": {**_POD, "runAsNonRoot": True}}),
        },
    )


def _variables(inputs: BuildInputs, settings: Settings) -> Iterator[tuple[str, str]]:
    yield "BACKEND", settings.build_backend
    yield "ADDRESS", settings.buildkit_address
    yield "BUILDKIT", _DAEMON if inputs.daemon else ""
    yield "CONTEXT", inputs.context
    yield "ROOT", inputs.volume.use.mount_path
    yield "CONFIG_MAP", str(isinstance(inputs.volume, ConfigMapVolume)).lower()
    yield "DOCKERFILE", inputs.dockerfile
    yield "DOCKERFILE_TEXT", inputs.dockerfile_text
    yield "DESTINATION", inputs.destination
    yield "CACHE", cache_of(inputs, settings)
    yield "INSECURE", str(_plain(inputs.destination, settings)).lower()
    yield "SCOPE", inputs.scope
    yield "AUTHORITIES", settings.data_authorities
    yield "DOCKER", _DOCKER if inputs.login else ""
    yield "WORK", _WORK
    yield "MESSAGE", _MESSAGE
    yield "SECONDS", str(settings.build_timeout_seconds)


def repository_of(destination: str) -> str:
    """Return a destination without its tag."""
    head, slash, last = destination.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"


def cache_of(inputs: BuildInputs, settings: Settings) -> str:
    """Return where the layers of a build are kept, "" for nowhere."""
    return f"{repository_of(inputs.destination)}:cache" if settings.build_cache == "registry" else ""


def _plain(destination: str, settings: Settings) -> bool:
    """Return whether an administrator listed the host of a destination as one without TLS."""
    host = settings.registries.get(host_key(destination.partition("/")[0]))
    return host is not None and host.plain_http


def _of_template(who: str, inputs: BuildInputs, settings: Settings) -> PodPatch:
    """Return the container that an administrator describes. Kubernetes replaces the variables in its arguments."""
    given = json.loads(settings.build_template)
    resources = given.pop("resources", None) or {}
    own = given.pop("env", None) or []
    values = {
        "CONTEXT": inputs.context,
        "DOCKERFILE": inputs.dockerfile,
        "DESTINATION": inputs.destination,
        "CACHE": cache_of(inputs, settings),
        "DIGEST_FILE": _MESSAGE,
        "WORK": _WORK,
        **({"DOCKER_CONFIG": _DOCKER} if inputs.login else {}),
    }
    names = {item.get("name") for item in own}
    as_root = (given.get("securityContext") or {}).get("runAsUser") == 0
    variables = [{"name": name, "value": fetch.literal(value)} for name, value in values.items() if name not in names]
    return PodPatch(
        who,
        env=[*variables, *own],
        requests=resources.get("requests") or {},
        limits=resources.get("limits") or {},
        container={"securityContext": dict(_RESTRICTED), **given, "terminationMessagePolicy": "FallbackToLogsOnError"},
        pod={"restartPolicy": "Never", "securityContext": {**_POD, **({} if as_root else {"runAsNonRoot": True})}},
    )


def _files(who: str, inputs: BuildInputs, settings: Settings) -> PodPatch:
    """Return the room to work in, and the logins as files."""
    parts: list[dict[str, Any]] = [{"name": "work", "emptyDir": {"sizeLimit": settings.build_size_limit}}]
    mounts: list[dict[str, Any]] = [{"name": "work", "mountPath": _WORK}]
    mode = 0o400 if _is_root(settings) else 0o440
    if inputs.login:
        items = [{"key": LOGIN, "path": "config.json"}]
        parts.append({"name": "docker", "secret": {"secretName": inputs.login, "items": items, "defaultMode": mode}})
        mounts.append({"name": "docker", "mountPath": _DOCKER, "readOnly": True})
    if inputs.daemon:
        items = [{"key": name, "path": name} for name in _DAEMON_FILES]
        client = {"secret": {"name": inputs.daemon, "items": items, "optional": True}}
        parts.append({"name": "buildkit", "projected": {"defaultMode": mode, "sources": [client]}})
        mounts.append({"name": "buildkit", "mountPath": _DAEMON, "readOnly": True})
    return PodPatch(who, volumes=parts, mounts=mounts)
