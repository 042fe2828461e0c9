"""Spec of an Artifact: container groups, storage of the model, how it runs, and when it may be locked."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from outfitter.api.base import Model
from outfitter.api.patterns import VOLUME_SIZE_PATTERN
from outfitter.api.refs import ArtifactNameRef, ComputeRef, RepositoryRef
from outfitter.api.rules import Node, Rule, Transition, frozen, not_only_scaled
from outfitter.api.shape import STORED_DEFAULT
from outfitter.api.types import Int32, Name, Text, list_map
from outfitter.api.v1alpha1.asset import DisplayName
from outfitter.api.v1alpha1.containers import DEFAULT_GROUP, ContainerGroups
from outfitter.api.v1alpha1.environment import DataSourceRefs
from outfitter.api.v1alpha1.labels import Annotations, Labels
from outfitter.api.v1alpha1.serving import Autoscaling, GroupSizings, ServingConfiguration, ServingPort

ArtifactType = Literal["service", "nim"]
HIGHEST_VERSION = 1_000_000_000
"""The highest number that a spec may request; higher ones remain for automatic numbers."""
VolumeSize = Annotated[str, Field(max_length=32, pattern=VOLUME_SIZE_PATTERN)]


TAGGED_LIMIT = 1024
"""Most characters of the tags as one text; longer ones are cut."""


class Tag(Model):
    """A name and value for catalogs."""

    id: Text | None = None
    """Id of the tag in a catalog outside the cluster. Default: none."""
    name: Annotated[str, Field(min_length=1, max_length=253)]
    """Name of the tag, unique in the list."""
    value: Annotated[str, Field(max_length=1024)]
    """Value of the tag."""


Tags = Annotated[tuple[Tag, ...], list_map("name", 64)]
Tagged = Annotated[str, Field(max_length=TAGGED_LIMIT)]
"""Tags as one text, in status."""


class ArtifactStorage(Model):
    """Storage of the model of a nim artifact."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.mode) || self.mode == 'dedicatedPvc' || !has(self.pvcSize)",
            "pvcSize is valid only for mode dedicatedPvc. Remove pvcSize, because a shared cache has its own size.",
            lambda storage: storage.get("mode", "dedicatedPvc") == "dedicatedPvc" or "pvcSize" not in storage,
            field="pvcSize",
            reason="FieldValueForbidden",
        ),
        Rule(
            "!has(self.mode) || self.mode == 'dedicatedPvc' || !has(self.claimName)",
            "claimName is valid only for mode dedicatedPvc. Remove claimName, or change mode.",
            lambda storage: storage.get("mode", "dedicatedPvc") == "dedicatedPvc" or "claimName" not in storage,
            field="claimName",
            reason="FieldValueForbidden",
        ),
        Rule(
            "!has(self.claimName) || !has(self.pvcSize)",
            "An existing claim has its own size. Remove claimName or pvcSize.",
            lambda storage: "claimName" not in storage or "pvcSize" not in storage,
            field="pvcSize",
        ),
    )
    REFERS: ClassVar[dict[str, str]] = {"claim_name": "PersistentVolumeClaim"}

    mode: Literal["dedicatedPvc", "nimCache"] = "dedicatedPvc"
    """`dedicatedPvc` (default): one volume for each workload that runs the artifact, deleted with it. `nimCache`: one
    volume for each model image, downloaded once and shared by all workloads with that image.
    """
    pvc_size: VolumeSize | None = None
    """Size of the volume, such as 150Gi or 1.5Ti. Default: the setting of the operator, 150Gi. Only for dedicatedPvc.
    """
    claim_name: Name | None = None
    """Use this claim of the namespace, which holds the model: nothing is downloaded, no key is needed, and the claim is
    never changed or deleted. Default: a new claim. Only for dedicatedPvc.
    """


class ArtifactRun(Model):
    """Run this artifact, draft or locked, under its name. A lock does not freeze these fields."""

    compute: ComputeRef | None = None
    """ComputeResource for the primary container of each group. Default: none, no requests and no limits."""
    data_sources: DataSourceRefs = ()
    """DataSources to mount, in every container."""
    replicas: Annotated[Int32, Field(json_schema_extra={STORED_DEFAULT: 1})] = 1
    """Pods of each container group without `replicas` or autoscaling of its own; 0 stops them. Default: 1. `kubectl
    scale` and autoscalers set this field of an artifact that runs. Where no group uses it, another number than 1 has an
    issue NotEnforced.
    """
    suspend: Annotated[bool, Field(json_schema_extra={STORED_DEFAULT: False})] = False
    """Stop it: delete only its pods. Default: false."""
    container_groups: GroupSizings = ()
    """Replicas of each group, and resources of its containers."""
    autoscaling: Autoscaling | None = None
    """Scale every group by load, instead of `replicas`."""
    serving_port: ServingPort | None = None
    """Access to the primary container."""
    serving_configuration: ServingConfiguration | None = None
    """Time limits of serving."""
    labels: Labels = ()
    """Labels for the pods and all other objects of the workload, as admission policies may demand."""
    annotations: Annotations = ()
    """Annotations for the pods and all other objects of the workload. Services and Ingresses get only names without a
    prefix, because other programs take orders from the rest.
    """


class CloneRef(ArtifactNameRef):
    """The Artifact to start from."""


def _groups(spec: Node) -> list[dict[str, Any]]:
    return list(spec.get("containerGroups", ()))


def _containers(spec: Node) -> list[dict[str, Any]]:
    return [item for group in _groups(spec) for item in group.get("containers", ())]


def _type(spec: Node) -> str:
    return str(spec.get("type", "service"))


def _groups_named_once(spec: Node) -> bool:
    names = [group.get("name", DEFAULT_GROUP) for group in _groups(spec)]
    return len(set(names)) == len(names)


