"""The workload that an object asks for: a Workspace, an Inference, or `spec.run` of a definition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from outfitter.api.refs import AssetRef, TemplateRef
from outfitter.api.v1alpha1 import WorkloadTraits, kind_of
from outfitter.api.v1alpha1.artifact import Artifact
from outfitter.api.v1alpha1.inference import ArtifactRef
from outfitter.api.v1alpha1.serving import Autoscaling, GroupSizing
from outfitter.naming import ANNOTATION_RESTARTED_AT, short_hash
from outfitter.resolve.groups import PlacedGroup
from outfitter.resolve.identity import Author
from outfitter.snapshot import Resource

_NOT_INLINE = frozenset(
    {
        "assets",
        "template",
        "artifact",
        "suspend",
        "replicas",
        "autoscaling",
        "containerGroups",
        "description",
        "displayName",
        "masterSpec",
    }
)
_LONGEST_MARK = 256
_OF_RUN = ("environmentVariables", "connections", "servingPort", "servingConfiguration", "labels", "annotations")


@dataclass(frozen=True)
class WorkloadRequest:
    """Pods that run under the name of `resource`, which owns the children.

    They come from an environment, an artifact (the own spec of `resource` where `own_definition`), or inline fields.
    `running`: its container groups that run already, the main group first.
    """

    resource: Resource
    traits: WorkloadTraits
    inline: Mapping[str, Any]
    stopped: bool
    restarted_at: str
    environment: AssetRef | None = None
    artifact: ArtifactRef | None = None
    own_definition: bool = False
    compute: AssetRef | None = None
    data_sources: tuple[Any, ...] = ()
    replicas: int = 1
    sizings: tuple[GroupSizing, ...] = ()
    autoscaling: Autoscaling | None = None
    running: tuple[PlacedGroup, ...] = ()
    template: TemplateRef | None = None
    from_template: Mapping[str, Any] = field(default_factory=dict)
    """Fields that the template gives."""
    of_master: bool = False
    """Whether it is a master of its own, which `masterSpec` of the template is for."""
    halted: Mapping[str, Any] | None = None
    """Why Outfitter stopped it although `suspend` is false."""
    backend: str = ""
    """What runs the pods of a group now: a change of what the cluster serves does not move them."""
    disruptions: int = 0
    """Starts of all pods that count as no failure."""
    attempt: int = 1
    """Number of the start of all pods of a group."""
    author: Author = field(default_factory=Author)
    """Who wrote what is to run."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels of its child objects, without those of pods: a change restarts nothing."""
    template_assets: frozenset[str] = frozenset()
    """Fields of `assets` that the template sets: "environment", "compute", or the name of a DataSource."""

    @property
    def type(self) -> str:
        """Return its name in `supportedTypes`."""
        return self.traits.name

    @property
    def suspended(self) -> bool:
        """Return whether `suspend` is set; without it, a stopped workload is scaled to 0."""
        spec: Any = self.resource.model.spec
        return bool((spec.run if self.own_definition else spec).suspend)

    @property
    def namespace(self) -> str:
        """Return the namespace in which it runs."""
        return self.resource.live.namespace

    @property
    def name(self) -> str:
        """Return the name of the workload and of the controller of its first pods."""
        return self.resource.live.name

    @property
    def prefix(self) -> str:
        """Return the field that holds the references to assets."""
        return "spec.run" if self.own_definition else "spec.assets"

    def asset_field(self, name: str, item: str = "") -> str:
        """Return the field of the workload that names an asset, or the template that does. `item`: of a list."""
        if (item or name) in self.template_assets:
            return "spec.template"
        return f"{self.prefix}.{name}"

    @property
    def own_artifact(self) -> bool:
        """Return whether it is an Artifact that runs itself; its `phase` describes its versions."""
        return self.own_definition and isinstance(self.resource.model, Artifact)

    def sizing(self, group: str) -> GroupSizing | None:
        """Return the sizing of one container group."""
        return next((item for item in self.sizings if item.name == group), None)

    def scaling(self, group: str) -> Autoscaling | None:
        """Return how a group is scaled; None if its number of pods is fixed."""
        own = self.sizing(group)
        if own is not None and (own.autoscaling is not None or own.replicas is not None):
            return own.autoscaling
        return self.autoscaling

    def follows_replicas(self, group: str) -> bool:
        """Return whether `replicas` of the workload sets the number of pods of a group."""
        own = self.sizing(group)
        return self.scaling(group) is None and (own is None or own.replicas is None)

    def count(self, group: str) -> int:
        """Return the fixed number of pods of a group."""
        own = self.sizing(group)
        return own.replicas if own is not None and own.replicas is not None else self.replicas


def request_for(resource: Resource) -> WorkloadRequest | None:
    """Return the workload that an object asks for; None where it only defines something."""
    kind = kind_of(resource.live.kind)
    spec: Any = resource.model.spec
    run = spec if kind.workload else getattr(spec, "run", None)
    if kind.runs is None or run is None:
        return None
    request = _of_workload(resource, kind.runs) if kind.workload else _of_definition(resource, kind.runs)
    return _scaled(request, run) if kind.runs.scales else request


def _of_workload(resource: Resource, traits: WorkloadTraits) -> WorkloadRequest:
    """Read a kind that always runs: inline fields and references to assets."""
    spec: Any = resource.model.spec
    return WorkloadRequest(
        resource,
        traits,
        {key: value for key, value in (resource.body.get("spec") or {}).items() if key not in _NOT_INLINE},
        spec.suspend,
        _restarted_at(resource),
        template=spec.template,
        environment=spec.assets.environment,
        compute=spec.assets.compute,
        data_sources=spec.assets.data_sources,
    )


def _of_definition(resource: Resource, traits: WorkloadTraits) -> WorkloadRequest:
    """Read a definition with `run`: its own spec runs."""
    spec: Any = resource.model.spec
    run, body = spec.run, resource.body["spec"]["run"] or {}
    return WorkloadRequest(
        resource,
        traits,
        {key: body[key] for key in _OF_RUN if key in body},
        run.suspend or run.replicas == 0,
        _restarted_at(resource),
        own_definition=True,
        compute=run.compute,
        data_sources=run.data_sources,
    )


def _restarted_at(resource: Resource) -> str:
    """Return the restart that is asked for. A workload that ends keeps its last one where the annotation is removed."""
    given = str((resource.body["metadata"].get("annotations") or {}).get(ANNOTATION_RESTARTED_AT, ""))
    run: Mapping[str, Any] = (resource.body.get("status") or {}).get("run") or {}
    return (given if len(given) <= _LONGEST_MARK else short_hash(given, 32)) or str(run.get("restartedAt", ""))


def _scaled(request: WorkloadRequest, run: Any) -> WorkloadRequest:
    """Add the number of pods; the workload is stopped if it is suspended or no group has a pod."""
    counts = [item.replicas for item in run.container_groups if item.replicas is not None]
    scaled = run.autoscaling is not None or any(item.autoscaling for item in run.container_groups)
    nothing = not scaled and max([run.replicas, *counts]) == 0
    return replace(
        request,
        stopped=run.suspend or nothing,
        artifact=getattr(run, "artifact", None),
        replicas=run.replicas,
        sizings=run.container_groups,
        autoscaling=run.autoscaling,
    )
