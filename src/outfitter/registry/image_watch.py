"""Asks from time to time which image a tag is, for workloads that run it. Equal questions are one.

The tasks of all tags of a host wait for one lock, so a start of the operator is no burst of requests.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, TypeVar

from outfitter.reasons import Reason
from outfitter.registry.errors import Denied, RegistryError
from outfitter.registry.pauses import Pauses
from outfitter.registry.session import LONGEST_PAUSE
from outfitter.registry.turns import Turns
from outfitter.snapshot import (
    ImageAnswer,
    ImageQuestion,
    Key,
    NameQuery,
    RegistryDefect,
    RegistryLogin,
    RegistryQuestion,
)

_log = logging.getLogger(__name__)

MOST: Final = 1000  # tags
MOST_PER_HOST: Final = 500
MOST_PER_NAMESPACE: Final = 100
PACE: Final = 1.0  # seconds between two looks at tags of one host
APART: Final = 10.0  # seconds between two looks at one tag
FIRST_RETRY: Final = 60.0  # seconds; doubles up to the interval

_Value = TypeVar("_Value")
Compare = Callable[[RegistryQuestion, frozenset[str], ImageAnswer | None], Awaitable[ImageAnswer]]
Wait = Callable[[float], Awaitable[None]]
Login = tuple[str, RegistryLogin | None]  # of a host


@dataclass
class _Tag:
    """One tag that is asked for. `payer`: the namespace whose limit it counts for. `idle`: its next look is not due."""

    question: RegistryQuestion
    payer: str
    users: dict[Key, frozenset[ImageQuestion]] = field(default_factory=dict)
    answer: ImageAnswer | None = None
    asked_at: datetime | None = None
    failures: int = 0
    idle: bool = False
    task: asyncio.Task[None] | None = None

    @property
    def login(self) -> Login:
        """Return host and login."""
        return self.question.host, self.question.login

    @property
    def running(self) -> frozenset[str]:
        """Return the digests that pods run."""
        return frozenset(each.running for questions in self.users.values() for each in questions)

    @property
    def incomplete(self) -> bool:
        """Return whether the answer says nothing about a digest that pods run by now."""
        return self.answer is not None and any(self.answer.newer(each) is None for each in self.running)


class ImageWatch:
    """The tags of all workloads, and their answers. `requeue` is called for a workload whose status is out of date.

    `interval`: seconds between two looks at one tag. 0: none.
    """

    def __init__(
        self,
        interval: float,
        clock: Callable[[], datetime],
        requeue: Callable[[Key], None],
        compare: Compare,
        turns: Turns,
        pauses: Pauses,
        wait: Wait,
    ) -> None:
        self._interval = interval
        self._clock = clock
        self._requeue = requeue
        self._compare = compare
        self._turns = turns
        self._pauses = pauses
        self._wait = wait
        self._wanted: dict[Key, frozenset[ImageQuestion]] = {}
        self._placed: dict[Key, frozenset[RegistryQuestion]] = {}  # by workload: its tags
        self._registries: dict[Key, RegistryQuestion] = {}  # by Registry: how to ask
        self._tags: dict[RegistryQuestion, _Tag] = {}
        self._paid: Counter[tuple[str, str]] = Counter()  # tags by host and by namespace
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)  # by host
        self._failed: dict[Login, tuple[int, datetime]] = {}  # looks in a row, and until when none is made
        self._full = False

    def answer(self, question: ImageQuestion) -> ImageAnswer | None:
        """Return the newest answer to a question."""
        registry = self._registries.get(question.registry)
        tag = self._tags.get(_of(registry, question)) if registry is not None else None
        return tag.answer if tag is not None else None

    def watch(self, key: Key, images: Iterable[ImageQuestion], registry: RegistryQuestion | None) -> None:
        """Replace the questions of a workload, and how to ask through a Registry."""
        if registry != self._registries.get(key):
            _put(self._registries, key, registry)
            for user, questions in tuple(self._wanted.items()):
                if any(each.registry == key for each in questions):
                    self._place(user)
        wanted = frozenset(images) if self._interval else frozenset()
        if wanted or key in self._wanted:
            _put(self._wanted, key, wanted)
            self._place(key)  # also an equal question: there may be room for it now

    async def close(self) -> None:
        """Cancel all looks."""
        tasks = [tag.task for tag in self._tags.values() if tag.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _place(self, key: Key) -> None:
        """Add a workload to the tags that it wants, and remove it from all others."""
        targets: dict[RegistryQuestion, set[ImageQuestion]] = {}
        for each in self._wanted.get(key, ()):
            registry = self._registries.get(each.registry)
            if registry is not None:
                targets.setdefault(_of(registry, each), set()).add(each)
        for question in self._placed.get(key, frozenset()) - targets.keys():
            self._leave(key, self._tags[question])
        for question, wanted in targets.items():
            tag = self._tags.get(question) or self._new(key.namespace, question)
            if tag is not None:
                tag.users[key] = frozenset(wanted)
                self._start(tag)
        _put(self._placed, key, frozenset(question for question in targets if question in self._tags))

    def _new(self, namespace: str, question: RegistryQuestion) -> _Tag | None:
        """Return a new tag, if there is room for it."""
        paid = ("host", question.host), ("namespace", namespace)
        limits = (MOST_PER_HOST, MOST_PER_NAMESPACE)
        full = any(self._paid[each] >= most for each, most in zip(paid, limits, strict=True))
        if full or len(self._tags) >= MOST:
            if not self._full:
                text = "%s: Outfitter watches no more images of this namespace or host: see the limits in the guide"
                _log.warning(text, namespace)
            self._full = True
            return None
        self._paid.update(paid)
        return self._tags.setdefault(question, _Tag(question, namespace))

    def _leave(self, key: Key, tag: _Tag) -> None:
        """Remove a workload from a tag, and the tag with its last one."""
        tag.users.pop(key, None)
        if tag.users:
            return
        del self._tags[tag.question]
        self._paid -= Counter([("host", tag.question.host), ("namespace", tag.payer)])
        self._full = False
        if tag.task is not None:
            tag.task.cancel()
        if tag.login in self._failed and not any(other.login == tag.login for other in self._tags.values()):
            del self._failed[tag.login]

    def _start(self, tag: _Tag) -> None:
        """Start the looks at a new tag. The next one is soon where the answer does not cover a digest."""
        if tag.task is None:
            delay = 0.0
        elif tag.idle and tag.incomplete and not tag.failures:
            tag.task.cancel()
            delay = self._until_apart(tag)
        else:
            return
        tag.task = asyncio.create_task(self._run(tag, delay), name=f"image of {tag.question.host}")

    def _until_apart(self, tag: _Tag) -> float:
        """Return the seconds until the next look. A clock that was set back must not stop the looks."""
        past = (self._clock() - tag.asked_at).total_seconds() if tag.asked_at is not None else APART
        return min(max(APART - past, 0.0), APART)

    async def _run(self, tag: _Tag, delay: float) -> None:
        while True:
            tag.idle = True
            if delay > 0:
                await self._wait(delay)
            tag.idle = False
            delay = await self._look(tag)

    async def _look(self, tag: _Tag) -> float:
        """Ask once, unless the host or its login is not to be used now. Returns the seconds until the next time."""
        host = tag.question.host
        async with self._locks[host]:
            if (left := self._left(tag)) > 0:
                return left
            async with self._turns.turn("", host):
                delay = await self._ask(tag)
            await self._wait(PACE)
        return delay

    async def _ask(self, tag: _Tag) -> float:
        tag.asked_at = self._clock()
        try:
            tag.answer = await self._compare(tag.question, tag.running, tag.answer)
        except RegistryError as error:
            _log.debug("%s: %s", tag.question.host, error.text)
            return self._fail(tag, error)
        except Exception as error:
            # What an unforeseen answer causes must not end the operator. The text can hold parts of it: only the type.
            _log.error("%s: the look at an image failed: %s", tag.question.host, type(error).__name__)
            return self._fail(tag, RegistryError(Reason.REGISTRY_UNREACHABLE, ""))
        tag.failures = 0
        self._failed.pop(tag.login, None)
        for key, questions in tuple(tag.users.items()):
            if any(tag.answer.newer(each.running) not in (None, each.shown) for each in questions):
                self._requeue(key)
        return APART if tag.incomplete else self._interval

    def _fail(self, tag: _Tag, error: RegistryError) -> float:
        """Return the seconds until the next look at a tag. A failure of the host or login stops all looks with it."""
        tag.failures += 1
        now = self._clock()
        if error.retry_after > 0:
            self._pauses.add(tag.question.host, error.retry_after, RegistryDefect(error.reason, error.text))
        if not isinstance(error, Denied):
            number = self._failed.get(tag.login, (0, now))[0] + 1
            self._failed[tag.login] = (number, now + timedelta(seconds=self._backoff(number)))
        return self._backoff(tag.failures)

    def _backoff(self, number: int) -> float:
        return float(min(FIRST_RETRY * 2.0 ** min(number - 1, 16), self._interval))

    def _left(self, tag: _Tag) -> float:
        """Return the seconds for which nothing is sent for a tag. A clock that was set back must not stop the looks."""
        now = self._clock()
        pause = self._pauses.of(tag.question.host)
        ends = [pause[0] if pause else now, self._failed.get(tag.login, (0, now))[1]]
        return min(max((end - now).total_seconds() for end in ends), max(self._interval, LONGEST_PAUSE))


def _of(registry: RegistryQuestion, image: ImageQuestion) -> RegistryQuestion:
    """Return the question about one tag. Registries with the same login share it, whatever else they cover."""
    return replace(registry, path="", repositories=(), query=NameQuery(image.repository, tag=image.tag))


def _put(items: dict[Key, _Value], key: Key, value: _Value | None) -> None:
    """Set a value, or remove it if there is none."""
    if value:
        items[key] = value
    else:
        items.pop(key, None)
