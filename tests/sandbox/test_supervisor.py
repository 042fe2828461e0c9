"""The supervisor with ordinary commands instead of a control plane."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.processes import Identity, free_ports, locked
from outfitter_sandbox.supervisor_client import call

from .conftest import eventually, script

DEEP = "a-folder-name-that-is-rather-long-" * 3  # more than fits into a Unix socket's address


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / DEEP / DEEP
    folder.mkdir(parents=True)
    stubborn = script(tmp_path / "stubborn", "trap '' TERM; sleep 600 & echo started; while :; do wait; done")
    commands = {"quick": ["true"], "calm": ["sleep", "600"], "stubborn": [str(stubborn)]}
    parts: dict[str, dict[str, object]] = {
        name: {"command": command, "log": str(tmp_path / f"{name}.log")} for name, command in commands.items()
    }
    parts["calm"]["restart"] = True
    (folder / "components.json").write_text(json.dumps(parts))
    command = [sys.executable, "-m", "outfitter_sandbox.supervisor", str(folder), str(os.getpid())]
    with subprocess.Popen(command, start_new_session=True) as process:
        eventually((folder / "supervisor.json").exists)
        yield folder
        process.terminate()


def test_components_start_stop_and_end(directory: Path) -> None:
    call(directory, "start", name="quick")
    eventually(lambda: call(directory, "status")["components"]["quick"]["exit"] == 0)
    first = call(directory, "start", name="calm")["components"]["calm"]["pid"]
    assert call(directory, "start", name="calm")["components"]["calm"]["pid"] == first  # it runs already
    assert os.getpgid(first) == first
    assert call(directory, "stop", name="calm")["components"]["calm"]["exit"] == -signal.SIGTERM
    with pytest.raises(SandboxError, match="KeyError"):
        call(directory, "start", name="unknown")


def test_a_stubborn_group_is_killed_as_a_whole(directory: Path, tmp_path: Path) -> None:
    pid = call(directory, "start", name="stubborn")["components"]["stubborn"]["pid"]
    eventually(lambda: "started" in (tmp_path / "stubborn.log").read_text())
    [grandchild] = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    assert call(directory, "stop", name="stubborn", grace=0.1)["components"]["stubborn"]["exit"] == -signal.SIGKILL
    eventually(lambda: Identity.of(grandchild) is None)


def test_shutdown_removes_the_folder_unless_kept(directory: Path) -> None:
    pid = call(directory, "start", name="calm")["components"]["calm"]["pid"]
    call(directory, "shutdown", keep=True)
    eventually(lambda: Identity.of(pid) is None)
    assert directory.exists()


def test_sigterm_ends_all_and_removes_the_folder(directory: Path) -> None:
    pid = call(directory, "start", name="calm")["components"]["calm"]["pid"]
    owner = Identity(**json.loads((directory / "supervisor.json").read_text()))
    assert owner.kill(signal.SIGTERM)
    eventually(lambda: Identity.of(pid) is None and not directory.exists())


def test_ports_are_free_and_different() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20


def test_a_dead_holder_leaves_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    holds = "import sys, time; from pathlib import Path; from outfitter_sandbox.processes import locked\n"
    holds += "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", holds, str(path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        seen: list[str] = []

        def waiting() -> None:
            seen.append("waited")
            holder.kill()

        with locked(path, waiting):
            assert seen == ["waited"]


def test_what_ends_by_itself_is_started_again_once_settled(directory: Path) -> None:
    first = call(directory, "start", name="calm")["components"]["calm"]["pid"]
    os.kill(first, signal.SIGKILL)
    eventually(lambda: call(directory, "status")["components"]["calm"]["exit"] == -signal.SIGKILL)
    call(directory, "settle")
    seen = eventually(lambda: call(directory, "status")["components"]["calm"], lambda each: each["exit"] is None)
    assert (seen["restarts"], seen["pid"] != first) == (1, True)
    call(directory, "stop", name="calm")
    call(directory, "start", name="quick")  # its end wakes the supervisor once more
    eventually(lambda: call(directory, "status")["components"]["quick"]["exit"] == 0)
    assert call(directory, "status")["components"]["calm"]["exit"] == -signal.SIGTERM


@pytest.mark.parametrize(("status", "kept"), [(0, False), (1, True)])
def test_the_last_command_runs_when_all_have_ended_and_decides_on_the_folder(
    directory: Path, tmp_path: Path, status: int, *, kept: bool
) -> None:
    pid = call(directory, "start", name="stubborn")["components"]["stubborn"]["pid"]
    last = script(tmp_path / "last", f"kill -0 {pid} 2>/dev/null || touch {tmp_path}/clean; exit {status}")
    (directory / "last.json").write_text(json.dumps({"command": [str(last)], "kill": True}))
    owner = Identity(**json.loads((directory / "supervisor.json").read_text()))
    call(directory, "shutdown")
    assert owner.wait(5)  # at once, though the component ignores SIGTERM
    assert (tmp_path / "clean").exists()
    assert directory.exists() == kept
