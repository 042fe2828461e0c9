"""A revision -> the source of each value of its pod, as the revision records it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from outfitter.cli.binding_rules import BindingRule, binding_rules, imposed_by
from outfitter.cli.mounted import Volumes
from outfitter.naming import credential_pull_secret, credential_secret
from outfitter.plan.workload.revision import Revision
from outfitter.render.gpu import KAI_FRACTION, KAI_MEMORY
from outfitter.render.podset import PodSet
from outfitter.render.ranks import MASTER, WORKER
from outfitter.render.scheduling import KAI_PREEMPTIBILITY, KAI_PRIORITY, KAI_QUEUE
from outfitter.resolve.distributed import FIELDS_OF_THE_WHOLE, MASTER_SPEC
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


def moved_images(status: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the images of a workload whose tag has another digest now than the one that its pods run."""
    rows = (item for item in status.get("outdated") or () if item.get("reason") == "Moved")
    return [{key: str(item.get(key, "")) for key in ("name", "usedDigest", "digest")} for item in rows]


def _used_asset(source: Source, newer: Mapping[str, Any] | None) -> UsedAsset:
    newest = source.generation if newer is None else newer.get("generation")
    change = str(newer.get("reason", "Changed")).lower() if newer else ""
    if change == "rotated":
        newest = source.generation
    return UsedAsset(source.kind, source.namespace, source.name, source.generation, newest, change)


@dataclass(frozen=True)
class _Pods:
    """Pods that are shown in full. `prefix`: before their fields; `own`: before the fields of their submission.

    `section`: worker or master of a distributed workload, whose policies have sections.
    """

    revision: Revision
    template: Mapping[str, Any]
    submission: Mapping[str, Any]
    section: str = ""
    prefix: str = ""
    own: str = ""

    def value(self, field: str, value: str, *submitted: str) -> PodValue:
        """Return a value with its origin. `submitted`: fields that it is rendered from, the same field by default."""
        if submitted:
            origin = self._origin(*submitted, assembled=field)
            return PodValue(f"{self.prefix}{field}", value, origin, submitted)
        same = _RENDERED_FROM.get(field, field)
        return PodValue(f"{self.prefix}{field}", value, self._origin(same, field), (same,))

    def assembled(self, field: str, value: str) -> PodValue:
        """Return a value that is no field of the submission."""
        return PodValue(f"{self.prefix}{field}", value, self._origin(assembled=field))

    def _origin(self, *submitted: str, assembled: str = "") -> str:
        own = (f"{'' if path.partition('.')[0] in FIELDS_OF_THE_WHOLE else self.own}{path}" for path in submitted)
        # The origins of a master like the workers have only those fields that policies made different.
        same = submitted if self.own and MASTER_SPEC not in self.revision.submission else ()
        return _first_origin(self.revision, *own, *same, *([f"pod.{self.prefix}{assembled}"] if assembled else []))


def pod_values(revision: Revision, effective: Mapping[str, Any] | None = None) -> list[PodValue]:
    """All values of the pod templates, those of the main container first; of other container groups their images.

    `effective`: spec of the EffectivePolicy of the workload's type in its namespace, for the rules of each value.
    """
    first, *others = _workers_first(revision)
    section = WORKER if effective is not None and effective["workloadType"] == "distributed" else ""
    values = _all_values(_Pods(revision, first.template, revision.submission, section), effective)
    for group in others:
        prefix = f"groups[{group.name}]."
        if group.name == MASTER:
            fields = revision.submission.get(MASTER_SPEC, revision.submission)
            master = _Pods(revision, group.template, fields, section and MASTER, prefix, f"{MASTER_SPEC}.")
            values += _all_values(master, effective)
        else:
            values += _images(_Pods(revision, group.template, revision.submission, prefix=prefix))
    return values


def _workers_first(revision: Revision) -> list[PodSet]:
    """Return the pods, the master last: the fields of the submission are those of the workers."""
    return sorted(revision.groups, key=lambda group: group.name == MASTER)


def _all_values(pods: _Pods, effective: Mapping[str, Any] | None) -> list[PodValue]:
    spec = pods.template["spec"]
    values = [*_container(pods, spec), *_pod(pods, spec), *_metadata(pods), *_other_images(pods)]
    return (
        values if effective is None else [replace(item, rules=_rules(effective, item, pods.section)) for item in values]
    )


def _rules(effective: Mapping[str, Any], value: PodValue, section: str) -> tuple[BindingRule, ...]:
    kind, _, name = value.origin.partition(" ")
    imposed = imposed_by(effective, name, section) if kind == "DataSource" else []
    return tuple(imposed or binding_rules(effective, value.submitted, section))


