"""Images built in real pods: by Artifacts with the chart's daemon, and by the script alone with a daemon of its own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

from integration.harness.client import Object, eventually
from integration.harness.process import OUTFITTER
from outfitter.observe import Built, Failed, built
from outfitter.reasons import Reason
from outfitter.snapshot import CachedObject

from .conftest import RESTRICTED as RESTRICTED_SPACE
from .conftest import Stage
from .harness import data
from .harness.builds import NAMESPACE, PASSWORD, Builders, builders
from .harness.data import Sources
from .harness.images import BUILDER_IMAGE, DATA_NAMESPACES, DATA_SERVER
from .harness.team import Team

pytestmark = [pytest.mark.build_images, pytest.mark.data_images]
SCRIPT = (files("outfitter.render") / "scripts" / "build.sh").read_text(encoding="utf-8")
SHELL = 'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "--install", "-s", "/bin"]\n'
PAGE = f'{SHELL}RUN echo hello >/index.html && chown 5:5 /index.html\nUSER 1000\nCMD ["cat", "/index.html"]\n'
SERVER = f"""{SHELL}RUN mkdir /www && echo "built by step" >/www/index.html && chown -R 5:5 /www
USER 1000
CMD ["httpd", "-f", "-p", "8080", "-h", "/www"]
"""
RESTRICTED = {"runAsUser": 65532, "runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
NESTED = {"procMount": "Unmasked", "capabilities": {"drop": ["ALL"], "add": ["SETFCAP", "SETGID", "SETUID"]}}
BASELINE = {"pod-security.kubernetes.io/enforce": "baseline"}
SECONDS = 240.0


@pytest.fixture(scope="module")
def found(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Builders]:
    folder: Path = tmp_path_factory.mktemp("builders")
    with builders(stage.api, stage.cluster, stage.release, NAMESPACE, folder) as found:
        yield found


@pytest.fixture(scope="module")
def sources(stage: Stage) -> Iterator[Sources]:
    with data.sources(stage.api, stage.cluster.connection(), DATA_NAMESPACES[3], RESTRICTED_SPACE) as sources:
        sources.server.repository("scorer", f"cp /bin/busybox busybox; cat >Dockerfile <<'END'\n{SERVER}END")
        yield sources


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


def credentials(team: Team, found: Builders, sources: Sources, password: str = PASSWORD) -> Object:
    """Those of a project that builds: for the source, the registry and the daemon. Returns that for the registry."""
    found.login(team, password=password)
    found.client(team, "buildkit-client")
    team.make("Credential", "registry", {"type": "dockerRegistry", "secretRef": {"name": "registry-login"}})
    team.make("Credential", "buildkit", {"type": "genericSecret", "secretRef": {"name": "buildkit-client"}})
    sources.login(team)
    for name in ("registry", "buildkit", "login"):
        team.ready("Credential", name)
    return {"name": "registry"}


def artifact(team: Team, found: Builders, sources: Sources, **spec: Any) -> None:
    """An Artifact from the repository, and a ConfigMap of another one on top of it."""
    git = {"url": f"https://{sources.server.git}/scorer.git", "revision": "main", "credential": {"name": "login"}}
    config = {"codeRef": {"git": git}, "credential": {"name": "registry"}}
    probe = {"path": "/index.html", "port": 8080, "initialDelaySeconds": 0, "periodSeconds": 1}
    container = {
        "port": 8080, "imageUri": f"{found.host}/{team.name}/scorer", "imageBuildConfig": config,
        "readinessProbe": probe,
    }  # fmt: skip
    team.make("Artifact", "scorer", {"containerGroups": [{"containers": [container]}], **spec})


def test_from_a_repository_to_an_answer(
    team: Team, found: Builders, sources: Sources, say: Callable[[str], None]
) -> None:
    """The lock builds the image, the version keeps its digest, an Inference pulls and serves it."""
    credentials(team, found, sources)
    artifact(team, found, sources, locked=True)
    item = team.wait(
        "Artifact", "scorer", lambda item: item["status"].get("phase") in ("Locked", "LockFailed"), SECONDS
    )
    assert item["status"]["phase"] == "Locked", item["status"]
    (done,) = team.list("ImageBuild")
    status = done["status"]
    assert status["revision"] == sources.server.sh("git -C work/scorer rev-parse HEAD")
    (row,) = item["status"]["containerGroups"][0]["containers"]
    assert row["image"] == status["image"]
    assert status["image"].startswith(f"{found.host}/{team.name}/scorer@sha256:")
    seconds = (when(status["finishedAt"]) - when(status["startedAt"])).total_seconds()
    say(f"build of a Dockerfile with steps from a repository, by the chart's daemon: {seconds:.0f} s")
    team.make("Inference", "serving", {"artifact": {"name": "scorer"}})
    team.ready("Inference", "serving", SECONDS)
    assert team.http("serving", 8080, "/index.html") == "built by step\n"


def test_a_push_that_is_refused(team: Team, found: Builders, sources: Sources) -> None:
    """With the reason in the status of both, and without the password."""
    credentials(team, found, sources, password="not-this-one")
    artifact(team, found, sources, buildRequest=1)
    team.wait("Artifact", "scorer", lambda item: "BuildFailed" in str(item["status"].get("issues")), SECONDS)
    (failed,) = team.list("ImageBuild")
    assert failed["status"]["failure"]["reason"] == "LoginRejected"
    assert "not-this-one" not in str(failed)


def test_a_build_that_is_cancelled(team: Team, found: Builders, sources: Sources) -> None:
    """Its pod ends, and nothing is pushed."""
    credentials(team, found, sources)
    sources.server.repository("slow", f"cp /bin/busybox busybox; cat >Dockerfile <<'END'\n{SHELL}RUN sleep 300\nEND")
    artifact(team, found, sources)
    git = {"url": f"https://{sources.server.git}/slow.git", "credential": {"name": "login"}}
    config = {"codeRef": {"git": git}, "credential": {"name": "registry"}}
    groups = [
        {"containers": [{"port": 8080, "imageUri": f"{found.host}/{team.name}/slow", "imageBuildConfig": config}]}
    ]
    team.make("Artifact", "slow", {"containerGroups": groups})
    team.make("ImageBuild", "slow", {"artifact": {"name": "slow"}})
    team.wait("ImageBuild", "slow", lambda item: item["status"].get("state") == "IN_PROGRESS", SECONDS)
    team.spec("ImageBuild", "slow", cancel=True)
    team.wait("ImageBuild", "slow", lambda item: item["status"].get("state") == "CANCELLED", SECONDS)
    eventually(lambda: team.pods("slow"), lambda pods: pods == [], SECONDS)


def test_without_a_daemon(
    teams: Any, found: Builders, stage: Stage, say: Callable[[str], None], tmp_path: Path
) -> None:
    """The Job that an operator with this backend makes, in a Namespace at level baseline: a generated Dockerfile."""
    team: Team = teams(restricted=False, elevation=True)
    team.api.patch("Namespace", "", team.name, {"metadata": {"labels": BASELINE}})
    found.login(team)
    build(team, found, "base", SHELL, daemon=False)
    base = result(team, "base")
    assert isinstance(base, Built), base
    team.native("ConfigMap", "code", data={"page": "from a ConfigMap"})
    team.make("Credential", "registry", {"type": "dockerRegistry", "secretRef": {"name": "registry-login"}})
    team.ready("Credential", "registry")
    job = rendered_job(team, found, f"{found.host}/{team.name}/base@{base.digest}", tmp_path)
    team.native("Job", "generated", spec=job["spec"])
    started = eventually(lambda: team.need("Job", "generated"), ended, SECONDS)
    (pod,) = team.list("Pod", labelSelector="batch.kubernetes.io/job-name=generated")
    answer = built(CachedObject.of(pod))
    assert isinstance(answer, Built), (answer, started["status"])
    seconds = (when(started["status"]["completionTime"]) - when(started["status"]["startTime"])).total_seconds()
    say(f"build of a generated Dockerfile without a daemon: {seconds:.0f} s")
    assert output(team, f"{found.host}/{team.name}/generated@{answer.digest}") == "from a ConfigMap"


def rendered_job(team: Team, found: Builders, base: str, folder: Path) -> Object:
    """The Job of an ImageBuild, as `outfitter render` prints it."""
    config = {
        "codeRef": {"configMap": {"name": "code"}}, "credential": {"name": "registry"},
        "dockerfile": {"type": "generated", "environment": {"name": "base"}, "entrypoint": ["cat", "/opt/code/page"]},
    }  # fmt: skip
    container = {"port": 8080, "imageUri": f"{found.host}/{team.name}/generated", "imageBuildConfig": config}
    labels = {"outfitter.dev/project": team.name, "outfitter.dev/elevation": "allowed"}

    def ours(kind: str, name: str, spec: Object) -> Object:
        meta = {"name": name, "namespace": team.name}
        return {"apiVersion": "outfitter.dev/v1alpha1", "kind": kind, "metadata": meta, "spec": spec}

    objects = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": team.name, "labels": labels}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "code", "namespace": team.name},
         "data": {"page": ""}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "registry-login", "namespace": team.name},
         "type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "eyJhdXRocyI6e319"}},
        ours("Credential", "registry", {"type": "dockerRegistry", "secretRef": {"name": "registry-login"}}),
        ours("Environment", "base", {"image": base}),
        ours("Artifact", "app", {"containerGroups": [{"containers": [container]}]}),
        ours("ImageBuild", "generated", {"artifact": {"name": "app"}}),
    ]  # fmt: skip
    file = folder / "objects.yaml"
    file.write_text(yaml.safe_dump_all(objects))
    settings = {
        "OUTFITTER_BUILD_BACKEND": "daemonless", "OUTFITTER_BUILD_IMAGE": BUILDER_IMAGE,
        "OUTFITTER_REGISTRY_HOSTS": json.dumps({found.host: {"plainHttp": True}}),
    }  # fmt: skip
    command = [str(OUTFITTER), "render", "-f", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **settings})
    (job,) = (item for item in yaml.safe_load_all(done.stdout) if item and item["kind"] == "Job")
    return job  # type: ignore[no-any-return]


def ended(job: Object) -> bool:
    conditions = job["status"].get("conditions", ())
    return "completionTime" in job["status"] or any(each["type"] == "Failed" for each in conditions)


def when(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
