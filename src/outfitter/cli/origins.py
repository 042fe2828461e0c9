"""A revision -> the source of each value of its pod, as the revision records it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from outfitter.naming import credential_pull_secret, credential_secret
from outfitter.plan.workload.revision import Revision
from outfitter.resolve.references import Source
from outfitter.resolve.serving import BUILT_IN

# Field of the pod -> field of the merged submission that it is rendered from.
_RENDERED_FROM: Final[Mapping[str, str]] = {
    "readinessProbe": "probes.readiness",
    "resources.requests.cpu": "compute.cpuCoreRequest",
    "resources.requests.memory": "compute.cpuMemoryRequest",
    "resources.limits.cpu": "compute.cpuCoreLimit",
    "resources.limits.memory": "compute.cpuMemoryLimit",
    "resources.requests.nvidia.com/gpu": "compute.gpuDevicesRequest",
    "resources.limits.nvidia.com/gpu": "compute.gpuDevicesRequest",
    "securityContext.runAsUser": "security.runAsUid",
    "securityContext.runAsGroup": "security.runAsGid",
    "securityContext.fsGroup": "security.runAsGid",
    "securityContext.runAsNonRoot": "security.runAsNonRoot",
    "securityContext.supplementalGroups": "security.supplementalGroups",
    "securityContext.seccompProfile": "security.seccompProfileType",
    "securityContext.allowPrivilegeEscalation": "security.allowPrivilegeEscalation",
    "securityContext.readOnlyRootFilesystem": "security.readOnlyRootFilesystem",
    "securityContext.capabilities": "security.capabilities",
    "hostIPC": "security.hostIpc",
    "hostNetwork": "security.hostNetwork",
    "nodeSelector": "nodeType",
    "priorityClassName": "priorityClass",
}
_OWN_ROWS: Final = frozenset({"name", "env", "resources", "ports", "volumeMounts", "volumeDevices", "securityContext"})
_POD_ROWS: Final = frozenset({"containers", "volumes", "imagePullSecrets", "securityContext"})


@dataclass(frozen=True)
class PodValue:
    """One value of the pod. `origin` names the asset, the workload itself, or Outfitter for a built-in default."""

    field: str
    value: str
    origin: str


@dataclass(frozen=True)
class UsedAsset:
    """One asset of a revision: its recorded generation, its `newest` one (None: deleted) and the kind of `change`."""

    kind: str
    namespace: str
    name: str
    generation: int
    newest: int | None
    change: str = ""

    @property
    def label(self) -> str:
        """Name of the asset in origins."""
        return f"{self.kind} {self.name}"


def used_assets(revision: Revision, status: Mapping[str, Any]) -> list[UsedAsset]:
    """Assets of a revision, compared with `outdated` in the workload's status."""
    newer = {(item["kind"], item.get("namespace", ""), item["name"]): item for item in status.get("outdated") or ()}
    return [_used_asset(source, newer.get((source.kind, source.namespace, source.name))) for source in revision.sources]


def _used_asset(source: Source, newer: Mapping[str, Any] | None) -> UsedAsset:
    newest = source.generation if newer is None else newer.get("generation")
    change = str(newer.get("reason", "Changed")).lower() if newer else ""
    if change == "rotated":
        newest = source.generation
    return UsedAsset(source.kind, source.namespace, source.name, source.generation, newest, change)


def pod_values(revision: Revision) -> list[PodValue]:
    """All values of the pod template, the main container first."""
    spec = revision.template["spec"]
    main, *others = spec["containers"]
    volumes = {item["name"]: item for item in spec.get("volumes", ())}
    values = [*_container(revision, main, volumes), *_pod(revision, spec)]
    for group, items in (("containers", others), ("initContainers", spec.get("initContainers", ()))):
        values += [_other(revision, "", f"{group}[{item['name']}]", item) for item in items]
    for pod_group in revision.groups[1:]:
        first, *rest = pod_group.template["spec"]["containers"]
        prefix = f"groups[{pod_group.name}]"
        values.append(_other(revision, prefix, "", first))
        values += [_other(revision, prefix, f"containers[{item['name']}]", item) for item in rest]
    return values


def _other(revision: Revision, group: str, name: str, container: Mapping[str, Any]) -> PodValue:
    """Image of a container that is not the main container of the first group."""
    path = ".".join(part for part in (group, name) if part)
    return PodValue(path, str(container.get("image", "")), _first_origin(revision, f"pod.{path}.image"))


