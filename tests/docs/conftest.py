"""Tests that need kubectl are not run where it is missing, and the summary says so."""

from __future__ import annotations

import shutil

import pytest

NOT_RUN = pytest.StashKey[int]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    found = [item for item in items if item.get_closest_marker("kubectl")]
    if shutil.which("kubectl") is None:
        config.stash[NOT_RUN] = len(found)
        for item in found:
            item.add_marker(pytest.mark.skip(reason="kubectl is not on the PATH"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if count := config.stash.get(NOT_RUN, 0):
        terminalreporter.write_line(f"{count} tests were NOT run: kubectl is not on the PATH", yellow=True)
