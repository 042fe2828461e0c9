"""Data outlives pods, connections lead to them, stopping and starting loses nothing."""

from __future__ import annotations

import json
import signal
import subprocess
from typing import Any
from urllib.request import urlopen

from integration.harness.client import Object, condition, ready
from integration.harness.process import OUTFITTER

from .conftest import Stage
from .harness.images import WEB, WEB2
from .harness.team import SECONDS, Team

HEALTH = {"readiness": {"periodSeconds": 1, "handler": {"httpGet": {"path": "/health", "port": 8080}}}}
CLAIM: dict[str, Any] = {"pvc": {"path": "/data", "claimInfo": {"size": "1Gi"}}}
FREE = {"uidGidSource": "custom", "runAsUid": 1000, "runAsGid": 1000}


def stopped(item: Object) -> bool:
    return ready(item) and condition(item, "Ready")["reason"] == "Stopped"


def test_data_survives_a_pod_and_its_workspace(team: Team) -> None:
    team.make("DataSource", "data", CLAIM)
    spec = {"assets": {"dataSources": [{"name": "data"}]}, "security": FREE}
    team.running("box", spec, image=WEB)
    team.output(team.pod("box"), "write", "/data/note", "kept")
    before = team.lives("box")
    team.delete("Pod", team.pod("box"))
    team.wait("Pod", "box-0", lambda pod: pod is not None and pod["metadata"]["uid"] != before["box-0"][0])
    team.wait("StatefulSet", "box", lambda item: item["status"].get("readyReplicas") == 1)
    assert team.output("box-0", "cat", "/data/note") == "kept"
    team.delete("Workspace", "box")
    team.gone("StatefulSet", "box")
    team.gone("Pod", "box-0")
    team.running("other", spec, image=WEB)
    assert team.output("other-0", "cat", "/data/note") == "kept"
    team.output("other-0", "write", "/data/note", "again")
    team.delete("Workspace", "other")
    team.gone("Pod", "other-0")
    team.wait("DataSource", "data", lambda item: item["status"]["usedBy"]["total"] == 0)
    team.delete("DataSource", "data")
    team.gone("DataSource", "data")
    assert team.need("PersistentVolumeClaim", "data")["metadata"].get("deletionTimestamp") is None


def test_connections_answer_through_their_services(team: Team, stage: Stage) -> None:
    team.make("Workspace", "box", {"image": WEB, "probes": HEALTH, "connections": [
        {"name": "lab", "toolType": "jupyter-notebook", "connectionType": "ExternalUrl", "containerPort": 8080},
        {"name": "board", "toolType": "tensorboard", "connectionType": "NodePort", "containerPort": 6006},
    ], "args": "serve --port 8080,6006"})  # fmt: skip
    item = team.ready("Workspace", "box")
    found = {each["name"]: each for each in item["status"]["connections"]}
    assert found["lab"]["url"] == f"https://box-lab-{team.name}.apps.example.com"
    for name, port in (("box", 8080), ("box-board", 6006)):
        assert team.http(name, port, "/hello")["host"] == "box-0"
    addresses = {each["address"] for each in team.api.list("Node")[0]["status"]["addresses"]}
    address = next(each for each in sorted(addresses) if each[0].isdigit())
    assert team.http(address, found["board"]["nodePort"])["host"] == "box-0"
    place = ("workspace/box", "-n", team.name, "--kubeconfig", str(stage.cluster.kubeconfig))
    _exec_returns_output_and_exit_code(place)
    _open_answers_on_this_machine(place)


def _exec_returns_output_and_exit_code(place: tuple[str, ...]) -> None:
    """Through the real kubelet and container runtime: streams, exit code, and a program that is not there."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [str(OUTFITTER), "exec", *place, *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS, input="")

    done = run("--", "cat", "/etc/hostname")
    assert (done.returncode, done.stdout, done.stderr) == (0, "box-0\n", "")
    done = run("-i", "--", "exit", "7")
    assert (done.returncode, done.stdout) == (7, ""), done.stderr
    assert "has no shell. Give a command after --." in run().stderr


def _open_answers_on_this_machine(place: tuple[str, ...]) -> None:
    command = [str(OUTFITTER), "open", *place, "--connection", "board", "--local-port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        for path in ("first", "second"):
            with urlopen(f"{url}{path}", timeout=SECONDS) as answer:
                assert json.load(answer)["host"] == "box-0"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, errors


def test_suspend_and_resume(team: Team) -> None:
    team.make("DataSource", "data", CLAIM)
    team.running("box", {"assets": {"dataSources": [{"name": "data"}]}, "security": FREE}, image=WEB)
    team.output("box-0", "write", "/data/note", "slept")
    team.spec("Workspace", "box", suspend=True)
    assert team.wait("Workspace", "box", stopped)["status"]["phase"] == "Stopped"
    team.gone("Pod", "box-0")
    team.spec("Workspace", "box", suspend=False, image=WEB2)
    team.wait("Workspace", "box", lambda item: ready(item) and item["status"]["phase"] == "Running")
    assert team.output("box-0", "cat", "/data/note") == "slept"
    assert team.output("box-0", "env", "WEB_MESSAGE") == "2"
