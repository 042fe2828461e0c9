"""`outfitter lock`: make an Artifact a version, and wait for its number."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outfitter.cli import console
from outfitter.cli.console import Kubeconfig, Namespace, OneObject

if TYPE_CHECKING:
    from outfitter.cli.target import Target


def lock(
    artifact: OneObject,
    namespace: Namespace = "",
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait for the version.")] = 1800,
    kubeconfig: Kubeconfig = "",
) -> None:
    """Lock an Artifact, wait until it is a version, and print its number.

    Sets spec.locked. Images that are missing are built first. All fields but spec.run are immutable afterwards.

    Examples:

    outfitter lock artifact/scorer -n team-a

    Exit codes: 0 the Artifact is a version, 1 the lock failed or lasts too long, 2 the command line is wrong.
    """
    with console.error_exit(), console.interrupt_on_signals():
        from outfitter.cli.target import current_namespace, one_target

        chosen = one_target(artifact)
        body = asyncio.run(_lock(chosen, namespace or current_namespace(kubeconfig), timeout, kubeconfig))
        console.print_text(console.stdout_console(), locked_text(body))


async def _lock(chosen: Target, namespace: str, seconds: float, kubeconfig: str) -> Mapping[str, Any]:
    """Lock an Artifact. Returns it as a version."""
    from outfitter.cli import changes
    from outfitter.cli.connect import connected
    from outfitter.cli.verbs import apply
    from outfitter.cli.watching import wait_for

    async with connected(kubeconfig) as client:
        _, body = await apply(client, chosen, namespace, changes.lock)
        generation = body["metadata"]["generation"]
        with console.progress(f"Locking Artifact {chosen.name}") as tell:
            state = LockProgress(generation, seconds, tell)
            place = ("Artifact", namespace, chosen.name)
            return await wait_for(client, place, state.seen, seconds, too_late=state.too_late)


class LockProgress:
    """The lock of one Artifact as it goes on. `generation`: the one with spec.locked. `tell` gets the progress."""

    def __init__(self, generation: int, seconds: float, tell: Callable[[str], None]) -> None:
        self._generation = generation
        self._seconds = seconds
        self._tell = tell
        self._message = ""

    def seen(self, body: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the Artifact once it is a version. OutfitterError if its lock failed."""
        from outfitter.cli.objects import title
        from outfitter.errors import OutfitterError

        status = body.get("status") or {}
        if status.get("observedGeneration", 0) < self._generation:
            return None
        if status.get("phase") == "Locked" and status.get("version"):
            return body
        message = str(status.get("message") or "")
        if status.get("phase") == "LockFailed":
            issues = [str(item.get("message") or item["issue"]) for item in status.get("issues") or ()]
            raise OutfitterError(f"{title(body)} is not locked: {' '.join(issues) or message}")
        if message and message != self._message:
            self._message = message
            self._tell(message)
        return None

    def too_late(self) -> str:
        """Return the message for a lock that lasts too long."""
        if self._message:
            return f"The Artifact is not locked after {self._seconds:g} s: {self._message} The lock goes on."
        text = f"Outfitter did not see the change within {self._seconds:g} s."
        return f"{text} Check that the operator runs and serves the namespace."


def locked_text(body: Mapping[str, Any]) -> str:
    """Return a sentence with the number of a version."""
    from outfitter.cli.objects import title

    status = body["status"]
    repository = f" of ArtifactRepository {status['repository']}" if status.get("repository") else ""
    return f"{title(body)} is version {status['version']}{repository}."
