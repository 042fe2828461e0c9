"""Programs that really end: their number, their last words, their memory, and stops in the middle."""

from __future__ import annotations

from typing import Any

from integration.harness.client import Object, condition, message

from .harness.images import WEB
from .harness.team import Team


def phase(item: Object) -> str:
    return str(item["status"].get("phase"))


def training(team: Team, name: str, command: str, **spec: Any) -> None:
    team.make("Training", name, {"image": WEB, "command": command, **spec})


def test_to_the_end_with_their_numbers(team: Team) -> None:
    """Each pod reads its number; the pods stay for their logs, and nothing runs again."""
    training(team, "sweep", "env JOB_COMPLETION_INDEX", completions=3, parallelism=2)
    item = team.wait("Training", "sweep", lambda item: phase(item) == "Completed")
    assert item["status"]["progress"] == {"completions": 3, "active": 0, "succeeded": 3, "failed": 0}
    pods = team.pods("sweep")
    numbers = [pod["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"] for pod in pods]
    assert sorted(numbers) == ["0", "1", "2"]
    assert {pod["status"]["phase"] for pod in pods} == {"Succeeded"}


def test_the_last_words_of_a_program(team: Team) -> None:
    training(team, "t", "exit 3 'no such file: data.bin'", backoffLimit=1)
    item = team.wait("Training", "t", lambda item: phase(item) == "Failed")
    assert condition(item, "Stalled")["status"] == "True"
    assert "ended with exit code 3" in message(item)
    assert "no such file: data.bin" in message(item)
    assert item["status"]["progress"]["failed"] == 2


def test_stopped_in_the_middle(team: Team) -> None:
    """The pod ends, the Job stays, and a start lets it go on to its end."""
    training(team, "t", "sleep 3600")
    team.wait("Training", "t", lambda item: phase(item) == "Running")
    uid = team.need("Job", "t")["metadata"]["uid"]
    team.spec("Training", "t", suspend=True)
    team.wait("Training", "t", lambda item: phase(item) == "Stopped")
    assert team.pods("t") == []
    assert team.need("Job", "t")["metadata"]["uid"] == uid
    team.spec("Training", "t", suspend=False, command="sleep 1")
    item = team.wait("Training", "t", lambda item: phase(item) == "Completed")
    assert item["status"]["run"]["uid"] != uid
