"""What of a pod the Pod Security level of a Namespace rejects, judged before the old pod ends.

The levels are those of Kubernetes, for the fields that Outfitter renders. A level that is set for the whole cluster
cannot be seen; the API server then rejects the pod, and the status repeats its answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from outfitter.policy.elevation import APPARMOR

_BASELINE_CAPABILITIES: Final = frozenset(
    ("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP",
     "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT")
)  # fmt: skip
_VOLUMES: Final = frozenset(
    ("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected",
     "secret")
)  # fmt: skip
_ALLOWED_APPARMOR: Final = ("runtime/default", "localhost/")


def violations(template: Mapping[str, Any], level: str) -> list[str]:
    """Return the fields of a pod template that a level (`baseline`, `restricted`) rejects, each once."""
    found: list[str] = []
    if level in ("baseline", "restricted"):
        found += _baseline(template)
    if level == "restricted":
        found += _restricted(template)
    return list(dict.fromkeys(found))


def _containers(spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*spec["containers"], *spec.get("initContainers", ())]


def _baseline(template: Mapping[str, Any]) -> Iterator[str]:
    spec = template["spec"]
    yield from (name for name in ("hostNetwork", "hostIPC", "hostPID") if spec.get(name))
    yield from (f"volume {item['name']} of type hostPath" for item in spec.get("volumes", ()) if "hostPath" in item)
    for name, value in (template.get("metadata", {}).get("annotations") or {}).items():
        if name.startswith(APPARMOR) and not value.startswith(_ALLOWED_APPARMOR):
            yield f"AppArmor profile {value}"
    for where in (spec, *_containers(spec)):
        context = where.get("securityContext") or {}
        if context.get("privileged"):
            yield "privileged"
        if (context.get("seccompProfile") or {}).get("type") == "Unconfined":
            yield "seccomp profile Unconfined"
        added = (context.get("capabilities") or {}).get("add") or ()
        yield from (f"capability {name}" for name in added if name not in _BASELINE_CAPABILITIES)


def _restricted(template: Mapping[str, Any]) -> Iterator[str]:
    spec = template["spec"]
    for item in spec.get("volumes", ()):
        kinds = set(item) - {"name"}
        yield from (f"volume {item['name']} of type {kind}" for kind in sorted(kinds - _VOLUMES - {"hostPath"}))
    pod = spec.get("securityContext") or {}
    for container in _containers(spec):
        context = container.get("securityContext") or {}
        if not context.get("runAsNonRoot", pod.get("runAsNonRoot")):
            yield "runAsNonRoot is not true"
        if context.get("runAsUser", pod.get("runAsUser")) == 0:
            yield "runAsUser is 0"
        if context.get("allowPrivilegeEscalation") is not False:
            yield "allowPrivilegeEscalation is not false"
        if "ALL" not in ((context.get("capabilities") or {}).get("drop") or ()):
            yield "capabilities are not dropped"
        added = (context.get("capabilities") or {}).get("add") or ()
        yield from (f"capability {name}" for name in added if name != "NET_BIND_SERVICE")
        if not (context.get("seccompProfile") or pod.get("seccompProfile")):
            yield "no seccomp profile"
