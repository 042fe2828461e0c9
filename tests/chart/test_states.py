"""The end of each reference page: every phase and reason that the kind shows, and steps for an object in trouble."""

from __future__ import annotations

import re

import pytest

from outfitter.api.v1alpha1 import KINDS, kind_of
from outfitter.codegen.shown_reasons import REASONS, TABLE, read_shown
from outfitter.codegen.states import MEANINGS, phases, steps
from outfitter.reasons import Reason
from plugins.shown_reasons import text_of

from .conftest import ROOT

SHOWN = read_shown()
NAMES = [kind.name for kind in KINDS]


def test_the_table_names_kinds_fields_and_reasons_that_exist() -> None:
    """And is written as `--update` writes it."""
    assert set(SHOWN) == set(NAMES)
    for name in NAMES:
        assert set(SHOWN[name]) == {REASONS, *phases(kind_of(name))}
        assert set(SHOWN[name][REASONS]) <= set(Reason)
    assert TABLE.read_text(encoding="utf-8") == text_of(SHOWN)


def test_every_reason_belongs_to_a_kind() -> None:
    """A row of reasons.py that no kind shows is removed."""
    assert {reason for fields in SHOWN.values() for reason in fields[REASONS]} == set(Reason)


def test_every_shown_phase_has_a_meaning() -> None:
    """And every meaning belongs to a phase that a kind shows."""
    shown = {
        (enumeration, phase) for kind in KINDS for field, enumeration in phases(kind).items()
        for phase in SHOWN[kind.name][field]
    }  # fmt: skip
    assert shown == {(enumeration, phase.value) for enumeration, texts in MEANINGS.items() for phase in texts}


@pytest.mark.parametrize("name", NAMES)
def test_pages_explain_what_they_list(name: str) -> None:
    """Each phase and reason with its meaning, and steps in their order."""
    page = (ROOT / "docs" / "reference" / f"{name.lower()}.md").read_text(encoding="utf-8")
    states = page.partition("## States\n")[2].partition("\n## ")[0]
    for values in SHOWN[name].values():
        for value in values:
            assert re.search(rf"^\| `{value}` \|.* [A-Z`]", states, re.MULTILINE), value
    trouble = page.partition("## When it does not work\n")[2]
    for number, step in enumerate(steps(kind_of(name)), 1):
        assert f"\n{number}. {step}\n" in trouble
    for target in re.findall(r"\]\(([^)#]+)", states):
        assert (ROOT / "docs" / "reference" / target).exists(), target
