"""A world whose operator looks at registries."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import Any

from image_registry import PASSWORD, USER
from outfitter.reconcile.reconciler import Reconciler
from outfitter.registry.addresses import ThreadResolver
from outfitter.registry.lookups import RegistryLookups
from outfitter.registry.survey import Survey, survey
from outfitter.snapshot import Key, RegistryQuestion
from world import TEAM, World, asset, secret

KEY = Key("Registry", TEAM, "images")
LOGIN = secret("login", {"username": USER, "password": PASSWORD})
CREDENTIAL = asset("Credential", "robot", {"type": "password", "secretRef": {"name": "login"}})


class Looking(World):
    """A world whose operator looks at registries. `ask`: instead of the client."""

    def __init__(self, *objects: Any, hosts: Any = None, ask: Any = None, **settings: Any) -> None:
        super().__init__(*objects, settings={"registry_hosts": json.dumps(hosts or {}), **settings})
        self.questions: list[RegistryQuestion] = []
        self.waits: list[float] = []
        self._ask = ask or partial(survey, resolver=ThreadResolver())
        self.start()

    def start(self) -> None:
        """Start a new operator process, which remembers no answer."""
        self.answered: asyncio.Queue[Key] = asyncio.Queue()
        self.lookups = RegistryLookups(
            self.settings.registry_seconds, self.time, self.answered.put_nowait, self._counted, self._waited
        )
        self.reconciler = Reconciler(
            self._connection, self.caches, self.settings, self.dependents.users, self.time, self.lookups
        )

    async def _counted(self, question: RegistryQuestion) -> Survey:
        self.questions.append(question)
        found: Survey = await self._ask(question)
        return found

    async def _waited(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.tick(seconds)

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
