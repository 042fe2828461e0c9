"""What every backend offers: one module per controller that runs pods."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, Protocol, cast

import orjson

from outfitter.api.v1alpha1 import BACKENDS, WorkloadTraits, backend_name
from outfitter.naming import (
    ANNOTATION_ATTEMPT,
    ANNOTATION_FIXED,
    ANNOTATION_GROUP,
    ANNOTATION_STOPPED_REVISION,
    short_hash,
)
from outfitter.observe import READY, UNSEEN, Observation, PodSummary, State
from outfitter.problems import Problem
from outfitter.render.connection import Endpoints
from outfitter.render.podset import PodSet
from outfitter.resolve.request import WorkloadRequest
from outfitter.settings import Settings
from outfitter.snapshot import CachedObject


@dataclass(frozen=True)
class Run:
    """A workload that runs: the input of a backend. `spec` is the merged submission."""

    request: WorkloadRequest
    pods: Sequence[PodSet]
    revision: str
    exposure: Endpoints
    spec: Any
    settings: Settings


@dataclass(frozen=True)
class Progress:
    """How far pods that run to completion are. Times are RFC 3339, "" before. `result`: Completed, Failed or ""."""

    uid: str
    """Of their controller."""
    revision: str
    """The revision that it runs."""
    restarted_at: str
    """The restart that the run follows."""
    stopped: bool
    """Outfitter stopped it."""
    has_run: bool
    active: int
    succeeded: int
    failed: int
    started: str
    ended: str
    result: str
    attempt: int = 1
    """Number of the start of all pods of a group."""
    again: bool = False
    """The attempt failed, and another one follows."""
    disrupted: bool = False
    """The attempt failed because the cluster took a pod."""
    leader_active: bool = False
    """The pod of rank 0 still runs, whose success would be that of the group."""
    partial: bool = False
    """Some controllers of the group are missing."""


@dataclass(frozen=True)
class ControllerState:
    """What the controllers of a workload report together."""

    state: Observation
    pods: PodSummary
    replicas: int = 0
    ready: int = 0
    seen: bool = False
    """A controller has processed the object at least once."""


class Backend(Protocol):
    """Renders the children of a workload and reads its state back. Pure: no I/O, no clock."""

    controllers: tuple[str, ...]
    """Kinds that create pods."""
    children: tuple[str, ...]
    """All kinds that `render` returns."""

    def render(self, run: Run) -> list[dict[str, Any]]:
        """Return every child but the revision and the claims."""

    def limits(self, run: Run) -> Iterator[Problem]:
        """Yield what the workload asks for and this controller cannot do."""

    def observe(self, controllers: Sequence[CachedObject], pods: Iterable[CachedObject]) -> ControllerState:
        """Return the state that the controllers and their pods report."""

    def progress(self, controllers: Sequence[CachedObject]) -> Progress | None:
        """Return how far the pods are; None for pods that are kept running, and without a controller."""


def backend_of(traits: WorkloadTraits, spec: Any) -> Backend:
    """Return the backend of a merged submission: a module of this package."""
    return _load(backend_name(traits, spec))


def backend_that_runs(traits: WorkloadTraits, spec: Any, controllers: Iterable[CachedObject]) -> Backend:
    """Return the backend of the controllers that exist, else that of a merged submission."""
    kinds = {live.kind for live in controllers}
    found = (_load(name) for name in traits.backends if traits.grouped and kinds & {*_load(name).controllers})
    return next(found, backend_of(traits, spec))


def pods_in_order(
    traits: WorkloadTraits, controllers: Sequence[CachedObject], pods: Iterable[CachedObject]
) -> PodSummary:
    """Return the pods of a workload as the backend of its controllers orders them; without controllers, the usual."""
    kinds = {live.kind for live in controllers}
    backends = [_load(name) for name in traits.backends]
    backend = next((item for item in backends if kinds & {*item.controllers}), backends[0])
    return backend.observe(controllers, pods).pods


def progress(traits: WorkloadTraits, controllers: Sequence[CachedObject]) -> Progress | None:
    """Return the progress of the controllers that run to completion, if there are any."""
    found = (_load(name).progress(controllers) for name in traits.backends)
    return next((each for each in found if each is not None), None)


@cache
def _load(name: str) -> Backend:
    return cast(Backend, import_module(f"outfitter.backends.{name}").BACKEND)


@cache
def controller_kinds() -> tuple[str, ...]:
    """Return the kinds that create pods, over all backends."""
    return tuple(dict.fromkeys(kind for name in BACKENDS for kind in _load(name).controllers))


@cache
def child_kinds() -> tuple[str, ...]:
    """Return the kinds of children, over all backends, with volumes, and claims for them and for devices."""
    made = (kind for name in BACKENDS for kind in _load(name).children)
    return tuple(dict.fromkeys((*made, "PersistentVolumeClaim", "PersistentVolume", "ResourceClaimTemplate")))


def combined(seen: Sequence[Observation]) -> Observation:
    """Return the state of several controllers together: the first that is not ready, failures first."""
    if not seen:
        return UNSEEN
    failed = next((item for item in seen if item.state is State.FAILED), None)
    return failed or next((item for item in seen if item.state is not State.READY), READY)


def total(controllers: Iterable[CachedObject], field: str) -> int:
    """Return a number of pods, summed over the controllers."""
    return sum(int((live.body.get("status") or {}).get(field, 0)) for live in controllers)


def processed(controllers: Iterable[CachedObject]) -> bool:
    """Return whether a controller has processed one of the objects at least once."""
    return any((live.body.get("status") or {}).get("observedGeneration") for live in controllers)


def annotated(run: Run, annotations: Mapping[str, str]) -> dict[str, str]:
    """Return the annotations of a controller: with the revision that was current when the workload was suspended."""
    stopped = {ANNOTATION_STOPPED_REVISION: run.revision} if run.request.stopped else {}
    return {**stopped, **annotations}


def as_group(run: Run, made: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the controllers of a workload whose pods have ranks, each with a digest of all: they start as one."""
    fixed = [(item["kind"], item["metadata"]["name"], _annotation(item, ANNOTATION_FIXED)) for item in made]
    content = [run.request.restarted_at, _annotation(made[0], ANNOTATION_ATTEMPT), fixed]
    mark = {ANNOTATION_GROUP: short_hash(orjson.dumps(content), 16)}
    return [
        {**item, "metadata": {**item["metadata"], "annotations": {**item["metadata"]["annotations"], **mark}}}
        for item in made
    ]


def _annotation(item: Mapping[str, Any], name: str) -> str:
    return str(item["metadata"]["annotations"].get(name, ""))


def controller_meta(meta: Mapping[str, Any], group: PodSet) -> dict[str, Any]:
    """Return the metadata of the controller of a group: that of each child, with the labels that schedulers read."""
    return {**meta, "labels": {**meta["labels"], **group.controller_labels}}
