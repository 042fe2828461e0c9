"""Transient engine state: grace periods, interrupted writes, back-off."""

from __future__ import annotations

from datetime import timedelta

import pytest

from outfitter.reconcile.state import EngineState
from outfitter.snapshot import Key
from world import START

KEY = Key("Workspace", "a", "w")


def test_backoff_doubles_until_a_write_succeeds() -> None:
    """One minute at most; a success starts again at one second."""
    state = EngineState()
    assert [state.backoff(KEY, prevented=True) for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert state.backoff(KEY, prevented=False) is None
    assert state.backoff(KEY, prevented=True) == 1


def test_a_new_object_does_not_inherit_the_state_of_its_namesake() -> None:
    """Neither back-off, nor grace period, nor interrupted writes."""
    state = EngineState()
    state.backoff(KEY, prevented=True)
    state.unready(KEY, START)
    with pytest.raises(RuntimeError), state.writing(KEY):
        raise RuntimeError
    assert state.unfinished(KEY)
    state.forget(KEY)
    assert not state.unfinished(KEY)
    assert not state.refused(KEY)
    assert state.unready_since(KEY) is None


def test_the_grace_period_starts_with_the_first_loss() -> None:
    """And again after the status was written."""
    state = EngineState()
    for seconds in (0, 5):
        state.unready(KEY, START + timedelta(seconds=seconds))
    assert state.unready_since(KEY) == START
    state.settled(KEY)
    assert state.unready_since(KEY) is None
