"""Files that a command needs valid: their objects, or the findings and the end of the command."""

from __future__ import annotations

import typer

from outfitter.cli import console
from outfitter.cli.checks import CheckResult, check
from outfitter.cli.documents import read


def checked_files(files: list[str], *, recursive: bool = False) -> CheckResult:
    """Read and check files. Exits with findings where the API server would reject an object."""
    checked = check(*read(files, recursive=recursive))
    if checked.findings:
        print_findings(checked, to_stdout=False)
        raise typer.Exit(console.PROBLEMS)
    return checked


def print_findings(checked: CheckResult, *, to_stdout: bool) -> None:
    """Print each finding, on standard output where findings are the result, then totals on standard error."""
    out = console.stdout_console() if to_stdout else console.stderr_console()
    for item in checked.findings:
        console.print_text(out, str(item), "red")
        if item.hint:
            console.print_text(out, f"    hint: {item.hint}")
    parts = [f"{console.count(len(checked.resources), 'object')} valid"]
    if checked.findings:
        errors = console.count(len(checked.findings), "error")
        parts.append(f"{errors} in {console.count(checked.invalid, 'object')}")
    if checked.others:
        parts.append(f"{console.count(len(checked.others), 'object')} of other kinds skipped")
    console.print_message(", ".join(parts), "" if checked.findings else "green")
