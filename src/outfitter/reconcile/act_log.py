"""The log of what happened: one structured line for each act, and one for many equal failures."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from outfitter.actions import Action
from outfitter.cluster.protocol import Cluster
from outfitter.problems import Problem, printable
from outfitter.reasons import Reason
from outfitter.reconcile.act_words import events, sentence
from outfitter.reconcile.acts import INPUT_CHANGED, RESTARTED, SPEC_CHANGED, Act
from outfitter.snapshot import CachedObject, Key

_log = logging.getLogger(__name__)

_REPEATED: Final = frozenset({Action.REFUSE, Action.NAME_TAKEN, Action.BACK_OFF, Action.RETRY, Action.FAIL})
_WHOLE_SERVER: Final = frozenset({"Unavailable", "Throttled"})  # such failures meet all objects at once
_REMEMBERED: Final = 4096  # objects with a failure that lasts
_QUIET_SECONDS: Final = 60.0  # after which a failure of the server is a new one

ActRecorder = Callable[[str, str], None]
_Failure = tuple[Any, ...]


def unrecorded(_kind: str, _action: str) -> None:
    """Record nothing."""


class ActLog:
    """Writes the lines. A failure that repeats gets a line at its 1st, 10th, 100th ... time, with the count."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        record: ActRecorder = unrecorded,
    ) -> None:
        """`record` is called with kind and action of each act, also where a repetition has no line."""
        self._clock = clock
        self._record = record
        self._failures: OrderedDict[Key, dict[_Failure, int]] = OrderedDict()
        self._outages: OrderedDict[_Failure, tuple[int, float]] = OrderedDict()

    def write(
        self,
        key: Key,
        act: Act,
        *,
        generation: int = 0,
        revision: str = "",
        author: str = "",
        error: BaseException | None = None,
    ) -> None:
        """Write the line of an act."""
        self._record(key.kind, act.action)
        count = self._count(key, act) if act.action in _REPEATED else 1
        if not _shown(act, count):
            return
        kind, namespace, name = act.child or ("", "", "")
        fields: dict[str, Any] = {
            "action": str(act.action),
            "kind": key.kind,
            "namespace": key.namespace,
            "name": key.name,
            "generation": generation,
            "revision": revision,
            "author": author,
            "child_kind": kind,
            "child_namespace": namespace if namespace != key.namespace else "",
            "child_name": name,
            "fields": list(act.fields),
            "manager": act.manager,
            "reason": act.reason,
            "seconds": act.seconds,
            "count": count if count > 1 else None,
        }
        level = logging.WARNING if act.action.warns else logging.INFO
        times = f" ({count} times so far)" if count > 1 else ""
        text = f"{printable(str(key))}: {sentence(key, act, author)}{times}"
        if not _log.isEnabledFor(level):
            return
        trace = (type(error), error, error.__traceback__) if error is not None and count == 1 else None
        # Without a look at the stack for the caller, which costs more than all the rest: it is always this module.
        record = _log.makeRecord(_log.name, level, __name__, 0, text, (), trace)
        record.act = {name: value for name, value in fields.items() if value not in (None, "", [], 0)}
        _log.handle(record)

    def _count(self, key: Key, act: Act) -> int:
        """Return how often the same failure was there, including now: of this object, or of the server."""
        if act.reason in _WHOLE_SERVER:
            outage = (act.reason, act.message)
            count, last = self._outages.pop(outage, (0, 0.0))
            now = self._clock()
            count = count + 1 if now - last < _QUIET_SECONDS else 1
            self._outages[outage] = count, now
            _trim(self._outages)
            return count
        known = self._failures.setdefault(key, {})
        known[_failure(act)] = known.get(_failure(act), 0) + 1
        _trim(self._failures)
        return known[_failure(act)]

    def keep(self, key: Key, acts: Iterable[Act], *, back_off: bool = False) -> None:
        """Note that a reconciliation ended with these failures, and that all others are over."""
        known = self._failures.get(key)
        if not known:
            return
        last = set(map(_failure, acts))
        kept = {
            failure: count
            for failure, count in known.items()
            if failure in last or (back_off and failure[0] is Action.BACK_OFF)
        }
        if kept:
            self._failures[key] = kept
        else:
            del self._failures[key]

    def forget(self, key: Key) -> None:
        """Drop what is remembered of an object that is gone."""
        self._failures.pop(key, None)


def _failure(act: Act) -> _Failure:
    """Return what makes two failures the same; a message can hold numbers that change, such as the used quota."""
    return act.action, act.child, act.fields, act.reason, act.manager


def _trim(known: OrderedDict[Any, Any]) -> None:
    while len(known) > _REMEMBERED:
        known.popitem(last=False)


def _shown(act: Act, count: int) -> bool:
    """Return whether a failure gets a line at this count. One lost race with another writer is no failure."""
    if act.action is Action.RETRY and act.reason == "Conflict" and count < 10:
        return False
    return str(count).strip("0") == "1"


class Acts:
    """The acts of one reconciliation: each has its line at once, and together they have their Events at the end."""

    def __init__(
        self,
        log: ActLog,
        about: CachedObject | Key,
        facts: Mapping[str, Any] | None = None,
        *,
        by_user: bool = False,
    ) -> None:
        """`about`: the object, or its key where it does not exist; `facts`: of its status.

        `by_user`: what happens follows from a change of the object itself.
        """
        live = about if isinstance(about, CachedObject) else None
        self._log = log
        self._key = Key(about.kind, about.namespace, about.name)
        self._live = live
        self._done: list[Act] = []
        self._generation = live.generation if live is not None else 0
        self._revision = str((facts or {}).get("revision") or "")
        self._author = str((facts or {}).get("updatedBy") or "")
        self._by_user = by_user

    def add(self, act: Act) -> None:
        """Note an act."""
        if act.action is Action.UPDATE:
            restarts = any(done.action is Action.RESTART for done in self._done)
            act = replace(act, reason=RESTARTED if restarts else SPEC_CHANGED if self._by_user else INPUT_CHANGED)
        self._done.append(act)
        self._log.write(self._key, act, generation=self._generation, revision=self._revision, author=self._author)

    def change(self, fields: tuple[str, ...] = ()) -> None:
        """Note that somebody created the object or changed these fields of its spec."""
        self.add(Act(Action.CHANGE, fields=fields, message=str(self._generation)))

    def told(self, reason: str) -> bool:
        """Return whether an act with this reason was noted: what follows from it is no news."""
        return any(act.reason == reason for act in self._done)

    def end(self, problems: Iterable[Problem]) -> None:
        """Note that the reconciliation ended with these problems."""
        overridden = any(problem.reason == Reason.FIELD_OVERRIDDEN for problem in problems)
        self._log.keep(self._key, self._done, back_off=overridden)

    async def emit(self, cluster: Cluster) -> None:
        """Report the acts by Events about the object. The status has what is lost here."""
        if self._live is None:
            return
        for reason, message in events(self._key, self._done, self._author):
            warns = any(act.action.warns for act in self._done if act.action.event == reason)
            type_ = "Warning" if warns else "Normal"
            await cluster.emit(self._live, type_=type_, reason=reason, message=message, action="Reconcile")
