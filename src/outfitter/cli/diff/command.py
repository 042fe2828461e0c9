"""`outfitter diff`: input and output."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from outfitter.cli import console
from outfitter.cli.console import Files, Kubeconfig, Namespace, Recursive

if TYPE_CHECKING:
    from outfitter.cli.diff.compare import ChildChange
    from outfitter.cli.diff.difference import Difference
    from outfitter.cli.diff.live import Live

CHANGES: Final = 1
ERROR: Final = 2
_WORDS: Final = {"create": "is created", "change": "changes", "replace": "is replaced", "delete": "is deleted"}
_PODS: Final = {"start": "Pods start.", "restart": "Its pods restart.", "stop": "Its pods end."}
_COLOURS: Final = {"+": "green", "-": "red", "@": "cyan"}


def diff(
    files: Files = None,
    recursive: Recursive = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Show what applying the files and then a restart would change.")
    ] = False,
    form: Annotated[
        Literal["text", "json", "yaml"], typer.Option("--output", "-o", help="Unified diffs, or data.")
    ] = "text",
    namespace: Namespace = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Show what would change in the children of a cluster if files were applied. Writes nothing.

    The operator reconciles the objects of the cluster in memory, as they are and with those of the files. The output is
    a diff for each StatefulSet, Service, Secret and other child that differs. An edit of an asset changes no running
    workload: with --restart, the command shows what a restart would change. You need the right to list the kinds of
    Outfitter and controllerrevisions in the namespace. Values of Secrets are never printed.

    The settings are those of the operator's Deployment, if you may read it, and of OUTFITTER_* variables.

    Examples:

    outfitter diff -f workspace.yaml -n team-a

    outfitter diff -f environment.yaml --restart -n team-a

    Exit codes: 0 nothing changes, 1 a child changes or an object is refused, 2 the command line is wrong, or the
    comparison is not possible.
    """
    with _errors():
        if not files:
            raise typer.BadParameter("No input. Use -f FILE, -f FOLDER or -f -.")
        found, live = _compare(files, namespace, kubeconfig, recursive=recursive, restart=restart)
    if form == "text":
        _print(found)
    else:
        console.emit(found.to_dict(), form)
    _print_notes(found, live)
    if found.found:
        raise typer.Exit(CHANGES)


@contextmanager
def _errors() -> Iterator[None]:
    """End the command with 2 on every error: 1 means that something changes, as in kubectl diff."""
    try:
        with console.error_exit(), console.interrupt_on_signals():
            yield
    except typer.Exit as error:
        raise typer.Exit(ERROR if error.exit_code == console.PROBLEMS else error.exit_code) from None


def _compare(
    files: list[str], namespace: str, kubeconfig: str, *, recursive: bool, restart: bool
) -> tuple[Difference, Live]:
    from outfitter.cli.checked_files import checked_files
    from outfitter.cli.target import current_namespace
    from outfitter.simulator.simulation import supports, with_namespace

    checked = checked_files(files, recursive=recursive)
    native = [document for document in checked.others if supports(document.body)]
    if skipped := len(checked.others) - len(native):
        console.print_message(f"Skipped {console.count(skipped, 'object')} of kinds that Outfitter does not use.")
    default = namespace or current_namespace(kubeconfig)
    given = [with_namespace(document.body, default) for document in (*native, *checked.resources)]
    return asyncio.run(_read_and_compare(given, kubeconfig, restart=restart))


async def _read_and_compare(given: list[dict[str, Any]], kubeconfig: str, *, restart: bool) -> tuple[Difference, Live]:
    from outfitter.cli.connect import connected
    from outfitter.cli.diff.difference import difference
    from outfitter.cli.diff.live import read_live
    from outfitter.cli.diff.simulate import outcomes
    from outfitter.cli.run import settings_from
    from outfitter.cli.verbs import now

    spaces = {body["metadata"].get("namespace") or body["metadata"]["name"] for body in given}
    async with connected(kubeconfig) as client:
        live = await read_live(client, spaces, settings_from({}))
        result = await outcomes(client, live, given, restart=now() if restart else "")
    return difference(result, live, given), live


def _print(found: Difference) -> None:
    out = console.stdout_console()
    for change in found.changes:
        out.print(_heading(change), style="bold", soft_wrap=True)
        for line in change.lines:
            out.print(line, style=_COLOURS.get(line[:1]), soft_wrap=True)


def _heading(change: ChildChange) -> str:
    owner = f" of {change.owner}" if change.owner else ""
    return f"# {change.title}{owner} {_WORDS[change.action]}. {_PODS.get(change.pods, '')}".rstrip()


def _print_notes(found: Difference, live: Live) -> None:
    """Print the rest of what a user should know, on standard error."""
    for name, text in found.refused:
        console.print_message(f"{name}: {text}" if name else text, "red")
    for name, text in found.notes:
        console.print_message(f"{name}: {text}", "yellow")
    for name, reasons in found.waiting.items():
        console.print_message(f"{name}: no change until it restarts. {'; '.join(reasons)}.")
    if found.waiting:
        console.print_message("To see what a restart changes, add --restart.")
    for name, fields in found.repairs.items():
        console.print_message(f"{name}: Outfitter changes {', '.join(fields)} without the files too.", "yellow")
    if found.repairs and not live.settings_known:
        console.print_message(
            "The settings of the operator are not known here. Set its OUTFITTER_* variables for an exact comparison."
        )
    if found.hidden:
        kinds = ", ".join(dict.fromkeys(found.hidden))
        console.print_message(f"You cannot list {kinds}: changes of these kinds are not shown.", "yellow")
    changes = console.count(len(found.changes), "child changes", "children change")
    console.print_message(f"{changes}, {len(found.unchanged)} unchanged.", "" if found.found else "green")
