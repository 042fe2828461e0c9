"""What in a pod goes beyond Pod Security `restricted`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
# Capabilities that `restricted` lets a container add.
_FREE_CAPABILITIES = frozenset({"NET_BIND_SERVICE"})


def elevated(template: Mapping[str, Any]) -> list[str]:
    """Return the elevated fields of an assembled pod, whatever asset they come from."""
    spec = template["spec"]
    found = [name for name in ("hostNetwork", "hostIPC", "hostPID") if spec.get(name)]
    # An incomplete volume has no path; it is reported where completeness is checked.
    host_paths = [volume["hostPath"] for volume in spec.get("volumes", ()) if "hostPath" in volume]
    found += [f"hostPath {source['path']}" for source in host_paths if "path" in source]
    contexts = [spec.get("securityContext", {})]
    contexts += [item.get("securityContext", {}) for item in (*spec["containers"], *spec.get("initContainers", ()))]
    for context in contexts:
        added = set((context.get("capabilities") or {}).get("add") or ()) - _FREE_CAPABILITIES
        found += [f"capability {name}" for name in sorted(added)]
        if context.get("allowPrivilegeEscalation"):
            found.append("allowPrivilegeEscalation")
        if context.get("privileged"):
            found.append("privileged")
        if (context.get("seccompProfile") or {}).get("type") == "Unconfined":
            found.append("seccomp profile Unconfined")
    for name, value in (template["metadata"].get("annotations") or {}).items():
        if name.startswith(_APPARMOR) and value != "runtime/default":
            found.append(f"AppArmor profile {value}")
    probes = [item.get("readinessProbe") or {} for item in spec["containers"]]
    found += [
        f"probe of host {probe['httpGet']['host']}" for probe in probes if (probe.get("httpGet") or {}).get("host")
    ]
    return list(dict.fromkeys(found))
