"""The command `outfitter sandbox`."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from outfitter_sandbox import Sandbox
from outfitter_sandbox.sandbox import remove

from .test_lifecycle import processes_of

COMMAND = [sys.executable, "-c", "from outfitter.cli.app import main; main()", "sandbox"]
SMALL = ["--no-node", "--controllers", "namespace-controller"]


def outfitter(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False)


def test_detached_it_stays_until_down(tmp_path: Path) -> None:
    try:
        up = outfitter("up", "--detach", "--root", tmp_path, *SMALL)
        assert up.returncode == 0, up.stderr
        assert Path(up.stdout.strip()).name == "admin.kubeconfig"
        assert outfitter("status", "--root", tmp_path).returncode == 0
        again = outfitter("up", "--root", tmp_path)
        assert (again.returncode, "running already" in again.stderr) == (1, True)
        with_group = outfitter("kubeconfig", "--root", tmp_path, "--as", "alice", "--group", "devs", "--path")
        assert Path(with_group.stdout.strip()).exists()
        missing = outfitter("kubeconfig", "--root", tmp_path, "--as", "system:serviceaccount:team:builder")
        assert (missing.returncode, "no namespace team" in missing.stderr) == (1, True)
        Sandbox.attach(root=tmp_path).stop_component("kube-controller-manager", kill=True)
        broken = outfitter("status", "--root", tmp_path)
        assert (broken.returncode, "ended with exit code" in broken.stdout) == (3, True)
        assert outfitter("down", "--root", tmp_path).returncode == 0
    finally:
        remove("default", tmp_path)
    assert processes_of(tmp_path) == []
    assert outfitter("status", "--root", tmp_path).returncode == 3


def test_in_the_foreground_a_signal_ends_it(tmp_path: Path) -> None:
    command = [*COMMAND, "up", "--root", str(tmp_path), *SMALL]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip().endswith("admin.kubeconfig")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert not processes_of(tmp_path)
    assert not (tmp_path / "default").exists()


def test_help_has_examples() -> None:
    assert "KUBECONFIG=$(outfitter sandbox up --detach)" in outfitter("--help").stdout
    assert "--as alice --group devs" in outfitter("kubeconfig", "--help").stdout
    assert outfitter("kubeconfig", "--group", "devs").returncode == 2


def test_invalid_node_options(tmp_path: Path) -> None:
    wrong = outfitter("up", "--root", tmp_path, "--node", "imaginary")
    assert (wrong.returncode, "Use one of real, simulated, none" in wrong.stderr) == (1, True)
    assert outfitter("up", "--root", tmp_path, "--node", "none", "--no-node").returncode == 2
    assert outfitter("up", "--root", tmp_path, "--mig", "1g.10gb").returncode == 2
    archive = tmp_path / "image.tar"
    archive.touch()
    useless = outfitter("up", "--root", tmp_path, "--no-node", "--image", archive)
    assert (useless.returncode, "use --node real" in useless.stderr) == (1, True)
    assert not (tmp_path / "default").exists()
