"""The only builder of pod templates: assets contribute, `assemble` merges in a fixed order and reports clashes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from outfitter.canonical import prune
from outfitter.problems import Problem, stalled

MAIN = "main"

# What restricted Pod Security lets a container add without being elevated.
_FREE_CAPABILITIES = frozenset({"NET_BIND_SERVICE"})


@dataclass(frozen=True)
class Contribution:
    """What one asset (or the inline fields) adds to a pod. `source` names it in clashes, for instance `DataSource models`."""

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


@dataclass
class _Claims:
    """Who claimed a name first; a second claimant is a problem that names both."""

    problems: list[Problem] = field(default_factory=list)
    owners: dict[tuple[str, str], str] = field(default_factory=dict)

    def take(self, what: str, name: str, source: str) -> bool:
        first = self.owners.setdefault((what, name), source)
        if first == source and (what, name, source) not in self._seen:
            self._seen.add((what, name, source))
            return True
        both = f"{first} and {source}" if first != source else f"{source}, twice"
        self.problems.append(stalled("Conflict", f"{what} {name} is set by {both}: change one of them"))
        return False

    def __post_init__(self) -> None:
        self._seen: set[tuple[str, str, str]] = set()


def assemble(contributions: Iterable[Contribution]) -> Assembled:
    """One pod template with one container out of all contributions, in their order."""
    claims = _Claims()
    lists: dict[str, list[Mapping[str, Any]]] = {"env": [], "volumes": [], "volumeMounts": [], "volumeDevices": [], "ports": []}
    requests: dict[str, str] = {}
    limits: dict[str, str] = {}
    pull_secrets: dict[str, None] = {}
    meta: dict[str, dict[str, str]] = {"labels": {}, "annotations": {}}
    container: dict[str, Any] = {}
    pod: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for part in contributions:
        for what, target, key, items in (
            ("environment variable", "env", "name", part.env),
            ("volume", "volumes", "name", part.volumes),
            ("mount path", "volumeMounts", "mountPath", part.mounts),
            ("mount path", "volumeDevices", "devicePath", part.devices),
            ("container port", "ports", "containerPort", part.ports),
        ):
            for item in items:
                if claims.take(what, str(item[key]), part.source):
                    lists[target].append(item)
                    origins[f"{target}[{item[key]}]"] = part.source
        for what, chosen, values in (("resource request", requests, part.requests), ("resource limit", limits, part.limits)):
            for name, value in values.items():
                if claims.take(what, name, part.source):
                    chosen[name] = value
                    origins[f"resources.{name}"] = part.source
        pull_secrets.update(dict.fromkeys(part.pull_secrets))
        meta["labels"].update(part.labels)
        meta["annotations"].update(part.annotations)
        for tree, added in ((container, part.container), (pod, part.pod)):
            _merge(tree, added)
        origins.update({name: part.source for name in (*part.container, *part.pod)})
    main = {"name": MAIN, **container, **lists, "resources": {"requests": requests, "limits": limits}}
    volumes = main.pop("volumes")
    if not requests and not limits:
        del main["resources"]
    spec = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        **pod,
        "containers": [main],
        "volumes": volumes,
        "imagePullSecrets": [{"name": name} for name in pull_secrets],
    }
    template = prune({"metadata": meta, "spec": spec})
    return Assembled(_without_empty(template), tuple(claims.problems), origins)


def _merge(tree: dict[str, Any], added: Mapping[str, Any]) -> None:
    for key, value in added.items():
        if isinstance(value, Mapping) and isinstance(tree.get(key), dict):
            _merge(tree[key], value)
        else:
            tree[key] = dict(value) if isinstance(value, Mapping) else value


def _without_empty(template: dict[str, Any]) -> dict[str, Any]:
    """Maps that the server would drop are dropped here too; `emptyDir: {}` and its like stay."""
    for name in ("requests", "limits"):
        resources = template["spec"]["containers"][0].get("resources", {})
        if name in resources and not resources[name]:
            del resources[name]
    template["metadata"] = {key: value for key, value in template["metadata"].items() if value}
    return template


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
    return list(dict.fromkeys(found))
