"""Options and fixtures that tests of several layers share."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--update` writes what golden tests find as what they want: look at the difference before you commit it."""
    parser.addoption("--update", action="store_true", help="rewrite the want.yaml of golden tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What starts a control plane is marked `cluster`, so that `make check` stays quick. `make test` runs everything."""
    for item in items:
        if "sandbox" in getattr(item, "fixturenames", ()) or item.path.parent.name in ("sandbox", "integration"):
            item.add_marker(pytest.mark.cluster)


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be rewritten."""
    return bool(request.config.getoption("--update"))
