"""The table of actions in the guide about the log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from outfitter.actions import Action
from outfitter.errors import ConfigurationError

_START: Final = "<!-- generated table: ACTIONS -->"
_END: Final = "<!-- end of generated table -->"


def log_page(frame: str) -> str:
    """The guide with a current table below its mark; the text around it is kept.

    Raises ConfigurationError where the mark is missing.
    """
    head, start, rest = frame.partition(_START)
    _, end, tail = rest.partition(_END)
    if not (start and end):
        raise ConfigurationError(f"The guide about the log has no table between {_START!r} and {_END!r}. Add both.")
    return "\n".join((head + _START, "", *_table(), "", _END + tail))


def _table() -> Iterator[str]:
    yield from ("| `action` | level | meaning | Event |", "|---|---|---|---|")
    for action in Action:
        level = "warning" if action.warns else "info"
        yield f"| `{action}` | {level} | {action.meaning} | {f'`{action.event}`' if action.event else ''} |"
