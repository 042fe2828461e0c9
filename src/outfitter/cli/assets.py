"""`outfitter assets`: what a project can use, and whether its policies allow it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from outfitter.cli import console
from outfitter.cli.console import Format, Kubeconfig, Namespace

if TYPE_CHECKING:
    from outfitter.cli.asset_rows import AssetRow

WorkloadTypes = Literal["workspace", "training", "distributed", "inference"]


def assets(
    namespace: Namespace = "",
    workload_type: Annotated[
        WorkloadTypes | None, typer.Option("--type", help="Only for this type of workload. Default: all types.")
    ] = None,
    replica: Annotated[
        Literal["worker", "master"] | None, typer.Option(help="Only for this replica of distributed workloads.")
    ] = None,
    form: Annotated[Format, typer.Option("--output", "-o", help="Output format.")] = "table",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Show the assets that a project can use: from which scope, whether its policies allow them, and the last use.

    An asset complies if its fields break no rule of the project's policies. Reads with your own rights: for shared
    assets, you need to read the operator's namespace (OUTFITTER_SYSTEM_NAMESPACE).

    Examples:

    outfitter assets -n team-a

    outfitter assets -n team-a --type workspace -o json

    Exit codes: 0 success, 1 the API server refuses to answer, 2 the command line is wrong.
    """
    with console.error_exit():
        from outfitter.cli.asset_rows import asset_rows
        from outfitter.cli.target import current_namespace

        if replica and workload_type not in (None, "distributed"):
            raise typer.BadParameter("--replica is for --type distributed.")
        project = namespace or current_namespace(kubeconfig)
        objects, department = asyncio.run(read_assets(kubeconfig, project))
        chosen = "distributed" if replica else workload_type or ""
        rows = asset_rows(objects, project, department, chosen, replica or "")
        if form == "table":
            _print(rows, project, one_type=bool(chosen))
        else:
            console.emit([row.to_dict() for row in rows], form)


def _print_note(text: str) -> None:
    console.print_message(text, "yellow")


async def read_assets(
    kubeconfig: str, project: str, kinds: Collection[str] = (), note: Callable[[str], None] = _print_note
) -> tuple[list[dict[str, Any]], str]:
    """Read the assets of the project and the shared ones, and the department of the project. Default: all kinds.

    `note` gets what the user may not read.
    """
    from outfitter.api.v1alpha1 import KINDS
    from outfitter.cli.connect import connected
    from outfitter.cli.run import settings_from
    from outfitter.errors import Forbidden
    from outfitter.naming import LABEL_DEPARTMENT

    system = settings_from({}).system_namespace
    objects: list[dict[str, Any]] = []
    async with connected(kubeconfig) as client:
        for place in dict.fromkeys((project, system)):
            try:
                for kind in KINDS:
                    if kind.asset and (not kinds or kind.name in kinds):
                        objects += [{**item, "kind": kind.name} for item in await client.list(kind.name, place)]
            except Forbidden as error:
                if place == project:
                    raise
                text = f"Shared assets are not listed: {error.message}. Ask an administrator for rbac.catalogue."
                note(text)
        try:
            labels = (await client.get("Namespace", "", project) or {}).get("metadata", {}).get("labels") or {}
            return objects, labels.get(LABEL_DEPARTMENT, "")
        except Forbidden:  # the assets of the project know its department
            own = (item.get("status") or {} for item in objects if item["metadata"]["namespace"] == project)
            known = next((status["department"] for status in own if status.get("department")), "")
            if not known:
                text = f"Assets of the department are not listed: you may not read Namespace {project}."
                note(text)
            return objects, known


def _print(rows: Sequence[AssetRow], project: str, *, one_type: bool) -> None:
    from datetime import UTC, datetime

    from rich.table import Table
    from rich.text import Text

    from outfitter.cli.table import age

    if not rows:
        console.print_message(f"Namespace {project} can use no asset.")
        return
    out = console.stdout_console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("KIND", "NAME", "FROM", "READY", "COMPLIES", "IMPOSED", "LAST USED"):
        table.add_column(head, no_wrap=True)
    now = datetime.now(UTC)
    for row in rows:
        wrong = list(dict.fromkeys(item.workload_type for item in row.types if item.reasons))
        imposed = list(dict.fromkeys(item.workload_type for item in row.types if item.imposed))
        complies = "yes" if not wrong else "no" if one_type or len(wrong) == 4 else f"not in {', '.join(wrong)}"
        shown = "yes" if imposed and one_type else ", ".join(imposed)
        used = f"{age(row.last_used, now)} ago" if row.last_used else ""
        ready = "yes" if row.ready else "no"
        table.add_row(row.kind, row.name, row.scope, ready, Text(complies, "yellow" if wrong else ""), shown, used)
    out.print(table)
    reasons = [(row, text) for row in rows for text in row.reasons]
    if reasons:
        out.print()
    for row, text in reasons:
        console.print_text(out, f"{row.kind} {row.name}: {text}", "yellow")
