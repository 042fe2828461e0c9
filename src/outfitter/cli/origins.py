"""A revision -> the source of each value of its pod, as the revision records it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from outfitter.cli.binding_rules import BindingRule, binding_rules, imposed_by
from outfitter.naming import credential_pull_secret, credential_secret
from outfitter.plan.workload.revision import Revision
from outfitter.render.gpu import KAI_FRACTION, KAI_MEMORY
from outfitter.render.podset import PodSet
from outfitter.render.ranks import MASTER, WORKER
from outfitter.render.scheduling import KAI_PREEMPTIBILITY, KAI_PRIORITY, KAI_QUEUE
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
# Label or annotation of the pod -> field of the merged submission that it is rendered from.
_METADATA_FROM: Final[Mapping[str, str]] = {
    KAI_QUEUE: "queue",
    KAI_PREEMPTIBILITY: "preemptibility",
    KAI_PRIORITY: "priorityClass",
    KAI_FRACTION: "compute.gpuPortionRequest",
    KAI_MEMORY: "compute.gpuMemoryRequest",
}
# Volume of the pod -> the list of inline volumes in `storage` that it can come from.
_STORAGE: Final[Mapping[str, str]] = {
    "persistentVolumeClaim": "pvc",
    "ephemeral": "pvc",
    "configMap": "configMapVolume",
    "secret": "secretVolume",
    "emptyDir": "emptyDirVolume",
}
_OWN_MASTER: Final = "masterSpec"
_OWN_ROWS: Final = frozenset({"name", "env", "resources", "ports", "volumeMounts", "volumeDevices", "securityContext"})
_POD_ROWS: Final = frozenset({"containers", "volumes", "imagePullSecrets", "securityContext"})


@dataclass(frozen=True)
class PodValue:
    """One value of the pod. `origin` names the asset, the workload itself, or Outfitter for a built-in default."""

    field: str
    value: str
    origin: str
    submitted: tuple[str, ...] = ()
    """The fields of the submission that the value is rendered from."""
    rules: tuple[BindingRule, ...] = ()
    """What the policies of the project demand of these fields."""

    def to_dict(self) -> dict[str, Any]:
        """Return field, value and origin, and the rules where there are any."""
        found: dict[str, Any] = {"field": self.field, "value": self.value, "origin": self.origin}
        return {**found, "rules": [asdict(item) for item in self.rules]} if self.rules else found


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


def pod_values(revision: Revision, effective: Mapping[str, Any] | None = None) -> list[PodValue]:
    """All values of the pod template, the main container first.

    `effective`: spec of the EffectivePolicy of the workload's type in its namespace, for the rules of each value.
    """
    revision = _workers_first(revision)
    values = _of_pod(revision)
    for pod_group in revision.groups[1:]:
        prefix = f"groups[{pod_group.name}]"
        if pod_group.name == MASTER:
            own = _of_pod(_as_master(revision, pod_group))
            values += [replace(item, field=f"{prefix}.{item.field}") for item in own]
            continue
        first, *rest = pod_group.template["spec"]["containers"]
        values.append(_other(revision, prefix, "", first))
        values += [_other(revision, prefix, f"containers[{item['name']}]", item) for item in rest]
    if effective is None:
        return values
    return [replace(item, rules=tuple(_rules(effective, item))) for item in values]


def _of_pod(revision: Revision) -> list[PodValue]:
    """Return all values of the pods of the first group."""
    spec = revision.template["spec"]
    main, *others = spec["containers"]
    volumes = {item["name"]: item for item in spec.get("volumes", ())}
    values = [*_container(revision, main, volumes), *_pod(revision, spec), *_metadata(revision)]
    for group, items in (("containers", others), ("initContainers", spec.get("initContainers", ()))):
        values += [_other(revision, "", f"{group}[{item['name']}]", item) for item in items]
    return values


def _as_master(revision: Revision, group: PodSet) -> Revision:
    """Return the revision as that of the master alone: of one like the workers, the fields are theirs."""
    own, start = revision.submission.get(_OWN_MASTER), f"{_OWN_MASTER}."
    if own is None:
        return replace(revision, groups=(group,))
    origins = {path.removeprefix(start): name for path, name in revision.origins.items() if path.startswith(start)}
    return replace(revision, submission=own, origins=origins, groups=(group,))


def _workers_first(revision: Revision) -> Revision:
    """Return the revision with its workers before the master: the fields of the submission are those of the workers."""
    own = [group for group in revision.groups if group.name == MASTER]
    return replace(revision, groups=(*(group for group in revision.groups if group not in own), *own))


def _rules(effective: Mapping[str, Any], value: PodValue) -> list[BindingRule]:
    kind, _, name = value.origin.partition(" ")
    section = ""
    if effective["workloadType"] == "distributed":
        section = MASTER if value.field.startswith(f"groups[{MASTER}]") else WORKER
    imposed = imposed_by(effective, name, section) if kind == "DataSource" else []
    return imposed or binding_rules(effective, value.submitted, section)


def _other(revision: Revision, group: str, name: str, container: Mapping[str, Any]) -> PodValue:
    """Image of a container that is not the main container of the first group."""
    path = ".".join(part for part in (group, name) if part)
    return PodValue(path, str(container.get("image", "")), _first_origin(revision, f"pod.{path}.image"))


def _container(revision: Revision, main: Mapping[str, Any], volumes: Mapping[str, Any]) -> Iterator[PodValue]:
    for field, value in main.items():
        if field not in _OWN_ROWS:
            yield _value(revision, field, _formatted(field, value))
    for item in main.get("env", ()):
        field = f"env[{item['name']}]"
        yield _value(revision, field, _variable(item), f"environmentVariables[{item['name']}]")
    for group in ("requests", "limits"):
        for name, amount in (main.get("resources") or {}).get(group, {}).items():
            field = f"resources.{group}.{name}"
            extended = f"compute.extendedResources[{name}]"
            given = (_RENDERED_FROM[field], extended) if field in _RENDERED_FROM else (extended,)
            yield _value(revision, field, str(amount), *given)
    for item in main.get("ports", ()):
        port = item["containerPort"]
        names = [f"connections[{each['name']}]" for each in revision.submission.get("connections", ())
                 if each.get("containerPort") == port]  # fmt: skip
        yield _value(revision, f"ports[{port}]", item.get("protocol", "TCP"), *(names or [f"ports[{port}]"]))
    for group, key in (("volumeMounts", "mountPath"), ("volumeDevices", "devicePath")):
        for item in main.get(group, ()):
            volume = volumes.get(item["name"], {})
            writable = ", read-only" if item.get("readOnly") else ""
            source = next((kind for kind in volume if kind != "name"), "")
            given = (f"storage.{_STORAGE.get(source, source)}[{item['name']}]",)
            yield _value(revision, f"{group}[{item[key]}]", _volume(volume) + writable, *given)
    for name, value in (main.get("securityContext") or {}).items():
        yield _value(revision, f"securityContext.{name}", _formatted(name, value))


def _pod(revision: Revision, spec: Mapping[str, Any]) -> Iterator[PodValue]:
    credentials = {
        name: f"{source.kind} {source.name}"
        for source in revision.sources
        if source.kind == "Credential"
        for name in (source.secret or credential_secret(source.name), credential_pull_secret(source.name))
    }
    for name, value in (spec.get("securityContext") or {}).items():
        found = _value(revision, f"securityContext.{name}", _formatted(name, value))
        yield replace(found, field=f"pod.{found.field}")
    for item in spec.get("imagePullSecrets", ()):
        name = item["name"]
        found = _value(revision, f"pod.imagePullSecrets[{name}]", f"Secret {name}", f"imagePullSecrets[{name}]")
        yield replace(found, origin=credentials.get(name, found.origin))
    for field, value in spec.items():
        if field not in _POD_ROWS and field != "initContainers":
            yield replace(_value(revision, field, _formatted(field, value)), field=f"pod.{field}")


def _metadata(revision: Revision) -> Iterator[PodValue]:
    """Labels and annotations of the submission and for schedulers; those that every pod has are left out."""
    metadata = revision.template.get("metadata") or {}
    for group in ("labels", "annotations"):
        for item in revision.submission.get(group, ()):
            if (value := (metadata.get(group) or {}).get(item["name"])) is not None:
                found = _value(revision, f"{group}[{item['name']}]", value)
                yield replace(found, field=f"pod.{found.field}")
        for name, field in _METADATA_FROM.items():
            if (value := (metadata.get(group) or {}).get(name)) is not None:
                yield _value(revision, f"pod.{group}[{name}]", value, field)


def _value(revision: Revision, field: str, value: str, *submitted: str) -> PodValue:
    """Return a value with its origin. `submitted`: fields that it is rendered from, the same field by default."""
    if submitted:
        return PodValue(field, value, _first_origin(revision, *submitted, f"pod.{field}"), submitted)
    same = _RENDERED_FROM.get(field, field)
    return PodValue(field, value, _first_origin(revision, same, field), (same,))


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
