"""The only builder of pod templates: assets contribute, `assemble` merges in a fixed order and reports clashes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from outfitter.canonical import prune
from outfitter.problems import Problem, stalled

MAIN = "main"

# What restricted Pod Security lets a container add without being elevated.
_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
_FREE_CAPABILITIES = frozenset({"NET_BIND_SERVICE"})


@dataclass(frozen=True)
class Contribution:
    """What one asset (or the inline fields) adds to a pod. `source` names it in clashes, as in `DataSource models`."""

    source: str
    env: Sequence[Mapping[str, Any]] = ()
    volumes: Sequence[Mapping[str, Any]] = ()
    mounts: Sequence[Mapping[str, Any]] = ()
    devices: Sequence[Mapping[str, Any]] = ()
    ports: Sequence[Mapping[str, Any]] = ()
    requests: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)
    pull_secrets: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    container: Mapping[str, Any] = field(default_factory=dict)  # fields of the main container
    pod: Mapping[str, Any] = field(default_factory=dict)  # fields of the pod spec


@dataclass(frozen=True)
class Assembled:
    """A pod template and what is wrong with it. `origins`: path in the pod -> contribution."""

    template: dict[str, Any]
    problems: tuple[Problem, ...]
    origins: Mapping[str, str]


# Contribution field -> list of the pod it goes to, the key of an item, and what people call it.
_LISTS: tuple[tuple[str, str, str, str], ...] = (
    ("env", "env", "name", "environment variable"),
    ("volumes", "volumes", "name", "volume"),
    ("mounts", "volumeMounts", "mountPath", "mount path"),
    ("devices", "volumeDevices", "devicePath", "mount path"),
    ("ports", "ports", "containerPort", "container port"),
)


@dataclass
class _Parts:
    """What has been merged so far. The first to claim a name keeps it; a second claim is a problem naming both."""

    lists: dict[str, list[Mapping[str, Any]]] = field(default_factory=lambda: {row[1]: [] for row in _LISTS})
    resources: dict[str, dict[str, str]] = field(default_factory=lambda: {"requests": {}, "limits": {}})
    meta: dict[str, dict[str, str]] = field(default_factory=lambda: {"labels": {}, "annotations": {}})
    container: dict[str, Any] = field(default_factory=dict)
    pod: dict[str, Any] = field(default_factory=dict)
    pull_secrets: dict[str, None] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    claims: dict[tuple[str, str], str] = field(default_factory=dict)

    def claim(self, what: str, name: str, source: str) -> bool:
        first = self.claims.get((what, name))
        if first is None:
            self.claims[what, name] = source
            return True
        both = f"{first} and {source}" if first != source else f"{source}, twice"
        self.problems.append(stalled("Conflict", f"{what} {name} is set by {both}: change one of them"))
        return False

    def add(self, part: Contribution) -> None:
        for attribute, target, key, what in _LISTS:
            for item in getattr(part, attribute):
                if self.claim(what, str(item[key]), part.source):
                    self.lists[target].append(item)
                    self.origins[f"{target}[{item[key]}]"] = part.source
        for side, values in (("requests", part.requests), ("limits", part.limits)):
            for name, value in values.items():
                if self.claim(f"resource in {side}", name, part.source):
                    self.resources[side][name] = value
                    self.origins[f"resources.{side}.{name}"] = part.source
        self.pull_secrets.update(dict.fromkeys(part.pull_secrets))
        self.meta["labels"].update(part.labels)
        self.meta["annotations"].update(part.annotations)
        _merge(self.container, part.container)
        _merge(self.pod, part.pod)
        self.origins.update(dict.fromkeys((*part.container, *part.pod), part.source))


def assemble(contributions: Iterable[Contribution]) -> Assembled:
    """One pod template with one container out of all contributions, in their order."""
    parts = _Parts()
    for part in contributions:
        parts.add(part)
    volumes = parts.lists.pop("volumes")
    resources = {side: values for side, values in parts.resources.items() if values}
    main = {"name": MAIN, **parts.container, **parts.lists, "resources": resources or None}
    spec = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        **parts.pod,
        "containers": [main],
        "volumes": volumes,
        "imagePullSecrets": [{"name": name} for name in parts.pull_secrets],
    }
    meta = {name: values for name, values in parts.meta.items() if values}
    return Assembled(prune({"metadata": meta, "spec": spec}), tuple(parts.problems), parts.origins)


def _merge(tree: dict[str, Any], added: Mapping[str, Any]) -> None:
    for key, value in added.items():
        if isinstance(value, Mapping) and isinstance(tree.get(key), dict):
            _merge(tree[key], value)
        else:
            tree[key] = dict(value) if isinstance(value, Mapping) else value


def elevated(template: Mapping[str, Any]) -> list[str]:
    """What in an assembled pod goes beyond Pod Security restricted, whoever asked for it; empty means nothing does."""
    spec = template["spec"]
    found = [name for name in ("hostNetwork", "hostIPC", "hostPID") if spec.get(name)]
    found += [f"hostPath {volume['hostPath']['path']}" for volume in spec.get("volumes", ()) if "hostPath" in volume]
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
