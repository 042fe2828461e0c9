"""Options and fixtures that tests of several layers share."""

from __future__ import annotations

import signal

import pytest
from hypothesis import settings

pytest_plugins = ("plugins.selection", "plugins.scheduling", "plugins.reporting", "plugins.real_node",
                  "plugins.shown_reasons")  # fmt: skip
MORE = 10  # as many examples per random test with --nightly


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--update` writes what golden tests find as what they want: look at the difference before you commit it."""
    parser.addoption("--update", action="store_true", help="rewrite golden files and the table of reasons")
    parser.addoption("--evidence", default="", help="folder where workers leave what the verdict on a whole run reads")


def pytest_configure(config: pytest.Config) -> None:
    """Restore SIGINT, which a shell ignores in background jobs and their children; choose the number of examples."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # No test fails because of its time: the machine may be busy.
    settings.register_profile("usual", deadline=None)
    settings.register_profile("nightly", max_examples=100 * MORE, deadline=None)
    settings.load_profile("nightly" if config.getoption("--nightly") else "usual")


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be rewritten."""
    return bool(request.config.getoption("--update"))


@pytest.fixture
def effort(request: pytest.FixtureRequest) -> int:
    """How many times the usual number of random examples a test makes."""
    return MORE if request.config.getoption("--nightly") else 1
