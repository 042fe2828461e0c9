"""Leader election by a Lease: at most one replica writes.

A replica holds the Lease by its own monotonic clock, counted from before the request that renewed it. A process that
was suspended therefore stops to write by itself, before another replica can take the Lease. The times in the Lease
are compared with each other, never with the local clock.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Protocol

import aiohttp

from outfitter.cluster.client import path_of
from outfitter.cluster.jitter import jitter
from outfitter.cluster.resources import api_resource
from outfitter.cluster.transport import Transport, parsed
from outfitter.errors import AlreadyExists, ApiError, Conflict, NotFound

_log = logging.getLogger(__name__)


class Leases(Protocol):
    """Read and write access to one Lease."""

    async def read(self) -> dict[str, Any] | None:
        """Return the Lease, or None if it does not exist."""

    async def create(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Create the Lease; AlreadyExists if another replica has created it."""

    async def replace(self, lease: dict[str, Any]) -> dict[str, Any]:
        """Replace the Lease; Conflict if another replica has changed it."""


class ServerLeases:
    """A Lease on the API server. Requests time out after `seconds` and are not retried."""

    def __init__(self, transport: Transport, namespace: str, name: str, seconds: float) -> None:
        self._transport = transport
        self._meta = {"namespace": namespace, "name": name}
        self._path = path_of(api_resource("Lease"), namespace)
        self._timeout = aiohttp.ClientTimeout(total=seconds)

    async def read(self) -> dict[str, Any] | None:
        """See Leases."""
        try:
            return await self._send("GET", f"{self._path}/{self._meta['name']}")
        except NotFound:
            return None

    async def create(self, spec: dict[str, Any]) -> dict[str, Any]:
        """See Leases."""
        body = {
            "apiVersion": api_resource("Lease").api_version,
            "kind": "Lease",
            "metadata": self._meta,
            "spec": spec,
        }
        return await self._send("POST", self._path, body)

    async def replace(self, lease: dict[str, Any]) -> dict[str, Any]:
        """See Leases."""
        return await self._send("PUT", f"{self._path}/{self._meta['name']}", lease)

    async def _send(self, verb: str, path: str, body: Any = None) -> dict[str, Any]:
        # The gate does not apply, because it depends on this write. The request limit does not either: the Lease could
        # expire while the request waits.
        content = await self._transport.request(
            verb, path, body, write=False, attempts=1, within=self._timeout, urgent=True
        )
        return parsed(content)


class Elector:
    """A candidate for one Lease. `seconds` is its duration; renewal may fail for two thirds of it."""

    def __init__(
        self,
        leases: Leases,
        identity: str,
        seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.identity = identity
        self._leases = leases
        self._seconds = seconds
        self._deadline = seconds * 2 / 3
        self._retry = seconds / 7
        self._clock = clock
        self._sleep = sleep
        self._held_until = float("-inf")
        self._lease: dict[str, Any] | None = None
        self._observed: tuple[Any, ...] | None = None
        self._observed_at = float("-inf")

    def holds(self) -> bool:
        """Whether this replica may write now."""
        return self._clock() < self._held_until

    def remaining(self) -> float:
        """Seconds until another replica may take the Lease; 0 or less if it may now."""
        return self._held_until + self._seconds - self._deadline - self._clock()

    async def acquire(self) -> None:
        """Wait until this replica holds the Lease."""
        while not await self._try():
            await self._pause()

    async def keep(self) -> None:
        """Renew the Lease. Returns as soon as it is lost."""
        while self.holds():
            await self._pause()
            if not await self._try() and self._held_by_other():
                break
        self._held_until = float("-inf")

    async def release(self) -> None:
        """Release the Lease, so that the next replica need not wait until it expires."""
        held, self._held_until = self.holds(), float("-inf")
        if not held or self._lease is None:
            return
        try:
            try:
                await self._free(self._lease)
            except Conflict:  # the last renewal succeeded, but its response was lost
                found = await self._leases.read()
                if found is not None and found["spec"].get("holderIdentity") == self.identity:
                    await self._free(found)
        except ApiError as error:
            _log.info("the Lease could not be released and will expire: %s", error)

    async def _free(self, lease: dict[str, Any]) -> None:
        released = {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _now()}
        await self._leases.replace({**lease, "spec": {**lease["spec"], **released}})

    async def _pause(self) -> None:
        await self._sleep(self._retry * jitter(0.8, 1.2))

    def _held_by_other(self) -> bool:
        holder = ((self._lease or {}).get("spec") or {}).get("holderIdentity")
        return bool(holder) and holder != self.identity

    async def _try(self) -> bool:
        """Try once to take or renew the Lease. Returns whether this replica holds it."""
        started = self._clock()
        try:
            self._lease = await self._write()
        except (Conflict, AlreadyExists):
            return False  # another replica has changed it; the next attempt reads the holder
        except ApiError as error:
            _log.warning("Lease: %s", error)
            return False
        if self._lease is None or self._lease["spec"].get("holderIdentity") != self.identity:
            return False
        self._held_until = started + self._deadline
        return True

    async def _write(self) -> dict[str, Any] | None:
        known = self._lease
        if self.holds() and known is not None and known["spec"].get("holderIdentity") == self.identity:
            with suppress(Conflict, NotFound):  # another client changed or deleted it: read it again
                return await self._leases.replace({**known, "spec": self._spec(known["spec"])})
        lease = await self._leases.read()
        if lease is None:
            return await self._leases.create(self._spec(None))
        spec = lease.get("spec") or {}
        if spec.get("holderIdentity") not in (
            "",
            None,
            self.identity,
        ) and not self._expired(spec):
            return lease
        return await self._leases.replace({**lease, "spec": self._spec(spec)})

    def _expired(self, spec: dict[str, Any]) -> bool:
        observed = (
            spec.get("holderIdentity"),
            spec.get("renewTime"),
            spec.get("leaseTransitions"),
        )
        if observed != self._observed:
            self._observed, self._observed_at = observed, self._clock()
        duration = spec.get("leaseDurationSeconds") or self._seconds
        return self._clock() - self._observed_at > duration

    def _spec(self, old: dict[str, Any] | None) -> dict[str, Any]:
        renewal = old is not None and old.get("holderIdentity") == self.identity
        transitions = int((old or {}).get("leaseTransitions") or 0)
        now = _now()
        return {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": max(1, round(self._seconds)),
            "acquireTime": (old or {}).get("acquireTime") or now if renewal else now,
            "renewTime": now,
            "leaseTransitions": transitions if renewal or old is None else transitions + 1,
        }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
