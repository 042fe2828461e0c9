"""What to write instead of a field that pods, Run:ai or Kubeflow have, and Outfitter's kinds do not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from outfitter.api.shape import Path

SYNONYMS: Final[Mapping[str, tuple[str, ...]]] = {
    "accelerator": ("compute.gpuDevicesRequest",),
    "activeDeadlineSeconds": ("maxRuntimeSeconds",),
    "affinity": ("nodeAffinityRequired", "podAffinity"),
    "arguments": ("args",),
    "container": ("image", "containerGroups"),
    "containers": ("image", "containerGroups"),
    "cpu": ("compute.cpuCoreRequest", "cpuCoreRequest"),
    "datasets": ("assets.dataSources",),
    "dataset": ("assets.dataSources",),
    "dataSources": ("assets.dataSources",),
    "entrypoint": ("command",),
    "env": ("environmentVariables",),
    "envFrom": ("environmentVariables",),
    "environment": ("assets.environment", "environmentVariables"),
    "fsGroup": ("security.supplementalGroups", "supplementalGroups"),
    "gpu": ("compute.gpuDevicesRequest", "gpuDevicesRequest"),
    "gpuRequest": ("compute.gpuDevicesRequest", "gpuDevicesRequest"),
    "gpus": ("compute.gpuDevicesRequest", "gpuDevicesRequest"),
    "hostIPC": ("security.hostIpc", "hostIpc"),
    "hostNetwork": ("security.hostNetwork",),
    "ingress": ("exposedUrls",),
    "limits": ("compute",),
    "livenessProbe": ("probes",),
    "maxReplicas": ("autoscaling.maxReplicas",),
    "memory": ("compute.cpuMemoryRequest", "cpuMemoryRequest"),
    "minReplicas": ("autoscaling.minReplicas",),
    "nodeAffinity": ("nodeAffinityRequired",),
    "nodeName": ("nodePools", "nodeType"),
    "nodeSelector": ("nodeType", "nodePools", "nodeAffinityRequired"),
    "persistentVolumeClaim": ("storage.pvc", "pvc"),
    "persistentVolumeClaims": ("storage.pvc",),
    "podSecurityContext": ("security",),
    "port": ("ports", "servingPort"),
    "priority": ("priorityClass",),
    "priorityClassName": ("priorityClass",),
    "privileged": ("security.capabilities",),
    "probe": ("probes.readiness",),
    "pvcs": ("storage.pvc",),
    "readinessProbe": ("probes.readiness",),
    "requests": ("compute",),
    "resources": ("compute",),
    "runAsGroup": ("security.runAsGid", "runAsGid"),
    "runAsUser": ("security.runAsUid", "runAsUid"),
    "seccompProfile": ("security.seccompProfileType", "seccompProfileType"),
    "secret": ("secretRef",),
    "secretName": ("secretRef.name",),
    "securityContext": ("security",),
    "shmSize": ("compute.largeShmRequest", "largeShmRequest"),
    "startupProbe": ("probes",),
    "stopped": ("suspend",),
    "paused": ("suspend",),
    "ttlSecondsAfterFinished": ("autoDeletionTimeAfterCompletionSeconds",),
    "variables": ("environmentVariables",),
    "volumeClaimTemplates": ("storage.pvc",),
    "volumeMounts": ("storage", "assets.dataSources"),
    "volumes": ("storage", "assets.dataSources"),
    "workDir": ("workingDir",),
    "workers": ("numWorkers",),
}
"""Name -> fields that can replace it, from where it stands or from the spec."""
_WITHOUT: Final = {
    "serviceAccount": "remove it: pods get no ServiceAccount token",
    "serviceAccountName": "remove it: pods get no ServiceAccount token",
}
"""Name -> advice, for what no field can do."""
_DEPTH: Final = 4  # of fields in fields; deeper ones have too little to do with a name


def in_place_of(schema: Mapping[str, Any], path: Path) -> str:
    """Return what to do instead of setting the unknown field at `path`; "" if nothing is known."""
    name, parent = path[-1], tuple(part for part in path[:-1] if isinstance(part, str))
    if not isinstance(name, str):
        return ""
    if name in _WITHOUT:
        return _WITHOUT[name]
    for base in dict.fromkeys((parent, ("spec",))):
        inside = _at(schema, base)
        found = [target for target in SYNONYMS.get(name, ()) if _has(inside, target.split("."))]
        if found:
            return "use " + " or ".join(".".join((*base, target)) for target in found)
    deeper = list(_deeper(_at(schema, parent), name, parent))
    return f"use {deeper[0]}" if len(deeper) == 1 else ""


def _inner(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    items = schema.get("items") or schema
    return items.get("properties") or {}


def _at(schema: Mapping[str, Any], path: tuple[str, ...]) -> Mapping[str, Any]:
    for part in path:
        schema = _inner(schema).get(part) or {}
    return schema


def _has(schema: Mapping[str, Any], steps: list[str]) -> bool:
    return bool(_at(schema, tuple(steps)))


def _deeper(schema: Mapping[str, Any], name: str, path: tuple[str, ...]) -> Iterator[str]:
    """Yield the places below a field that have a field of this name, outside of lists."""
    if len(path) > _DEPTH or "items" in schema:
        return
    for key, value in _inner(schema).items():
        if key == name:
            yield ".".join((*path, key))
        else:
            yield from _deeper(value, name, (*path, key))
