"""Helm, for the tests of what a version consists of."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.harness import helm as helms


@pytest.fixture(scope="session")
def helm() -> Path:
    """The helm command; these tests are not run where it is missing."""
    path, why = helms.find()
    if path is None:
        pytest.skip(why)
    return path
