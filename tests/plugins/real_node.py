"""One real node for all tests of a run that need pods and no start or end of a node, in every worker."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from outfitter_sandbox import Sandbox


@pytest.fixture(scope="session")
def progress(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Shows a line at once, whatever pytest captures: starting takes a minute."""
    capture, started = pytestconfig.pluginmanager.getplugin("capturemanager"), time.monotonic()

    def report(text: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"[{time.monotonic() - started:4.0f} s] {text}", flush=True)

    return report


@pytest.fixture(scope="session")
def node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of the run have in common."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "real-node"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def real_node(node_folder: Path, progress: Callable[[str], None]) -> Iterator[Sandbox]:
    """A sandbox with a real node, GPUs and every test image; it ends after the last worker that uses it."""
    from e2e.harness.cluster import shared_node

    with shared_node(node_folder, progress) as sandbox:
        yield sandbox


@pytest.fixture
def node_turn(request: pytest.FixtureRequest, node_folder: Path) -> Iterator[None]:
    """Tests share the node; one marked `whole_node` waits until no other worker uses it, and has it alone."""
    alone = request.node.get_closest_marker("whole_node") is not None
    with (node_folder / "turn.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
