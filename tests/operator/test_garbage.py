"""When cyclic garbage is looked for; with Python's own collector."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from outfitter.operator.gc_tuner import GcTuner


@pytest.fixture
def looks() -> Iterator[list[int]]:
    """The generations that were looked at; nothing is by itself."""
    seen: list[int] = []

    def note(phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            seen.append(info["generation"])

    thresholds = gc.get_threshold()
    gc.disable()
    gc.collect()
    gc.callbacks.append(note)
    yield seen
    gc.callbacks.remove(note)
    gc.unfreeze()
    gc.set_threshold(*thresholds)
    gc.enable()


def test_a_quiet_moment_is_used_once_there_is_something_to_find(looks: list[int]) -> None:
    garbage = GcTuner()
    garbage.quiet()
    assert looks == []
    kept = [[number] for number in range(3000)]
    garbage.quiet()
    garbage.quiet()
    assert looks == [1]
    assert len(kept) == 3000


def test_now_and_then_all_is_looked_at(looks: list[int]) -> None:
    """Else a circle that outlived one look would stay for good."""
    garbage = GcTuner()
    for _ in range(100):
        kept = [[number] for number in range(3000)]
        garbage.quiet()
        del kept
    assert looks == [1] * 99 + [2]


def test_what_the_start_left_is_not_looked_at_again(looks: list[int]) -> None:
    GcTuner().settle()
    assert looks == [2]
    assert gc.get_freeze_count() > 0
