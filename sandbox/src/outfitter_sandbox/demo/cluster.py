"""Protocol of the demo's cluster, for the sandbox and the simulator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from outfitter.cluster.store import Caches
from outfitter.errors import OutfitterError
from outfitter_sandbox.pod_exec import Finished

Object = dict[str, Any]
Execute = Callable[[str, str, Sequence[str]], Finished]  # namespace, pod, command; blocking


class DemoError(OutfitterError):
    """A step of the demo did not succeed."""


class DemoCluster(Protocol):
    """A cluster in which the operator runs. `caches` hold its current objects."""

    caches: Caches
    execute: Execute | None  # runs a command in a pod; None where no container runs

    def open(self) -> AbstractAsyncContextManager[object]:
        """Keep `caches` current for the time of the block."""

    async def apply(self, manifest: Mapping[str, Any], manager: str = "demo") -> int:
        """Server-side apply with a field manager.

        Returns the resourceVersion of the stored object.
        """

    async def delete(self, kind: str, namespace: str, name: str) -> None:
        """Delete an object; a missing one is no error."""

    async def until(self, step: str, done: Callable[[], bool], seconds: float) -> None:
        """Wait until `done`, which reads `caches`.

        DemoError with the name of the step and the state of the cluster.
        """

    async def owned(self) -> list[tuple[str, str, str, bool]]:
        """List all objects with the owner label.

        Each is a tuple of kind, namespace, name, and whether it keeps data.
        """