def _images(pods: _Pods) -> Iterator[PodValue]:
    """Yield the images of all containers."""
    yield pods.assembled("image", str(pods.template["spec"]["containers"][0].get("image", "")))
    yield from _other_images(pods)


def _other_images(pods: _Pods) -> Iterator[PodValue]:
    """Yield the images of all containers but the main one."""
    spec = pods.template["spec"]
    for group, items in (("containers", spec["containers"][1:]), ("initContainers", spec.get("initContainers", ()))):
        for item in items:
            name = f"{group}[{item['name']}]"
            yield replace(pods.assembled(f"{name}.image", str(item.get("image", ""))), field=f"{pods.prefix}{name}")


def _container(pods: _Pods, spec: Mapping[str, Any]) -> Iterator[PodValue]:
    main = spec["containers"][0]
    for field, value in main.items():
        if field not in _OWN_ROWS:
            yield pods.value(field, _formatted(field, value))
    for item in main.get("env", ()):
        field = f"env[{item['name']}]"
        yield pods.value(field, _variable(item), f"environmentVariables[{item['name']}]")
    for group in ("requests", "limits"):
        for name, amount in (main.get("resources") or {}).get(group, {}).items():
            field = f"resources.{group}.{name}"
            extended = f"compute.extendedResources[{name}]"
            given = (_RENDERED_FROM[field], extended) if field in _RENDERED_FROM else (extended,)
            yield pods.value(field, str(amount), *given)
    for item in main.get("ports", ()):
        port = item["containerPort"]
        names = [f"connections[{each['name']}]" for each in pods.submission.get("connections", ())
                 if each.get("containerPort") == port]  # fmt: skip
        yield pods.value(f"ports[{port}]", item.get("protocol", "TCP"), *(names or [f"ports[{port}]"]))
    yield from _mounts(pods, main, Volumes(spec, pods.revision.buckets))
    for name, value in (main.get("securityContext") or {}).items():
        yield pods.value(f"securityContext.{name}", _formatted(name, value))


def _mounts(pods: _Pods, main: Mapping[str, Any], volumes: Volumes) -> Iterator[PodValue]:
    for group, key in (("volumeMounts", "mountPath"), ("volumeDevices", "devicePath")):
        for item in main.get(group, ()):
            name = item["name"]
            folder = f", folder {item['subPath']}" if "subPath" in item else ""
            writable = ", read-only" if item.get("readOnly") else ""
            given = f"storage.{volumes.storage(name)}[{name}]"
            yield pods.value(f"{group}[{item[key]}]", f"{volumes.words(name)}{folder}{writable}", given)


def _pod(pods: _Pods, spec: Mapping[str, Any]) -> Iterator[PodValue]:
    credentials = {
        name: f"{source.kind} {source.name}"
        for source in pods.revision.sources
        if source.kind == "Credential"
        for name in (source.secret or credential_secret(source.name), credential_pull_secret(source.name))
    }
    for name, value in (spec.get("securityContext") or {}).items():
        yield _of_pod(pods, f"securityContext.{name}", _formatted(name, value))
    for item in spec.get("imagePullSecrets", ()):
        name = item["name"]
        found = _of_pod(pods, f"imagePullSecrets[{name}]", f"Secret {name}", f"imagePullSecrets[{name}]")
        yield replace(found, origin=credentials.get(name, found.origin))
    for field, value in spec.items():
        if field not in _POD_ROWS and field != "initContainers":
            yield _of_pod(pods, field, _formatted(field, value))


def _metadata(pods: _Pods) -> Iterator[PodValue]:
    """Labels and annotations of the submission and for schedulers; those that every pod has are left out."""
    metadata = pods.template.get("metadata") or {}
    for group in ("labels", "annotations"):
        for item in pods.submission.get(group, ()):
            if (value := (metadata.get(group) or {}).get(item["name"])) is not None:
                yield _of_pod(pods, f"{group}[{item['name']}]", value)
        for name, field in _METADATA_FROM.items():
            if (value := (metadata.get(group) or {}).get(name)) is not None:
                yield _of_pod(pods, f"{group}[{name}]", value, field)


def _of_pod(pods: _Pods, field: str, value: str, *submitted: str) -> PodValue:
    """Return a value of the pod itself."""
    return replace(pods.value(field, value, *submitted), field=f"{pods.prefix}pod.{field}")


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


def _formatted(field: str, value: Any) -> str:
    if field in ("command", "args") and isinstance(value, list):
        return shlex.join(value)
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))
