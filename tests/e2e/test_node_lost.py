"""The node stops answering and comes back: the status says so, and nothing is lost."""

from __future__ import annotations

import pytest

from integration.harness.client import condition, message

from .conftest import Stage
from .harness.images import WEB
from .harness.team import Team

LONG = 240.0


def test_a_lost_node_is_told_and_pods_go_on_when_it_is_back(stage: Stage, team: Team) -> None:
    if stage.cluster.sandbox is None:
        pytest.skip("only the kubelet of our own node can be stopped")
    team.running("box", image=WEB)
    before = team.lives()
    stage.cluster.sandbox.stop_component("kubelet")
    try:
        lost = team.wait("Workspace", "box", lambda item: condition(item, "Ready")["reason"] == "NodeLost", LONG)
        assert condition(lost, "Ready")["status"] == "False"
        assert "box-0" in message(lost)
        assert "node" in message(lost)
    finally:
        stage.cluster.sandbox.start_component("kubelet")
    team.ready("Workspace", "box", LONG)
    assert team.lives() == before
