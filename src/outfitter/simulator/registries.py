"""Image registries of a simulation: each answers at once, and has exactly the repositories that were asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from outfitter.snapshot import Key, RegistryAnswer, RegistryQuestion


class SimulatedRegistries:
    """Registries without a network. One that is asked for no repository by name lists one, below the path."""

    def __init__(self, interval: float, clock: Callable[[], datetime]) -> None:
        self._interval = interval
        self._clock = clock

    def answer(self, key: Key, question: RegistryQuestion) -> RegistryAnswer | None:
        """Return what the registry has now."""
        now, named = self._clock(), question.repositories
        return RegistryAnswer(
            now,
            now + timedelta(seconds=self._interval),
            dialect=question.options.dialect or "oci",
            listed=not named,
            repositories=named or ("/".join(filter(None, (question.path, "image"))),),
        )

    def ask(self, key: Key, questions: Iterable[RegistryQuestion]) -> None:
        """Do nothing: every question has its answer."""

    def forget(self, key: Key) -> None:
        """Do nothing: nothing is kept."""
