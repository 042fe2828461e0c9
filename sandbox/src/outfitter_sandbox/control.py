"""How to talk to a sandbox's supervisor: one JSON line each way over a Unix socket in its folder."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

from outfitter_sandbox.errors import SandboxError

SOCKET = "control.sock"
COMPONENTS = "components.json"
LAST = "last.json"  # optional: {"command": [...], "kill": bool}, what the supervisor does when it ends
GRACE = 8.0  # seconds between SIGTERM and SIGKILL


def address(directory: Path) -> tuple[int, str]:
    """An open directory descriptor (the caller closes it) and a short socket path.

    Unix allows 107 bytes, and folders may be deep.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    return descriptor, f"/proc/self/fd/{descriptor}/{SOCKET}"


def ask(directory: Path, op: str, **arguments: Any) -> dict[str, Any]:
    """Send one request to the supervisor of `directory`. SandboxError when it refuses, OSError when it is not there."""
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
        raise ConnectionResetError("the supervisor ended before it answered")
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:
        raise SandboxError(answer["error"])
    return answer
