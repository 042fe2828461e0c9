"""The sources of the caches: one interface for all, and the sources of child kinds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol

from outfitter.children import ChildKind
from outfitter.cluster.api_services import ApiServices
from outfitter.cluster.informer import Informer
from outfitter.cluster.optional_kind import DISCOVERY_SECONDS, OptionalKind
from outfitter.cluster.store import Caches
from outfitter.cluster.transport import Transport
from outfitter.cluster.unreadable import Unreadable


class Source(Protocol):
    """One list and watch, or several that start and stop together."""

    @property
    def kind(self) -> str:
        """The kind that it watches, for metrics, probes and logs."""

    @property
    def synced(self) -> asyncio.Event:
        """Set once everything that exists on the server is in the caches."""

    @property
    def idle(self) -> float:
        """Seconds since the last sign of life from the server."""

    async def run(self) -> None:
        """List and watch until cancelled."""


def child_sources(
    transport: Transport,
    caches: Caches,
    kinds: Iterable[ChildKind],
    namespaces: Iterable[str] = (),
    *,
    relisted: Callable[[], None] = lambda: None,
    unreadable: Unreadable | None = None,
    discovery_seconds: float = DISCOVERY_SECONDS,
) -> tuple[Source, ...]:
    """One informer per kind, or per kind and namespace if `namespaces` are given. An optional kind starts its own."""
    spaces = tuple(namespaces) or ("",)

    def informers(kind: ChildKind) -> list[Informer]:
        return [
            Informer(
                transport,
                caches,
                kind,
                space,
                optional=kind.optional,
                dispensable=kind.dispensable,
                relisted=relisted,
                unreadable=unreadable,
            )
            for space in spaces
        ]

    services = ApiServices(caches)
    sources: list[Source] = []
    for kind in kinds:
        if kind.watch.cluster_wide and spaces != ("",):
            continue
        if kind.optional:
            start = partial(informers, kind)
            sources.append(OptionalKind(transport, caches, kind, start, services, discovery_seconds=discovery_seconds))
        else:
            sources += informers(kind)
    return tuple(sources)
