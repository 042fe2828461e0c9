"""Children that another writer changes back: the operator leaves them alone for growing times.

An admission policy changes a field within our own request, another controller a moment later. Without a memory each
answer or event would cause the next write, many times a second, and the object would never come to rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from outfitter.canonical import Step
from outfitter.snapshot import Override

Place = tuple[str, str, str]
Path = tuple[Step, ...]

_WINDOW: Final = timedelta(seconds=60)
_TOLERATED: Final = 3  # writes of the same content within the window, such as repairs after edits by hand
_FIRST: Final = timedelta(seconds=30)
_LONGEST: Final = timedelta(minutes=10)
_REMEMBERED: Final = 4096


class Overrides(Mapping[Place, Override]):
    """The overridden children by kind, namespace and name. A restart forgets them, which costs one write each."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._known: dict[Place, tuple[Override, int]] = {}
        self._written: dict[Place, tuple[str, list[datetime]]] = {}

    def __getitem__(self, place: Place) -> Override:
        return self._known[place][0]

    def __iter__(self) -> Any:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def futile(self, place: Place, print_: str, paths: frozenset[Path]) -> bool:
        """Return whether the same content was written so often lately that another writer must change it back.

        `paths`: the fields that differ now. A field that was not contested before is written.
        """
        last, times = self._written.get(place, ("", []))
        if last != print_:
            return False
        recent = [when for when in times if self._clock() - when < _WINDOW]
        known = self._known.get(place)
        if known is None or known[0].fingerprint != print_:
            return len(recent) >= _TOLERATED
        return bool(recent) and known[0].fields >= paths

    def lasted(self, place: Place, print_: str) -> None:
        """Note a write whose answer has the content as it was sent. It may still be changed back afterwards."""
        last, times = self._written.get(place, ("", []))
        recent = [when for when in times if self._clock() - when < _WINDOW] if last == print_ else []
        self._trim(self._written)
        self._written[place] = (print_, [*recent, self._clock()])

    def overridden(self, place: Place, print_: str, paths: frozenset[Path], managers: tuple[str, ...]) -> float:
        """Note content that does not last, and wait twice as long as the last time before it is written again.

        Returns the seconds.
        """
        known = self._known.get(place)
        count = known[1] + 1 if known is not None and known[0].fingerprint == print_ else 0
        delay = min(_FIRST * 2 ** min(count, 10), _LONGEST)
        self._trim(self._known)
        self._known[place] = (Override(print_, paths, managers, self._clock() + delay), count)
        return float(delay.total_seconds())

    @staticmethod
    def _trim(known: dict[Place, Any]) -> None:
        if len(known) >= _REMEMBERED:
            del known[next(iter(known))]
