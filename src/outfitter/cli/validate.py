"""`outfitter validate`: everything that is certainly wrong with files, found without a server."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from outfitter.cli import console
from outfitter.cli.console import Files, Format, Recursive

if TYPE_CHECKING:
    from outfitter.cli.checks import Checked


def validate(
    files: Files = None,
    recursive: Recursive = False,
    form: Annotated[Format, typer.Option("--output", "-o", help="How findings are printed.")] = "table",
) -> None:
    """Check files strictly and offline: unknown fields, types, bounds, and the rules the API server would enforce.

    All errors at once, each with file, line and column, the field, what is wrong and what to do. Keys given twice are
    errors too. Objects of other projects are skipped and counted. Whether references resolve depends on the cluster:
    that is what `outfitter render` and `outfitter status` tell.

    Example:  outfitter validate -f deploy/examples

    In CI:  outfitter validate -R -f deploy -o json

    Exit codes: 0 all is valid, 1 errors were found, 2 the command line is wrong or a file cannot be read.
    """
    with console.failing_clearly():
        if not files:
            raise typer.BadParameter("say what to check: -f FILE, -f FOLDER or -f -")
        from outfitter.cli.checks import check
        from outfitter.cli.documents import read

        checked = check(*read(files, recursive=recursive))
        if form == "table":
            tell(checked, paper=True)
        else:
            console.emit(
                {
                    "valid": len(checked.ours),
                    "invalid": checked.broken,
                    "skipped": len(checked.foreign),
                    "errors": [asdict(item) for item in checked.findings],
                },
                form,
            )
        if checked.findings:
            raise typer.Exit(console.PROBLEMS)


def tell(checked: Checked, *, paper: bool) -> None:
    """Findings one by one (to standard output where they are the result), then the sum on standard error."""
    out = console.paper() if paper else console.screen()
    for item in checked.findings:
        out.print(str(item), style="red", soft_wrap=True)
        if item.hint:
            out.print(f"    hint: {item.hint}", soft_wrap=True)
    parts = [f"{console.count(len(checked.ours), 'object')} valid"]
    if checked.findings:
        errors = console.count(len(checked.findings), "error")
        parts.append(f"{errors} in {console.count(checked.broken, 'object')}")
    if checked.foreign:
        parts.append(f"{console.count(len(checked.foreign), 'object')} of other kinds skipped")
    console.say(", ".join(parts), "" if checked.findings else "green")
