"""Options and fixtures that tests of several layers share."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from outfitter_sandbox import nodes

HERE = Path(__file__).parent
NOT_RUN = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--update` writes what golden tests find as what they want: look at the difference before you commit it."""
    parser.addoption("--update", action="store_true", help="rewrite want.yaml and status.yaml of golden tests")


def pytest_configure() -> None:
    """A shell starts what it puts into the background with SIGINT ignored, and so would be all that the tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The end-to-end suite takes minutes and the whole machine: it runs only when it is named (make e2e)."""
    named = any("e2e" in Path(argument).parts for argument in config.args)
    return True if collection_path == HERE / "e2e" and not named else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what starts a control plane as `cluster`: `make check` leaves it (and `slow`) out, `make test` runs all."""
    for item in items:
        if "sandbox" in getattr(item, "fixturenames", ()) or item.path.parent.name in ("sandbox", "integration"):
            item.add_marker(pytest.mark.cluster)
        if getattr(item, "callspec", None) and item.callspec.params.get("cluster") == "server":
            item.add_marker(pytest.mark.cluster)  # asks for the server only once it runs
        if item.path.name in ("test_random_objects.py", "test_generated_objects.py"):
            item.add_marker(pytest.mark.slow)
    real = [item for item in items if item.get_closest_marker("realnode")]
    if real and (reasons := nodes.why_no_real_node()):
        config.stash[NOT_RUN] = f"{len(real)} tests on a real node were NOT run: {'; '.join(reasons)}"
        for item in real:
            item.add_marker(pytest.mark.skip(reason=reasons[0]))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Whoever reads the result is told what it does not say."""
    if text := config.stash.get(NOT_RUN, ""):
        terminalreporter.write_line(text, yellow=True)


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be rewritten."""
    return bool(request.config.getoption("--update"))
