"""Custom resources as they change: a live table on a terminal, one line per change elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Iterator
from datetime import datetime

from rich.console import Console, Group, RenderableType
from rich.live import Live as Screen
from rich.text import Text

from outfitter.api.v1alpha1 import KINDS
from outfitter.cli import console
from outfitter.cli.connect import connected
from outfitter.cli.selection import Selection, read
from outfitter.cli.table import Row, details, row, table
from outfitter.cluster.informer import Informer
from outfitter.cluster.resources import api_resource
from outfitter.cluster.store import Caches, Change

_REFRESHES: float = 4  # per second, at most


class LiveTable:
    """Prints the cached objects as a live table or as lines."""

    def __init__(self, caches: Caches, out: Console, *, selection: Selection | None = None, wide: bool = False) -> None:
        self._caches = caches
        self._out = out
        self._selection = selection or Selection()
        self._wide = wide
        self._printed: dict[tuple[str, str, str], tuple[str, ...]] = {}
        self._frame: Screen | None = None
        self.namespaces = True

    def rows(self) -> list[Row]:
        """Return the current objects, by kind, namespace and name."""
        return [
            row(live.body, live.kind)
            for kind in self._selection.kinds
            for live in sorted(self._caches[kind].all(), key=lambda live: (live.namespace, live.name))
            if self._selection.includes(live.kind, live.name)
        ]

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Show changes while the block runs; the last table stays on the terminal."""
        if not self._out.is_terminal:
            yield
            return
        with Screen(
            get_renderable=self._render, console=self._out, refresh_per_second=_REFRESHES, vertical_overflow="visible"
        ) as frame:
            self._frame = frame
            try:
                yield
            finally:
                self._frame = None

    def changed(self, change: Change) -> None:
        """Cache listener: without a terminal, print one line for each object whose state changed."""
        if self._frame is not None or self._out.is_terminal or all(kind.name != change.kind for kind in KINDS):
            return
        live = change.live
        if not self._selection.includes(live.kind, live.name):
            return
        key = (live.kind, live.namespace, live.name)
        if change.new is None:
            self._printed.pop(key, None)
            self._line(f"{live.kind} {live.namespace}/{live.name}: deleted")
            return
        item = row(live.body, live.kind)
        state = tuple(dict.fromkeys(part for part in (item.sync, item.phase, item.ready, item.message) if part))
        if "status" in live.body and self._printed.get(key) != state:
            self._printed[key] = state
            self._line(f"{item.title}: {', '.join(state)}")

    def _line(self, text: str) -> None:
        self._out.print(f"{datetime.now().astimezone():%H:%M:%S} {text}", soft_wrap=True)

    def _render(self) -> RenderableType:
        rows = self.rows()
        lines = [Text(text, style=style) for style, text in details(rows)]
        return Group(
            table(rows, namespaces=self.namespaces, wide=self._wide, width=self._out.width),
            *([Text(), *lines] if lines else []),
        )


async def follow(kubeconfig: str, namespace: str, selection: Selection, *, wide: bool) -> None:
    """Show changes until cancelled."""
    async with connected(kubeconfig) as client:
        await read(client, selection, namespace)  # fails here with a message; a watch would only retry
        caches = Caches()
        live_table = LiveTable(caches, console.stdout_console(), selection=selection, wide=wide)
        live_table.namespaces = not namespace
        caches.listen(live_table.changed)
        tasks = [
            asyncio.create_task(
                Informer(client.transport, caches, selection.narrowed(api_resource(kind)), namespace).run()
            )
            for kind in selection.kinds
        ]
        try:
            with live_table.shown():
                await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            sys.stdout.flush()
