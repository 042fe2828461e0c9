"""What objects of files would change if they were applied: effective policies, and which workloads they refuse."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from outfitter.api.v1alpha1 import KINDS
from outfitter.api.v1alpha1.policyfields import SECTIONS
from outfitter.cli.policy.rows import policy_rows
from outfitter.cluster.lookup import CacheLookup
from outfitter.cluster.protocol import Cluster
from outfitter.naming import LABEL_PROJECT
from outfitter.policy.in_force import InForce, in_force, scope_policies
from outfitter.policy.project import ProjectPolicies
from outfitter.reasons import Reason
from outfitter.resolve.request import request_for
from outfitter.resolve.serving import resolve
from outfitter.settings import Settings
from outfitter.simulator.caches import WatchedCaches
from outfitter.snapshot import Reader
from outfitter.snapshot.objects import read_resource

Body = Mapping[str, Any]
Place = tuple[str, str, str]
"""Kind, namespace and name."""

_READ: Final = ("Namespace", *(kind.name for kind in KINDS))
_NEWEST: Final = "9999-12-31T23:59:59Z"
"""Creation time of an object that is not in the cluster yet: of two policies in one scope, the older counts."""


@dataclass(frozen=True)
class Refusal:
    """Why a workload cannot start: one violation, or a policy that is not valid."""

    kind: str
    namespace: str
    name: str
    field: str
    rule: str
    message: str


@dataclass(frozen=True)
class Change:
    """A default or rule that differs, with the number of projects in which it does, and the first of them."""

    workload_type: str
    field: str
    part: str
    before: str
    after: str
    projects: int
    first: str


@dataclass(frozen=True)
class Difference:
    """What the new objects change."""

    changes: tuple[Change, ...]
    refused: tuple[Refusal, ...]
    allowed: tuple[Refusal, ...]
    """What refuses a workload today, and would not any more."""
    errors: tuple[str, ...]
    """New errors of policies, for which nothing could start."""
    warnings: tuple[str, ...]
    """New conflicts with wider policies, and policies without effect."""
    workloads: int
    projects: int

    @property
    def refused_workloads(self) -> int:
        """Return the number of workloads that could not start any more."""
        return len({(item.kind, item.namespace, item.name) for item in self.refused})

    def to_dict(self) -> dict[str, Any]:
        """Return the difference as data."""
        found = asdict(self)
        for row in found["changes"]:
            row["workloadType"] = row.pop("workload_type")
        return found


async def read_objects(cluster: Cluster, namespace: str, settings: Settings) -> list[dict[str, Any]]:
    """Read what policies are judged by: of the whole cluster, or of one namespace and the system namespace."""
    if not namespace:
        return [{**item, "kind": kind} for kind in _READ for item in await cluster.list(kind)]
    found = [
        {**item, "kind": kind}
        for place in dict.fromkeys((namespace, settings.system_namespace))
        for kind in _READ[1:]
        for item in await cluster.list(kind, place)
    ]
    spaces = [await cluster.get("Namespace", "", place) for place in (namespace, settings.system_namespace)]
    return [*({**space, "kind": "Namespace"} for space in spaces if space), *found]


def with_objects(current: Iterable[Body], given: Iterable[Body]) -> list[Body]:
    """Return the objects as they would be after `given` were applied."""
    known = {_place(body): body for body in current}
    for number, body in enumerate(given):
        place = _place(body)
        meta = {"uid": f"given-{number}", "creationTimestamp": _NEWEST, "resourceVersion": "1"}
        before = known.get(place, {})
        meta |= {**before.get("metadata", {}), **body["metadata"]}
        known[place] = {**before, **body, "metadata": meta}
    return list(known.values())


def _place(body: Body) -> Place:
    meta = body["metadata"]
    return str(body["kind"]), str(meta.get("namespace") or ""), str(meta["name"])


def compare(before: Sequence[Body], after: Sequence[Body], settings: Settings) -> Difference:
    """Judge every workload as if it started now, by the objects of `before` and of `after`."""
    old, new = _State(before, settings), _State(after, settings)
    was, is_now = dict(old.refusals()), dict(new.refusals())
    return Difference(
        tuple(_changes(old, new)),
        tuple(item for key, item in is_now.items() if key not in was),
        tuple(item for key, item in was.items() if key not in is_now),
        tuple(text for text in new.errors if text not in old.errors),
        tuple(text for text in new.warnings if text not in old.warnings),
        len(new.workloads),
        len(new.projects),
    )


class _State:
    """The effective policies and the workloads of a set of objects."""

    def __init__(self, objects: Sequence[Body], settings: Settings) -> None:
        caches = WatchedCaches()
        for body in objects:
            live = caches.project(body["kind"], body)
            if live is not None:
                caches.put(live)
        # Whether Secrets have the keys that workloads name is no question of policies.
        self._reader = Reader(CacheLookup(caches), settings, references_only=True)
        self.workloads = [
            request
            for kind in KINDS
            if kind.runs is not None
            for live in sorted(caches[kind.name].all(), key=lambda live: (live.namespace, live.name))
            if (request := request_for(read_resource(live))) is not None
        ]
        spaces = sorted(live.name for live in caches["Namespace"].all())
        self.projects = [name for name in spaces if LABEL_PROJECT in self._reader.labels(name)]
        found = {(space, name): in_force(self._reader, space, name) for space in self.projects for name in SECTIONS}
        self.policies: dict[tuple[str, str], InForce] = {key: item for key, item in found.items() if item.resources}
        errors = [error for item in self.policies.values() for error in item.errors]
        self.errors = sorted({str(error) for error in errors if not error.conflict})
        self.warnings = sorted({str(error) for error in errors if error.conflict} | set(self._duplicates(caches)))

    def _duplicates(self, caches: WatchedCaches) -> Iterator[str]:
        for live in caches["WorkloadPolicy"].all():
            _, older = scope_policies(self._reader, read_resource(live))
            if older is not None:
                name = f"{live.namespace}/{live.name}"
                yield f"WorkloadPolicy {name} has no effect, because {older.key} of the same scope and type is older."

    def refusals(self) -> Iterator[tuple[tuple[str, ...], Refusal]]:
        """Yield each reason why a workload could not start, with a key that compares it with that of another state."""
        for request in self.workloads:
            policies = ProjectPolicies(self._reader)
            problems = resolve(self._reader, request, policies).problems
            place = (request.resource.live.kind, request.namespace, request.name)
            for item in policies.violations:
                yield (*place, item.field, item.rule), Refusal(*place, item.field, item.rule, item.message)
            for problem in problems:
                if problem.reason is Reason.POLICY_INVALID:
                    yield (*place, "", "", problem.message), Refusal(*place, "", "", problem.message)


def _changes(old: _State, new: _State) -> Iterator[Change]:
    found: dict[tuple[str, str, str, str, str], list[str]] = {}
    for space, name in sorted(old.policies.keys() | new.policies.keys()):
        before, after = (
            {(field, part): value for field, part, value, _ in policy_rows(item.policy)} if item else {}
            for item in (state.policies.get((space, name)) for state in (old, new))
        )
        for field, part in dict.fromkeys((*before, *after)):
            values = before.get((field, part), ""), after.get((field, part), "")
            if values[0] != values[1]:
                found.setdefault((name, field, part, *values), []).append(space)
    for key, spaces in found.items():
        yield Change(*key, projects=len(spaces), first=spaces[0])
