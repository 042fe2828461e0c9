"""The list of kinds of the API.

The model of a kind is imported where it is used: all of them take longer than a command that only reads objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from outfitter.api.base import CustomResource
    from outfitter.api.v1alpha1.workload import WorkloadFields


@dataclass(frozen=True)
class WorkloadTraits:
    """How one type of workload runs."""

    name: str
    """The word for it in `supportedTypes`, in policies and in revisions."""
    kind: str
    """The kind whose rules its merged submission follows."""
    backends: tuple[str, ...]
    """The modules of `outfitter.backends` that can render and observe its controllers, the usual one first."""
    serves: bool = False
    """Answers requests: container groups, a serving port, a deadline for readiness."""
    scales: bool = False
    """The number of its pods is a field of the spec."""
    grouped: bool = False
    """Its pods know each other by name, and have a rank."""
    ends: bool = False
    """Its pods always run to completion. Those of a workspace do where its restartPolicy says so."""

    part: str = ""
    """The model that replaces `spec` for a part of a workload, such as `MasterSpec`."""

    @property
    def spec(self) -> type[WorkloadFields]:
        """The model of its merged submission."""
        model: type[WorkloadFields] = getattr(_module(self.kind), self.part or f"{self.kind}Spec")
        return model


@dataclass(frozen=True)
class Kind:
    """One kind of the API."""

    name: str
    plural: str
    short_names: tuple[str, ...]
    asset: bool = False
    """Workloads can refer to it, and a scope can share it."""
    workload: bool = False
    """Always runs. A kind with `runs` that is no workload runs where `spec.run` is set."""
    runs: WorkloadTraits | None = None
    """How its pods run; None for a kind without pods."""
    on_demand: bool = False
    """The operator creates one if another object needs it and no user wrote it."""
    status_matters: tuple[str, ...] = ()
    """Fields of its status that other objects depend on: a change requeues them."""
    added_later: bool = False
    """The CustomResourceDefinitions of an older version lack it. Without it, the other kinds are served."""
    mute_at_first: bool = False
    """Without a status, it counts as absent for other objects and requeues none of them."""

    in_turn: bool = False
    """Its objects in one namespace are reconciled one after the other, because each counts the others."""
    expires: bool = False
    """The operator deletes it after some time, also if a user created it."""
    cascades: bool = False
    """The operator deletes it after an object that it belongs to, also if a user created it."""

    @property
    def model(self) -> type[CustomResource]:
        """The model of its objects."""
        model: type[CustomResource] = getattr(_module(self.name), self.name)
        return model

    @property
    def singular(self) -> str:
        """The name in lower case."""
        return self.name.lower()

    @property
    def categories(self) -> tuple[str, ...]:
        """Groups of kinds for `kubectl get`."""
        return ("outfitter", "assets") if self.asset else ("outfitter",)


@cache
def _module(kind: str) -> Any:
    return import_module(f"outfitter.api.v1alpha1.{kind.lower()}")


_WORKSPACE = WorkloadTraits("workspace", "Workspace", ("statefulset", "job"))
_TRAINING = WorkloadTraits("training", "Training", ("job",), ends=True)
_DISTRIBUTED = WorkloadTraits(
    "distributed",
    "DistributedTraining",
    ("native", "jobset", "kubeflow"),
    grouped=True,
    ends=True,
)
_INFERENCE = WorkloadTraits("inference", "Inference", ("deployment",), serves=True, scales=True)

KINDS: tuple[Kind, ...] = (
    Kind("Environment", "environments", ("envr",), asset=True, runs=_WORKSPACE),
    Kind("ComputeResource", "computeresources", ("compute",), asset=True),
    Kind("DataSource", "datasources", ("dsrc",), asset=True, status_matters=("issues", "phase")),
    Kind("Credential", "credentials", ("cred",), asset=True, status_matters=("issues",)),
    Kind("Registry", "registries", ("ireg",), asset=True, added_later=True),
    Kind("ImageQuery", "imagequeries", ("iqry",), added_later=True, expires=True),
    Kind("WorkloadTemplate", "workloadtemplates", ("wtpl",), asset=True, added_later=True),
    Kind("WorkloadPolicy", "workloadpolicies", ("wpol",), added_later=True),
    Kind("Workspace", "workspaces", ("wsp",), workload=True, runs=_WORKSPACE),
    Kind("Training", "trainings", ("trn",), workload=True, runs=_TRAINING, added_later=True),
    Kind(
        "DistributedTraining",
        "distributedtrainings",
        ("dtrn",),
        workload=True,
        runs=_DISTRIBUTED,
        added_later=True,
    ),
    Kind("Inference", "inferences", ("infr",), workload=True, runs=_INFERENCE),
    Kind(
        "Artifact",
        "artifacts",
        ("art",),
        runs=_INFERENCE,
        cascades=True,
        status_matters=("clonedFrom", "issues"),
    ),
    Kind(
        "ArtifactRepository",
        "artifactrepositories",
        ("artrepo",),
        on_demand=True,
        status_matters=("versions", "retiredVersions"),
    ),
    Kind(
        "ImageBuild",
        "imagebuilds",
        ("ibuild",),
        on_demand=True,
        added_later=True,
        in_turn=True,
        status_matters=("state", "image", "failure", "conditions"),
    ),
    Kind(
        "NimCache",
        "nimcaches",
        ("nimc",),
        on_demand=True,
        status_matters=("phase", "claimName", "failure", "message", "issues"),
        mute_at_first=True,
    ),
)
"""Every kind that the operator reconciles; nothing else lists them."""

DERIVED_KINDS: tuple[Kind, ...] = (Kind("EffectivePolicy", "effectivepolicies", ("epol",)),)
"""Kinds that the operator writes from others, and users only read."""
ALL_KINDS: tuple[Kind, ...] = (*KINDS, *DERIVED_KINDS)
"""Every kind with a CustomResourceDefinition."""

_BY_NAME = {kind.name: kind for kind in ALL_KINDS}
_BY_TYPE = {kind.runs.name: kind.runs for kind in KINDS if kind.runs is not None}


def kind_of(name: str) -> Kind:
    """Return the kind of that name; KeyError for other kinds."""
    return _BY_NAME[name]


def traits_of(workload_type: str) -> WorkloadTraits:
    """Return how a type of workload runs, as a revision names it; KeyError for an unknown one."""
    return _BY_TYPE[workload_type]


_ENDING = ("OnFailure", "Never")


def runs_to_end(traits: WorkloadTraits, spec: WorkloadFields) -> bool:
    """Return whether the pods of a merged submission run to completion."""
    return traits.ends or ("job" in traits.backends and spec.restart_policy in _ENDING)


def backend_name(traits: WorkloadTraits, spec: Any) -> str:
    """Return the module of `outfitter.backends` that runs a merged submission."""
    chosen = getattr(spec, "backend", None)
    if chosen in traits.backends:
        return str(chosen)
    return "job" if "job" in traits.backends and runs_to_end(traits, spec) else traits.backends[0]


BACKENDS: tuple[str, ...] = tuple(sorted({name for traits in _BY_TYPE.values() for name in traits.backends}))
"""The modules of `outfitter.backends` that some kind uses."""
