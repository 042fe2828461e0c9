"""A real node comes and goes: afterwards the machine is as it was, also after crashes."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from outfitter_sandbox import Sandbox, nodes
from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.processes import Identity
from outfitter_sandbox.realnode import leftovers, names, record
from sandbox.conftest import eventually
from sandbox.test_cli import outfitter
from sandbox.test_lifecycle import processes_of

from . import machine
from .conftest import SECONDS, is_ready, pod

pytestmark = [pytest.mark.realnode, pytest.mark.cluster]
HOLDS_ONE = """
import sys, time
from pathlib import Path
from outfitter_sandbox import Sandbox
Sandbox.up(root=Path(sys.argv[1]), node="real", images=[Path(sys.argv[2])])
print("up", flush=True)
time.sleep(600)
"""


def start_pods(sandbox: Sandbox) -> None:
    """One pod with a volume and one without, Ready: there is something of every kind to remove."""
    connection = sandbox.connection()
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    connection.request("POST", "/api/v1/namespaces/default/persistentvolumeclaims", claim)
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    with_volume = pod("stays", volumes=[volume], mounts=[{"name": "data", "mountPath": "/data"}], group=1)
    for each in (with_volume, pod("plain")):
        connection.request("POST", "/api/v1/namespaces/default/pods", each)
    for name in ("stays", "plain"):
        path = f"/api/v1/namespaces/default/pods/{name}"
        eventually(lambda path=path: connection.request("GET", path), is_ready, SECONDS)


def supervisor(root: Path) -> Identity:
    return Identity(**json.loads((root / "default" / "supervisor.json").read_text()))


@pytest.fixture
def child(tmp_path: Path, web_image: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds a real node in `tmp_path`, with pods."""
    command = [sys.executable, "-c", HOLDS_ONE, str(tmp_path), str(web_image)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        start_pods(Sandbox.attach(root=tmp_path))
        yield process
        process.kill()


def test_up_pods_down_and_nothing_is_left(as_before: dict[str, set[str]], tmp_path: Path, web_image: Path) -> None:
    with Sandbox.up(root=tmp_path, node="real", images=[web_image]) as sandbox:
        start_pods(sandbox)
        changed = {each[2:].partition(":")[0] for each in machine.differences(as_before, machine.seen())}
        assert changed == set(machine.LOOKS)  # the comparison sees each of them
        assert set(leftovers.counted(leftovers.left(sandbox.state["programs"]["nft"])).split()) >= {
            "shims,",
            "mounts,",
            "cgroups,",
        }
        assert nodes.choose("auto", lambda text: None) == nodes.SIMULATED  # one real node per machine
        with pytest.raises(SandboxError, match="Another real node runs"):
            Sandbox.up(root=tmp_path, name="second", node="real")
        with pytest.raises(SandboxError, match=r"is running(?s:.*)Next: outfitter sandbox down"):
            nodes.clean_machine()
        assert sandbox.connection().request("GET", "/api/v1/nodes/sandbox")
    assert processes_of(tmp_path) == []
    assert not sandbox.directory.exists()
    assert not (tmp_path / "second").exists()


def test_when_its_parent_is_killed_the_node_goes_by_itself(
    as_before: object, child: subprocess.Popen[str], tmp_path: Path
) -> None:
    child.kill()
    eventually(lambda: not (tmp_path / "default").exists(), seconds=SECONDS)
    assert not names.RUN.exists()


def test_when_all_is_killed_down_force_finds_what_is_left(
    as_before: object, child: subprocess.Popen[str], tmp_path: Path
) -> None:
    owner = supervisor(tmp_path)
    child.kill()
    assert owner.kill(signal.SIGKILL)
    assert owner.wait(10)
    assert leftovers.shims()  # containers still run, without a supervisor
    described = list(names.RUN.glob("containerd/io.containerd.runtime.v2.task/k8s.io/*/bootstrap.json"))
    assert described
    for file in described:  # as for shims that are starting
        file.unlink()
    down = outfitter("down", "--force")
    assert (down.returncode, "Removed leftovers of a crash" in down.stderr) == (0, True), down.stderr
    assert not (tmp_path / "default").exists()
    again = outfitter("down", "--force")
    assert (again.returncode, "crash" in again.stderr) == (0, False)


def test_without_a_record_the_names_are_enough(as_before: object, child: subprocess.Popen[str], tmp_path: Path) -> None:
    found = record.current()
    assert found is not None
    child.kill()
    assert found.owner.kill(signal.SIGKILL)
    assert found.owner.wait(10)
    names.RECORD.unlink()
    with pytest.raises(SandboxError, match=r"a crash left .*down --force"):
        Sandbox.up(root=tmp_path / "other", node="real")
    assert nodes.clean_machine()
    assert leftovers.left(found.nft) == []
    # The rest is in the copy of the record in the sandbox's folder; `down` restores it.
    assert outfitter("down", "--root", tmp_path).returncode == 0


def test_the_next_start_cleans_up_after_a_crash(
    as_before: object, child: subprocess.Popen[str], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    owner = supervisor(tmp_path)
    child.kill()
    assert owner.kill(signal.SIGKILL)
    assert owner.wait(10)
    lines: list[str] = []
    with Sandbox.up(root=tmp_path_factory.mktemp("next"), node="real", progress=lines.append) as sandbox:
        assert any("crashed real node" in line for line in lines)
        assert "kubelet" in sandbox.status()
    shutil.rmtree(tmp_path / "default")


def test_a_part_that_fails_is_shown_with_its_log(
    as_before: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "kubelet"
    broken.write_text("#!/bin/sh\necho no cgroups today >&2\nexit 3\n")
    broken.chmod(0o755)
    real = nodes.programs
    monkeypatch.setattr(nodes, "programs", lambda *given: real(*given) | {"kubelet": broken})
    with pytest.raises(SandboxError, match=r"kubelet ended with exit code 3(?s:.*)no cgroups today"):
        Sandbox.up(root=tmp_path / "state", node="real")
    assert not names.RUN.exists()
    assert outfitter("down", "--root", tmp_path / "state").returncode == 0
