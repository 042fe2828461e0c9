"""Run a command in a container: subresource `exec` of a pod, protocol v5.channel.k8s.io."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import urlencode

import orjson

from outfitter.cluster.channels import Channels, open_channels
from outfitter.cluster.transport import Transport
from outfitter.errors import OutfitterError, Unavailable

PROTOCOL: Final = "v5.channel.k8s.io"
STDIN, STDOUT, STDERR, STATUS, RESIZE = range(5)


class LocalStreams(Protocol):
    """The ends of the streams on this machine."""

    def read(self) -> AsyncIterator[bytes]:
        """Yield the input until its end."""

    async def write(self, data: bytes, *, error: bool) -> None:
        """Write to standard output, or to standard error."""

    def sizes(self) -> AsyncIterator[tuple[int, int]]:
        """Yield columns and rows of the terminal: now, and after each change."""


@dataclass(frozen=True)
class Command:
    """A command, the container that it runs in, and its streams."""

    namespace: str
    pod: str
    container: str
    words: Sequence[str]
    stdin: bool = False
    tty: bool = False

    @property
    def path(self) -> str:
        """Return the path of the request. A terminal has one stream for output and errors."""
        query = [("container", self.container), ("stdout", "true"), ("stderr", str(not self.tty).lower())]
        query += [("stdin", str(self.stdin).lower()), ("tty", str(self.tty).lower())]
        query += [("command", word) for word in self.words]
        return f"/api/v1/namespaces/{self.namespace}/pods/{self.pod}/exec?{urlencode(query)}"


async def execute(transport: Transport, command: Command, local: LocalStreams) -> int:
    """Run a command until it ends. Returns its exit code.

    OutfitterError if the command could not start, Unavailable if the connection breaks.
    """
    result = b""
    async with open_channels(transport, command.path, PROTOCOL) as channels:
        senders = [asyncio.create_task(_send_input(channels, local))] if command.stdin else []
        senders += [asyncio.create_task(_send_sizes(channels, local))] if command.tty else []
        try:
            async for channel, data in channels:
                if channel == STATUS:
                    result += data
                elif channel in (STDOUT, STDERR) and data:
                    await local.write(data, error=channel == STDERR)
        finally:
            for sender in senders:
                sender.cancel()
            await asyncio.gather(*senders, return_exceptions=True)
    if not result:
        raise Unavailable(f"the connection to pod {command.pod} broke before the command ended")
    return exit_code(orjson.loads(result), command.words[0])


async def _send_input(channels: Channels, local: LocalStreams) -> None:
    with contextlib.suppress(Unavailable):  # the command does not need the rest of its input
        async for data in local.read():
            await channels.send(STDIN, data)
        await channels.end(STDIN)


async def _send_sizes(channels: Channels, local: LocalStreams) -> None:
    with contextlib.suppress(Unavailable):
        async for columns, rows in local.sizes():
            await channels.send(RESIZE, orjson.dumps({"Width": columns, "Height": rows}))


def exit_code(status: Mapping[str, Any], program: str) -> int:
    """Return the exit code in the Status object that ends a command. OutfitterError if there was no start."""
    if status.get("status") == "Success":
        return 0
    for cause in (status.get("details") or {}).get("causes") or ():
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    raise OutfitterError(f"Command {program} did not run: {status.get('message') or 'no cause is given'}")
