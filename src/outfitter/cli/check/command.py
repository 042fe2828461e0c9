"""`outfitter check`: whether the cluster is fit for Outfitter, and whether Outfitter in it is complete."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outfitter.cli import console
from outfitter.cli.console import Format, Kubeconfig, Namespace

if TYPE_CHECKING:
    from outfitter.cli.check.gather import Section


def check(
    namespace: Namespace = "",
    pre: Annotated[
        bool, typer.Option("--pre", help="Before the installation: check the cluster and your rights only.")
    ] = False,
    form: Annotated[Format, typer.Option("--output", "-o", help="Output format.")] = "table",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Check the cluster, the installation of Outfitter, and a namespace, with one line for each check.

    Reads with your own rights. What you may not read is a note, not a problem. For an operator that you cannot list in
    all namespaces, set OUTFITTER_SYSTEM_NAMESPACE.

    Examples:

    outfitter check --pre

    outfitter check -n team-a -o json

    Exit codes: 0 no problems, 1 problems were found, 2 the command line is wrong.
    """
    with console.error_exit():
        from outfitter.cli.target import current_namespace

        place = "" if pre else namespace or current_namespace(kubeconfig)
        sections = asyncio.run(_run(kubeconfig, place, pre=pre))
        if form == "table":
            _print(sections)
        else:
            console.emit(_data(sections), form)
        if _count(sections, "problem"):
            raise typer.Exit(console.PROBLEMS)


async def _run(kubeconfig: str, namespace: str, *, pre: bool) -> list[Section]:
    from outfitter.cli.check.gather import all_sections, before_installation
    from outfitter.cli.connect import connected
    from outfitter.cli.reader import Reader
    from outfitter.cli.run import settings_from

    async with connected(kubeconfig) as client:
        reader = Reader(client.transport)
        with console.progress("Checking the cluster") as tell:
            if pre:
                return await before_installation(reader)
            return await all_sections(reader, settings_from({}).system_namespace, namespace, tell)


def _count(sections: Sequence[Section], state: str) -> int:
    return sum(item.state == state for section in sections for item in section.findings)


def _data(sections: Sequence[Section]) -> dict[str, Any]:
    checks = [{"section": section.title, **item.to_dict()} for section in sections for item in section.findings]
    return {"problems": _count(sections, "problem"), "notes": _count(sections, "note"), "checks": checks}


def _print(sections: Sequence[Section]) -> None:
    from rich.text import Text

    styles = {"ok": "green", "note": "yellow", "problem": "bold red"}
    out = console.stdout_console()
    for section in sections:
        out.print(Text(section.title, style="bold"))
        for item in section.findings:
            out.print(Text.assemble((f"  {item.state:8}", styles[item.state]), f"{item.check}: {item.message}"))
        out.print()
    problems, notes = _count(sections, "problem"), _count(sections, "note")
    style = "bold red" if problems else "green"
    out.print(f"{console.count(problems, 'problem')}, {console.count(notes, 'note')}", style=style)