_SOME_GROUP = "has(self.cloneFrom) || (has(self.containerGroups) && size(self.containerGroups) > 0)"
_LOCKED = "has(self.locked) && self.locked"
_EVERY = "self.containerGroups.all(g, g.containers.all(c,"


class ArtifactSpec(Model):
    """Desired state."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"!has(self.version) || ({_LOCKED})",
            "version is the number of a locked Artifact. Set locked to true, or remove version.",
            lambda spec: "version" not in spec or spec.get("locked") is True,
            field="version",
        ),
        Rule(
            f"!({_LOCKED}) || {_SOME_GROUP}",
            "The Artifact has no containers to lock. Set containerGroups or cloneFrom.",
            lambda spec: spec.get("locked") is not True or "cloneFrom" in spec or bool(_groups(spec)),
            field="containerGroups",
            reason="FieldValueRequired",
        ),
        Rule(
            f"!has(self.run) || {_SOME_GROUP}",
            "The Artifact has no containers to run. Set containerGroups or cloneFrom.",
            lambda spec: "run" not in spec or "cloneFrom" in spec or bool(_groups(spec)),
            field="containerGroups",
            reason="FieldValueRequired",
        ),
        Rule(
            f"!({_LOCKED}) || !has(self.containerGroups) || {_EVERY} has(c.imageUri) || "
            "(has(c.imageBuildConfig) && has(c.imageBuildConfig.codeRef))))",
            "A container of a locked Artifact has no image. Set imageUri, or imageBuildConfig with codeRef, in "
            "each container.",
            lambda spec: (
                spec.get("locked") is not True
                or all(
                    "imageUri" in item or "codeRef" in item.get("imageBuildConfig", {}) for item in _containers(spec)
                )
            ),
            field="containerGroups",
            reason="FieldValueRequired",
        ),
        Rule(
            "!has(self.containerGroups) || self.containerGroups.all(g, self.containerGroups.exists_one(h, "
            "(has(g.name) ? g.name : 'default') == (has(h.name) ? h.name : 'default')))",
            "Two container groups have the same name (default for a group without a name). Rename one of them.",
            _groups_named_once,
            field="containerGroups",
        ),
        Rule(
            "!has(self.type) || self.type != 'nim' || !has(self.containerGroups) || "
            f"{_EVERY} !has(c.imageBuildConfig)))",
            "The image of a nim Artifact cannot be built. Set imageUri in place of imageBuildConfig.",
            lambda spec: _type(spec) != "nim" or not any("imageBuildConfig" in item for item in _containers(spec)),
            field="containerGroups",
            reason="FieldValueForbidden",
        ),
        *(
            Rule(
                f"!has(self.{field}) || (has(self.type) && self.type == 'nim')",
                f"{field} is valid only for type nim. Remove {field}, or set type to nim.",
                lambda spec, field=field: field not in spec or _type(spec) == "nim",  # type: ignore[misc]
                field=field,
                reason="FieldValueForbidden",
            )
            for field in ("storage", "templateId")
        ),
    )
    TRANSITIONS: ClassVar[tuple[Transition, ...]] = (
        Transition(
            "(has(self.type) ? self.type : 'service') == (has(oldSelf.type) ? oldSelf.type : 'service')",
            "type cannot change after creation. Create a new Artifact.",
            lambda new, old: _type(new) == _type(old),
            "type",
        ),
        frozen("cloneFrom", "Create a new Artifact."),
        not_only_scaled("Artifact"),
    )

    type: ArtifactType | None = None
    """`service` (default): any image that answers requests. `nim`: an NVIDIA inference microservice, which also gets a
    volume for its model. Default of a clone: that of its source. Cannot change.
    """
    repository_ref: RepositoryRef | None = None
    """ArtifactRepository that numbers the versions. Default: that of the source of a clone, else one with the name of
    the artifact. Outfitter creates it if it does not exist.
    """
    locked: bool = False
    """Make it a version: it gets a number, and all fields but `run` become immutable. Default: false, a draft. An
    artifact with a number cannot be unlocked; continue with a clone.
    """
    version: Annotated[int, Field(ge=1, le=HIGHEST_VERSION)] | None = None
    """Number of the version, where it must be the same in several clusters, as with GitOps. Default: the one after the
    highest number that the repository ever assigned.
    """
    clone_from: CloneRef | None = None
    """Artifact to copy all fields from that are absent here, except `displayName` and `run`: a new draft in the same
    repository. It is copied once: later edits of the source have no effect. Cannot change.
    """
    description: Annotated[str, Field(max_length=1024)] = ""
    """Purpose. Default of a clone: that of its source."""
    display_name: Annotated[DisplayName, Field(max_length=5000)] | None = None
    """Display name, up to 5000 characters. Default: the name of the object."""
    tags: Tags = ()
    """Names and values for catalogs. With `run`, each tag that can be a label is label `tags.outfitter.dev/NAME` of the
    child objects, but not of pods. To select artifacts with `kubectl get --selector`, set `metadata.labels`. Default of
    a clone: those of its source.
    """
    container_groups: ContainerGroups = ()
    """Container groups: each is one pod, and has its own replicas. Most artifacts have one. The first group of a new
    workload is its main group, which has its address; another order does not change that.
    """
    storage: ArtifactStorage | None = None
    """Storage of the model. Default: one volume for each workload that runs it. Only for type nim."""
    template_id: Text | None = None
    """Id of its template in a catalog. Default: none. Only for type nim."""
    build_request: Annotated[Int32, Field(ge=1)] | None = None
    """Build the images of a draft: each new number starts one build per source. Default: builds start with the lock
    only. With the same number, a changed source is not built.
    """
    run: ArtifactRun | None = None
    """Also run it. Default: it is only a definition."""
