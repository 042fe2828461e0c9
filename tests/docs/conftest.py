"""Tests that need kubectl are not run where it is missing."""

from __future__ import annotations

import shutil

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if shutil.which("kubectl") is None:
        for item in items:
            if item.get_closest_marker("kubectl"):
                item.add_marker(pytest.mark.skip(reason="kubectl is not on the PATH"))
