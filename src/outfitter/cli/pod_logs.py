"""Logs of containers on standard output, line by line, with the rights of the user."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from typing import Any, Final

from outfitter.cli import console
from outfitter.cluster.client import Client
from outfitter.errors import ApiError, Forbidden, NotFound
from outfitter.problems import printable

SECONDS: Final = 1.0  # between two looks at a pod that has not started
_LONGEST: Final = 86400.0  # seconds of one log


async def print_log(
    client: Client, pod: Mapping[str, Any], container: str, *, follow: bool, previous: bool = False
) -> bool:
    """Print the log of a container, or of the run before its last restart. Returns whether there was one.

    With `follow`, waits for the start of the container. Forbidden if the user may not read it.
    """
    meta = pod["metadata"]
    path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}/log?container={container}"
    path += "&follow=true" if follow else ""
    path += "&previous=true" if previous else ""
    while True:
        try:
            await _copy(client, path)
        except Forbidden:
            raise
        except ApiError as error:  # the container has not started
            current = await client.get("Pod", meta["namespace"], meta["name"])
            if not follow or current is None or has_ended(current, container):
                if not isinstance(error, NotFound):
                    console.print_message(f"Container {container} has no log: {error.message}", "yellow")
                return False
        else:
            return True
        await asyncio.sleep(SECONDS)


async def wait_for_run(client: Client, pod: Mapping[str, Any], container: str) -> bool:
    """Wait until a container that crashed runs again. Returns False if it will not."""
    meta = pod["metadata"]
    while True:
        current = await client.get("Pod", meta["namespace"], meta["name"])
        if current is None or current["metadata"]["uid"] != meta["uid"]:
            return False
        if "running" in (status_of(current, container).get("state") or {}):
            return True
        if (current.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
            return False
        await asyncio.sleep(SECONDS)


async def _copy(client: Client, path: str) -> None:
    """Print a log line by line, without characters that a terminal would obey."""
    async with client.transport.stream(path, accept="*/*", total=_LONGEST, idle=_LONGEST) as content:
        async for line in content:
            sys.stdout.write(printable(line.decode(errors="replace").rstrip("\n")) + "\n")
            sys.stdout.flush()


def has_ended(pod: Mapping[str, Any], container: str) -> bool:
    """Return whether a container of a pod has ended, or will never start."""
    ended = "terminated" in (status_of(pod, container).get("state") or {})
    return ended or (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def status_of(pod: Mapping[str, Any], container: str) -> Mapping[str, Any]:
    """Return the status of a container; empty before the kubelet reports it."""
    status = pod.get("status") or {}
    lists = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
    found = (item for name in lists for item in status.get(name) or () if item["name"] == container)
    return next(found, {})
