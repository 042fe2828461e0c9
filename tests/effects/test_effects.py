"""Every leaf of every spec has an effect: manifests, statuses or messages change, or the status says why not."""

from __future__ import annotations

from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import yaml

from outfitter.api.validation import strict_errors
from outfitter.simulator.caches import OUR_KINDS

from .leaves import mutants, places, spec_leaves
from .variants import Variant, variants

LEAVES = [(kind, leaf) for kind in OUR_KINDS for leaf in spec_leaves(kind)]
VARIANTS = [variant for kind in OUR_KINDS for variant in variants(kind)]
CHANGES = 4  # of one place, before it counts as without effect


@cache
def allowed() -> dict[tuple[str, str], str]:
    """(kind, leaf) -> the reason why the leaf has no effect."""
    entries: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "allowed.yaml").read_text())
    return {
        (kind, leaf): entry["reason"]
        for entry in entries
        for leaf in entry["leaves"]
        for kind in (entry["kinds"] if entry["kinds"] != ["all"] else OUR_KINDS)
        if leaf in spec_leaves(kind)
    }


async def effect(kind: str, leaf: str) -> tuple[bool, list[str]]:
    """Whether a leaf has an effect, and the changes that had none."""
    tried = []
    for variant in variants(kind):
        found = places(leaf, variant.subject["spec"])
        if found and await variant.not_honoured(leaf):
            return True, []
        for place in found:
            for change, mutant in islice(mutants(variant.subject, place, spec_leaves(kind)[leaf]), CHANGES):
                if await variant.differs(mutant):
                    return True, []
                tried.append(f"{variant.name}: {change}")
    return False, tried


@pytest.mark.parametrize(("kind", "leaf"), LEAVES, ids=lambda part: part)
async def test_leaf_has_an_effect(kind: str, leaf: str) -> None:
    reached = any(places(leaf, variant.subject["spec"]) for variant in variants(kind))
    assert reached or (kind, leaf) in allowed(), f"add {leaf} to a variant of {kind}"
    found, tried = await effect(kind, leaf)
    if (kind, leaf) in allowed():
        assert not found, "it has an effect: remove it from allowed.yaml"
    else:
        assert found or tried, "no valid change: add a variant in which there is one"
        assert found, f"no effect of {tried}"


def test_allowed_leaves_exist() -> None:
    """Every entry of allowed.yaml names a leaf of a schema."""
    entries = yaml.safe_load((Path(__file__).parent / "allowed.yaml").read_text())
    known = {leaf for _, leaf in allowed()}
    assert [leaf for entry in entries for leaf in entry["leaves"] if leaf not in known] == []


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: f"{variant.subject['kind']}-{variant.name}")
async def test_variant_is_valid(variant: Variant) -> None:
    assert [str(error) for error in strict_errors(variant.subject)] == []