def _container(revision: Revision, main: Mapping[str, Any], volumes: Mapping[str, Any]) -> Iterator[PodValue]:
    for field, value in main.items():
        if field not in _OWN_ROWS:
            yield PodValue(field, _formatted(field, value), _origin(revision, field))
    for item in main.get("env", ()):
        field = f"env[{item['name']}]"
        yield PodValue(
            field, _variable(item), _first_origin(revision, f"environmentVariables[{item['name']}]", f"pod.{field}")
        )
    for group in ("requests", "limits"):
        for name, amount in (main.get("resources") or {}).get(group, {}).items():
            field = f"resources.{group}.{name}"
            extended = f"compute.extendedResources[{name}]"
            yield PodValue(
                field,
                str(amount),
                _first_origin(revision, _RENDERED_FROM.get(field, extended), extended, f"pod.{field}"),
            )
    for item in main.get("ports", ()):
        port = item["containerPort"]
        names = [f"connections[{each['name']}]" for each in revision.submission.get("connections", ())
                 if each.get("containerPort") == port]  # fmt: skip
        yield PodValue(
            f"ports[{port}]", item.get("protocol", "TCP"), _first_origin(revision, *names, f"pod.ports[{port}]")
        )
    for group, key in (("volumeMounts", "mountPath"), ("volumeDevices", "devicePath")):
        for item in main.get(group, ()):
            field = f"{group}[{item[key]}]"
            writable = ", read-only" if item.get("readOnly") else ""
            yield PodValue(
                field, _volume(volumes.get(item["name"], {})) + writable, _first_origin(revision, f"pod.{field}")
            )
    for name, value in (main.get("securityContext") or {}).items():
        yield PodValue(f"securityContext.{name}", _formatted(name, value), _origin(revision, f"securityContext.{name}"))


def _pod(revision: Revision, spec: Mapping[str, Any]) -> Iterator[PodValue]:
    credentials = {
        name: f"{source.kind} {source.name}"
        for source in revision.sources
        if source.kind == "Credential"
        for name in (credential_secret(source.name), credential_pull_secret(source.name))
    }
    for name, value in (spec.get("securityContext") or {}).items():
        yield PodValue(
            f"pod.securityContext.{name}", _formatted(name, value), _origin(revision, f"securityContext.{name}")
        )
    for item in spec.get("imagePullSecrets", ()):
        name = item["name"]
        origin = credentials.get(name) or _first_origin(revision, f"imagePullSecrets[{name}]")
        yield PodValue(f"pod.imagePullSecrets[{name}]", f"Secret {name}", origin)
    for field, value in spec.items():
        if field not in _POD_ROWS and field != "initContainers":
            yield PodValue(f"pod.{field}", _formatted(field, value), _origin(revision, field))


def _origin(revision: Revision, field: str) -> str:
    return _first_origin(revision, _RENDERED_FROM.get(field, field), field)


def _first_origin(revision: Revision, *paths: str) -> str:
    """Origins of the first path that has any; the paths below it count too."""
    for path in paths:
        below = (f"{path}.", f"{path}[")
        names = [name for field, name in revision.origins.items() if field == path or field.startswith(below)]
        if names:
            return ", ".join(dict.fromkeys(names))
    return BUILT_IN


def _variable(item: Mapping[str, Any]) -> str:
    source = item.get("valueFrom") or {}
    if "secretKeyRef" in source:
        return f"key {source['secretKeyRef']['key']} of Secret {source['secretKeyRef']['name']}"
    if "configMapKeyRef" in source:
        return f"key {source['configMapKeyRef']['key']} of ConfigMap {source['configMapKeyRef']['name']}"
    if "fieldRef" in source:
        return f"the pod's {source['fieldRef']['fieldPath']}"
    return str(item.get("value", ""))


def _volume(volume: Mapping[str, Any]) -> str:
    """Short description of a volume."""
    kind = next((key for key in volume if key != "name"), "")
    what = volume.get(kind) or {}
    match kind:
        case "persistentVolumeClaim":
            return f"PersistentVolumeClaim {what['claimName']}"
        case "secret":
            return f"Secret {what.get('secretName', '')}"
        case "configMap":
            return f"ConfigMap {what.get('name', '')}"
        case "nfs":
            return f"nfs {what.get('server')}:{what.get('path')}"
        case "hostPath":
            return f"path {what.get('path')} of the node"
        case "emptyDir":
            return "memory" if what.get("medium") == "Memory" else "an empty directory"
    return kind


def _formatted(field: str, value: Any) -> str:
    if field in ("command", "args") and isinstance(value, list):
        return shlex.join(value)
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))
