"""The effective content of an Artifact, with the fields of its clone source, and its versions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from outfitter.api.v1alpha1.artifact import Artifact
from outfitter.api.v1alpha1.artifactrepository import LISTED_VERSIONS, ArtifactRepository
from outfitter.api.v1alpha1.artifactspec import ArtifactStorage
from outfitter.api.v1alpha1.containers import ContainerGroup
from outfitter.canonical import content_digest
from outfitter.naming import clone_snapshot
from outfitter.problems import Problem, stalled, waiting
from outfitter.reasons import Reason
from outfitter.resolve.builds import NOTHING_BUILT, BuiltImages, built_images, with_images
from outfitter.resolve.clone import copied
from outfitter.snapshot import Reader, Resource

_BUILT = "builtImages"
"""In the snapshot of a clone: the images that its source had built, by the key of what they were built from."""


@dataclass(frozen=True)
class ResolvedArtifact:
    """The content of an artifact. `taken`: the snapshot of its clone source, not stored yet if `fresh`.

    `groups`: as they are written; `running`: with the images that were built.
    """

    resource: Resource
    type: str
    repository: str
    groups: tuple[ContainerGroup, ...]
    storage: ArtifactStorage
    taken: Mapping[str, Any] | None = None
    fresh: bool = False
    built: BuiltImages = NOTHING_BUILT

    @property
    def running(self) -> tuple[ContainerGroup, ...]:
        """Return the container groups with the images that were built for them."""
        return tuple(with_images(self.groups, self.built)) if self.built.sources else self.groups

    @property
    def spec(self) -> Artifact:
        """Return the own model of the artifact."""
        assert isinstance(self.resource.model, Artifact)
        return self.resource.model

    @property
    def spec_fields(self) -> dict[str, Any]:
        """Return the containers as fields of a spec, each with its name."""
        return {"containerGroups": [_named(group) for group in self.groups]}

    @property
    def digest(self) -> str:
        """Return a digest of what the artifact runs."""
        groups = {"containerGroups": [_named(group) for group in self.running]}
        return content_digest({**groups, "storage": self.storage.to_dict(), "type": self.type})

    @property
    def cloned_from(self) -> dict[str, Any] | None:
        """Return what a clone was copied from, with the digest of the copy."""
        return {**self.taken["clonedFrom"], "digest": content_digest(self.taken["spec"])} if self.taken else None

    @property
    def locked(self) -> bool:
        """Return whether it is, or asks to become, a version."""
        return self.spec.spec.locked


def _named(group: ContainerGroup) -> dict[str, Any]:
    containers = zip(group.containers, group.container_names, strict=True)
    return {"name": group.name, "containers": [{**item.to_dict(), "name": name} for item, name in containers]}


def definition(reader: Reader, resource: Resource) -> ResolvedArtifact | Problem:
    """Read an artifact. A clone is read from its snapshot, or from its source if it has no snapshot yet."""
    found = _definition(reader, resource)
    if isinstance(found, Problem):
        return found
    copied = found.taken["spec"].get(_BUILT) or {} if found.taken else {}
    return replace(found, built=built_images(reader, resource, found.groups, copied))


def _definition(reader: Reader, resource: Resource) -> ResolvedArtifact | Problem:
    assert isinstance(resource.model, Artifact)
    source = resource.model.spec.clone_from
    if source is None:
        spec = resource.model.spec
        repository = spec.repository_ref.name if spec.repository_ref else resource.live.name
        return ResolvedArtifact(
            resource, spec.type or "service", repository, spec.container_groups, spec.storage or ArtifactStorage()
        )
    kept = reader.get_untracked("ControllerRevision", resource.live.namespace, clone_snapshot(resource.live.name))
    if kept is not None and kept.owner == resource.live.uid:
        taken = kept.body["data"]
        if (forged := _replaced(resource, taken)) is not None:
            return forged
        return _defined(resource, {**taken["spec"], **(resource.body.get("spec") or {})}, taken)
    found = reader.resource("Artifact", resource.live.namespace, source.name)
    lost = _lost(resource, found)
    if lost is not None:
        return lost
    if found is None:
        text = f"Artifact {resource.live.namespace}/{source.name} does not exist. Create it, or clone another Artifact."
        return waiting(Reason.REFERENCE_NOT_FOUND, text, "spec.cloneFrom")
    assert isinstance(found.model, Artifact)
    if found.model.spec.clone_from is not None:
        snapshot = reader.get("ControllerRevision", found.live.namespace, clone_snapshot(found.live.name))
        if snapshot is None or snapshot.owner != found.live.uid:
            text = (
                f"Artifact {resource.live.namespace}/{source.name} has not copied the fields of its own clone source "
                f"yet. {_missing_source(reader, found)}"
            ).rstrip()
            return waiting(Reason.SOURCE_NOT_READY, text, "spec.cloneFrom")
    origin = definition(reader, found)
    if isinstance(origin, Problem):
        return waiting(
            Reason.SOURCE_NOT_READY,
            f"Artifact {resource.live.namespace}/{source.name} cannot be cloned yet. {origin.message}",
            "spec.cloneFrom",
        )
    given = {**(origin.taken["spec"] if origin.taken else {}), **(found.body.get("spec") or {})}
    origin_of = {"name": found.live.name, "uid": found.live.uid, "generation": found.live.generation}
    known = (resource.body.get("status") or {}).get("clonedFrom")
    images = {_BUILT: dict(origin.built.images)} if origin.built.images else {}
    taken = {"spec": {**copied(given, origin.repository, origin_of, known), **images}, "clonedFrom": origin_of}
    return _defined(resource, {**taken["spec"], **(resource.body.get("spec") or {})}, taken, fresh=True)


def _missing_source(reader: Reader, clone: Resource) -> str:
    """Return why a clone has no source to copy, from the sources themselves: statuses of a circle repeat each other."""
    names: list[str] = []
    found: Resource | None = clone
    while found is not None:
        assert isinstance(found.model, Artifact)
        name, source = found.live.name, found.model.spec.clone_from
        if name in names:
            circle = ", ".join(sorted(names[names.index(name) :]))
            return f"Artifacts {circle} clone each other in a circle. Change cloneFrom of one of them."
        names.append(name)
        if source is None:
            return ""  # it is about to be copied
        missing = f"Artifact {clone.live.namespace}/{source.name} does not exist. Create it."
        found = reader.resource("Artifact", clone.live.namespace, source.name)
    return missing


def _replaced(resource: Resource, taken: Mapping[str, Any]) -> Problem | None:
    """A snapshot is believed only with the content that the status remembers, for a version whatever its source is."""
    status = resource.body.get("status") or {}
    known = status.get("clonedFrom") or {}
    if "digest" not in known or known["digest"] == content_digest(taken["spec"]):
        return None
    same_source = {**taken["clonedFrom"], "digest": known["digest"]} == known
    if status.get("version") is None and not same_source:
        return None  # the source was copied again, and the status is still to be written
    text = (
        f"ControllerRevision {clone_snapshot(resource.live.name)} was replaced: it does not hold what this Artifact "
        f"copied from Artifact {known['name']}. Delete it, and find out who replaced it."
    )
    return stalled(Reason.SNAPSHOT_LOST, text, "spec.cloneFrom")


def _lost(resource: Resource, source: Resource | None) -> Problem | None:
    """A version never changes: a deleted snapshot is taken again only from the same generation of the source."""
    status = resource.body.get("status") or {}
    taken = status.get("clonedFrom")
    if status.get("version") is None or not taken:
        return None
    now = source and {"name": source.live.name, "uid": source.live.uid, "generation": source.live.generation}
    if now == {key: value for key, value in taken.items() if key != "digest"}:
        return None
    text = (
        f"ControllerRevision {clone_snapshot(resource.live.name)} of version {status['version']} was deleted, "
        f"and Artifact {taken['name']} changed or was deleted. Restore the ControllerRevision, or lock a new "
        "Artifact."
    )
    return stalled(Reason.SNAPSHOT_LOST, text, "spec.cloneFrom")


def _defined(
    resource: Resource, spec: Mapping[str, Any], taken: Mapping[str, Any], *, fresh: bool = False
) -> ResolvedArtifact:
    groups = tuple(ContainerGroup.model_validate(item) for item in spec.get("containerGroups") or ())
    if not groups:
        groups = tuple(ContainerGroup.model_validate(item) for item in taken["spec"].get("containerGroups") or ())
    repository = (spec.get("repositoryRef") or {}).get("name") or resource.live.name
    storage = ArtifactStorage.model_validate(spec.get("storage") or {})
    return ResolvedArtifact(resource, spec.get("type") or "service", repository, groups, storage, taken, fresh)


def lock_problems(found: ResolvedArtifact) -> Iterator[Problem]:
    """Yield why an artifact cannot become a version."""
    if not found.groups:
        yield stalled(
            Reason.NOTHING_TO_LOCK, "The Artifact has no container group. Add at least one.", "spec.containerGroups"
        )


def unbuilt(found: ResolvedArtifact) -> Iterator[Problem]:
    """Yield the containers of an artifact that cannot run yet, because their image is not built."""
    for source in found.built.missing:
        group, name = source.places[0]
        text = (
            f"The image of container {name} in group {group} of {found.resource.key} is not built. Set buildRequest in "
            "the Artifact, or wait for its build: kubectl get imagebuilds"
        )
        yield waiting(Reason.IMAGE_NOT_BUILT, text, source.field)


def versions(repository: Resource | None) -> list[Mapping[str, Any]]:
    """Return the versions in the status of a repository."""
    if repository is None:
        return []
    return list((repository.body.get("status") or {}).get("versions") or ())


def number_of(repository: Resource | None, uid: str) -> int | None:
    """Return the number that a repository assigned to the artifact with this uid."""
    return next((int(item["version"]) for item in versions(repository) if item["uid"] == uid), None)


def listed(retired: Sequence[int]) -> Sequence[int]:
    """Return the highest numbers of deleted versions, as many as a status can list. `retired` is in order."""
    return retired[-LISTED_VERSIONS:]


def spent(retired: Sequence[int], number: int) -> bool:
    """Return whether a number was a deleted version. Below a full list, every number counts as one."""
    known = listed(retired)
    return number in known or (len(known) == LISTED_VERSIONS and number < known[0])


def full_problem(repository: str) -> Problem:
    """Return the problem of a repository that can list no more versions."""
    text = (
        f"ArtifactRepository {repository} holds {LISTED_VERSIONS} versions, which is the maximum. Delete old "
        "versions, or use another repository."
    )
    return stalled(Reason.REPOSITORY_FULL, text)


def type_problem(found: ResolvedArtifact, repository: Resource | None) -> Problem | None:
    """Return the problem of an artifact whose type differs from that of its repository."""
    if repository is None:
        return None
    assert isinstance(repository.model, ArtifactRepository)
    wanted = repository.model.spec.type
    if wanted == found.type:
        return None
    text = (
        f"ArtifactRepository {found.repository} holds type {wanted}, and the Artifact has type {found.type}. "
        "Use another repository."
    )
    return stalled(Reason.TYPE_MISMATCH, text, "spec.repositoryRef")
