"""Starting, stopping, crashing: what runs afterwards is looked up in /proc."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from outfitter_sandbox import Sandbox
from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.processes import Identity
from outfitter_sandbox.sandbox import remove

from .conftest import eventually, found, script

# Enough for a sandbox that only has to live and die.
SMALL = {"node": False, "controllers": "namespace-controller"}
STARTS_ONE = """
import json, sys, time
from pathlib import Path
from outfitter_sandbox import Sandbox
sandbox = Sandbox.up(root=Path(sys.argv[1]), node=False, controllers="namespace-controller")
print(json.dumps(sandbox.status()), flush=True)
time.sleep(600)
"""


def processes_of(directory: Path) -> list[int]:
    """Every process whose command line names the sandbox's folder."""
    result = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if str(directory).encode() in (entry / "cmdline").read_bytes():
                    result.append(int(entry.name))
            except OSError:
                continue  # ended while we looked
    return result


@pytest.fixture
def child(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds a sandbox in `tmp_path`, already up."""
    with subprocess.Popen(
        [sys.executable, "-c", STARTS_ONE, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert set(json.loads(process.stdout.readline())) == {"etcd", "kube-apiserver", "kube-controller-manager"}
        yield process
        process.kill()


def test_two_side_by_side_and_a_clean_end(shared_sandbox: Sandbox, tmp_path: Path) -> None:
    with Sandbox.up(root=tmp_path, **SMALL) as second:  # type: ignore[arg-type]
        assert second.url != shared_sandbox.url
        name = {"metadata": {"name": "only-here"}}
        second.connection().request("POST", "/api/v1/namespaces", name)
        assert found(shared_sandbox, "/api/v1/namespaces/only-here") is None
        second.restart("etcd")
        eventually(lambda: second.connection().answer("GET", "/readyz")[0] == 200)
        second.restart("kube-apiserver")
        assert found(second, "/api/v1/namespaces/only-here")
        eventually(lambda: len(processes_of(tmp_path)) == 4)  # the controller-manager too: it may give up meanwhile
        assert all(file.stat().st_mode & 0o077 == 0 for file in (second.directory / "pki").iterdir())
        assert second.kubeconfig.stat().st_mode & 0o077 == 0
        assert second.audit_log.stat().st_mode & 0o077 == 0
    assert processes_of(tmp_path) == []
    assert not second.directory.exists()
    second.down()  # once more does nothing


def test_nothing_listens_beyond_loopback(shared_sandbox: Sandbox) -> None:
    sockets = set()
    for component in shared_sandbox.status().values():
        for handle in Path(f"/proc/{component['pid']}/fd").iterdir():
            target = os.readlink(handle)
            if target.startswith("socket:["):
                sockets.add(target.removeprefix("socket:[").removesuffix("]"))
    listening = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == "0A" and rest[5] in sockets:
                listening.append(local.partition(":")[0])
    assert listening
    assert set(listening) == {"0100007F"}


def test_the_parents_death_ends_everything(child: subprocess.Popen[str], tmp_path: Path) -> None:
    assert len(processes_of(tmp_path)) == 5  # with the parent
    child.kill()
    child.wait()
    eventually(lambda: not processes_of(tmp_path))
    eventually(lambda: not (tmp_path / "default").exists())  # keys and data too


def test_the_supervisors_death_ends_everything(child: subprocess.Popen[str], tmp_path: Path) -> None:
    owner = json.loads((tmp_path / "default" / "supervisor.json").read_text())
    assert Identity(**owner).kill(signal.SIGKILL)
    eventually(lambda: processes_of(tmp_path) == [child.pid])
    with pytest.raises(SandboxError, match="not running"):
        Sandbox.attach(root=tmp_path)
    with Sandbox.up(root=tmp_path, **SMALL) as again:  # type: ignore[arg-type]  # over the remains
        assert found(again, "/api/v1/namespaces/default")


def test_a_component_that_fails_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = script(tmp_path / "etcd", "echo cannot open the database >&2; exit 7")
    monkeypatch.setenv("TEST_ASSET_ETCD", str(bad))
    monkeypatch.setenv("TEST_ASSET_KUBE_APISERVER", str(bad))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    with pytest.raises(SandboxError, match=r"etcd ended with exit code 7(?s:.*)cannot open the database(?s:.*)Next:"):
        Sandbox.up(root=tmp_path / "state")
    assert processes_of(tmp_path) == []
    assert (tmp_path / "state/default/logs/etcd.log").exists()
    assert remove("default", tmp_path / "state")


def test_a_stale_pid_file_kills_no_other_process(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "600"]) as other:
        real = Identity.of(other.pid)
        assert real is not None
        for stale in (vars(real) | {"started": real.started - 1}, vars(real) | {"boot": "another"}):
            directory = tmp_path / "default"
            directory.mkdir()
            (directory / "sandbox.json").write_text('{"name": "default", "ports": [1, 2, 3]}')
            (directory / "supervisor.json").write_text(json.dumps(stale))
            assert remove("default", tmp_path)
            assert not directory.exists()
            assert other.poll() is None
        assert not Identity(**(vars(real) | {"started": 1})).kill(signal.SIGKILL)
        assert real.kill(signal.SIGKILL)


def test_a_folder_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    precious = tmp_path / "default" / "thesis.txt"
    precious.parent.mkdir()
    precious.write_text("years of work")
    with pytest.raises(SandboxError, match="not a sandbox's"):
        Sandbox.up(root=tmp_path, **SMALL)  # type: ignore[arg-type]
    assert not remove("default", tmp_path)
    assert precious.exists()
    with pytest.raises(SandboxError, match="not a valid name for a sandbox"):
        Sandbox.up(root=tmp_path, name="../escape")
