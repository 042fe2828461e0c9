"""`outfitter status`: the state of all custom resources, once or live."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outfitter.cli import console
from outfitter.cli.completion import objects as complete
from outfitter.cli.console import Kubeconfig, ListFormat, Namespace, Selector

if TYPE_CHECKING:
    from outfitter.cli.selection import Selection
    from outfitter.cli.table import Row


def status(
    objects: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KIND[/NAME]]...",
            help="Kinds, or objects; also KIND NAME... Default: everything.",
            autocompletion=complete,
        ),
    ] = None,
    namespace: Namespace = "",
    all_namespaces: Annotated[bool, typer.Option("--all-namespaces", "-A", help="All namespaces.")] = False,
    selector: Selector = "",
    field_selector: Annotated[
        str, typer.Option("--field-selector", metavar="FIELDS", help="Such as status.phase=Running.")
    ] = "",
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Keep running and show changes.")] = False,
    form: Annotated[
        ListFormat, typer.Option("--output", "-o", help="wide adds revision, users, authors and URLs.")
    ] = "table",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Show custom resources with sync status, phase and readiness, and list every issue below the table.

    Examples:

    outfitter status -A --watch

    outfitter status workspaces,trainings -l team=nlp

    outfitter status workspace/alice -n team-a -o yaml

    Exit codes: 0 no problems (objects that are still starting count as fine), 1 an object has a problem or does not
    exist, 2 the command line is wrong.
    """
    with console.error_exit():
        from outfitter.cli.selection import Selection
        from outfitter.cli.target import current_namespace, parsed

        if watch and form not in ("table", "wide"):
            raise typer.BadParameter("--watch prints a table. Use -o table or -o wide.")
        chosen = Selection(tuple(parsed(objects)) if objects else (), selector, field_selector)
        if all_namespaces and chosen.named:
            raise typer.BadParameter("KIND/NAME selects one object. Use -n NAMESPACE instead of -A.")
        namespace = "" if all_namespaces else namespace or current_namespace(kubeconfig)
        if watch:
            from outfitter.cli.live_table import follow

            asyncio.run(follow(kubeconfig, namespace, chosen, wide=form == "wide"))
            return
        items = asyncio.run(_read(kubeconfig, namespace, chosen))
        if _print_status(items, chosen, namespace, form):
            raise typer.Exit(console.PROBLEMS)


async def _read(kubeconfig: str, namespace: str, chosen: Selection) -> list[dict[str, Any]]:
    from outfitter.cli.connect import connected
    from outfitter.cli.selection import read

    async with connected(kubeconfig) as client:
        return await read(client, chosen, namespace)


def _print_status(objects: Sequence[dict[str, Any]], chosen: Selection, namespace: str, form: ListFormat) -> bool:
    """Print the objects. Returns whether one has a problem, or does not exist."""
    from outfitter.cli.table import row, table

    rows = [row(item) for item in objects]
    if form in ("json", "yaml"):
        console.emit({"apiVersion": "v1", "kind": "List", "items": objects}, "json" if form == "json" else "yaml")
    elif form == "name":
        for item in rows:
            typer.echo(f"{item.kind.lower()}/{item.name}")
    elif rows:
        out = console.stdout_console()
        shown = table(rows, namespaces=not namespace, wide=form == "wide", width=out.width)
        out.print(shown, crop=False, soft_wrap=True)
        print_details(rows)
    missing = list(chosen.missing(objects))
    where = f"in namespace {namespace}" if namespace else "in any namespace"
    for target in missing:
        console.print_message(f"{target.kind.name} {target.name} does not exist {where}.")
    if not rows and not missing:
        kinds = " or ".join(chosen.kinds) if chosen.targets else "Outfitter"
        selected = " with these labels and fields" if chosen.labels or chosen.fields else ""
        hint = " Use -A to list all namespaces." if namespace else ""
        console.print_message(f"No {kinds} objects{selected} exist {where}.{hint}")
    return bool(missing) or any(item.has_problem for item in rows)


def print_details(rows: Iterable[Row]) -> None:
    """Print the issues and outdated assets that the table shortens or omits."""
    from outfitter.cli.table import details

    lines = details(rows)
    if lines:
        out = console.stdout_console()
        out.print()
        for style, line in lines:
            console.print_text(out, line, style)
