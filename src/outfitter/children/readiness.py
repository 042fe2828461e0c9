"""The state of any child object, by the readiness function of its kind."""

from __future__ import annotations

from outfitter.children.kinds import child_kind
from outfitter.observe.claims import binding_late
from outfitter.observe.state import READY, Observation
from outfitter.snapshot import CachedObject


def observe(live: CachedObject, *, first_consumer: bool = False) -> Observation:
    """The state of a child; a kind without a readiness function is ready as soon as it exists.

    `first_consumer`: the StorageClass of a claim binds only once a pod uses the claim.
    """
    kind = child_kind(live.kind)
    if kind is None or kind.readiness is None:
        return READY
    state = kind.readiness(live.body)
    return binding_late(state) if first_consumer else state
