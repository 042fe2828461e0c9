"""The writes of one reconciliation, as data: the executor orders them by phase."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

from outfitter.actions import Action
from outfitter.naming import FIELD_MANAGER
from outfitter.snapshot import CachedObject, Key
from outfitter.status import StatusInput


class WritePhase(IntEnum):
    """When a write happens. Each phase starts once the one before is complete; EARLY and LATE are the exceptions."""

    EARLY = 0  # from the start, beside all other phases: no write waits for it
    DEPENDENCY = 1  # what the rest is made from: the snapshot of a clone, a model cache on demand
    REVISION = 2  # without it, the later phases do not happen
    HANDOVER = 3  # a field changes its owner before the children change
    CHILDREN = 4
    CLEANUP = 5  # what is not wanted any more
    LATE = 6  # after everything else, also after a failure


@dataclass(frozen=True, slots=True)
class Create:
    """POST this manifest. `together`: only if the names of all objects of the plan with this mark are free."""

    manifest: Mapping[str, Any]
    phase: WritePhase = WritePhase.CHILDREN
    together: bool = False

    @property
    def kind(self) -> str:
        """Kind of the object."""
        return str(self.manifest["kind"])


@dataclass(frozen=True, slots=True)
class Apply:
    """Apply this manifest over the live object with `uid`, as `manager`.

    `whole`: replace the spec instead, labels and annotations included, because no one else may write it. `or_replace`:
    delete the object where the server cannot change it.
    """

    manifest: Mapping[str, Any]
    uid: str
    manager: str = FIELD_MANAGER
    phase: WritePhase = WritePhase.CHILDREN
    whole: bool = False
    or_replace: bool = False

    @property
    def kind(self) -> str:
        """Kind of the object."""
        return str(self.manifest["kind"])


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete this object. `orphan`: keep the objects that it owns.

    `unchanged`: only this version of it. `absent`: only while that object does not exist.
    """

    live: CachedObject
    orphan: bool = False
    phase: WritePhase = WritePhase.CHILDREN
    unchanged: bool = False
    absent: Key | None = None

    @property
    def kind(self) -> str:
        """Kind of the object."""
        return self.live.kind


Write = Create | Apply | Delete


def in_phase(phase: WritePhase, writes: Iterable[Write]) -> tuple[Write, ...]:
    """The writes, moved to a phase."""
    return tuple(write if write.phase is phase else replace(write, phase=phase) for write in writes)


@dataclass(frozen=True)
class Decision:
    """What a plan decides about a whole workload: start, stop or restart. `reason`: of a stop by Outfitter."""

    action: Action
    reason: str = ""
    message: str = ""


@dataclass(frozen=True)
class Plan:
    """The writes of one reconciliation, and the status that follows if they succeed."""

    status: StatusInput
    writes: tuple[Write, ...] = ()
    requeue: float | None = None  # seconds
    also_reconcile: frozenset[Key] = frozenset()  # other objects of ours that have work to do now
    if_unchanged: bool = False  # the status may only be written over the version that it was made from
    pending: bool = False  # the status needs an answer from outside: until then, the one of this generation stays
    replan_after_write: bool = False  # the status describes the state before the writes: plan once more after them
    otherwise: tuple[Delete, ...] = ()  # instead of all objects that are to be created together, if a name is taken
    run_of: Key | None = None  # whose uid the record of the run gets, once it is created
    decision: Decision | None = None  # that the writes carry out

    def with_run(self, made: CachedObject | None) -> Plan:
        """Return the plan after its writes, whose record of the run has the uid of what they made; None: no record."""
        if self.run_of is None:
            return self
        record = {**self.status.facts["run"], "uid": made.uid} if made is not None else None
        return replace(self, status=replace(self.status, facts={**self.status.facts, "run": record}), run_of=None)

    def ends(self, live: CachedObject) -> bool:
        """Whether the plan deletes the object itself."""
        return any(isinstance(write, Delete) and write.live.uid == live.uid for write in self.writes)
