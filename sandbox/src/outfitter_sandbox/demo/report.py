"""The output of the demo: numbered stages with durations, and a summary."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.table import Table


class Report:
    """Prints one line per stage, and indented lines within it."""

    def __init__(self, out: Console) -> None:
        self.out = out
        self._durations: list[tuple[str, float]] = []

    @contextlib.contextmanager
    def stage(self, title: str) -> Iterator[None]:
        """Print the title of a stage, and record the duration of its block."""
        number = len(self._durations) + 1
        self.out.print(f"\n{number}. {title}", style="bold")
        started = time.monotonic()
        yield
        seconds = time.monotonic() - started
        self._durations.append((title, seconds))
        self.out.print(f"   {seconds:.1f} s", style="dim")

    def info(self, text: str, style: str = "") -> None:
        """Print one indented line."""
        self.out.print(f"   {text}", style=style or None, soft_wrap=True)

    def success(self, text: str) -> None:
        """Print the result of a step."""
        self.info(f"✓ {text}", "green")

    def failure(self, text: str) -> None:
        """Print why the demo failed."""
        self.out.print(f"\nThe demo failed: {text}", style="red", soft_wrap=True)

    def summary(self, next_commands: Iterable[tuple[str, str]]) -> None:
        """Print the durations of all stages, and next commands with descriptions."""
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column()
        table.add_column(justify="right")
        for title, seconds in self._durations:
            table.add_row(f"   {title}", f"{seconds:.1f} s")
        self.out.print("\nSummary", style="bold")
        self.out.print(table)
        self.out.print("\nNext", style="bold")
        for command, description in next_commands:
            self.out.print(f"   {command}\n      {description}", soft_wrap=True)
