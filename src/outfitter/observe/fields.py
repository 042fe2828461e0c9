"""The fields of each kind that remedies name: a remedy never names a field that the kind does not have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class FieldNames:
    """Parts of sentences for one kind of object. Field paths are those of its spec."""

    user: str = "Set security.runAsUid with uidGidSource: custom, or runAsNonRoot: false,"
    """How to run as another user than that of the image."""
    memory: str = "Raise compute.cpuMemoryLimit, and cpuMemoryRequest with it."
    less: str = "Request less in compute"
    compute: str = "compute"
    """Where requests and limits are set."""
    place: str = "choose another nodeType or other nodePools, or "
    """How to choose other nodes; empty where the kind has no such field."""
    command: str = "command, workingDir"
    group: str = "set security.runAsGid with uidGidSource: custom"
    """How to give volumes to a group of the container."""


_ARTIFACT_USER: Final = "Set containerGroups[].containers[].securityContext.runAsUser in the Artifact,"
_ARTIFACT_GROUP: Final = "set containerGroups[].containers[].securityContext.runAsGroup in the Artifact"
_ARTIFACT_COMMAND: Final = "containerGroups[].containers[].entrypoint in the Artifact"
_RUN_COMPUTE: Final = "run.containerGroups[].containers[].compute"
_OF_RESOURCE: Final = "the ComputeResource of run.compute"

INLINE: Final = FieldNames()
"""Kinds with the fields of a workload: Workspace, and Inference of an image."""
ENVIRONMENT: Final = FieldNames(
    memory=f"Raise cpuMemoryLimit in {_OF_RESOURCE}, and cpuMemoryRequest with it.",
    less=f"Request less in {_OF_RESOURCE}",
    compute=_OF_RESOURCE,
    place="",
)
ARTIFACT: Final = FieldNames(
    user=_ARTIFACT_USER,
    memory=f"Raise {_RUN_COMPUTE}.cpuMemoryLimit, and cpuMemoryRequest with it.",
    less=f"Request less in {_RUN_COMPUTE}",
    compute=_RUN_COMPUTE,
    place="",
    command=_ARTIFACT_COMMAND,
    group=_ARTIFACT_GROUP,
)
INFERENCE_OF_ARTIFACT: Final = FieldNames(user=_ARTIFACT_USER, command=_ARTIFACT_COMMAND, group=_ARTIFACT_GROUP)
NIM_CACHE: Final = FieldNames(
    user="Ask for an image with another user,",
    memory="Raise compute.cpuMemoryLimit.",
    command="the image",
    group="use another storageClass",
)

IMAGE_BUILD: Final = FieldNames(
    user="Ask for an image with another user,",
    memory="Ask an administrator to raise buildResources.",
    less="Ask an administrator to lower buildResources",
    compute="buildResources",
    place="",
    command="the build backend",
    group="use another build backend",
)

_BY_KIND: Final = {
    "Environment": ENVIRONMENT,
    "Artifact": ARTIFACT,
    "NimCache": NIM_CACHE,
    "ImageBuild": IMAGE_BUILD,
}


def field_names(kind: str, *, of_artifact: bool = False) -> FieldNames:
    """The names for a kind. `of_artifact`: an Inference whose containers an Artifact describes."""
    if of_artifact and kind == "Inference":
        return INFERENCE_OF_ARTIFACT
    return _BY_KIND.get(kind, INLINE)
