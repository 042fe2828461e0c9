"""Hosts that asked to wait. No request of any kind goes to them until then."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from outfitter.snapshot import RegistryDefect


class Pauses:
    """By host: until when it gets no request, and why."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._paused: dict[str, tuple[datetime, RegistryDefect]] = {}

    def add(self, host: str, seconds: float, defect: RegistryDefect) -> None:
        """Send nothing to a host for so many seconds."""
        self._paused[host] = (self._clock() + timedelta(seconds=seconds), defect)

    def of(self, host: str) -> tuple[datetime, RegistryDefect] | None:
        """Return the pause of a host; None if it has none now."""
        found = self._paused.get(host)
        return None if found is None or found[0] <= self._clock() else found
