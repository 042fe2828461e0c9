"""Wait for one object to reach a state, by a watch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, TypeVar

from outfitter.cluster.client import Client
from outfitter.cluster.informer import Informer
from outfitter.cluster.resources import api_resource
from outfitter.cluster.store import Caches, Change
from outfitter.errors import ApiError, Forbidden, OutfitterError

_BACKOFF: Final = (0.2, 3.0)  # seconds, first and longest: a user waits
_REFUSALS: Final = 10  # in a row, of a watch that was accepted before
T = TypeVar("T")


async def wait_for(
    client: Client,
    place: tuple[str, str, str],
    done: Callable[[Mapping[str, Any]], T | None],
    seconds: float,
    *,
    too_late: Callable[[], str],
    gone: Callable[[], T | None] = lambda: None,
) -> T:
    """Return the first result of `done` that is not None. `place`: kind, namespace and name.

    `gone`: called instead of `done` while the object does not exist.
    OutfitterError with the text of `too_late` if there is none within `seconds`; errors of `done` are passed on.
    """
    kind, namespace, name = place
    resource = api_resource(kind)
    resource = replace(resource, watch=replace(resource.watch, field_selector=f"metadata.name={name}"))
    caches, changed = Caches(), asyncio.Event()

    def on_change(_change: Change) -> None:
        changed.set()

    caches.listen(on_change)
    source = Informer(
        client.transport, caches, resource, namespace, relisted=changed.set, dispensable=True, backoff=_BACKOFF
    )
    informer = asyncio.create_task(_follow(source))
    listed = asyncio.create_task(source.synced.wait())
    for task in (informer, listed):
        task.add_done_callback(lambda _task: changed.set())
    try:
        async with asyncio.timeout(seconds):
            while True:
                await changed.wait()
                changed.clear()
                if informer.done():
                    informer.result()  # raises: the user may not watch
                live = caches[kind].get(namespace, name)
                if live is not None:
                    result = done({"kind": kind, **live.body})
                else:
                    result = gone() if source.synced.is_set() else None
                if result is not None:
                    return result
    except TimeoutError:
        raise OutfitterError(too_late()) from None
    finally:
        listed.cancel()
        informer.cancel()
        with suppress(asyncio.CancelledError, ApiError):
            await informer


async def _follow(source: Informer) -> None:
    """Run an informer. Forbidden if the user may not watch.

    An API server that has just started refuses everything until it has read the roles. A watch that it accepted before
    is repeated for about 20 seconds.
    """
    refusals, accepted = 0, 0
    while True:
        try:
            await source.run()
        except Forbidden:
            refusals = 1 if source.accepted > accepted else refusals + 1
            accepted = source.accepted
            if not accepted or refusals > _REFUSALS:
                raise
        await asyncio.sleep(min(_BACKOFF[0] * 2**refusals, _BACKOFF[1]))
