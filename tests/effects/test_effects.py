"""Every leaf of every spec has an effect: manifests, statuses or messages change, or the status says why not."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from outfitter.api.validation import strict_errors
from outfitter.simulator.caches import OUR_KINDS

from .leaves import Change, changes, places, spec_leaves
from .variants import Variant, variants

# The fields of a policy are those of workloads: tests/policy/test_matrix.py tries each rule with each type of value.
_IN_POLICIES = ("defaults.", "rules.")
LEAVES = [(kind, leaf) for kind in OUR_KINDS for leaf in spec_leaves(kind) if not leaf.startswith(_IN_POLICIES)]
VARIANTS = [variant for kind in OUR_KINDS for variant in variants(kind)]


@cache
def entries() -> list[dict[str, Any]]:
    """What allowed.yaml lists."""
    found: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "allowed.yaml").read_text())
    return found


def allowed(kind: str, leaf: str, variant: str = "") -> bool:
    """Whether a leaf may have no effect, in every variant or in this one."""
    return any(
        leaf in entry["leaves"]
        and (kind in entry["kinds"] or entry["kinds"] == ["all"])
        and ("variants" not in entry or variant in entry["variants"])
        for entry in entries()
    )


async def in_variant(variant: Variant, leaf: str) -> tuple[bool, list[str]]:
    """Whether a leaf has an effect in a variant, and the places that must have one and have not."""
    kind, effect, silent = variant.subject["kind"], False, []
    for place in places(leaf, variant.subject["spec"]):
        tried: list[Change] = []
        for change in changes(variant.subject, place, spec_leaves(kind)[leaf]):
            if await variant.differs(change.subject):
                effect = True
                break
            tried.append(change)
        else:
            # A default that is written out can be removed without effect.
            if any(not change.removal for change in tried):
                silent.append(f"{variant.name}: {'; '.join(change.text for change in tried)}")
    # What is refused as a whole hides the effect of its other fields.
    return effect, [] if await variant.stalled() else silent


@pytest.mark.parametrize(("kind", "leaf"), LEAVES, ids=lambda part: part)
async def test_leaf_has_an_effect(kind: str, leaf: str) -> None:
    reached = [variant for variant in variants(kind) if places(leaf, variant.subject["spec"])]
    effect, reported, silent = False, False, list[str]()
    for variant in reached:
        if await variant.not_honoured(leaf):
            reported = True
            continue
        found, without = await in_variant(variant, leaf)
        effect |= found
        silent += [] if allowed(kind, leaf, variant.name) else without
    if allowed(kind, leaf):
        assert not effect, "it has an effect: remove it from allowed.yaml"
        return
    assert reached, f"add {leaf} to a variant of {kind}"
    assert effect or reported, f"no effect, or no valid change: {silent}"
    assert silent == [], "no effect in some places"


def test_allowed_leaves_exist() -> None:
    """Every entry of allowed.yaml is about leaves of a schema, and gives a reason."""
    known = {leaf for _, leaf in LEAVES}
    assert [leaf for entry in entries() for leaf in entry["leaves"] if leaf not in known] == []
    assert all(entry["reason"] for entry in entries())


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: f"{variant.subject['kind']}-{variant.name}")
async def test_variant_is_valid(variant: Variant) -> None:
    assert [str(error) for error in strict_errors(variant.subject)] == []
