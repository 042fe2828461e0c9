"""The interface of everything that lists and watches into the caches."""

from __future__ import annotations

import asyncio
from typing import Protocol


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
