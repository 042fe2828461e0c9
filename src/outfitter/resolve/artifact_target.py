"""The Artifact that an Inference names: by its name, or a version by repository and number."""

from __future__ import annotations

from dataclasses import dataclass

from outfitter.api.v1alpha1.inference import ArtifactRef
from outfitter.problems import Problem, waiting
from outfitter.reasons import Reason
from outfitter.resolve.artifact import ResolvedArtifact, definition, number_of, versions
from outfitter.resolve.causes import first_cause
from outfitter.snapshot import Reader, Resource


@dataclass(frozen=True)
class ArtifactTarget:
    """The artifact that an Inference runs, and its number if it is a locked version."""

    definition: ResolvedArtifact
    version: int | None


def find_target(reader: Reader, namespace: str, ref: ArtifactRef) -> ArtifactTarget | Problem:
    """Return the artifact of a reference: by name, or a locked version by repository and number."""
    field = "spec.artifact"
    if ref.name is not None:
        resource = reader.resource("Artifact", namespace, ref.name)
        if resource is None:
            return waiting(
                Reason.REFERENCE_NOT_FOUND,
                f"Artifact {namespace}/{ref.name} does not exist. Create it, or correct the name.",
                f"{field}.name",
            )
        return _chosen(reader, resource, field)
    repository = reader.resource("ArtifactRepository", namespace, ref.repository or "")
    if repository is None:
        text = (
            f"ArtifactRepository {namespace}/{ref.repository} does not exist. Correct the name, or lock an "
            "Artifact in that repository."
        )
        return waiting(Reason.REFERENCE_NOT_FOUND, text, f"{field}.repository")
    entry = next((item for item in versions(repository) if item["version"] == ref.version), None)
    resource = reader.resource("Artifact", namespace, entry["name"]) if entry else None
    if entry is None or resource is None or resource.live.uid != entry["uid"]:
        newest = ", ".join(str(item["version"]) for item in versions(repository)[-10:])
        remedy = f"Use one of its versions: {newest}." if newest else "Lock an Artifact in that repository."
        text = f"ArtifactRepository {namespace}/{ref.repository} has no version {ref.version}. {remedy}"
        return waiting(Reason.VERSION_NOT_FOUND, text, f"{field}.version")
    return _chosen(reader, resource, field)


def _chosen(reader: Reader, resource: Resource, field: str) -> ArtifactTarget | Problem:
    found = definition(reader, resource)
    if isinstance(found, Problem):
        return waiting(Reason.SOURCE_NOT_READY, f"{resource.key} cannot be used yet. {found.message}", field)
    if found.fresh:
        cause = first_cause(resource, resource.live.namespace)
        text = f"{resource.key} has not copied the fields of its clone source yet. {cause}"
        return waiting(Reason.SOURCE_NOT_READY, text.rstrip(), field)
    if resource.live.deleting:
        return waiting(Reason.REFERENCE_DELETING, f"{resource.key} is being deleted. Use another Artifact.", field)
    repository = reader.resource("ArtifactRepository", resource.live.namespace, found.repository)
    number = number_of(repository, resource.live.uid) if found.locked else None
    return ArtifactTarget(found, number)
