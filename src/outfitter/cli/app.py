"""The `outfitter` command.

A command is imported when the command line names it, and imports its dependencies when it runs: start-up is most of the
CPU time of a command.
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from outfitter.cli import console
from outfitter.cli.commands import COMMANDS

_ALLOCATIONS: Final = 100_000  # between two garbage collections; Python's own 700 cost 10 % of a short command


def application(command: str = "") -> typer.Typer:
    """Build the command line, with all commands, or with one of COMMANDS alone."""
    app = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        help="Workload assets for Kubernetes: declare environments, compute, data and credentials once, then run "
        "workloads that combine them. Also available as [bold]kubectl outfitter[/].\n\n"
        "Try: [bold]outfitter validate -f FILE[/] before applying, [bold]outfitter status -A[/] afterwards.",
        epilog=console.EXIT_CODES,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_main)
    for item in COMMANDS:
        if command in ("", item.name):
            item.add_to(app)
    if not command:
        _add_extensions(app)
    return app


def _add_extensions(app: typer.Typer) -> None:
    """Add the commands of other distributions of this repository, such as `outfitter-sandbox`."""
    from importlib.metadata import entry_points

    for extension in entry_points(group="outfitter.commands"):
        extension.load()(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        from outfitter.cli.version import version

        version()
        raise typer.Exit


def _main(
    _: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Options of the program itself."""


def main() -> None:
    """Run the command line of `outfitter` and `kubectl outfitter`."""
    gc.set_threshold(_ALLOCATIONS)
    name = "kubectl outfitter" if Path(sys.argv[0]).name.startswith("kubectl-") else "outfitter"
    first = sys.argv[1] if len(sys.argv) > 1 else ""
    known = any(item.name == first for item in COMMANDS)
    application(first if known else "")(prog_name=name)
