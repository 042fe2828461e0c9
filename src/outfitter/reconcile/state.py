"""Transient engine state per object: it only saves time or writes, and a restart may lose it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from itertools import islice
from weakref import WeakValueDictionary

from outfitter.api.v1alpha1 import kind_of
from outfitter.snapshot import Key

_MOST_FIELDS = 100  # changed fields of one object that are remembered
_LONGEST_WAIT = 60.0  # seconds between two attempts at a write that something prevents


class EngineState:
    """How long each object has been unready, which reconciliations ended early, and how often writes were refused."""

    def __init__(self) -> None:
        self._unready: dict[Key, datetime] = {}
        self._edited: dict[Key, datetime] = {}
        self._changes: dict[Key, int] = {}
        self._fields: dict[Key, frozenset[str]] = {}
        self._unfinished: set[Key] = set()
        self._refusals: dict[Key, int] = {}
        self._turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, key: Key) -> AsyncIterator[None]:
        """Wait until no other object is reconciled that must not be reconciled at the same time."""
        if not kind_of(key.kind).in_turn:
            yield
            return
        place = (key.kind, key.namespace)
        lock = self._turns.setdefault(place, asyncio.Lock())
        async with lock:
            yield

    def unready_since(self, key: Key) -> datetime | None:
        """Return when the object was first seen unready, if its status does not say so yet."""
        return self._unready.get(key)

    def unready(self, key: Key, now: datetime) -> None:
        """Note that the object is unready, which its status does not say yet."""
        self._unready.setdefault(key, now)

    def edited_since(self, key: Key) -> datetime | None:
        """Return when an asset was first edited once more, if the status does not say so yet."""
        return self._edited.get(key)

    def edited(self, key: Key, now: datetime) -> None:
        """Note that an asset was edited once more, which the status does not say yet."""
        self._edited.setdefault(key, now)

    def is_news(self, key: Key, generation: int) -> bool:
        """Return whether this generation was not seen before, as far as the status does not say so, and note it."""
        news = self._changes.get(key) != generation
        self._changes[key] = generation
        return news

    def spec_changed(self, key: Key, fields: frozenset[str]) -> None:
        """Note which fields of a spec somebody changed, up to a limit: a standby and a paused object never ask."""
        known = self._fields.get(key, frozenset())
        self._fields[key] = known | frozenset(islice(sorted(fields - known), max(0, _MOST_FIELDS - len(known))))

    def changed_fields(self, key: Key) -> tuple[str, ...]:
        """Return the fields that changed since the last call, as far as this process saw it."""
        return tuple(sorted(self._fields.pop(key, ())))

    def settled(self, key: Key) -> None:
        """Note that the status says what is: the next loss of readiness starts a new grace period."""
        self._unready.pop(key, None)
        self._edited.pop(key, None)
        self._changes.pop(key, None)

    def unfinished(self, key: Key) -> bool:
        """Return whether the writes of the last reconciliation were interrupted."""
        return key in self._unfinished

    @contextmanager
    def writing(self, key: Key) -> Iterator[None]:
        """Mark the object as unfinished until its writes end without an error."""
        self._unfinished.add(key)
        yield
        self._unfinished.discard(key)

    def refused(self, key: Key) -> bool:
        """Return whether a write of the last reconciliation was prevented."""
        return key in self._refusals

    def backoff(self, key: Key, *, prevented: bool) -> float | None:
        """Return the seconds until a prevented write is tried again: 1, 2, 4 ... 60; None where none was."""
        if not prevented:
            self._refusals.pop(key, None)
            return None
        count = self._refusals[key] = self._refusals.get(key, -1) + 1
        return min(_LONGEST_WAIT, 2.0 ** min(count, 10))

    def forget(self, key: Key) -> None:
        """Drop everything about an object that is gone."""
        self._unready.pop(key, None)
        self._edited.pop(key, None)
        self._changes.pop(key, None)
        self._fields.pop(key, None)
        self._refusals.pop(key, None)
        self._unfinished.discard(key)
