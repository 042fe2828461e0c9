"""The list of kinds of the API."""

from dataclasses import dataclass

from outfitter.api.base import CustomResource
from outfitter.api.v1alpha1.artifact import Artifact
from outfitter.api.v1alpha1.artifactrepository import ArtifactRepository
from outfitter.api.v1alpha1.computeresource import ComputeResource
from outfitter.api.v1alpha1.credential import Credential
from outfitter.api.v1alpha1.datasource import DataSource
from outfitter.api.v1alpha1.environment import Environment
from outfitter.api.v1alpha1.inference import Inference
from outfitter.api.v1alpha1.nimcache import NimCache
from outfitter.api.v1alpha1.workspace import Workspace


@dataclass(frozen=True)
class Kind:
    """One kind of the API."""

    name: str
    plural: str
    short_names: tuple[str, ...]
    model: type[CustomResource]
    asset: bool = False
    """Can be referred to by workloads and shared by scope."""
    workload: bool = False
    """Always runs; an asset may run too, where its spec says so."""
    on_demand: bool = False
    """Made by the operator where another object needs one and nobody wrote it."""
    status_matters: tuple[str, ...] = ()
    """Fields of its status on which others act: they are due when one changes, not only when the spec does."""
    mute_at_first: bool = False
    """One that has no status yet is to others as if it were not there: it wakes nobody before it has one."""

    @property
    def singular(self) -> str:
        """The name in lower case."""
        return self.name.lower()

    @property
    def categories(self) -> tuple[str, ...]:
        """Groups of kinds for `kubectl get`."""
        return ("outfitter", "assets") if self.asset else ("outfitter",)


KINDS: tuple[Kind, ...] = (
    Kind("Environment", "environments", ("envr",), Environment, asset=True),
    Kind("ComputeResource", "computeresources", ("compute",), ComputeResource, asset=True),
    Kind("DataSource", "datasources", ("dsrc",), DataSource, asset=True),
    Kind("Credential", "credentials", ("cred",), Credential, asset=True),
    Kind("Workspace", "workspaces", ("wsp",), Workspace, workload=True),
    Kind("Inference", "inferences", ("infr",), Inference, workload=True),
    Kind("Artifact", "artifacts", ("art",), Artifact),
    Kind(
        "ArtifactRepository",
        "artifactrepositories",
        ("artrepo",),
        ArtifactRepository,
        on_demand=True,
        status_matters=("versions", "retiredVersions"),
    ),
    Kind(
        "NimCache",
        "nimcaches",
        ("nimc",),
        NimCache,
        on_demand=True,
        status_matters=("phase", "claimName", "failure", "message"),
        mute_at_first=True,
    ),
)
"""Every kind there is; nothing else lists them."""

_BY_NAME = {kind.name: kind for kind in KINDS}


def kind_of(name: str) -> Kind:
    """Return the kind of that name; KeyError for a kind that is not ours."""
    return _BY_NAME[name]
