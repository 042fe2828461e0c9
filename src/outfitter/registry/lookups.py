"""Looks at registries in the background: a registry that does not answer must not hold up a worker."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

from outfitter.reasons import Reason
from outfitter.registry.errors import RegistryError
from outfitter.registry.survey import Survey, survey
from outfitter.snapshot import Key, RegistryAnswer, RegistryDefect, RegistryQuestion

_log = logging.getLogger(__name__)

AT_ONCE: Final = 4
_PER_HOST: Final = 2
FIRST_RETRY: Final = 60.0  # seconds; doubles up to the interval

Ask = Callable[[RegistryQuestion], Awaitable[Survey]]


class RegistryLookups:
    """The newest answer for each Registry, and the running looks. `requeue` is called when an answer is there."""

    def __init__(
        self,
        interval: float,
        clock: Callable[[], datetime],
        requeue: Callable[[Key], None],
        ask: Ask = survey,
    ) -> None:
        self._interval = interval
        self._clock = clock
        self._requeue = requeue
        self._ask = ask
        self._answers: dict[Key, tuple[RegistryQuestion, RegistryAnswer]] = {}
        self._failures: dict[Key, int] = {}
        self._running: dict[Key, tuple[RegistryQuestion, asyncio.Task[None]]] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._hosts: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(_PER_HOST))

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

    def forget(self, key: Key) -> None:
        """Drop everything about an object that is gone."""
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

    async def _look(self, key: Key, question: RegistryQuestion) -> None:
        async with self._hosts[question.host], self._slots:
            answer = await self._answer(key, question)
        self._answers[key] = (question, answer)
        self._running.pop(key, None)
        self._requeue(key)

    async def _answer(self, key: Key, question: RegistryQuestion) -> RegistryAnswer:
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
            now = self._clock()
            until = now + timedelta(seconds=self._interval)
            return RegistryAnswer(now, until, found.dialect, found.listed, found.names, found.truncated, found.absent)
        number = self._failures[key] = self._failures.get(key, 0) + 1
        delay = max(min(FIRST_RETRY * 2.0 ** min(number - 1, 16), self._interval), wanted)
        now = self._clock()
        return RegistryAnswer(now, now + timedelta(seconds=delay), defect=defect)
