"""The shape of a rule: a check reads a candidate and yields what is wrong. All checks run, never only the first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from outfitter.problems import Problem
from outfitter.resolve.request import WorkloadRequest
from outfitter.resolve.workload import Resolved
from outfitter.settings import Settings


@dataclass(frozen=True)
class NamespaceFacts:
    """What an administrator allows in the namespace of a workload."""

    elevation_allowed: bool = False
    enforced: str = ""
    """The level that Pod Security enforces, by the label of the Namespace."""

    @property
    def restricted(self) -> bool:
        """Return whether Pod Security enforces `restricted`."""
        return self.enforced == "restricted"


@dataclass(frozen=True)
class Candidate:
    """A workload that is about to get a new revision.

    `templates` are its assembled pods. `running` is the artifact of the current revision, as revisions keep it.
    """

    resolved: Resolved
    templates: Sequence[Mapping[str, Any]]
    namespace: NamespaceFacts
    settings: Settings
    running: Mapping[str, Any] | None = None

    @property
    def request(self) -> WorkloadRequest:
        """The workload."""
        return self.resolved.request


@dataclass(frozen=True)
class Check:
    """A named rule."""

    name: str
    run: Callable[[Candidate], Iterator[Problem]]


def evaluate(candidate: Candidate, checks: Sequence[Check]) -> list[Problem]:
    """Return what every check finds, in the order of the checks."""
    return [problem for check in checks for problem in check.run(candidate)]
