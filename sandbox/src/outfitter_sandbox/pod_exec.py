"""Run a command in a container and collect its output, as `kubectl exec` does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlencode

import aiohttp

from outfitter.errors import Unavailable, api_error
from outfitter_sandbox.connection import Connection

PROTOCOL = "v5.channel.k8s.io"
STDOUT, STDERR, RESULT = 1, 2, 3  # first byte of every frame
UNKNOWN = -1


@dataclass(frozen=True)
class Finished:
    """The result of a command.

    `code` is -1 when it could not start, and `err` holds the reason.
    """

    code: int
    out: str
    err: str


def execute(
    connection: Connection,
    namespace: str,
    pod: str,
    command: Sequence[str],
    *,
    container: str = "",
    seconds: float = 30,
) -> Finished:
    """Run `command` in a pod and wait for its end.

    ApiError when the API server refuses, Unavailable after `seconds`. Blocking; also usable in a thread with a running
    event loop.
    """
    query = [("stdout", "true"), ("stderr", "true"), *(("command", word) for word in command)]
    query += [("container", container)] if container else []
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/exec?{urlencode(query)}"
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(_execute(connection, path, seconds))).result()


async def _execute(connection: Connection, path: str, seconds: float) -> Finished:
    streams: dict[int, bytes] = {STDOUT: b"", STDERR: b"", RESULT: b""}
    headers = [(name, value) for name, value in connection.headers if name != "Accept"]  # the kubelet rejects JSON: 406
    try:
        async with (
            asyncio.timeout(seconds),
            aiohttp.ClientSession(headers=headers) as session,
            session.ws_connect(
                f"https://{connection.host}{path}", protocols=(PROTOCOL,), ssl=connection.context
            ) as socket,
        ):
            async for message in socket:
                if message.type == aiohttp.WSMsgType.BINARY and message.data[:1]:
                    streams[message.data[0]] = streams.get(message.data[0], b"") + message.data[1:]
    except aiohttp.WSServerHandshakeError as error:
        raise api_error(error.status, "", f"exec {path.partition('?')[0]}: {error.message}") from error
    except (aiohttp.ClientError, TimeoutError) as error:
        raise Unavailable(f"exec {path.partition('?')[0]}: {error!r} after at most {seconds:.0f} s") from error
    out, err = (streams[channel].decode(errors="replace") for channel in (STDOUT, STDERR))
    return finished(json.loads(streams[RESULT] or b"{}"), out, err)


def finished(status: dict[str, object], out: str, err: str) -> Finished:
    """The result from the Status object on the last channel."""
    if status.get("status") == "Success":
        return Finished(0, out, err)
    details = status.get("details")
    causes = details.get("causes", ()) if isinstance(details, dict) else ()
    code = next((int(cause["message"]) for cause in causes if cause.get("reason") == "ExitCode"), UNKNOWN)
    return Finished(code, out, err or str(status.get("message", "")))
