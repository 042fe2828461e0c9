"""Requests to a sandbox's supervisor over a Unix socket, as JSON lines."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

from outfitter_sandbox.errors import SandboxError

SOCKET = "control.sock"
COMPONENTS = "components.json"
LAST = "last.json"  # optional: {"command": [...], "kill": bool}, for the end of the supervisor
GRACE = 8.0  # seconds between SIGTERM and SIGKILL


def address(directory: Path) -> tuple[int, str]:
    """An open directory descriptor (the caller closes it) and a short socket path.

    Linux limits socket paths to 107 bytes, and folders may be deep.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    return descriptor, f"/proc/self/fd/{descriptor}/{SOCKET}"


def call(directory: Path, op: str, **arguments: Any) -> dict[str, Any]:
    """Send one request to the supervisor of `directory`.

    SandboxError when it fails, OSError without a supervisor.
    """
    descriptor, path = address(directory)
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(4 * GRACE)
            connection.connect(path)
            connection.sendall(json.dumps({"op": op, **arguments}).encode() + b"\n")
            with connection.makefile("rb") as reply:
                line = reply.readline()
    finally:
        os.close(descriptor)
    if not line:
        raise ConnectionResetError("the supervisor ended without an answer")
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:
        raise SandboxError(answer["error"])
    return answer
