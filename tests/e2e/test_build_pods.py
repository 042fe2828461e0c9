"""The script of builds in hand-written pods: as a client of the chart's daemon, and with a daemon of its own."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from integration.harness.client import Object
from outfitter.observe import Built, Failed, built
from outfitter.reasons import Reason
from outfitter.snapshot import CachedObject

from .conftest import Stage
from .harness.builds import Builders, builders
from .harness.images import BUILDER_IMAGE, DATA_SERVER
from .harness.team import Team

pytestmark = [pytest.mark.build_images, pytest.mark.data_images]
SCRIPT = (files("outfitter.render") / "scripts" / "build.sh").read_text(encoding="utf-8")
SHELL = 'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "--install", "-s", "/bin"]\n'
PAGE = f'{SHELL}RUN echo hello >/index.html && chown 5:5 /index.html\nUSER 1000\nCMD ["cat", "/index.html"]\n'
RESTRICTED = {"runAsUser": 65532, "runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
NESTED = {"procMount": "Unmasked", "capabilities": {"drop": ["ALL"], "add": ["SETFCAP", "SETGID", "SETUID"]}}
BASELINE = {"pod-security.kubernetes.io/enforce": "baseline"}
SECONDS = 240.0


@pytest.fixture(scope="module")
def found(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Builders]:
    folder: Path = tmp_path_factory.mktemp("builders")
    with builders(stage.api, stage.cluster, stage.release, "outfitter-builds", folder) as found:
        yield found


def build(team: Team, found: Builders, name: str, dockerfile: str, *, daemon: bool) -> Object:
    """The pod of a build, whose first container puts busybox into the source."""
    values = {
        "BACKEND": "buildkit" if daemon else "daemonless", "ADDRESS": "", "BUILDKIT": "/outfitter/buildkit",
        "CONTEXT": "/outfitter/source", "CONFIG_MAP": "false", "DOCKERFILE": "", "DOCKERFILE_TEXT": dockerfile,
        "DESTINATION": f"{found.host}/{team.name}/{name}:1", "CACHE": f"{found.host}/{team.name}/{name}:cache",
        "INSECURE": "true", "SCOPE": team.name, "AUTHORITIES": "", "DOCKER": "/outfitter/docker",
        "WORK": "/outfitter/work", "MESSAGE": "/dev/termination-log", "SECONDS": "120",
    }  # fmt: skip
    places = {"source": {"emptyDir": {}}, "work": {"emptyDir": {}}, "docker": _docker()}
    if daemon:
        places["buildkit"] = {"secret": {"secretName": "buildkit"}}
    common: dict[str, Any] = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True}
    container = {
        "name": "build", "image": BUILDER_IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["sh", "-ec", SCRIPT],
        "env": [{"name": f"OUTFITTER_{key}", "value": value.replace("$", "$$")} for key, value in values.items()],
        "volumeMounts": [{"name": place, "mountPath": f"/outfitter/{place}"} for place in places],
        "securityContext": {**common, **({"capabilities": {"drop": ["ALL"]}} if daemon else NESTED)},
    }  # fmt: skip
    source = {
        "name": "source", "image": DATA_SERVER, "imagePullPolicy": "IfNotPresent",
        "command": ["cp", "/bin/busybox", "/outfitter/source/busybox"],
        "volumeMounts": [{"name": "source", "mountPath": "/outfitter/source"}],
        "securityContext": {**common, "capabilities": {"drop": ["ALL"]}},
    }  # fmt: skip
    spec: Object = {
        "initContainers": [source], "containers": [container], "restartPolicy": "Never",
        "volumes": [{"name": place, **volume} for place, volume in places.items()],
        "automountServiceAccountToken": False, "terminationGracePeriodSeconds": 30,
        "securityContext": RESTRICTED if daemon else {"runAsUser": 0},
        **({} if daemon else {"hostUsers": False}),
    }  # fmt: skip
    return team.native("Pod", name, spec=spec)


def _docker() -> Object:
    items = [{"key": ".dockerconfigjson", "path": "config.json"}]
    return {"secret": {"secretName": "registry-login", "items": items}}


def result(team: Team, name: str) -> Built | Failed:
    """The result of the pod of a build, once it has one."""
    pod = team.wait("Pod", name, lambda pod: pod and built(CachedObject.of(pod)) is not None, SECONDS)
    answer = built(CachedObject.of(pod))
    assert answer is not None
    return answer


def output(team: Team, image: str) -> str:
    """The log of a pod with an image of the registry, which the node pulls with the login."""
    container = {
        "name": "main", "image": image,
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }  # fmt: skip
    spec = {
        "containers": [container], "restartPolicy": "Never", "imagePullSecrets": [{"name": "registry-login"}],
        "automountServiceAccountToken": False, "securityContext": {**RESTRICTED, "runAsUser": 1000},
    }  # fmt: skip
    team.native("Pod", "runs", spec=spec)
    team.wait("Pod", "runs", lambda pod: pod["status"].get("phase") in ("Succeeded", "Failed"), SECONDS)
    return team.log("runs", "main")


@pytest.mark.parametrize("daemon", [True, False], ids=["daemon", "daemonless"])
def test_a_dockerfile_with_steps_is_built_pushed_and_run(teams: Any, found: Builders, daemon: bool) -> None:
    """The client fits Pod Security restricted, a daemon of its own fits baseline."""
    team: Team = teams(restricted=daemon)
    if not daemon:
        team.api.patch("Namespace", "", team.name, {"metadata": {"labels": BASELINE}})
    found.login(team)
    found.client(team)
    build(team, found, "app", PAGE, daemon=daemon)
    build(team, found, "broken", f"{SHELL}RUN echo no luck; exit 4\n", daemon=daemon)
    image, failure = result(team, "app"), result(team, "broken")
    assert isinstance(image, Built), image
    assert output(team, f"{found.host}/{team.name}/app@{image.digest}") == "hello\n"
    assert isinstance(failure, Failed)
    assert failure.reason is Reason.BUILD_FAILED
    assert "exit code: 4: no luck" in failure.message


def test_a_build_outlives_its_daemon(team: Team, found: Builders) -> None:
    found.login(team)
    found.client(team)
    build(team, found, "app", f"{SHELL}RUN echo started && sleep 10\n", daemon=True)
    team.wait("Pod", "app", lambda pod: "started" in team.log("app", "build"), SECONDS)
    found.restart_daemon()
    assert isinstance(result(team, "app"), Built), team.log("app", "build")


def test_a_wrong_login_is_named(team: Team, found: Builders) -> None:
    found.login(team, password="wrong")
    found.client(team)
    build(team, found, "app", SHELL, daemon=True)
    failure = result(team, "app")
    assert isinstance(failure, Failed)
    assert failure.reason is Reason.LOGIN_REJECTED
    assert "wrong" not in failure.message + failure.log
