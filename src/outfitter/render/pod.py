"""The only builder of pod templates: `assemble` merges patches in a fixed order and reports conflicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from outfitter.canonical import without_empty
from outfitter.naming import fit
from outfitter.problems import Problem, stalled
from outfitter.reasons import Reason
from outfitter.render.variables import in_reference_order
from outfitter.resolve.merge import clean_path

MAIN = "main"

# The security context of every init container. Pod Security restricted requires it; the rest is set for the pod.
_RESTRICTED: Mapping[str, Any] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


@dataclass(frozen=True)
class PodPatch:
    """What one asset (or the inline fields) adds to a pod. `source` names it in conflicts, as in `DataSource models`.

    `of` is the container that env, mounts, devices, claims, requests, limits and `container` are for; all else is the
    pod's.
    `init` holds init containers in the order in which they run. They run with the user of the container `of`.
    """

    source: str
    env: Sequence[Mapping[str, Any]] = ()
    volumes: Sequence[Mapping[str, Any]] = ()
    mounts: Sequence[Mapping[str, Any]] = ()
    devices: Sequence[Mapping[str, Any]] = ()
    claims: Sequence[Mapping[str, Any]] = ()
    ports: Sequence[Mapping[str, Any]] = ()
    requests: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)
    pull_secrets: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    container: Mapping[str, Any] = field(default_factory=dict)  # fields of the container
    pod: Mapping[str, Any] = field(default_factory=dict)  # fields of the pod spec
    init: Sequence[Mapping[str, Any]] = ()
    of: str = MAIN


def for_sidecar(part: PodPatch, container: str) -> PodPatch:
    """Return the patch for a sidecar: its volumes get names of their own."""
    names = {item["name"]: fit(f"{item['name']}-{container}") for item in part.volumes}

    def renamed(mounts: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return [{**item, "name": names.get(item["name"], item["name"])} for item in mounts]

    return replace(
        part,
        of=container,
        volumes=[{**item, "name": names[item["name"]]} for item in part.volumes],
        mounts=renamed(part.mounts),
        init=[
            {**item, "name": fit(f"{item['name']}-{container}"), "volumeMounts": renamed(item.get("volumeMounts", ()))}
            for item in part.init
        ],
    )


@dataclass(frozen=True)
class Assembled:
    """A pod template and its problems. `origins`: path in the pod -> source of the patch."""

    template: dict[str, Any]
    problems: tuple[Problem, ...]
    origins: Mapping[str, str]


# Field of a patch -> list of the container, key of an item, name in messages.
_LISTS: tuple[tuple[str, str, str, str], ...] = (
    ("env", "env", "name", "environment variable"),
    ("mounts", "volumeMounts", "mountPath", "mount path"),
    ("devices", "volumeDevices", "devicePath", "mount path"),
    ("ports", "ports", "containerPort", "container port"),
    ("claims", "claims", "name", "device claim"),
)
# Shared by all containers of a pod: one address, one list of volumes.
_SHARED = frozenset({"volume", "container port", "container"})


@dataclass
class _Container:
    lists: dict[str, list[Mapping[str, Any]]] = field(default_factory=lambda: {row[1]: [] for row in _LISTS})
    resources: dict[str, dict[str, str]] = field(default_factory=lambda: {"requests": {}, "limits": {}})
    fields: dict[str, Any] = field(default_factory=dict)

    def manifest(self, name: str) -> dict[str, Any]:
        """Return the container as the pod spec lists it."""
        lists = {**self.lists, "env": in_reference_order(self.lists["env"])}
        given = {**self.resources, "claims": lists.pop("claims")}
        resources = {side: values for side, values in given.items() if values}
        return {"name": name, **self.fields, **lists, "resources": resources or None}

    def init_manifest(self, init: Mapping[str, Any]) -> dict[str, Any]:
        """Return an init container as the pod spec lists it: restricted, with the user of this container."""
        own = self.fields.get("securityContext") or {}
        user = {name: own[name] for name in ("runAsUser", "runAsGroup") if name in own}
        return {**init, "securityContext": {**user, **_RESTRICTED, **init.get("securityContext", {})}}


@dataclass
class _Parts:
    """The merged parts. The first source of a name keeps it; a second one is a problem that names both."""

    containers: dict[str, _Container] = field(default_factory=dict)
    init: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    volumes: list[Mapping[str, Any]] = field(default_factory=list)
    meta: dict[str, dict[str, str]] = field(default_factory=lambda: {"labels": {}, "annotations": {}})
    pod: dict[str, Any] = field(default_factory=dict)
    pull_secrets: dict[str, None] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    claims: dict[tuple[str, str, str], str] = field(default_factory=dict)

    def claim(self, what: str, name: str, part: PodPatch) -> bool:
        place = ("" if what in _SHARED else part.of, what, name)
        first = self.claims.get(place)
        if first is None:
            self.claims[place] = part.source
            return True
        both = f"by {first} and {part.source}" if first != part.source else f"twice by {part.source}"
        self.problems.append(
            stalled(Reason.CONFLICT, f"{what[0].upper()}{what[1:]} {name} is set {both}. Change one of them.")
        )
        return False

    def add(self, part: PodPatch) -> None:
        if part.of not in self.containers:
            self.claim("container", part.of, part)
        one = self.containers.setdefault(part.of, _Container())
        # Origins of the first container have no prefix.
        prefix = "" if part.of == next(iter(self.containers)) else f"containers[{part.of}]."
        for attribute, target, key, what in _LISTS:
            for item in getattr(part, attribute):
                name = clean_path(str(item[key])) if what == "mount path" else str(item[key])
                if self.claim(what, name, part):
                    one.lists[target].append(item)
                    self.origins[f"{prefix}{target}[{item[key]}]"] = part.source
        for item in part.volumes:
            if self.claim("volume", str(item["name"]), part):
                self.volumes.append(item)
                self.origins[f"volumes[{item['name']}]"] = part.source
        for item in part.init:
            if self.claim("container", str(item["name"]), part):
                self.init.append((part.of, item))
                self.origins.update(
                    dict.fromkeys((f"initContainers[{item['name']}].{key}" for key in item), part.source)
                )
        for side, values in (("requests", part.requests), ("limits", part.limits)):
            for name, value in values.items():
                if self.claim(f"resource in {side}", name, part):
                    one.resources[side][name] = value
                    self.origins[f"{prefix}resources.{side}.{name}"] = part.source
        self.pull_secrets.update(dict.fromkeys(part.pull_secrets))
        self.meta["labels"].update(part.labels)
        self.meta["annotations"].update(part.annotations)
        _merge(one.fields, part.container)
        _merge(self.pod, part.pod)
        self.origins.update(dict.fromkeys((*(f"{prefix}{name}" for name in part.container), *part.pod), part.source))


def assemble(patches: Iterable[PodPatch]) -> Assembled:
    """Return one pod template from all patches, in their order; containers in the order of their first patch."""
    parts = _Parts()
    for part in patches:
        parts.add(part)
    spec = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        **parts.pod,
        "initContainers": [parts.containers[of].init_manifest(item) for of, item in parts.init],
        "containers": [one.manifest(name) for name, one in parts.containers.items()],
        "volumes": parts.volumes,
        "imagePullSecrets": [{"name": name} for name in parts.pull_secrets],
    }
    meta = {name: values for name, values in parts.meta.items() if values}
    return Assembled(without_empty({"metadata": meta, "spec": spec}), tuple(parts.problems), parts.origins)


def _merge(tree: dict[str, Any], added: Mapping[str, Any]) -> None:
    for key, value in added.items():
        if isinstance(value, Mapping) and isinstance(tree.get(key), dict):
            _merge(tree[key], value)
        else:
            tree[key] = dict(value) if isinstance(value, Mapping) else value
