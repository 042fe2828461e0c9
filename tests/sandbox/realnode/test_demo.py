"""The demo in real pods; afterwards, also interrupted or failed, the machine is as it was."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from cli.conftest import MODULE, ROOT
from cli.test_demo import check_story, environment, marked
from outfitter_sandbox.processes import bound_command
from sandbox.conftest import eventually

pytestmark = [pytest.mark.realnode, pytest.mark.cluster, pytest.mark.timeout(900)]
COMMAND = [*MODULE, "demo", "--node", "real"]
SECONDS = 120
LONG = 800
SEEN = (
    r"a real node: kubelet, kube-scheduler, kube-proxy, containerd, runc, CoreDNS",
    r"\d+ image names on its node, each a small program of ours",
    r"17 objects are well",
    r"GET http://jupyter-lab.team-a.svc:8888/  from pod alice-0",
    r'200 OK  \{"host": "jupyter-0", .*"asked": "jupyter-lab.team-a.svc:8888"\}',
    r"inside alice-0: user 1000, groups 10, 20, .*capabilities none, seccomp filter, in /workspace, nvidia.com/gpu: 1",
    r"somebody-elses:1",
    r"0 orphans are left",
)


def test_the_story_in_real_pods(as_before: object, tmp_path: Path) -> None:
    seen = subprocess.run(
        bound_command(COMMAND, os.getpid()),
        capture_output=True, text=True, check=False, timeout=LONG, cwd=ROOT, env=environment(tmp_path),
    )  # fmt: skip
    assert seen.returncode == 0, seen.stdout + seen.stderr
    check_story(seen.stdout)
    assert re.search("(?s)" + ".*".join(f"(?-s:{each})" for each in SEEN), seen.stdout), seen.stdout
    assert marked(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_interrupted_it_leaves_nothing_behind(as_before: object, tmp_path: Path) -> None:
    out, folder = tmp_path / "out", tmp_path / "temporary"
    folder.mkdir()
    with out.open("w") as file:
        env = environment(folder) | {"PYTHONUNBUFFERED": "1"}
        playing = subprocess.Popen(
            bound_command(COMMAND, os.getpid()), stdout=file, stderr=file, cwd=ROOT, env=env, start_new_session=True
        )
        try:
            eventually(lambda: "Environment team-a/jupyter: No issues found" in out.read_text(), seconds=SECONDS)
            playing.send_signal(signal.SIGINT)
            assert playing.wait(SECONDS) == 130, out.read_text()
        finally:
            playing.kill()
            playing.wait()
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
    assert "The demo failed: all examples are well: not within 1 s" in seen.stdout
    assert marked(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
