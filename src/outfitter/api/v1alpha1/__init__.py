"""Version v1alpha1 of the API."""

from outfitter.api.base import API_VERSION, GROUP, VERSION
from outfitter.api.v1alpha1.artifact import Artifact
from outfitter.api.v1alpha1.artifactrepository import ArtifactRepository
from outfitter.api.v1alpha1.computeresource import ComputeResource
from outfitter.api.v1alpha1.credential import Credential
from outfitter.api.v1alpha1.datasource import DataSource
from outfitter.api.v1alpha1.environment import Environment
from outfitter.api.v1alpha1.inference import Inference
from outfitter.api.v1alpha1.kinds import (
    ALL_KINDS,
    BACKENDS,
    DERIVED_KINDS,
    KINDS,
    Kind,
    WorkloadTraits,
    backend_name,
    kind_of,
    runs_to_end,
    traits_of,
)
from outfitter.api.v1alpha1.nimcache import NimCache
from outfitter.api.v1alpha1.training import Training
from outfitter.api.v1alpha1.workloadtemplate import WorkloadTemplate
from outfitter.api.v1alpha1.workspace import Workspace

__all__ = [
    "ALL_KINDS",
    "API_VERSION",
    "BACKENDS",
    "DERIVED_KINDS",
    "GROUP",
    "KINDS",
    "VERSION",
    "Artifact",
    "ArtifactRepository",
    "ComputeResource",
    "Credential",
    "DataSource",
    "Environment",
    "Inference",
    "Kind",
    "NimCache",
    "Training",
    "WorkloadTemplate",
    "WorkloadTraits",
    "Workspace",
    "backend_name",
    "kind_of",
    "runs_to_end",
    "traits_of",
]
