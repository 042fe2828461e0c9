"""Options and fixtures that tests of several layers share."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--update` writes what golden tests find as what they want: look at the difference before you commit it."""
    parser.addoption("--update", action="store_true", help="rewrite the want.yaml of golden tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what starts a control plane as `cluster`: `make check` leaves it (and `slow`) out, `make test` runs all."""
    for item in items:
        if "sandbox" in getattr(item, "fixturenames", ()) or item.path.parent.name in ("sandbox", "integration"):
            item.add_marker(pytest.mark.cluster)
        if getattr(item, "callspec", None) and item.callspec.params.get("cluster") == "server":
            item.add_marker(pytest.mark.cluster)  # asks for the server only once it runs
        if item.path.name in ("test_random_objects.py", "test_generated_objects.py"):
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be rewritten."""
    return bool(request.config.getoption("--update"))
