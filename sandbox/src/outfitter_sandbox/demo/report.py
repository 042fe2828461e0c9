"""What the demo prints: numbered stages with their times, sentences between them, a sum at the end."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.table import Table


class Report:
    """One line per stage, indented lines within it."""

    def __init__(self, out: Console) -> None:
        self.out = out
        self._times: list[tuple[str, float]] = []

    @contextlib.contextmanager
    def stage(self, title: str) -> Iterator[None]:
        """Announce a stage, and remember how long its block took."""
        number = len(self._times) + 1
        self.out.print(f"\n{number}. {title}", style="bold")
        started = time.monotonic()
        yield
        took = time.monotonic() - started
        self._times.append((title, took))
        self.out.print(f"   {took:.1f} s", style="dim")

    def say(self, text: str, style: str = "") -> None:
        """One indented line."""
        self.out.print(f"   {text}", style=style or None, soft_wrap=True)

    def good(self, text: str) -> None:
        """Something that was promised and happened."""
        self.say(f"✓ {text}", "green")

    def failed(self, text: str) -> None:
        """The end, when something did not happen."""
        self.out.print(f"\nThe demo failed: {text}", style="red", soft_wrap=True)

    def sum(self, next_commands: Iterable[tuple[str, str]]) -> None:
        """Times of all stages, and how to go on."""
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column()
        table.add_column(justify="right")
        for title, took in self._times:
            table.add_row(f"   {title}", f"{took:.1f} s")
        self.out.print("\nShown", style="bold")
        self.out.print(table)
        self.out.print("\nTo go on", style="bold")
        for command, why in next_commands:
            self.out.print(f"   {command}\n      {why}", soft_wrap=True)
