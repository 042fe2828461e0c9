"""What the operator would send for each object, to the byte, without a server: the bare loop sends the same."""

from __future__ import annotations

import itertools
import re
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

import orjson

from outfitter.api.v1alpha1 import KINDS
from outfitter.cluster.client import Client, path_of
from outfitter.cluster.resources import api_resource as resource_of
from outfitter.cluster.store import Caches, Change
from outfitter.cluster.transport import JSON, Transport
from outfitter.cluster.writethrough import WriteThrough
from outfitter.errors import NotFound
from outfitter.reconcile.reconciler import Reconciler
from outfitter.settings import Settings
from outfitter.simulator.registries import SimulatedRegistries
from outfitter.snapshot import Key

from .objects import DOMAIN, Object
from .scenarios import Scenario, cache

_OURS = frozenset(kind.name for kind in KINDS)
_FIRST_VERSION = 10**9
_MADE_UP = re.compile(r'"(00000000-0000-4000-8000-\d{12}|1\d{9})"')  # uids and versions that the recorder gave


def _now() -> datetime:
    return datetime.now(UTC)


class Write(NamedTuple):
    """One request, ready to be sent. `needs` are uids and versions in its body that only the server can give, `gives`
    the two that its answer tells: the same text stands for them until then.
    """

    verb: str
    path: str
    content_type: str
    body: str
    gives: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


class Recorder:
    """Stands where the operator's Transport stands, keeps each write, and answers as a server would."""

    def __init__(self, objects: Iterable[Object]) -> None:
        self.writes: list[Write] = []
        self._numbers = itertools.count(1)
        self._stored = {
            path_of(resource_of(each["kind"]), each["metadata"].get("namespace", ""), each["metadata"]["name"]): each
            for each in objects
        }

    async def request(self, verb: str, path: str, body: Any = None, *, content_type: str = JSON, **_: Any) -> bytes:
        """Success, always."""
        place = path.partition("?")[0].removesuffix("/status")
        if place.endswith("/events"):  # posted aside, at their own time, and limited
            return orjson.dumps(body)
        if verb == "GET":
            if place not in self._stored:
                raise NotFound("", status=404)
            return orjson.dumps(self._stored[place])
        if verb not in ("POST", "PATCH"):
            raise RuntimeError(f"a new object should cost no {verb} {path}")
        number = next(self._numbers)
        uid, version = f"00000000-0000-4000-8000-{number:012}", str(_FIRST_VERSION + number)
        gives = (uid, version) if verb == "POST" else ()
        text = orjson.dumps(body).decode()
        self.writes.append(Write(verb, path, content_type, text, gives, tuple(_MADE_UP.findall(text))))
        if verb == "POST":
            place = f"{place}/{body['metadata']['name']}"
            meta = {**body["metadata"], "uid": uid, "resourceVersion": version, "generation": 1}
            self._stored[place] = {**body, "metadata": meta}
        else:
            before = self._stored[place]
            meta = {**before["metadata"], "resourceVersion": version}
            self._stored[place] = {**before, "metadata": meta, "status": body[-1]["value"]}
        return orjson.dumps(self._stored[place])


async def record(scenario: Scenario, objects: Iterable[Object]) -> list[Write]:
    """Every write for the objects of a scenario among `objects`; the rest of `objects`, as the server has it, is what
    they use.
    """
    found = list(objects)
    recorder, caches = Recorder(found), Caches()
    for item in found:
        if live := caches.project(item["kind"], item):
            caches.put(live)
    cluster = WriteThrough(Client(cast(Transport, recorder)), caches)
    due: deque[Key] = deque()

    def made(change: Change) -> None:
        if change.kind in _OURS and change.old is None:
            due.append(Key(change.kind, change.live.namespace, change.live.name))

    caches.listen_written(made)
    settings = Settings(domain=DOMAIN)
    registries = SimulatedRegistries(settings.registry_seconds, _now)
    reconciler = Reconciler(cluster, caches, settings, lambda key: (), _now, registries)
    keys = [
        Key(scenario.kind, item["metadata"]["namespace"], item["metadata"]["name"])
        for item in found
        if item["kind"] == scenario.kind
    ]
    for status in _model(scenario):
        for number in range(len(scenario.images)):
            item = cache(number, 2 if status["phase"] == "Ready" else 1, status)
            caches.put(caches.project("NimCache", item))  # type: ignore[arg-type]
        for key in keys:
            due.append(key)
            while due:
                await reconciler.reconcile(due.popleft())
    expected = len(keys) * scenario.write_count
    if len(recorder.writes) != expected:
        raise RuntimeError(f"{len(keys)} {scenario.plural} took {len(recorder.writes)} writes instead of {expected}")
    return list(_linked(recorder.writes))


def _model(scenario: Scenario) -> list[Object]:
    """The states of the caches in which the objects are looked at."""
    if not scenario.images:
        return [{"phase": "Ready"}]
    return [{"phase": "Downloading"}, {"phase": "Ready", "claimName": "model"}]


def _linked(writes: list[Write]) -> Iterator[Write]:
    """Only what some later write needs has to be learnt from an answer."""
    needed = {value for write in writes for value in write.needs}
    for write in writes:
        yield write._replace(gives=write.gives if needed.intersection(write.gives) else ())
    missing = needed - {value for write in writes for value in write.gives}
    if missing:
        raise RuntimeError(f"versions that no POST gives are needed: {sorted(missing)[:5]}")
