"""What an object of ours asks to run: a Workspace, an Inference, or what `spec.run` of a definition means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from outfitter.api.refs import AssetRef
from outfitter.api.v1alpha1.artifact import Artifact
from outfitter.api.v1alpha1.environment import Environment
from outfitter.api.v1alpha1.inference import ArtifactRef, Inference
from outfitter.api.v1alpha1.serving import Autoscaling, GroupSizing
from outfitter.api.v1alpha1.workspace import Workspace
from outfitter.naming import ANNOTATION_RESTARTED_AT
from outfitter.snapshot import Resource

_NOT_INLINE = frozenset(
    {"assets", "artifact", "suspend", "replicas", "autoscaling", "containerGroups", "description", "displayName"}
)
_OF_RUN = ("environmentVariables", "connections", "servingPort", "servingConfiguration")


@dataclass(frozen=True)
class WorkloadRequest:
    """What runs, under the name of `resource`, which owns the children. `type` is what supportedTypes calls it.

    It runs an environment, an artifact (the own spec of `resource` where `own_definition`), or its inline fields.
    """

    resource: Resource
    type: str
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

    @property
    def namespace(self) -> str:
        """Where it runs."""
        return self.resource.live.namespace

    @property
    def name(self) -> str:
        """Name of the workload and of what runs its first pods."""
        return self.resource.live.name

    @property
    def prefix(self) -> str:
        """Field that holds the references to assets."""
        return "spec.run" if self.own_definition else "spec.assets"

    @property
    def own_artifact(self) -> bool:
        """Whether it is an Artifact that runs itself: its own `phase` is about its versions."""
        return self.own_definition and self.type == "inference"

    def sizing(self, group: str) -> GroupSizing | None:
        """What is said of one container group."""
        return next((item for item in self.sizings if item.name == group), None)

    def scaling(self, group: str) -> Autoscaling | None:
        """By what load a group is scaled; None where its number of pods is fixed."""
        own = self.sizing(group)
        if own is not None and (own.autoscaling is not None or own.replicas is not None):
            return own.autoscaling
        return self.autoscaling

    def count(self, group: str) -> int:
        """How many pods a group has, where that is fixed."""
        own = self.sizing(group)
        return own.replicas if own is not None and own.replicas is not None else self.replicas


def request_for(resource: Resource) -> WorkloadRequest | None:
    """The workload that an object asks for, if any."""
    model, restarted = (
        resource.model,
        (resource.body["metadata"].get("annotations") or {}).get(ANNOTATION_RESTARTED_AT, ""),
    )
    spec = resource.body.get("spec") or {}
    if isinstance(model, Workspace | Inference):
        refs = model.spec.assets
        found = WorkloadRequest(
            resource,
            "workspace",
            {key: value for key, value in spec.items() if key not in _NOT_INLINE},
            model.spec.suspend,
            restarted,
            environment=refs.environment,
            compute=refs.compute,
            data_sources=refs.data_sources,
        )
        return _inference(found, model) if isinstance(model, Inference) else found
    if isinstance(model, Environment | Artifact) and model.spec.run is not None:
        run, body = model.spec.run, spec["run"] or {}
        found = WorkloadRequest(
            resource,
            "workspace",
            {key: body[key] for key in _OF_RUN if key in body},
            run.suspend or run.replicas == 0,
            restarted,
            own_definition=True,
            compute=run.compute,
            data_sources=run.data_sources,
        )
        return _artifact_run(found, model) if isinstance(model, Artifact) else found
    return None


def _inference(found: WorkloadRequest, model: Inference) -> WorkloadRequest:
    spec = model.spec
    return _scaled(found, spec.artifact, spec)


def _artifact_run(found: WorkloadRequest, model: Artifact) -> WorkloadRequest:
    return _scaled(found, None, model.spec.run)


def _scaled(found: WorkloadRequest, artifact: ArtifactRef | None, spec: Any) -> WorkloadRequest:
    """An inference out of what every workload has; it is stopped where it is suspended or no group has a pod."""
    counts = [item.replicas for item in spec.container_groups if item.replicas is not None]
    scaled = spec.autoscaling is not None or any(item.autoscaling for item in spec.container_groups)
    nothing = not scaled and max([spec.replicas, *counts]) == 0
    return WorkloadRequest(
        **{
            **vars(found),
            "type": "inference",
            "stopped": spec.suspend or nothing,
            "artifact": artifact,
            "replicas": spec.replicas,
            "sizings": spec.container_groups,
            "autoscaling": spec.autoscaling,
        }
    )
