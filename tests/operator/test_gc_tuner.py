"""When garbage is collected, with Python's own collector."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from outfitter.operator.gc_tuner import GcTuner


@pytest.fixture
def collections() -> Iterator[list[int]]:
    """The generations that were collected; Python collects none by itself."""
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


def test_a_quiet_moment_is_used_if_there_are_new_objects(collections: list[int]) -> None:
    tuner = GcTuner()
    tuner.quiet()
    assert collections == []
    kept = [[number] for number in range(3000)]
    tuner.quiet()
    tuner.quiet()
    assert collections == [1]
    assert len(kept) == 3000


def test_every_hundredth_collection_is_complete(collections: list[int]) -> None:
    """Otherwise a cycle that survived one collection would stay."""
    tuner = GcTuner()
    for _ in range(100):
        kept = [[number] for number in range(3000)]
        tuner.quiet()
        del kept
    assert collections == [1] * 99 + [2]


def test_objects_of_the_start_are_frozen(collections: list[int]) -> None:
    GcTuner().freeze_startup()
    assert collections == [2]
    assert gc.get_freeze_count() > 0
