"""Options and fixtures that tests of several layers share."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--update` writes what golden tests find as what they want: look at the difference before you commit it."""
    parser.addoption("--update", action="store_true", help="rewrite the want.yaml of golden tests")


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be rewritten."""
    return bool(request.config.getoption("--update"))
