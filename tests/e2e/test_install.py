"""The thinnest path: the chart is installed, a Workspace runs in a real pod and answers."""

from __future__ import annotations

import json

from .conftest import SYSTEM, Stage
from .harness.images import WEB
from .harness.team import Team


def test_the_operator_runs_as_the_chart_says(stage: Stage) -> None:
    (pod,) = stage.operators()
    spec, (container,) = pod["spec"], pod["status"]["containerStatuses"]
    assert (container["ready"], container["restartCount"]) == (True, 0)
    assert spec["serviceAccountName"] == "outfitter"
    assert spec["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
    labels = stage.api.need("Namespace", "", SYSTEM)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert stage.leader().startswith(pod["metadata"]["name"])


def test_a_workspace_runs_and_answers(team: Team) -> None:
    made = team.running("box", image=WEB)
    assert (made["status"]["phase"], made["status"]["readyReplicas"]) == ("Running", 1)
    assert json.loads(team.output(team.pod("box"), "id"))["uid"] != 0
