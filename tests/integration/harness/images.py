"""An image registry on loopback, in a thread: the operator process asks it."""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import Future

from image_registry import ImageRegistry, listening


class ServedRegistry:
    """A registry from start to stop. `content` can change meanwhile."""

    def __init__(self) -> None:
        self.content = ImageRegistry(login="bearer")
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        started: Future[int] = Future()
        self._thread = threading.Thread(target=self._run, args=(started,), name="image registry", daemon=True)
        self._thread.start()
        self.host = f"127.0.0.1:{started.result(10)}"

    @property
    def setting(self) -> str:
        """The value of `registryHosts` that allows it, and one host that does not exist."""
        options = {"addresses": "loopback", "plainHttp": True}
        return json.dumps({self.host: options, "registry.invalid": {}})

    def stop(self) -> None:
        """End the server."""
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)

    def _run(self, started: Future[int]) -> None:
        self._loop.run_until_complete(self._serve(started))
        self._loop.close()

    async def _serve(self, started: Future[int]) -> None:
        async with listening(self.content.application()) as port:
            started.set_result(port)
            await self._end.wait()
