"""The end of each reference page: every phase and reason that the code can give for that kind, and no other."""

from __future__ import annotations

import re

import pytest

from outfitter.api.v1alpha1 import KINDS
from outfitter.api.v1alpha1.artifact import ArtifactPhase
from outfitter.api.v1alpha1.artifactstatus import CachePhase
from outfitter.api.v1alpha1.running import Phase
from outfitter.codegen.states import ARTIFACT_PHASES, CACHE_PHASES, EVERY_KIND, RUN_PHASES, STATES
from outfitter.plan.diff import refused
from outfitter.plan.planners import PLANNERS
from outfitter.status import deleting, unreadable

from . import reasons
from .conftest import ROOT

_NAMES = [kind.name for kind in KINDS]

# What a planner reaches but cannot give for this kind, because its schema has no field that leads there.
_SERVES_ONLY = {"CacheNotReady", "ClusterLocal", "Draft", "DraftForbidden", "ScaleToZeroUnsupported", "SnapshotLost",
                "SourceNotReady", "VersionNotFound"}  # fmt: skip
# Of a Deployment, a StatefulSet or a claim that is only read through the same function.
_OF_CONTROLLERS = {"InitializationTimeout", "Stopping", "Updating"}
_OF_JOBS = {"DeadlineExceeded", "Failed"}
_NOT_HERE = {
    "Environment": {*_SERVES_ONLY, *_OF_JOBS, "InitializationTimeout"},
    "Workspace": {*_SERVES_ONLY, *_OF_JOBS, "InitializationTimeout"},
    "Inference": {*_OF_JOBS, "SnapshotLost"},  # told as SourceNotReady
    # No environment, so no connection, prompt or user id of one; and it is not run by reference.
    "Artifact": {*_OF_JOBS, "DomainMissing", "DraftForbidden", "HostForbidden", "NodePortMissing", "OverrideForbidden",
                 "PlaceholderUnresolved", "PromptUnset", "Reserved", "TypeNotSupported", "UrlMissing",
                 "VersionNotFound", "ScopeForbidden"},
    "ComputeResource": set[str](),
    "Credential": set[str](),
    # Only a workload looks up the content of a Credential; the class of the volume holds both checks.
    "DataSource": {*_OF_CONTROLLERS, *_OF_JOBS, "CredentialNotReady"},
    # Problems of members are told by the members.
    "ArtifactRepository": {"NothingToLock", "ReferenceNotFound", "SnapshotLost", "SourceNotReady"},
    # A download prompts for nothing and is no Deployment.
    "NimCache": {*_OF_CONTROLLERS, "PromptUnset", "WaitForFirstConsumer"},
}  # fmt: skip
# Read, and never told: a claim that waits for its first pod is in order wherever there is one.
_NEVER_TOLD = {"Pending", "WaitForFirstConsumer"}


def test_reasons_of_every_kind() -> None:
    """What the API server answers to a write, a deletion that somebody holds, an object that cannot be read."""
    found = set().union(*(reasons.reached(function)[0] for function in (refused, deleting, unreadable)))
    assert set(EVERY_KIND) == found


@pytest.mark.parametrize("kind", _NAMES)
def test_every_reason_of_a_kind_is_on_its_page(kind: str) -> None:
    """From its planner through everything that it calls."""
    found = reasons.reached(PLANNERS[kind])[0] - _NOT_HERE[kind] - set(EVERY_KIND)
    told = set(STATES[kind].reasons) - set(EVERY_KIND)
    assert told - found == set(), "documented, and never given"
    assert found - told - _NEVER_TOLD == set(), "given, and not documented"


@pytest.mark.parametrize("kind", _NAMES)
def test_what_a_kind_cannot_give_is_reached(kind: str) -> None:
    """An exception that nothing needs any more is removed."""
    assert _NOT_HERE[kind] <= reasons.reached(PLANNERS[kind])[0]


def test_every_phase_is_told() -> None:
    """All that the code sets; the others are of kinds to come."""
    _, named = reasons.reached(PLANNERS["Inference"])
    assert {phase.name for phase in map(Phase, RUN_PHASES)} == named | {"DELETING"}
    assert set(ARTIFACT_PHASES) == set(ArtifactPhase)
    assert set(CACHE_PHASES) == set(CachePhase)
    for kind in KINDS:
        fields = {
            name for name in ("phase", "run_phase") if name in kind.model.model_fields["status"].annotation.model_fields
        }  # type: ignore[union-attr]
        assert {
            re.sub("([A-Z])", lambda found: f"_{found[1].lower()}", name) for name in STATES[kind.name].phases
        } == fields


@pytest.mark.parametrize("kind", _NAMES)
def test_pages_explain_what_they_list(kind: str) -> None:
    """Each reason with its meaning, under states; and steps for when it does not work."""
    page = (ROOT / "docs" / "reference" / f"{kind.lower()}.md").read_text(encoding="utf-8")
    states = page.partition("## States\n")[2].partition("\n## ")[0]
    for reason in {*EVERY_KIND, *STATES[kind].reasons}:
        assert f"| `{reason}` | " in states
    assert "\n1. " in page.partition("## When it does not work\n")[2]
    for target in re.findall(r"\]\(([^)#]+)", states):
        assert (ROOT / "docs" / "reference" / target).exists(), target
