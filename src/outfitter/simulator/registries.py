"""Image registries of a simulation: each answers at once, and has exactly the repositories that were asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

from outfitter.snapshot import ImageAnswer, ImageQuestion, Key, NameResult, RegistryAnswer, RegistryQuestion

_TAGS: Final = ("1.1", "1.0", "latest")
_DIGEST: Final = "sha256:" + 64 * "0"


class SimulatedRegistries:
    """Registries without a network. One that is asked for no repository by name lists one, below the path."""

    def __init__(self, interval: float, clock: Callable[[], datetime]) -> None:
        self._interval = interval
        self._clock = clock

    def answer(self, key: Key, question: RegistryQuestion) -> RegistryAnswer | None:
        """Return what the registry has now."""
        now, named, query = self._clock(), question.repositories, question.query
        if query is not None:
            names = _TAGS if query.repository else named or ("/".join(filter(None, (question.path, "image"))),)
            names = tuple(name for name in names if query.search in name)
            result = NameResult(digest=_DIGEST, found=1) if query.tag else NameResult(names[: query.limit], len(names))
            return RegistryAnswer(now, now + timedelta(seconds=self._interval), result=result)
        return RegistryAnswer(
            now,
            now + timedelta(seconds=self._interval),
            dialect=question.options.dialect or "oci",
            listed=not named,
            repositories=named or ("/".join(filter(None, (question.path, "image"))),),
        )

    def ask(self, key: Key, questions: Iterable[RegistryQuestion]) -> None:
        """Do nothing: every question has its answer."""

    def image(self, question: ImageQuestion) -> ImageAnswer | None:
        """Return that no tag moves."""
        return ImageAnswer(question.running)

    def watch(self, key: Key, images: Iterable[ImageQuestion], registry: RegistryQuestion | None) -> None:
        """Do nothing: no tag moves."""

    def forget(self, key: Key) -> None:
        """Do nothing: nothing is kept."""
