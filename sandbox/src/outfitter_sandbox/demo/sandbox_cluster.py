"""The demo's cluster in a sandbox, used as the admin."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import orjson

from outfitter.api.v1alpha1 import KINDS
from outfitter.children import CHILD_KINDS
from outfitter.cli.table import row
from outfitter.cluster.auth import Authentication
from outfitter.cluster.client import Client, path_of
from outfitter.cluster.informer import Informer
from outfitter.cluster.resources import api_resource
from outfitter.cluster.sources import child_sources
from outfitter.cluster.store import Caches, Change
from outfitter.cluster.transport import Transport
from outfitter.errors import NotFound
from outfitter.naming import LABEL_OWNER_UID, keeps_data
from outfitter_sandbox import Sandbox, nodes
from outfitter_sandbox.connection import APPLY_PATCH
from outfitter_sandbox.demo.cluster import DemoError, Execute, Object
from outfitter_sandbox.pod_exec import execute
from outfitter_sandbox.processes import last_lines

_CHECK_SECONDS: Final = 0.5  # between two checks that the operator runs, while no object changes
_WARNINGS: Final = 8  # in an error message


class SandboxCluster:
    """A DemoCluster with `objects` to apply.

    The operator uses `kubeconfig` and writes `log`.
    """

    def __init__(self, sandbox: Sandbox, objects: Sequence[Object], kubeconfig: Path, log: Path) -> None:
        self.sandbox = sandbox
        self.objects = objects
        self.kubeconfig = kubeconfig
        self.log = log
        self.caches = Caches()
        real = sandbox.state["node"] == nodes.REAL
        self.execute: Execute | None = partial(execute, sandbox.connection()) if real else None
        self.operator: subprocess.Popen[bytes] | None = None
        self._changes = asyncio.Event()
        self._client: Client | None = None

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Watch the kinds that the operator watches."""
        transport = Transport(await Authentication.load(str(self.sandbox.kubeconfig)))
        self._client = Client(transport)
        self.caches.listen(self._changed)
        informers = [
            *child_sources(transport, self.caches, CHILD_KINDS),
            *(Informer(transport, self.caches, api_resource(kind.name)) for kind in KINDS),
        ]
        tasks = [asyncio.create_task(informer.run()) for informer in informers]
        try:
            await asyncio.gather(*(informer.synced.wait() for informer in informers))
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await transport.close()

    async def apply(self, manifest: Mapping[str, Any], manager: str = "demo") -> int:
        """See DemoCluster."""
        meta = manifest["metadata"]
        path = path_of(api_resource(manifest["kind"]), meta.get("namespace", ""), meta["name"])
        answer = await self._api.transport.request(
            "PATCH", f"{path}?fieldManager={manager}&force=true", manifest, content_type=APPLY_PATCH
        )
        return int(orjson.loads(answer)["metadata"]["resourceVersion"])

    async def delete(self, kind: str, namespace: str, name: str) -> None:
        """See DemoCluster."""
        with contextlib.suppress(NotFound):  # the operator may have deleted it
            await self._api.transport.request("DELETE", path_of(api_resource(kind), namespace, name))

    async def until(self, step: str, done: Callable[[], bool], seconds: float) -> None:
        """See DemoCluster."""
        deadline = time.monotonic() + seconds
        while True:
            self._changes.clear()
            if done():
                return
            if self.operator is not None and (code := self.operator.poll()) is not None:
                raise DemoError(f"the operator ended with exit code {code}\n{await self._diagnosis()}")
            if time.monotonic() > deadline:
                raise DemoError(f"{step}: not within {seconds:.0f} s\n{await self._diagnosis()}")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changes.wait(), _CHECK_SECONDS)

    async def owned(self) -> list[tuple[str, str, str, bool]]:
        """See DemoCluster."""
        children = []
        served = (child for child in CHILD_KINDS if child.created and self.caches.serves(child.kind))
        for kind in (*(child.kind for child in served), "Pod"):
            for body in await self._api.list(kind, label_selector=LABEL_OWNER_UID):
                meta = body["metadata"]
                children.append((kind, meta.get("namespace", ""), meta["name"], keeps_data(kind, meta["labels"])))
        return children

    @property
    def _api(self) -> Client:
        assert self._client is not None, "open() comes first"
        return self._client

    def _changed(self, change: Change) -> None:
        del change
        self._changes.set()

    async def _diagnosis(self) -> str:
        """Issues, the last Warning events and the end of the operator's log."""
        rows = [row(live.body, live.kind) for kind in KINDS for live in self.caches[kind.name].all()]
        issues = [f"  {shown.title}: {issue}" for shown in rows for issue in shown.issues]
        unready = [
            f"  {shown.title}: {shown.sync}, {shown.message}"
            for shown in rows
            if not shown.issues and shown.ready == "no"
        ]
        events = [body for body in await self._api.list("Event") if body.get("type") == "Warning"]
        events.sort(key=lambda body: body.get("lastTimestamp") or body["metadata"].get("creationTimestamp") or "")
        warnings = [
            f"  {body['involvedObject'].get('name')}: {body.get('reason')}: {body.get('message')}"
            for body in events[-_WARNINGS:]
        ]
        sections = (
            ("Issues", [*issues, *unready]),
            ("Warnings", warnings),
            ("The end of the operator's log", [last_lines(self.log)]),
        )
        return "\n".join(f"{title}:\n" + "\n".join(lines) for title, lines in sections if lines)
