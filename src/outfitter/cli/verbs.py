"""`outfitter restart`, `stop`, `start` and `scale`: one field of each object, with the rights of the user."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outfitter.cli import console
from outfitter.cli.console import Kubeconfig, Namespace, Objects, Selector

if TYPE_CHECKING:
    from outfitter.cli.changes import Change
    from outfitter.cli.selection import Selection
    from outfitter.cli.target import Target
    from outfitter.cluster.client import Client

Decide = Callable[[Mapping[str, Any]], "Change"]


def restart(objects: Objects, selector: Selector = "", namespace: Namespace = "", kubeconfig: Kubeconfig = "") -> None:
    """Restart workloads with the newest versions of their assets, or run again what has ended.

    Sets the annotation outfitter.dev/restartedAt. You need the right to change the objects.

    Examples:

    outfitter restart workspace/alice -n team-a

    outfitter restart training tune sweep -n team-a

    Exit codes: 0 success, 1 an object does not exist or does not run, 2 the command line is wrong.
    """
    from outfitter.cli import changes

    run(objects, selector, namespace, kubeconfig, lambda body: changes.restart(body, now()))


def stop(objects: Objects, selector: Selector = "", namespace: Namespace = "", kubeconfig: Kubeconfig = "") -> None:
    """Stop workloads: their pods end, and their volumes and addresses stay.

    Sets spec.suspend, of an Environment or Artifact spec.run.suspend.

    Examples:

    outfitter stop workspace/alice -n team-a

    outfitter stop workspace/alice training/tune -n team-a

    outfitter stop workspaces -l team=nlp -n team-a

    Exit codes: 0 success, 1 an object does not exist or does not run, 2 the command line is wrong.
    """
    from outfitter.cli import changes

    run(objects, selector, namespace, kubeconfig, changes.stop)


def start(objects: Objects, selector: Selector = "", namespace: Namespace = "", kubeconfig: Kubeconfig = "") -> None:
    """Start workloads that were stopped, by you or by Outfitter.

    Unsets spec.suspend, of an Environment or Artifact spec.run.suspend. A workload that Outfitter stopped, for instance
    because it was idle, gets the annotation outfitter.dev/restartedAt.

    Examples:

    outfitter start workspace/alice -n team-a

    Exit codes: 0 success, 1 an object does not exist or does not run, 2 the command line is wrong.
    """
    from outfitter.cli import changes

    run(objects, selector, namespace, kubeconfig, lambda body: changes.start(body, now()))


def scale(
    objects: Objects,
    replicas: Annotated[int, typer.Option("--replicas", min=0, max=2**31 - 1, help="Number of pods; 0 stops them.")],
    selector: Selector = "",
    namespace: Namespace = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Set the number of pods of an Inference, or of an Artifact that runs.

    What is scaled by load keeps its number: change its autoscaling.

    Examples:

    outfitter scale inference/scoring --replicas 3 -n team-a

    Exit codes: 0 success, 1 an object does not exist or cannot be scaled, 2 the command line is wrong.
    """
    from outfitter.cli import changes

    run(objects, selector, namespace, kubeconfig, lambda body: changes.scale(body, replicas))


def now() -> str:
    """Return the time as a value for the annotation restartedAt."""
    from datetime import UTC, datetime

    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def run(objects: Sequence[str], selector: str, namespace: str, kubeconfig: str, decide: Decide) -> None:
    """Change each object, print what happened, and go on after an error.

    `selector`: with kinds instead of objects, change those with these labels.
    """
    with console.error_exit(), console.interrupt_on_signals():
        from outfitter.cli.selection import Selection
        from outfitter.cli.target import current_namespace, parsed, targets

        chosen = Selection(tuple(parsed(objects) if selector else targets(objects)), selector)
        if selector and chosen.named:
            raise typer.BadParameter("-l selects objects of a kind. Use it with KIND, without a name.")
        place = namespace or current_namespace(kubeconfig)
        if not asyncio.run(_change_all(chosen, place, kubeconfig, decide)):
            raise typer.Exit(console.PROBLEMS)


async def _change_all(selection: Selection, namespace: str, kubeconfig: str, decide: Decide) -> bool:
    """Change the objects, in order. Returns whether there are some, and all could be changed."""
    from outfitter.cli.connect import connected, error_message
    from outfitter.cli.selection import selected
    from outfitter.errors import ApiError, OutfitterError, Unavailable

    good = True
    async with connected(kubeconfig) as client:
        chosen = await selected(client, selection, namespace)
        if not chosen:
            text = f"No {' or '.join(selection.kinds)} has the labels {selection.labels} in namespace {namespace}."
            console.print_message(text, "red")
            return False
        for item in chosen:
            try:
                change, _ = await apply(client, item, namespace, decide)
            except Unavailable:
                raise
            except OutfitterError as error:
                text = str(error)
                if isinstance(error, ApiError):
                    text = error_message(error, client.transport.auth.server)
                console.print_message(text, "red")
                good = False
            else:
                console.print_text(console.stdout_console(), change.done)
    return good


async def apply(client: Client, item: Target, namespace: str, decide: Decide) -> tuple[Change, dict[str, Any]]:
    """Read one object and change it, with notes on standard error. Returns the change, and the object after it."""
    from outfitter.cli.changes import MANAGER
    from outfitter.cli.objects import read_object, title
    from outfitter.errors import Conflict, NotFound, OutfitterError

    body = await read_object(client, item, namespace)
    change = decide(body)
    if not change.path:
        return change, body
    meta, patch = body["metadata"], change.patch
    patch["metadata"] = {**patch.get("metadata", {}), "uid": meta["uid"]}
    try:
        changed = await client.merge_patch(item.kind.name, namespace, item.name, patch, MANAGER)
    except (NotFound, Conflict) as error:
        text = f"{title(body)} was deleted or changed meanwhile: {error.message}. Try again."
        raise OutfitterError(text) from error
    for note in change.notes:
        console.print_message(note, "yellow")
    return change, {**changed, "kind": item.kind.name}
