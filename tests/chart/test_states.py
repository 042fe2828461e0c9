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


def test_reasons_of_every_kind() -> None:
    """What the API server answers to a write, a deletion that somebody holds, an object that cannot be read."""
    found = set().union(*(reasons.reached(function)[0] for function in (refused, deleting, unreadable)))
    assert set(EVERY_KIND) == found


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
