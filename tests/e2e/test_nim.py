"""A model microservice: downloaded once by a real Job, shared by all that run its image, a wrong key told."""

from __future__ import annotations

from typing import Any

from integration.harness.client import condition

from .harness.images import KEY, PICKY_NIM, SLOW_NIM
from .harness.team import Team

PORT = 8000


def with_key(team: Team, key: str = KEY) -> None:
    team.secret("ngc-key", NGC_API_KEY=key)
    team.make("Credential", "ngc", {"type": "ngcApiKey", "secretRef": {"name": "ngc-key"}})


def artifact(image: str, mode: str = "nimCache") -> dict[str, Any]:
    variable = {"name": "NGC_API_KEY", "source": "credential", "credential": {"name": "ngc", "key": "NGC_API_KEY"}}
    group = {"containers": [{"imageUri": image, "port": PORT, "environmentVars": [variable]}]}
    return {"type": "nim", "containerGroups": [group], "storage": {"mode": mode}, "run": {"replicas": 1}}


def test_a_model_is_downloaded_once_and_shared(team: Team) -> None:
    with_key(team)
    team.make("Artifact", "llama", artifact(SLOW_NIM))
    seen = team.ready("Artifact", "llama", 240)
    cache = seen["status"]["nimCache"]
    assert cache["phase"] == "Ready"
    assert "ready" in str(team.http("llama", PORT, "/v1/health/ready")).lower()
    filled = team.need("NimCache", cache["name"])
    assert filled["status"]["attempts"] == 0
    jobs = len(team.list("Job"))
    team.make("Artifact", "second", artifact(SLOW_NIM))
    again = team.ready("Artifact", "second", 240)
    assert again["status"]["nimCache"]["claimName"] == cache["claimName"]
    team.wait("NimCache", cache["name"], lambda item: item["status"]["usedBy"]["total"] == 2)
    assert team.need("NimCache", cache["name"])["status"]["completedAt"] == filled["status"]["completedAt"]
    assert len(team.list("Job")) <= jobs
    team.http("second", PORT, "/v1/models")


def test_a_wrong_key_is_told_and_a_right_one_taken_up(team: Team) -> None:
    with_key(team, "some-other-key")
    team.make("Artifact", "picky", artifact(PICKY_NIM))
    cache = team.wait("Artifact", "picky", lambda item: item["status"]["nimCache"]["name"])["status"]["nimCache"][
        "name"
    ]
    failed = team.wait("NimCache", cache, lambda item: item["status"]["failure"]["reason"] == "KeyRejected", 240)
    assert "rejected the key" in failed["status"]["failure"]["message"]
    assert condition(failed, "Ready")["status"] == "False"
    assert "some-other-key" not in str(failed["status"])
    team.edit("Secret", "ngc-key", {"stringData": {"NGC_API_KEY": KEY}})
    team.wait("NimCache", cache, lambda item: item["status"]["phase"] == "Ready", 240)
    team.ready("Artifact", "picky", 240)
