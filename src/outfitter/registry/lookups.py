"""Looks at registries in the background: a registry that does not answer must not hold up a worker."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from outfitter.api.v1alpha1.registry import SHOWN_REPOSITORIES
from outfitter.reasons import Reason
from outfitter.registry.addresses import ThreadResolver
from outfitter.registry.digests import compare as compared
from outfitter.registry.errors import RegistryError
from outfitter.registry.image_watch import Compare, ImageWatch
from outfitter.registry.pauses import Pauses
from outfitter.registry.survey import Survey, survey
from outfitter.registry.turns import Turns
from outfitter.snapshot import ImageAnswer, ImageQuestion, Key, RegistryAnswer, RegistryDefect, RegistryQuestion

_log = logging.getLogger(__name__)

AT_ONCE: Final = 4
_PER_HOST: Final = 2
FIRST_RETRY: Final = 60.0  # seconds; doubles up to the interval
SHARED: Final = 60.0  # seconds for which equal ImageQueries get the same answer
_MOST_SHARED: Final = 64  # answers
APART: Final = 10.0  # seconds between two looks for one object

Ask = Callable[[RegistryQuestion], Awaitable[Survey]]
Wait = Callable[[float], Awaitable[None]]


class RegistryLookups:
    """The newest answer for each object, and the running looks. `requeue` is called when an answer is there.

    `image_interval`: seconds between two looks at the tag of an image that runs; 0 for none.
    """

    def __init__(
        self,
        interval: float,
        clock: Callable[[], datetime],
        requeue: Callable[[Key], None],
        ask: Ask | None = None,
        wait: Wait = asyncio.sleep,
        *,
        image_interval: float = 0.0,
        compare: Compare | None = None,
        image_wait: Wait = asyncio.sleep,
    ) -> None:
        self._interval = interval
        self._clock = clock
        self._requeue = requeue
        self._resolver = ThreadResolver()
        self._ask = ask or partial(survey, resolver=self._resolver)
        self._wait = wait
        self._answers: dict[Key, tuple[RegistryQuestion, RegistryAnswer]] = {}
        self._failures: dict[Key, int] = {}
        self._running: dict[Key, tuple[RegistryQuestion, asyncio.Task[None]]] = {}
        self._turns = Turns(AT_ONCE, _PER_HOST)
        self._begun: dict[Key, datetime] = {}  # the looks of the last seconds, also for objects that are gone
        self._shared: dict[RegistryQuestion, tuple[datetime, RegistryAnswer]] = {}  # of ImageQueries, until then
        self._pauses = Pauses(clock)
        compare = compare or partial(compared, resolver=self._resolver)
        self._images = ImageWatch(image_interval, clock, requeue, compare, self._turns, self._pauses, image_wait)

    def answer(self, key: Key, question: RegistryQuestion) -> RegistryAnswer | None:
        """Return the newest answer to a question; None if it was not asked since the start."""
        asked, answer = self._answers.get(key, (None, None))
        return answer if asked == question else None

    def ask(self, key: Key, questions: Iterable[RegistryQuestion]) -> None:
        """Start to look, if the same question is not being asked."""
        for question in questions:
            running = self._running.get(key)
            if running is not None:
                if running[0] == question:
                    continue
                running[1].cancel()
            task = asyncio.create_task(self._look(key, question), name=f"registry of {key}")
            self._running[key] = (question, task)

    def image(self, question: ImageQuestion) -> ImageAnswer | None:
        """Return what a tag is now; None if that is not known yet."""
        return self._images.answer(question)

    def watch(self, key: Key, images: Iterable[ImageQuestion], registry: RegistryQuestion | None) -> None:
        """Replace what is asked from time to time for an object, and how to ask through it, if it is a Registry."""
        self._images.watch(key, images, registry)

    def forget(self, key: Key) -> None:
        """Drop everything about an object that is gone."""
        self._images.watch(key, (), None)
        self._answers.pop(key, None)
        self._failures.pop(key, None)
        running = self._running.pop(key, None)
        if running is not None:
            running[1].cancel()

    async def close(self) -> None:
        """Cancel the running looks."""
        tasks = [task for _, task in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._images.close()
        await self._resolver.close()

    async def _look(self, key: Key, question: RegistryQuestion) -> None:
        if (early := self._early(key)) > 0:
            await self._wait(early)
        async with self._turns.turn(key.namespace, question.host):
            answer = self._pause(question.host) or self._known(question) or await self._answer(key, question)
        self._answers[key] = (question, answer)
        self._running.pop(key, None)
        self._requeue(key)

    def _early(self, key: Key) -> float:
        """Return the seconds until the next look for an object, whatever its question is now."""
        begun = self._begun.get(key)
        # A clock that was set back must not stop the looks.
        return 0.0 if begun is None else min(APART - (self._clock() - begun).total_seconds(), APART)

    def _pause(self, host: str) -> RegistryAnswer | None:
        """Return the answer for a host that asked to wait, without a request to it."""
        pause = self._pauses.of(host)
        return RegistryAnswer(self._clock(), pause[0], defect=pause[1]) if pause else None

    def _known(self, question: RegistryQuestion) -> RegistryAnswer | None:
        """Return the answer that an equal ImageQuery got just now."""
        until, answer = self._shared.get(question, (None, None))
        return None if until is None or until <= self._clock() else answer

    def _share(self, question: RegistryQuestion, answer: RegistryAnswer) -> RegistryAnswer:
        """Keep the answer to an ImageQuery for equal ones, failures included: the registry gets one request for all."""
        if question.query is not None:
            now = self._clock()
            kept = [item for item in self._shared.items() if item[1][0] > now and item[0] != question]
            self._shared = dict(kept[1 - _MOST_SHARED :])
            self._shared[question] = (now + timedelta(seconds=SHARED), answer)
        return answer

    def _begin(self, key: Key) -> None:
        now = self._clock()
        recent = timedelta(seconds=APART)
        self._begun = {known: at for known, at in self._begun.items() if abs(now - at) < recent}
        self._begun[key] = now

    async def _answer(self, key: Key, question: RegistryQuestion) -> RegistryAnswer:
        self._begin(key)
        try:
            found = await self._ask(question)
        except RegistryError as error:
            defect, wanted = RegistryDefect(error.reason, error.text), error.retry_after
        except Exception as error:
            # What an unforeseen answer causes must not end the operator. The text can hold parts of it: only the type.
            _log.error("%s: the look at the registry failed: %s", key, type(error).__name__)
            text = f"The look at registry {question.host} failed. See the log of the operator."
            defect, wanted = RegistryDefect(Reason.REGISTRY_UNREACHABLE, text), 0.0
        else:
            self._failures.pop(key, None)
            return self._share(question, self._kept(found))
        number = self._failures[key] = self._failures.get(key, 0) + 1
        delay = max(min(FIRST_RETRY * 2.0 ** min(number - 1, 16), self._interval), wanted)
        now = self._clock()
        if wanted > 0:
            self._pauses.add(question.host, wanted, defect)
        return self._share(question, RegistryAnswer(now, now + timedelta(seconds=delay), defect=defect))

    def _kept(self, found: Survey) -> RegistryAnswer:
        """Return the answer of a look, with as many names as show that there are more than a status holds."""
        now = self._clock()
        if found.result is not None:  # an ImageQuery is answered once
            return RegistryAnswer(now, now + timedelta(seconds=SHARED), result=found.result)
        names = found.names[: SHOWN_REPOSITORIES + 1]
        until = now + timedelta(seconds=self._interval)
        return RegistryAnswer(now, until, found.dialect, found.listed, names, found.truncated, found.absent)
