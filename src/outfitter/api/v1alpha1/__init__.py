"""Version v1alpha1 of the API."""

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
from outfitter.api.version import API_VERSION, GROUP, VERSION

__all__ = [
    "ALL_KINDS",
    "API_VERSION",
    "BACKENDS",
    "DERIVED_KINDS",
    "GROUP",
    "KINDS",
    "VERSION",
    "Kind",
    "WorkloadTraits",
    "backend_name",
    "kind_of",
    "runs_to_end",
    "traits_of",
]
