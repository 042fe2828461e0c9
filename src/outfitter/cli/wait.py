"""`outfitter wait`: until objects are ready, or in another state."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from outfitter.cli import console
from outfitter.cli.console import Kubeconfig, Namespace, Objects

if TYPE_CHECKING:
    from outfitter.api.v1alpha1 import Kind
    from outfitter.cli.target import Target
    from outfitter.cluster.client import Client

READY: Final = "ready"
DELETED: Final = "deleted"
_PHASES: Final = ("phase", "runPhase", "state")
"""Fields of statuses with a state."""


def states(incomplete: str) -> list[str]:
    """Complete a state."""
    known = (READY, "running", "stopped", "completed", "failed", "locked", DELETED)
    return [state for state in known if state.startswith(incomplete)]


def wait(
    objects: Objects,
    namespace: Namespace = "",
    state: Annotated[
        str,
        typer.Option("--for", help="ready, deleted, or a phase such as running or stopped.", autocompletion=states),
    ] = READY,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait for all objects.")] = 300,
    kubeconfig: Kubeconfig = "",
) -> None:
    """Wait until objects are ready, deleted, or in a phase. Objects that do not exist yet are waited for.

    A workload is ready if it runs, has completed, or was stopped on request. While it lasts, the state and the first
    issue of each object appear on standard error.

    Examples:

    outfitter wait workspace/alice -n team-a

    outfitter wait training tune sweep --for completed --timeout 3600 -n team-a

    Exit codes: 0 all objects are in the state, 1 one is not in time, or its run failed, 2 the command line is wrong.
    """
    with console.error_exit(), console.interrupt_on_signals():
        from outfitter.cli.target import current_namespace, targets

        chosen, state = targets(objects), state.lower()
        for kind in dict.fromkeys(item.kind for item in chosen):
            _check_state(kind, state)
        place = namespace or current_namespace(kubeconfig)
        if not asyncio.run(_wait_all(chosen, place, state, timeout, kubeconfig)):
            raise typer.Exit(console.PROBLEMS)


async def _wait_all(chosen: Sequence[Target], namespace: str, state: str, seconds: float, kubeconfig: str) -> bool:
    """Wait for all objects at the same time. Returns whether all got into the state."""
    from outfitter.cli.connect import connected

    async with connected(kubeconfig) as client:
        with console.progress(f"Waiting for {console.count(len(chosen), 'object')}") as tell:
            waits = (_wait(client, item, namespace, Progress(state, tell), seconds) for item in chosen)
            return all(await asyncio.gather(*waits))


async def _wait(client: Client, item: Target, namespace: str, progress: Progress, seconds: float) -> bool:
    from outfitter.cli.watching import wait_for
    from outfitter.errors import ApiError, OutfitterError

    place = (item.kind.name, namespace, item.name)
    name = f"{item.kind.name} {namespace}/{item.name}"
    try:
        await wait_for(
            client, place, progress.seen, seconds, too_late=lambda: progress.too_late(name, seconds), gone=progress.gone
        )
    except ApiError:
        raise
    except OutfitterError as error:
        console.print_message(str(error), "red")
        return False
    console.stdout_console().print(f"{name} is {progress.state}.", soft_wrap=True)
    return True


class Progress:
    """One object on its way to a state. `tell` gets each new situation."""

    def __init__(self, state: str, tell: Callable[[str], None]) -> None:
        self.state = state
        self._tell = tell
        self._situation = ""

    def seen(self, body: Mapping[str, Any]) -> bool | None:
        """Return True if the object is in the state, None if not yet. OutfitterError if its run failed."""
        from outfitter.cli.objects import title
        from outfitter.cli.table import row
        from outfitter.errors import OutfitterError

        status, item = body.get("status") or {}, row(body)
        if reached(body, self.state):
            return True
        if (status.get("run") or {}).get("result") == "Failed" and self.state in (READY, "completed"):
            raise OutfitterError(f"{title(body)} has failed: {item.message}")
        situation = ": ".join(filter(None, (item.phase or item.sync, item.message)))
        if situation != self._situation:
            self._situation = situation
            self._tell(f"{title(body)}: {situation}")
        return None

    def gone(self) -> bool | None:
        """Return True if the object does not exist and this is what is waited for."""
        return True if self.state == DELETED else None

    def too_late(self, name: str, seconds: float) -> str:
        """Return the message for an object that is not in the state in time."""
        if not self._situation:
            return f"{name} does not exist after {seconds:g} s."
        return f"{name} is not {self.state} after {seconds:g} s: {self._situation}"


def known_states(kind: Kind) -> list[str]:
    """Return what an object of a kind can be in, in lower case."""
    from outfitter.api.schema import resource_schema

    fields = resource_schema(kind.model)["properties"]["status"]["properties"]
    phases = (phase.lower() for name in _PHASES for phase in fields.get(name, {}).get("enum") or ())
    return list(dict.fromkeys((READY, DELETED, *phases)))


def _check_state(kind: Kind, state: str) -> None:
    """ConfigurationError for a state that no object of a kind can be in."""
    from outfitter.api.shape import did_you_mean
    from outfitter.errors import ConfigurationError

    known = known_states(kind)
    if state not in known:
        hint = did_you_mean(state, known)
        raise ConfigurationError(f"A {kind.name} is never {state}.{hint} States are: {', '.join(known)}.")


def reached(body: Mapping[str, Any], state: str) -> bool:
    """Return whether the newest generation of an object is in a state."""
    from outfitter.cli.table import settled

    if state == DELETED:
        return False
    if state == READY:
        return settled(body)
    status = body.get("status") or {}
    current = status.get("observedGeneration", 0) >= body["metadata"].get("generation", 0)
    return current and state in (str(status.get(key) or "").lower() for key in _PHASES)
