"""The `outfitter` command."""

from __future__ import annotations

import typer

from outfitter.cli import sandbox

app = typer.Typer(no_args_is_help=True, help="Workload assets for Kubernetes.")
app.add_typer(sandbox.app, name="sandbox")


def main() -> None:
    """Entry point of `outfitter` and `kubectl outfitter`."""
    app()
