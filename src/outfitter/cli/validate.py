"""`outfitter validate`: check files without a server."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from outfitter.cli import console
from outfitter.cli.console import Files, Format, Recursive

if TYPE_CHECKING:
    from outfitter.cli.checks import CheckResult


def validate(
    files: Files = None,
    recursive: Recursive = False,
    form: Annotated[Format, typer.Option("--output", "-o", help="Output format.")] = "table",
) -> None:
    """Check files strictly and offline: unknown fields, types, bounds, and the rules the API server would enforce.

    Prints all errors at once, each with file, line, column, field, message and hint. Duplicate keys are errors too.
    Objects of other API groups are skipped and counted. References between objects are not checked: use
    `outfitter render` or `outfitter status` for them.

    Example:  outfitter validate -f deploy/examples

    In CI:  outfitter validate -R -f deploy -o json

    Exit codes: 0 all objects are valid, 1 errors were found, 2 the command line is wrong or a file cannot be read.
    """
    with console.error_exit():
        if not files:
            raise typer.BadParameter("No input. Use -f FILE, -f FOLDER or -f -.")
        from outfitter.cli.checks import check
        from outfitter.cli.documents import read

        checked = check(*read(files, recursive=recursive))
        if form == "table":
            print_findings(checked, to_stdout=True)
        else:
            console.emit(
                {
                    "valid": len(checked.resources),
                    "invalid": checked.invalid,
                    "skipped": len(checked.others),
                    "errors": [asdict(item) for item in checked.findings],
                },
                form,
            )
        if checked.findings:
            raise typer.Exit(console.PROBLEMS)


def print_findings(checked: CheckResult, *, to_stdout: bool) -> None:
    """Print each finding, on standard output where findings are the result, then totals on standard error."""
    out = console.stdout_console() if to_stdout else console.stderr_console()
    for item in checked.findings:
        out.print(str(item), style="red", soft_wrap=True)
        if item.hint:
            out.print(f"    hint: {item.hint}", soft_wrap=True)
    parts = [f"{console.count(len(checked.resources), 'object')} valid"]
    if checked.findings:
        errors = console.count(len(checked.findings), "error")
        parts.append(f"{errors} in {console.count(checked.invalid, 'object')}")
    if checked.others:
        parts.append(f"{console.count(len(checked.others), 'object')} of other kinds skipped")
    console.print_message(", ".join(parts), "" if checked.findings else "green")
