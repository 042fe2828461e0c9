"""The state of any child object, by the readiness function of its kind."""

from __future__ import annotations

from outfitter.children.kinds import child_kind
from outfitter.observe.state import READY, Observation
from outfitter.snapshot import CachedObject


def observe(live: CachedObject) -> Observation:
    """The state of a child; a kind without a readiness function is ready as soon as it exists."""
    kind = child_kind(live.kind)
    return READY if kind is None or kind.readiness is None else kind.readiness(live.body)
