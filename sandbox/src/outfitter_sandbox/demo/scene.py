"""Where the demo plays: a protocol that the sandbox and the in-memory twin both fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from outfitter.cluster.store import Caches
from outfitter.errors import OutfitterError
from outfitter_sandbox.executing import Finished

Object = dict[str, Any]
Execute = Callable[[str, str, Sequence[str]], Finished]  # namespace, pod, command; blocking


class DemoError(OutfitterError):
    """Something that the demo promises did not happen."""


class Scene(Protocol):
    """A cluster with an operator in it. `caches` hold what there is, at every moment."""

    caches: Caches
    execute: Execute | None  # runs a command in a pod; None where no container runs

    def open(self) -> AbstractAsyncContextManager[object]:
        """While the block runs, `caches` follow the cluster."""

    async def apply(self, manifest: Mapping[str, Any], who: str = "demo") -> int:
        """Server-side apply as `who`. Returns the resourceVersion of what is stored."""

    async def delete(self, kind: str, namespace: str, name: str) -> None:
        """Delete as a user does."""

    async def until(self, what: str, holds: Callable[[], bool], seconds: float) -> None:
        """Wait for something that `caches` show. DemoError says that `what` did not happen, and what is known."""

    async def owned(self) -> list[tuple[str, str, str, bool]]:
        """Everything that carries our owner label, read afresh: kind, namespace, name, and whether it is kept data."""
