"""The program `kubectl_complete-outfitter`, by which kubectl completes the words of its plugin."""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import sys
from collections.abc import Sequence
from typing import Final

from outfitter.cli.app import application

_NO_FILES: Final = ":4"  # kubectl's directive: do not offer files


def main(arguments: Sequence[str] | None = None) -> None:
    """Answer kubectl, which runs the program `kubectl_complete-outfitter` with the words that a user typed."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    # The answer for the shell fish has the form that kubectl expects: value, tab, description.
    asked = {
        "_OUTFITTER_COMPLETE": "complete_fish",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_ARGS": _quoted(["outfitter", *words]),
    }
    os.environ.update(asked)
    printed = io.StringIO()
    silent = contextlib.redirect_stderr(io.StringIO())
    with contextlib.redirect_stdout(printed), silent, contextlib.suppress(SystemExit):
        application()(args=[], prog_name="outfitter")
    sys.stdout.write(f"{printed.getvalue().rstrip()}\n{_NO_FILES}\n".lstrip("\n"))


def _quoted(words: Sequence[str]) -> str:
    """Return the command line; an empty last word asks for all values."""
    return " ".join(shlex.quote(word) if word else "" for word in words)
