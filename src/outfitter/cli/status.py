"""`outfitter status`: how all our objects are, at a glance or live."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outfitter.cli import console
from outfitter.cli.console import Kubeconfig, WideFormat

if TYPE_CHECKING:
    from outfitter.cli.table import Row
    from outfitter.cli.target import Target


def status(
    what: Annotated[str, typer.Argument(metavar="[KIND[/NAME]]", help="A kind, or one object. Default: all.")] = "",
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Default: that of the current context.")] = "",
    everywhere: Annotated[bool, typer.Option("--all-namespaces", "-A", help="All namespaces.")] = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Stay, and show changes as they happen.")] = False,
    form: Annotated[WideFormat, typer.Option("--output", "-o", help="wide adds revision, users and URLs.")] = "table",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Show our objects: synced or not, phase, readiness, and below the table every issue with what to do about it.

    Examples:

    outfitter status -A --watch

    outfitter status workspace/alice -n team-a -o yaml

    Exit codes: 0 nothing is in the way (what is still starting counts as well), 1 an object has issues or does not
    exist, 2 the command line is wrong.
    """
    with console.failing_clearly():
        from outfitter.cli.target import current_namespace, target

        if watch and form not in ("table", "wide"):
            raise typer.BadParameter("--watch shows a table: use -o table or -o wide")
        chosen = target(what) if what else None
        if everywhere and chosen and chosen.name:
            raise typer.BadParameter("KIND/NAME is one object: name its namespace with -n instead of -A")
        place = "" if everywhere else namespace or current_namespace(kubeconfig)
        if watch:
            from outfitter.cli.live_table import follow

            asyncio.run(follow(kubeconfig, place, chosen, wide=form == "wide"))
            return
        objects = asyncio.run(_read(kubeconfig, place, chosen))
        if form in ("json", "yaml"):
            console.emit({"apiVersion": "v1", "kind": "List", "items": objects}, form)
        troubled = _show(objects, chosen, place, form)
        if troubled:
            raise typer.Exit(console.PROBLEMS)


async def _read(kubeconfig: str, namespace: str, chosen: Target | None) -> list[dict[str, Any]]:
    """The objects, by kind, namespace and name, without managedFields."""
    from outfitter.api.v1alpha1 import KINDS
    from outfitter.cli.connect import connected

    kinds = [chosen.kind.name] if chosen else [kind.name for kind in KINDS]
    async with connected(kubeconfig) as client:
        lists = await asyncio.gather(*(client.list(kind, namespace) for kind in kinds))
    found = [item for items in lists for item in sorted(items, key=_place)]
    if chosen and chosen.name:
        found = [item for item in found if item["metadata"]["name"] == chosen.name]
    for item in found:
        item["metadata"].pop("managedFields", None)
    return found


def _place(item: dict[str, Any]) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


def _show(objects: Sequence[dict[str, Any]], chosen: Target | None, place: str, form: WideFormat) -> bool:
    """Print table and issues unless data was asked for; whether something is in the way."""
    from outfitter.cli.table import row, table

    rows = [row(item) for item in objects]
    if not rows:
        where = f"in namespace {place}" if place else "in any namespace"
        kind = f"{chosen.kind.name} {chosen.name}".strip() if chosen else "object of Outfitter"
        console.say(f"no {kind} {where}" + (" (-A looks everywhere)" if place else ""))
        return bool(chosen and chosen.name)
    if form in ("table", "wide"):
        console.paper().print(table(rows, namespaces=not place, wide=form == "wide"))
        print_details(rows)
    return any(item.troubled for item in rows)


def print_details(rows: Iterable[Row]) -> None:
    """What the table left out, to standard output."""
    from outfitter.cli.table import details

    lines = details(rows)
    if lines:
        out = console.paper()
        out.print()
        for style, line in lines:
            out.print(line, style=style, soft_wrap=True)
