"""`outfitter version`."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

import typer

from outfitter.cli import console


def version(
    form: Annotated[Literal["text", "json", "yaml"], typer.Option("--output", "-o", help="Output format.")] = "text",
) -> None:
    """Print the versions of the command and of its API.

    Example:  outfitter version -o json
    """
    from importlib.metadata import version as installed

    from outfitter.api.version import API_VERSION

    python = ".".join(str(part) for part in sys.version_info[:3])
    if form == "text":
        typer.echo(f"outfitter {installed('outfitter')} ({API_VERSION}, Python {python})")
    else:
        console.emit({"version": installed("outfitter"), "apiVersion": API_VERSION, "python": python}, form)
