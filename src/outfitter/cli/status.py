"""`outfitter status`: the state of all custom resources, once or live."""

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
    objects: Annotated[str, typer.Argument(metavar="[KIND[/NAME]]", help="A kind, or one object. Default: all.")] = "",
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Default: the namespace of the current context.")
    ] = "",
    all_namespaces: Annotated[bool, typer.Option("--all-namespaces", "-A", help="All namespaces.")] = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Keep running and show changes.")] = False,
    form: Annotated[
        WideFormat, typer.Option("--output", "-o", help="wide adds revision, users, authors and URLs.")
    ] = "table",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Show custom resources with sync status, phase and readiness, and list every issue below the table.

    Examples:

    outfitter status -A --watch

    outfitter status workspace/alice -n team-a -o yaml

    Exit codes: 0 no problems (objects that are still starting count as fine), 1 an object has a problem or does not
    exist, 2 the command line is wrong.
    """
    with console.error_exit():
        from outfitter.cli.target import current_namespace, target

        if watch and form not in ("table", "wide"):
            raise typer.BadParameter("--watch prints a table. Use -o table or -o wide.")
        chosen = target(objects) if objects else None
        if all_namespaces and chosen and chosen.name:
            raise typer.BadParameter("KIND/NAME selects one object. Use -n NAMESPACE instead of -A.")
        namespace = "" if all_namespaces else namespace or current_namespace(kubeconfig)
        if watch:
            from outfitter.cli.live_table import follow

            asyncio.run(follow(kubeconfig, namespace, chosen, wide=form == "wide"))
            return
        items = asyncio.run(_read(kubeconfig, namespace, chosen))
        if form in ("json", "yaml"):
            console.emit({"apiVersion": "v1", "kind": "List", "items": items}, form)
        if _print_status(items, chosen, namespace, form):
            raise typer.Exit(console.PROBLEMS)


async def _read(kubeconfig: str, namespace: str, chosen: Target | None) -> list[dict[str, Any]]:
    """Read the objects, by kind, namespace and name, without managedFields."""
    from outfitter.api.v1alpha1 import KINDS
    from outfitter.cli.connect import connected

    kinds = [chosen.kind.name] if chosen else [kind.name for kind in KINDS]
    async with connected(kubeconfig) as client:
        lists = await asyncio.gather(*(client.list(kind, namespace) for kind in kinds))
    objects = [item for items in lists for item in sorted(items, key=_namespace_and_name)]
    if chosen and chosen.name:
        objects = [item for item in objects if item["metadata"]["name"] == chosen.name]
    for item in objects:
        item["metadata"].pop("managedFields", None)
    return objects


def _namespace_and_name(item: dict[str, Any]) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


def _print_status(objects: Sequence[dict[str, Any]], chosen: Target | None, namespace: str, form: WideFormat) -> bool:
    """Print table and issues unless the format is JSON or YAML. Returns whether an object has a problem."""
    from outfitter.cli.table import row, table

    rows = [row(item) for item in objects]
    if not rows:
        where = f"in namespace {namespace}" if namespace else "in any namespace"
        if chosen and chosen.name:
            console.print_message(f"{chosen.kind.name} {chosen.name} does not exist {where}.")
            return True
        kind = chosen.kind.name if chosen else "Outfitter"
        hint = " Use -A to list all namespaces." if namespace else ""
        console.print_message(f"No {kind} objects exist {where}.{hint}")
        return False
    if form in ("table", "wide"):
        console.stdout_console().print(table(rows, namespaces=not namespace, wide=form == "wide"))
        print_details(rows)
    return any(item.has_problem for item in rows)


def print_details(rows: Iterable[Row]) -> None:
    """Print the issues and outdated assets that the table shortens or omits."""
    from outfitter.cli.table import details

    lines = details(rows)
    if lines:
        out = console.stdout_console()
        out.print()
        for style, line in lines:
            out.print(line, style=style, soft_wrap=True)
