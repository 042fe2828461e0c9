"""What a workload says is what its container sees, looked at from inside."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from .harness.images import WEB
from .harness.team import Team


def identity(team: Team, workload: str = "box") -> Any:
    return json.loads(team.output(team.pod(workload), "id"))


def test_variables_and_files(team: Team) -> None:
    team.secret("keys", id="the-id", secret="the-secret")
    team.secret("login", user="robot", pw="hush")
    team.native("ConfigMap", "settings", data={"mode": "fast", "more.ini": "a=1"})
    team.make("Credential", "bucket", {
        "type": "accessKey", "secretRef": {"name": "keys"}, "keys": {"AccessKeyId": "id", "SecretKey": "secret"},
    })  # fmt: skip
    team.make("DataSource", "config", {"configMapVolume": {"configMap": "settings", "mountPath": "/config"}})
    team.make("Environment", "base", {"image": WEB, "environmentVariables": [
        {"name": "GREETING", "value": "hello there"},
        {"name": "DROPPED", "value": "x"},
        {"name": "KEY_ID", "credential": {"name": "bucket", "key": "AccessKeyId"}},
        {"name": "MODE", "configMap": {"name": "settings", "key": "mode"}},
        {"name": "WHERE", "podFieldRef": {"path": "metadata.namespace"}},
    ]})  # fmt: skip
    team.running("box", assets={"environment": {"name": "base"}, "dataSources": [{"name": "config"}]}, image=None,
        environmentVariables=[
            {"name": "DROPPED", "exclude": True},
            {"name": "LOGIN", "secret": {"name": "login", "key": "user"}},
            {"name": "BOTH", "value": "$(GREETING)!"},
        ],
    )  # fmt: skip
    pod = team.pod("box")
    values = team.output(pod, "env", "GREETING", "KEY_ID", "MODE", "WHERE", "LOGIN", "BOTH").splitlines()
    assert values == ["hello there", "the-id", "fast", team.name, "robot", "hello there!"]
    assert team.run(pod, "env", "DROPPED").code == 1
    assert team.output(pod, "cat", "/config/mode") == "fast"
    assert team.output(pod, "cat", "/config/more.ini") == "a=1"
    names = {line.partition("=")[0] for line in team.output(pod, "env").splitlines()}
    assert not [name for name in names if name.endswith("_SERVICE_HOST") and not name.startswith("KUBERNETES")]
    assert team.run(pod, "ls", "/var/run/secrets/kubernetes.io/serviceaccount").code == 1  # no token


def test_user_groups_home_and_working_directory(team: Team) -> None:
    security = {"uidGidSource": "custom", "runAsUid": 1234, "runAsGid": 2345, "supplementalGroups": "10,20"}
    team.running("box", image=WEB, security=security, createHomeDir=True, workingDir="/tmp")
    seen = identity(team)
    assert (seen["uid"], seen["gid"]) == (1234, 2345)
    assert {10, 20} <= set(seen["groups"])
    assert (seen["effective"], seen["bounding"], seen["noNewPrivileges"]) == ([], [], True)
    assert (seen["seccomp"], seen["directory"]) == ("filter", "/tmp")
    pod = team.pod("box")
    team.output(pod, "write", f"{seen['home']}/note", "mine")
    assert team.output(pod, "cat", f"{seen['home']}/note") == "mine"
    assert " 1234 2345 " in team.output(pod, "ls", f"{seen['home']}/note")


def test_a_read_only_root_and_memory_for_shared_data(team: Team) -> None:
    compute = {"cpuMemoryRequest": "64Mi", "cpuMemoryLimit": "256Mi", "largeShmRequest": True}
    team.running("box", image=WEB, security={"readOnlyRootFilesystem": True}, compute=compute, createHomeDir=True)
    pod = team.pod("box")
    refused = team.run(pod, "write", "/x", "no")
    assert refused.code == 1
    assert "read-only" in refused.err
    for folder in ("/tmp", identity(team)["home"]):
        team.output(pod, "write", f"{folder}/x", "yes")
    (shared,) = json.loads(team.output(pod, "mounts", "/dev/shm"))
    assert (shared["path"], shared["type"]) == ("/dev/shm", "tmpfs")
    assert shared["bytes"] > 64 << 20  # what a container gets without asking
    team.output(pod, "fill", "/dev/shm/much", "100")


def test_capabilities_only_where_an_admin_allowed_them(teams: Callable[..., Team]) -> None:
    spec = {"image": WEB, "security": {"capabilities": ["SYS_PTRACE"]}}
    plain = teams()
    plain.make("Workspace", "box", spec)
    refused = plain.wait("Workspace", "box", lambda item: item["status"]["conditions"][0]["status"] == "False")
    assert "elevation" in json.dumps(refused["status"]["conditions"])
    assert plain.pods("box") == []
    raised = teams(restricted=False, elevation=True)
    raised.running("box", spec)
    assert identity(raised)["bounding"] == ["SYS_PTRACE"]


def test_root_where_the_namespace_and_the_workload_say_so(teams: Callable[..., Team]) -> None:
    team = teams(restricted=False)
    security = {"uidGidSource": "custom", "runAsUid": 0, "runAsGid": 0, "runAsNonRoot": False}
    team.running("box", image=WEB, security=security)
    seen = identity(team)
    assert (seen["uid"], seen["effective"], seen["noNewPrivileges"]) == (0, [], True)
