"""Input and output of `outfitter policy diff`: objects of files, and those of a cluster or of other files."""

from __future__ import annotations

import asyncio
from typing import Any

from rich.table import Table

from outfitter.cli import console
from outfitter.cli.checked_files import checked_files
from outfitter.cli.connect import connected
from outfitter.cli.policy.diff import Difference, compare, read_objects, with_objects
from outfitter.cli.render import simulate
from outfitter.cli.run import settings_from
from outfitter.cli.target import current_namespace
from outfitter.simulator.simulation import with_namespace


def difference(
    files: list[str], current: list[str] | None, namespace: str, kubeconfig: str, *, recursive: bool
) -> Difference:
    """Compare a cluster, or the files in `current`, with what it would be after `files` were applied."""
    settings = settings_from({})
    default = namespace or ("default" if current else current_namespace(kubeconfig))
    given = _given(files, default, settings.system_namespace, recursive=recursive)
    with console.progress() as show:
        show("Reading the objects ...")
        if current:
            simulation = simulate(current, default, recursive=recursive)
            before = asyncio.run(read_objects(simulation.cluster, namespace, settings))
        else:
            before = asyncio.run(_read_cluster(kubeconfig, namespace))
        show("Judging the workloads ...")
        return compare(before, with_objects(before, given), settings)


def _given(files: list[str], default: str, system: str, *, recursive: bool) -> list[dict[str, Any]]:
    """Read the objects of files. Exits with findings where the API server would reject one."""
    checked = checked_files(files, recursive=recursive)
    spaces = [document.body for document in checked.others if document.body.get("kind") == "Namespace"]
    given = [with_namespace(body, default) for body in spaces]
    for document in checked.resources:
        scope = (document.body["spec"].get("scope") or {}).get("type", "project")
        given.append(with_namespace(document.body, default if scope == "project" else system))
    return given


async def _read_cluster(kubeconfig: str, namespace: str) -> list[dict[str, Any]]:
    async with connected(kubeconfig) as client:
        return await read_objects(client, namespace, settings_from({}))


def print_difference(found: Difference) -> None:
    """Print what changes in effective policies, and below it which workloads are refused or allowed then."""
    out = console.stdout_console()
    if found.changes:
        table = Table("TYPE", "FIELD", "PART", "BEFORE", "AFTER", "PROJECTS", box=None, pad_edge=False)
        for row in found.changes:
            projects = row.first if row.projects == 1 else f"{row.projects} of {found.projects}"
            table.add_row(row.workload_type, row.field, row.part, row.before or "-", row.after or "-", projects)
        out.print(table, "")
    for title, style, items in (("Refused", "red", found.refused), ("Not refused any more", "green", found.allowed)):
        if items:
            out.print(f"{title}:", style=style)
        for item in items:
            where = f"spec.{item.field}: " if item.field else ""
            out.print(f"  {item.kind} {item.namespace}/{item.name}: {where}{item.message}", soft_wrap=True)
    for text in found.errors:
        console.print_message(text, "red")
    for text in found.warnings:
        console.print_message(text, "yellow")
    workloads = console.count(found.workloads, "workload")
    text = f"{console.count(len(found.changes), 'change')}; of {workloads}, {found.refused_workloads} newly refused"
    console.print_message(text, "red" if found.refused or found.errors else "green")
