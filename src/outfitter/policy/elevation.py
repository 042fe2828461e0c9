"""What in a pod goes beyond Pod Security `restricted`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from outfitter.problems import Problem, note, stalled
from outfitter.reasons import Reason

APPARMOR: Final = "container.apparmor.security.beta.kubernetes.io/"
# Capabilities that `restricted` lets a container add.
FREE_CAPABILITIES: Final = frozenset({"NET_BIND_SERVICE"})

PROBES: Final = ("startupProbe", "readinessProbe", "livenessProbe")
_HOOKS: Final = ("postStart", "preStop")


def elevated(templates: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the elevated fields of assembled pods, whatever asset they come from."""
    return list(dict.fromkeys(field for template in templates for field in _of(template)))


def forbidden(fields: Sequence[str], namespace: str) -> Problem:
    """Return the problem of pods that the Namespace does not allow."""
    text = (
        f"The pod exceeds Pod Security level restricted: {', '.join(fields)}. Remove these settings, or ask an "
        f"administrator to label namespace {namespace} outfitter.dev/elevation=allowed."
    )
    return stalled(Reason.ELEVATION_FORBIDDEN, text)


def revoked(fields: Sequence[str], namespace: str) -> Problem:
    """Return the note of pods that run, although the Namespace does not allow them any more."""
    text = (
        f"The pod runs beyond Pod Security level restricted: {', '.join(fields)}. Namespace {namespace} has no label "
        "outfitter.dev/elevation=allowed any more, so it cannot start again. Suspend it, or remove these settings."
    )
    return note(Reason.ELEVATION_REVOKED, text)


def _of(template: Mapping[str, Any]) -> list[str]:
    spec = template["spec"]
    found = [name for name in ("hostNetwork", "hostIPC", "hostPID") if spec.get(name)]
    # An incomplete volume has no path; it is reported where completeness is checked.
    host_paths = [volume["hostPath"] for volume in spec.get("volumes", ()) if "hostPath" in volume]
    found += [f"hostPath {source['path']}" for source in host_paths if "path" in source]
    contexts = [spec.get("securityContext", {})]
    contexts += [item.get("securityContext", {}) for item in (*spec["containers"], *spec.get("initContainers", ()))]
    for context in contexts:
        added = set((context.get("capabilities") or {}).get("add") or ()) - FREE_CAPABILITIES
        found += [f"capability {name}" for name in sorted(added)]
        if context.get("allowPrivilegeEscalation"):
            found.append("allowPrivilegeEscalation")
        if context.get("privileged"):
            found.append("privileged")
        if context.get("procMount", "Default") != "Default":
            found.append(f"procMount {context['procMount']}")
        if (context.get("seccompProfile") or {}).get("type") == "Unconfined":
            found.append("seccomp profile Unconfined")
    for name, value in (template["metadata"].get("annotations") or {}).items():
        if name.startswith(APPARMOR) and value != "runtime/default":
            found.append(f"AppArmor profile {value}")
    found += [
        f"probe of host {host}"
        for item in (*spec["containers"], *spec.get("initContainers", ()))
        for host in _hosts(item)
    ]
    return found


def _hosts(container: Mapping[str, Any]) -> list[str]:
    """Return the hosts that the kubelet would ask for a container instead of its pod."""
    hooks = container.get("lifecycle") or {}
    handlers = [container.get(name) or {} for name in PROBES] + [hooks.get(name) or {} for name in _HOOKS]
    actions = [handler.get(kind) or {} for handler in handlers for kind in ("httpGet", "tcpSocket")]
    return [action["host"] for action in actions if action.get("host")]
