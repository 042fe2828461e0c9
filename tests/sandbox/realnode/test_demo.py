"""An interrupted or failed demo in real pods leaves the machine unchanged."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from cli.conftest import MODULE, ROOT
from cli.test_demo import environment, marked
from outfitter_sandbox.processes import bound_command
from sandbox.conftest import eventually

pytestmark = [pytest.mark.realnode, pytest.mark.cluster, pytest.mark.timeout(900)]
COMMAND = [*MODULE, "demo", "--node", "real"]
SECONDS = 120
LONG = 800


def test_interrupted_it_leaves_nothing_behind(as_before: object, tmp_path: Path) -> None:
    out, folder = tmp_path / "out", tmp_path / "temporary"
    folder.mkdir()
    with out.open("w") as file:
        env = environment(folder) | {"PYTHONUNBUFFERED": "1"}
        demo = subprocess.Popen(
            bound_command(COMMAND, os.getpid()), stdout=file, stderr=file, cwd=ROOT, env=env, start_new_session=True
        )
        try:
            eventually(lambda: "Environment team-a/jupyter: No issues found" in out.read_text(), seconds=SECONDS)
            demo.send_signal(signal.SIGINT)
            assert demo.wait(SECONDS) == 130, out.read_text()
        finally:
            demo.kill()
            demo.wait()
    assert "nothing is left running" in out.read_text()
    assert "Traceback" not in out.read_text()
    assert marked(folder) == []
    assert list(folder.iterdir()) == []


def test_failed_it_leaves_nothing_behind(as_before: object, tmp_path: Path) -> None:
    seen = subprocess.run(
        bound_command([*COMMAND, "--seconds", "1"], os.getpid()),
        capture_output=True, text=True, check=False, timeout=LONG, cwd=ROOT, env=environment(tmp_path),
    )  # fmt: skip
    assert seen.returncode == 1, seen.stdout + seen.stderr
    assert "The demo failed: all examples are ready: not within 1 s" in seen.stdout
    assert marked(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
