"""`outfitter demo` in memory and on a control plane; interrupted, it leaves no processes and files."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from outfitter_sandbox.processes import bound_command

from .conftest import EXAMPLES, MODULE, ROOT, Invoke, eventually

LINES = (
    r"30 objects are ready",
    r"Service team-a/alice, uid \S+: created \d+ ms later",
    r"nvcr.io/nvidia/pytorch:26.09-py3: restored \d+ ms later",
    r"Environment torch was edited: generation 1 is in use, generation 2 is the newest",
    r"its pod is unchanged",
    r"a new pod runs nvcr.io/nvidia/pytorch:26.09-py3-next, and the workload is not outdated",
    r"DataSource dataset-index: imposed by outfitter-system/research-notebooks \(department research\)",
    r"WorkloadPolicy team-a/own: compute.gpuDevicesRequest has no effect",
    r"the department's rule stands: compute.gpuDevicesRequest, max 2",
    r"3 is more than",
    r"its pod has the label example.com/cost-center=research",
    r"its pod mounts /etc/datasets of the imposed DataSource dataset-index",
    r"Workspace team-a/alice keeps its GPU: the same pod",
    r"a restart is refused: compute.gpuDevicesRequest: 1 is more than 0",
    r"and its pod still runs",
    r"Artifact team-a/llama is version 1 of llama; its pod did not restart",
    r"Inference team-a/llama-chat runs it at http://llama-chat.team-a.svc:8000",
    r"2 users, downloaded once",
    r"Artifact team-a/llama-next, a clone with image \S+-next, is version 2",
    r"after:   nvcr.io/nim/meta/llama-3.1-8b-instruct:1.8.4-next, with the model of its image",
    r"35 objects deleted; 0 of their \d+ child objects are orphans",
    r"kept, because it holds data: PersistentVolumeClaim team-a/imagenet",
    r"\nNext\n",
)
LINES_WITH_REAL_PODS = (
    r"a real node: kubelet, kube-scheduler, kube-proxy, containerd, runc, CoreDNS",
    r"\d+ image names on its node, all small test programs",
    r"30 objects are ready",
    r"GET http://jupyter.team-a.svc:8888/  from pod alice-0",
    r'200 OK  \{"host": "jupyter-0", .*"asked": "jupyter.team-a.svc:8888"\}',
    r"inside alice-0: user 1000, groups 10, 20, .*capabilities none, seccomp filter, in /workspace, nvidia.com/gpu: 1",
    r"registry.example.com/wrong:1",
    r"child objects are orphans",
)


def check_output(text: str) -> None:
    check_in_order(LINES, text)


def check_in_order(patterns: Sequence[str], text: str) -> None:
    position = 0
    for pattern in patterns:
        match = re.compile(pattern).search(text, position)
        assert match, f"{pattern!r} is missing, or out of order, in\n{text}"
        position = match.end()


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(folder)}


def marked(folder: Path) -> list[str]:
    """Processes that have the folder in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line:
            found.append(line)
    return found


def test_the_demo_in_memory(invoke: Invoke) -> None:
    seen = invoke("demo", "--in-memory", "--examples", EXAMPLES)
    assert seen.exit_code == 0, seen.output
    check_output(seen.stdout)


def test_without_a_control_plane_it_runs_in_memory(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    seen = invoke("demo", "--examples", EXAMPLES)
    assert seen.exit_code == 0, seen.output
    assert "A control plane does not start: " in seen.stdout
    check_output(seen.stdout)


def test_missing_and_invalid_examples(invoke: Invoke, tmp_path: Path) -> None:
    absent = invoke("demo", "--examples", tmp_path / "none")
    assert (absent.exit_code, "Run this in a checkout" in absent.stderr) == (2, True)
    (tmp_path / "a.yaml").write_text(
        "apiVersion: outfitter.dev/v1alpha1\nkind: Workspace\nmetadata: {name: a}\nspec: {imge: x}\n"
    )
    wrong = invoke("demo", "--examples", tmp_path)
    assert (wrong.exit_code, "spec.imge: The field is unknown." in wrong.stderr) == (2, True)


def test_an_object_that_does_not_become_ready_fails_the_demo_with_the_reason(invoke: Invoke, tmp_path: Path) -> None:
    head = "apiVersion: outfitter.dev/v1alpha1\nkind: Workspace\nmetadata: {name: a}\n"
    (tmp_path / "a.yaml").write_text(head + "spec: {assets: {environment: {name: nowhere}}}\n")
    seen = invoke("demo", "--in-memory", "--examples", tmp_path)
    assert seen.exit_code == 1
    assert "The demo failed: all examples are ready: did not happen" in seen.stdout
    assert "Environment nowhere does not exist in namespace default" in seen.stdout


@pytest.mark.cluster
@pytest.mark.parametrize(
    "node", ["simulated", pytest.param("real", marks=[pytest.mark.realnode, pytest.mark.timeout(900)])]
)
def test_the_demo_on_a_control_plane_leaves_nothing_behind(tmp_path: Path, node: str) -> None:
    command = bound_command([*MODULE, "demo", "--node", node], os.getpid())
    seen = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=800, cwd=ROOT, env=environment(tmp_path)
    )
    assert seen.returncode == 0, seen.stdout + seen.stderr
    assert "grants to system:serviceaccount:outfitter-system:outfitter" in seen.stdout
    check_output(seen.stdout)
    if node == "real":
        check_in_order(LINES_WITH_REAL_PODS, seen.stdout)
    else:
        assert "A notebook answers over HTTP" not in seen.stdout  # no container runs that could answer
    assert marked(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.cluster
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_interrupted_it_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    out = tmp_path / "out"
    folder = tmp_path / "temporary"
    folder.mkdir()
    with out.open("w") as file:
        command = bound_command([*MODULE, "demo", "--node", "simulated"], os.getpid())
        env = environment(folder) | {"PYTHONUNBUFFERED": "1"}
        demo = subprocess.Popen(command, stdout=file, stderr=file, cwd=ROOT, env=env, start_new_session=True)
        try:
            eventually(lambda: "Apply the examples and watch" in out.read_text(), out.read_text)
            assert marked(folder)
            demo.send_signal(number)
            assert demo.wait(60) == 130, out.read_text()
        finally:
            demo.kill()
            demo.wait()
    assert "nothing is left running" in out.read_text()
    assert "Traceback" not in out.read_text()
    assert marked(folder) == []
    assert list(folder.iterdir()) == []
