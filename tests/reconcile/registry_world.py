"""A world whose operator looks at registries."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from image_registry import PASSWORD, USER
from outfitter.reconcile.reconciler import Reconciler
from outfitter.registry.addresses import ThreadResolver
from outfitter.registry.digests import compare
from outfitter.registry.lookups import RegistryLookups
from outfitter.registry.survey import Survey, survey
from outfitter.snapshot import ImageAnswer, Key, RegistryQuestion
from world import TEAM, World, asset, secret

KEY = Key("Registry", TEAM, "images")
LOGIN = secret("login", {"username": USER, "password": PASSWORD})
CREDENTIAL = asset("Credential", "robot", {"type": "password", "secretRef": {"name": "login"}})


class Looking(World):
    """A world whose operator looks at registries. `ask`: instead of the client. `simulated`: as of Controllers."""

    def __init__(
        self, *objects: Any, hosts: Any = None, ask: Any = None, simulated: Any = None, **settings: Any
    ) -> None:
        given = {"registry_hosts": json.dumps(hosts or {}), **settings}
        super().__init__(*objects, settings=given, **(simulated or {}))
        self.sleepers: list[tuple[datetime, asyncio.Future[None]]] = []
        self.images_asked: list[RegistryQuestion] = []
        self._comparing = 0
        self._still = asyncio.Event()
        self._still.set()
        self._compare = partial(compare, resolver=ThreadResolver())
        self.questions: list[RegistryQuestion] = []
        self.waits: list[float] = []
        self._ask = ask or partial(survey, resolver=ThreadResolver())
        self.start()

    def start(self) -> None:
        """Start a new operator process, which remembers no answer."""
        self.answered: asyncio.Queue[Key] = asyncio.Queue()
        self.lookups = RegistryLookups(
            self.settings.registry_seconds,
            self.time,
            self.answered.put_nowait,
            self._counted,
            self._waited,
            image_interval=self.settings.image_watch_seconds,
            compare=self._compared,
            image_wait=self._asleep,
        )
        self.reconciler = Reconciler(
            self._connection, self.caches, self.settings, self.dependents.users, self.time, self.lookups
        )

    async def again(self) -> None:
        """End the operator process, and start a new one."""
        await self.lookups.close()
        self.sleepers = []
        self.start()

    async def _counted(self, question: RegistryQuestion) -> Survey:
        self.questions.append(question)
        found: Survey = await self._ask(question)
        return found

    async def _waited(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.tick(seconds)

    async def _compared(
        self, question: RegistryQuestion, running: frozenset[str], before: ImageAnswer | None
    ) -> ImageAnswer:
        self.images_asked.append(question)
        self._comparing += 1
        self._still.clear()
        try:
            return await self._compare(question, running, before)
        finally:
            self._comparing -= 1
            if not self._comparing:
                self._still.set()

    async def _asleep(self, seconds: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        self.sleepers.append((self.time() + timedelta(seconds=seconds), woken))
        await woken

    async def passes(self, seconds: float) -> None:
        """Let time pass for the looks at images, and reconcile."""
        end = self.time() + timedelta(seconds=seconds)
        await self._quiet()
        while due := min((at for at, woken in self.sleepers if at <= end and not woken.done()), default=None):
            self.tick(max((due - self.time()).total_seconds(), 0))
            for at, woken in self.sleepers:
                if at <= due and not woken.done():
                    woken.set_result(None)
            self.sleepers = [item for item in self.sleepers if not item[1].done()]
            await self._quiet()
        self.tick((end - self.time()).total_seconds())
        await self.settle()

    async def _quiet(self) -> None:
        """Reconcile, and wait until no look at an image runs."""
        await self.settle()
        for _ in range(20):
            await asyncio.sleep(0)
            await self._still.wait()

    async def look(self, key: Key = KEY) -> dict[str, Any]:
        """Reconcile, wait for the answer, reconcile again: the status."""
        await self.settle()
        assert await asyncio.wait_for(self.answered.get(), 20) == key
        await self.settle()
        return self.status(*key[:1], key.name, key.namespace)


def registry(url: str, name: str = "images", where: str = TEAM, **spec: Any) -> dict[str, Any]:
    return asset("Registry", name, {"url": url, **spec}, where)


def here(port: int, **options: Any) -> dict[str, Any]:
    return {f"127.0.0.1:{port}": {"addresses": "loopback", "plainHttp": True, **options}}
