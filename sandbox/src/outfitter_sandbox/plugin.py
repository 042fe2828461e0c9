"""The `outfitter sandbox` and `outfitter demo` commands."""

from __future__ import annotations

from typing import Final

import typer

from outfitter.cli import console
from outfitter_sandbox.commands.image import image
from outfitter_sandbox.commands.sandbox import app as sandbox
from outfitter_sandbox.demo.command import demo

_PANEL: Final = "On this machine"


def register(app: typer.Typer) -> None:
    """Add the commands of this distribution to `outfitter`."""
    app.command(help=console.help_of(demo), rich_help_panel=_PANEL)(demo)
    sandbox.command()(image)
    app.add_typer(sandbox, name="sandbox", rich_help_panel=_PANEL)
