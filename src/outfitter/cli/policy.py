"""`outfitter policy`: effective policies of files, and declared cases as tests."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from outfitter.cli import console

policy = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", help="Work with WorkloadPolicies in files.")


def test(
    vectors: Annotated[
        list[Path] | None, typer.Option("--vectors", help="File of test vectors; repeat it for more.")
    ] = None,
) -> None:
    """Judge declared submissions by policies, and compare the verdicts with the expected ones.

    Example:  outfitter policy test --vectors vectors.yaml

    Exit codes: 0 all verdicts are as expected, 1 one is not, 2 the command line is wrong or a file cannot be read.
    """
    with console.error_exit():
        from outfitter.cli.policy_vectors import mismatches, read_vectors

        total = failed = 0
        for file in vectors or ():
            for number, vector in enumerate(read_vectors(file), 1):
                total += 1
                lines = list(mismatches(vector))
                failed += bool(lines)
                for line in lines:
                    console.stdout_console().print(f"{vector.get('id', number)}: {line}", soft_wrap=True)
        console.print_message(f"{console.count(total, 'case')}, {failed} failed", "red" if failed else "green")
        if failed:
            raise typer.Exit(console.PROBLEMS)


policy.command(name="test", help=console.help_of(test))(test)
