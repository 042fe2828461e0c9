"""The thinnest path: the chart is installed, a Workspace runs in a real pod and answers."""

from __future__ import annotations

import json
import subprocess

from integration.harness.process import OUTFITTER

from .conftest import SYSTEM, Stage
from .harness.images import WEB
from .harness.team import SECONDS, Team


def test_the_operator_runs_as_the_chart_says(stage: Stage) -> None:
    (pod,) = stage.operators()
    spec, (container,) = pod["spec"], pod["status"]["containerStatuses"]
    assert (container["ready"], container["restartCount"]) == (True, 0)
    assert spec["serviceAccountName"] == "outfitter"
    assert spec["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
    labels = stage.api.need("Namespace", "", SYSTEM)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert stage.leader().startswith(pod["metadata"]["name"])


def test_check_finds_no_problem(stage: Stage) -> None:
    """The release of Helm is complete, of the version of the command, and has its rights. The node has no Ingress."""
    seen = _outfitter(stage, "check", "-o", "json")
    checks = json.loads(seen.stdout)["checks"]
    assert [row["message"] for row in checks if row["state"] == "problem" and row["check"] != "ingress"] == []
    assert {"operator", "versions", "crds"} <= {row["check"] for row in checks if row["state"] == "ok"}


def test_a_workspace_runs_and_answers(stage: Stage, team: Team) -> None:
    made = team.running("box", image=WEB)
    assert (made["status"]["phase"], made["status"]["readyReplicas"]) == ("Running", 1)
    assert json.loads(team.output(team.pod("box"), "id"))["uid"] != 0
    logs = _outfitter(stage, "logs", "workspace/box", "-n", team.name)
    assert (logs.returncode, logs.stdout) == (0, team.log("box-0", "main"))
    assert logs.stdout


def _outfitter(stage: Stage, *words: str) -> subprocess.CompletedProcess[str]:
    command = [str(OUTFITTER), *words, "--kubeconfig", str(stage.cluster.kubeconfig)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
