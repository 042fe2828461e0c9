"""What the operator would send for a workspace, to the byte, without a server: the bare loop sends the same."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

import orjson

from outfitter.cluster.client import Client
from outfitter.cluster.projection import project
from outfitter.cluster.store import Caches
from outfitter.cluster.transport import JSON, Transport
from outfitter.cluster.writethrough import WriteThrough
from outfitter.reconcile import Reconciler
from outfitter.settings import Settings
from outfitter.snapshot import Key

from .objects import DOMAIN, WRITES, Object


class Write(NamedTuple):
    """One request, ready to be sent."""

    verb: str
    path: str
    content_type: str
    body: str


class Recorder:
    """Stands where the operator's Transport stands, keeps each request, and answers as a server would."""

    def __init__(self) -> None:
        self.writes: list[Write] = []
        self._versions = itertools.count(10**9)

    async def request(self, verb: str, path: str, body: Any = None, *, content_type: str = JSON, **_: Any) -> bytes:
        """Success, always."""
        if verb not in ("POST", "PATCH"):
            raise RuntimeError(f"a new workspace should cost no {verb} {path}")
        self.writes.append(Write(verb, path, content_type, orjson.dumps(body).decode()))
        version = str(next(self._versions))
        if verb == "POST":
            meta = {**body["metadata"], "uid": f"uid-{version}", "resourceVersion": version, "generation": 1}
            return orjson.dumps({**body, "metadata": meta})
        uid, status = body[0]["value"], body[1]["value"]
        parts = path.partition("?")[0].split("/")  # .../namespaces/<namespace>/workspaces/<name>/status
        meta = {"name": parts[-2], "namespace": parts[-4], "uid": uid, "resourceVersion": version}
        return orjson.dumps({"metadata": meta, "status": status})


async def record(objects: Iterable[Object]) -> list[Write]:
    """Every write for the workspaces among `objects`; the rest of `objects`, as the server has it, is what they use."""
    recorder, caches = Recorder(), Caches()
    settings = Settings(domain=DOMAIN)
    keys = []
    for item in objects:
        live = project(item["kind"], item)
        if live is not None:
            caches.put(live)
            keys += [Key(live.kind, live.namespace, live.name)] if live.kind == "Workspace" else []
    cluster = WriteThrough(Client(cast(Transport, recorder)), caches)
    reconciler = Reconciler(cluster, caches, settings, lambda key: (), lambda: datetime.now(UTC))
    for number, key in enumerate(keys, 1):
        await reconciler.reconcile(key)
        if len(recorder.writes) != number * WRITES:
            raise RuntimeError(f"{key} took {len(recorder.writes) - (number - 1) * WRITES} writes instead of {WRITES}")
    return recorder.writes
