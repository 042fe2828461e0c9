"""Builds of images: one Job for each source, its result kept, and an Artifact that waits for it."""

from __future__ import annotations

from typing import Any

import pytest
from doors import Deadly, Killed, Refusing

from outfitter.errors import Forbidden
from outfitter.naming import (
    ANNOTATION_BUILD_DESTINATION,
    ANNOTATION_BUILD_SOURCE,
    LABEL_DEPARTMENT,
    LABEL_ELEVATION,
    LABEL_PROJECT,
    image_build,
    short_hash,
)
from outfitter.observe.builds import CODES
from outfitter.observe.fetches import Code
from outfitter.policy.pod_security import violations
from outfitter.simulator.controllers import ended_pod, job_status
from world import SYSTEM, TEAM, World, asset, issues, namespace, reason, secret

GIT = {"git": {"url": "https://git.example.com/research/scorer.git", "revision": "main"}}
ADDRESS = "tcp://buildkitd.builds.svc:1234"
SETTINGS = {"buildkit_address": ADDRESS}
REPOSITORY = "registry.example.com/scorer"
LOGIN = '{"auths": {"registry.example.com": {"auth": "dTpw"}}}'


def container(uri: str = REPOSITORY, code: Any = GIT, **fields: Any) -> dict[str, Any]:
    """A container whose image is built."""
    config = {"codeRef": code} if code else {}
    return {"port": 8080, "imageUri": uri, "imageBuildConfig": config | fields.pop("config", {}), **fields}


def artifact(name: str = "scorer", *containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """An Artifact of containers whose images are built."""
    return asset("Artifact", name, {"containerGroups": [{"containers": list(containers or (container(),))}], **spec})


def build(name: str = "b", of: str = "scorer", **spec: Any) -> dict[str, Any]:
    """An ImageBuild that a user creates."""
    return asset("ImageBuild", name, {"artifact": {"name": of}, **spec})


def image(world: World, name: str = "b", repository: str = REPOSITORY) -> str:
    """The image that the simulated build makes."""
    return f"{repository}@sha256:{short_hash(world.status('ImageBuild', name)['source'], 64)}"


async def test_a_build_runs_once_and_keeps_its_result() -> None:
    world = World(artifact(), build(), settings=SETTINGS)
    await world.settle()
    status = world.status("ImageBuild", "b")
    assert (status["state"], status["image"], reason(status)) == ("COMPLETED", image(world), "Completed")
    assert status["logTail"] == "exporting to image"
    world.cluster.user_delete("Job", TEAM, "b")
    await world.settle()
    assert world.status("ImageBuild", "b") == status
    assert world.all("Job") == []


async def test_an_artifact_uses_what_it_has_built() -> None:
    world = World(artifact(run={}), settings=SETTINGS)
    await world.settle()
    assert reason(world.status("Artifact", "scorer")) == "ImageNotBuilt"
    assert world.all("ImageBuild") == []
    world.edit("Artifact", "scorer", buildRequest=1)
    await world.settle()
    (made,) = world.all("ImageBuild")
    row = world.status("Artifact", "scorer")["containerGroups"][0]["containers"][0]
    wanted = image(world, made["metadata"]["name"])
    assert (row["image"], row["build"]) == (wanted, {"name": made["metadata"]["name"], "state": "COMPLETED"})
    (pod,) = world.get("Deployment", "scorer")["spec"]["template"]["spec"]["containers"]
    assert pod["image"] == wanted


async def test_a_lock_waits_for_its_build_and_the_version_keeps_the_image() -> None:
    world = World(artifact(locked=True), settings=SETTINGS, jobs="Running")
    await world.settle()
    assert world.status("Artifact", "scorer")["phase"] == "Locking"
    (made,) = world.all("ImageBuild")
    name = made["metadata"]["name"]
    assert world.status("Artifact", "scorer")["message"] == f"The Artifact waits for ImageBuild {name} (PENDING)."
    world.controllers.jobs = "Complete"
    await world.settle()
    status = world.status("Artifact", "scorer")
    assert (status["phase"], status["version"]) == ("Locked", 1)
    kept = status["containerGroups"]
    world.cluster.user_delete("ImageBuild", TEAM, name)
    await world.settle()
    (row,) = world.status("Artifact", "scorer")["containerGroups"][0]["containers"]
    assert row["image"] == kept[0]["containers"][0]["image"]
    assert world.all("ImageBuild") == []


async def test_containers_of_one_source_share_a_build() -> None:
    """Another Dockerfile, or another repository to push to, is another source."""
    side = {"name": "side", "imageUri": REPOSITORY, "imageBuildConfig": {"codeRef": GIT}}
    other = side | {"name": "other", "imageBuildConfig": {"codeRef": GIT, "dockerfile": {"path": "other/Dockerfile"}}}
    main = container(primary=True)
    world = World(artifact("scorer", main, side, other, buildRequest=1), settings=SETTINGS)
    await world.settle()
    assert len(world.all("ImageBuild")) == len(world.all("Job")) == 2
    rows = world.status("Artifact", "scorer")["containerGroups"][0]["containers"]
    images = {row["name"]: row["image"] for row in rows}
    assert images["main"] == images["side"] != images["other"]


async def test_a_number_starts_its_builds_once() -> None:
    world = World(artifact(buildRequest=1), settings=SETTINGS)
    await world.settle()
    (first,) = world.all("ImageBuild")
    world.cluster.user_delete("ImageBuild", TEAM, first["metadata"]["name"])
    await world.settle()
    assert world.all("ImageBuild") == []
    world.edit("Artifact", "scorer", buildRequest=2)
    await world.settle()
    (second,) = world.all("ImageBuild")
    assert second["metadata"]["name"] != first["metadata"]["name"]
    assert second["metadata"]["ownerReferences"][0]["name"] == "scorer"


async def test_another_source_needs_another_build() -> None:
    """The image of the old source is not used for the new one, and what runs goes on."""
    world = World(artifact(buildRequest=1, run={}), settings=SETTINGS)
    await world.settle()
    before = world.get("Deployment", "scorer")
    groups = [{"containers": [container(code={"git": {**GIT["git"], "revision": "next"}})]}]
    world.edit("Artifact", "scorer", containerGroups=groups)
    await world.settle()
    assert reason(world.status("Artifact", "scorer")) == "ImageNotBuilt"
    assert world.get("Deployment", "scorer")["spec"] == before["spec"]
    world.edit("Artifact", "scorer", buildRequest=2)
    await world.settle()
    assert reason(world.status("Artifact", "scorer")) != "ImageNotBuilt"
    assert world.get("Deployment", "scorer")["spec"] != before["spec"]


async def test_a_clone_takes_the_image() -> None:
    world = World(artifact(locked=True), settings=SETTINGS)
    await world.settle()
    world.cluster.user_apply(asset("Artifact", "copy", {"cloneFrom": {"name": "scorer"}, "run": {}}))
    await world.settle()
    (pod,) = world.get("Deployment", "copy")["spec"]["template"]["spec"]["containers"]
    assert pod["image"] == world.status("Artifact", "scorer")["containerGroups"][0]["containers"][0]["image"]
    assert len(world.all("ImageBuild")) == 1


async def test_a_failed_build_stops_the_lock_until_it_is_asked_for_again() -> None:
    end = "failed build-failed RUN make: exit code 2\nmake: no rule"
    world = World(artifact(locked=True), settings=SETTINGS, jobs=end)
    await world.settle()
    status = world.status("Artifact", "scorer")
    (made,) = world.all("ImageBuild")
    assert (status["phase"], reason(status)) == ("LockFailed", "BuildFailed")
    assert "exit code 2" in status["message"]
    assert "buildRequest" in status["message"]
    failed = world.status("ImageBuild", made["metadata"]["name"])
    assert (failed["state"], failed["logTail"]) == ("FAILED", "make: no rule")
    world.controllers.jobs = "Complete"
    world.edit("Artifact", "scorer", buildRequest=1)
    await world.settle()
    assert world.status("Artifact", "scorer")["phase"] == "Locked"


@pytest.mark.parametrize("when", ["before", "running", "ended"])
async def test_cancel(when: str) -> None:
    """At each state. A build that has ended stays what it is."""
    world = World(artifact(), build(cancel=True) if when == "before" else build(), settings=SETTINGS, jobs="Running")
    if when == "ended":
        world.controllers.jobs = "Complete"
    await world.settle()
    if when != "before":
        world.edit("ImageBuild", "b", cancel=True)
        await world.settle()
    state = world.status("ImageBuild", "b")["state"]
    assert state == ("COMPLETED" if when == "ended" else "CANCELLED")
    assert len(world.all("Job")) == (1 if when == "ended" else 0)


async def test_a_job_that_is_gone_leaves_no_result() -> None:
    world = World(artifact(), build(), settings=SETTINGS, jobs="Running")
    await world.settle()
    world.cluster.user_delete("Job", TEAM, "b")
    await world.settle()
    status = world.status("ImageBuild", "b")
    assert (status["state"], reason(status)) == ("UNKNOWN", "JobDeleted")
    assert world.all("Job") == []


async def test_a_limited_number_of_builds_at_once() -> None:
    world = World(
        artifact(), *(build(f"b{n:02}") for n in range(30)), settings={**SETTINGS, "builds_at_once": 3}, jobs="Running"
    )
    await world.settle()
    assert len(world.all("Job")) == 3
    waiting = [n for n in range(30) if reason(world.status("ImageBuild", f"b{n:02}")) == "BuildWaits"]
    assert len(waiting) == 27
    world.controllers.jobs = "Complete"
    await world.settle()
    assert all(world.status("ImageBuild", f"b{n:02}")["state"] == "COMPLETED" for n in range(30))


REFUSED: list[tuple[str, dict[str, Any], dict[str, Any], str, str]] = [
    (
        "nim",
        asset(
            "Artifact",
            "scorer",
            {"type": "nim", "containerGroups": [{"containers": [{"imageUri": "nvcr.io/n:1", "port": 8000}]}]},
        ),
        {},
        "NotBuildable",
        "has type nim",
    ),
    (
        "no build",
        asset(
            "Artifact",
            "scorer",
            {"containerGroups": [{"containers": [{"imageUri": "r.example.com/n:1", "port": 8000}]}]},
        ),
        {},
        "NotBuildable",
        "Add it",
    ),
    (
        "no source",
        artifact("scorer", container(code=None)),
        {},
        "InvalidSpec",
        "imageBuildConfig.codeRef: The build has no source",
    ),
    ("absent", artifact("other"), {}, "ReferenceNotFound", "spec.artifact.name: Artifact team-a/scorer does not exist"),
    (
        "two sources",
        artifact("scorer", container(primary=True), {"name": "side", "imageBuildConfig": {"codeRef": GIT}}),
        {},
        "InvalidSpec",
        "Set container to one of default/main, default/side",
    ),
    ("wrong container", artifact(), {"container": {"name": "nope"}}, "InvalidSpec", "one of default/main"),
    (
        "no repository",
        artifact("scorer", {"port": 8080, "imageBuildConfig": {"codeRef": GIT}}),
        {},
        "InvalidSpec",
        "buildRepository",
    ),
    (
        "no claim",
        artifact("scorer", container(code={"pvc": {"claimName": "code"}})),
        {},
        "NotCreated",
        "PersistentVolumeClaim team-a/code does not exist",
    ),
    (
        "no ConfigMap",
        artifact("scorer", container(code={"configMap": {"name": "code"}})),
        {},
        "NotCreated",
        "ConfigMap team-a/code does not exist",
    ),
    (
        "no login",
        artifact("scorer", container(config={"credential": {"name": "push"}})),
        {},
        "ReferenceNotFound",
        "Credential push does not exist",
    ),
    (
        "no environment",
        artifact(
            "scorer",
            container(
                config={"dockerfile": {"type": "generated", "environment": {"name": "base"}, "entrypoint": ["x"]}}
            ),
        ),
        {},
        "ReferenceNotFound",
        "Environment base does not exist",
    ),
]


@pytest.mark.parametrize(("of", "spec", "why", "text"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
async def test_refused(of: dict[str, Any], spec: dict[str, Any], why: str, text: str) -> None:
    """With the field and the remedy, and without a Job."""
    world = World(of, build(**spec), settings=SETTINGS)
    await world.settle()
    status = world.status("ImageBuild", "b")
    assert (reason(status), status["state"]) == (why, "PENDING")
    assert text in status["message"]
    assert world.all("Job") == []


async def test_a_locked_version_is_not_built_again() -> None:
    world = World(artifact(locked=True), settings=SETTINGS)
    await world.settle()
    world.cluster.user_apply(build())
    await world.settle()
    assert reason(world.status("ImageBuild", "b")) == "NotBuildable"


async def test_without_a_backend() -> None:
    world = World(artifact(locked=True), build())
    await world.settle()
    assert reason(world.status("ImageBuild", "b")) == "Unsupported"
    assert "buildBackend" in world.status("ImageBuild", "b")["message"]
    assert issues(world.status("Artifact", "scorer"))[0] == "Unsupported"


async def test_a_login_and_a_tag() -> None:
    """A tag of imageUri is kept; the login of the registry is a file of the build container alone."""
    login = secret("robot", {".dockerconfigjson": LOGIN}, type_="kubernetes.io/dockerconfigjson")
    credential = asset("Credential", "push", {"type": "dockerRegistry", "secretRef": {"name": "robot"}})
    config = {"credential": {"name": "push"}}
    world = World(
        login, credential, artifact("scorer", container(f"{REPOSITORY}:1.0", config=config)), build(), settings=SETTINGS
    )
    await world.settle()
    job = world.get("Job", "b")["spec"]["template"]["spec"]
    (main,) = job["containers"]
    values = {item["name"]: item.get("value") for item in main["env"]}
    assert values["OUTFITTER_DESTINATION"] == f"{REPOSITORY}:1.0"
    assert values["OUTFITTER_CACHE"] == f"{REPOSITORY}:cache"
    assert world.status("ImageBuild", "b")["image"] == image(world)
    mounted = {mount["name"] for mount in main["volumeMounts"]}
    assert "docker" in mounted
    assert all("docker" not in {mount["name"] for mount in init["volumeMounts"]} for init in job["initContainers"])


async def test_the_name_says_source_and_number() -> None:
    assert image_build("a", "k", 1) != image_build("a", "k", 2) != image_build("b", "k", 2)
    assert len(image_build("a" * 63, "k", 1)) == 63


@pytest.mark.parametrize(
    ("settings", "level"),
    [
        (SETTINGS, "restricted"),
        ({"build_backend": "daemonless"}, "baseline"),
        ({"build_backend": "job", "build_template": '{"image": "r.example.com/builder:1"}'}, "restricted"),
    ],
    ids=["buildkit", "daemonless", "job"],
)
async def test_pod_security(settings: dict[str, Any], level: str) -> None:
    """The pod of each backend, with a container that fetches the source, fits its level."""
    labels = {LABEL_PROJECT: TEAM, LABEL_ELEVATION: "allowed"}
    world = World(namespace(TEAM, labels), artifact(), build(), settings=settings, jobs="Running")
    await world.settle()
    template = world.get("Job", "b")["spec"]["template"]
    assert violations({"metadata": {}, **template}, level) == []


async def test_a_builder_that_is_root_needs_the_label() -> None:
    world = World(artifact(), build(), settings={"build_backend": "daemonless"})
    await world.settle()
    assert reason(world.status("ImageBuild", "b")) == "ElevationForbidden"
    assert "procMount Unmasked" in world.status("ImageBuild", "b")["message"]


async def test_the_daemon_of_a_department() -> None:
    """The narrowest Credential of that name counts."""
    keys = dict.fromkeys(("ca.pem", "cert.pem", "key.pem", "address"), "x")
    spec = {"type": "genericSecret", "secretRef": {"name": "tls"}}
    shared = asset("Credential", "buildkit", {**spec, "scope": {"type": "department", "name": "research"}}, SYSTEM)
    labels = {LABEL_PROJECT: TEAM, LABEL_DEPARTMENT: "research"}
    objects = (namespace(TEAM, labels), secret("tls", keys, SYSTEM), shared, artifact(), build())
    world = World(*objects, settings={"buildkit_credential": "buildkit"})
    await world.settle()
    assert world.status("ImageBuild", "b")["state"] == "COMPLETED"
    (main,) = world.get("Job", "b")["spec"]["template"]["spec"]["containers"]
    assert "buildkit" in {mount["name"] for mount in main["volumeMounts"]}


async def test_a_private_login_is_refused() -> None:
    login = secret("robot", {".dockerconfigjson": LOGIN}, type_="kubernetes.io/dockerconfigjson")
    credential = asset(
        "Credential", "push", {"type": "dockerRegistry", "private": True, "secretRef": {"name": "robot"}}
    )
    of = artifact("scorer", container(config={"credential": {"name": "push"}}))
    world = World(login, credential, of, build(), settings=SETTINGS)
    await world.settle()
    assert reason(world.status("ImageBuild", "b")) in ("CredentialForbidden", "NeedsIdentity")
    assert world.all("Job") == []


async def test_old_builds_go_and_the_image_stays() -> None:
    world = World(artifact(), settings=SETTINGS)
    for number in range(1, 14):
        world.edit("Artifact", "scorer", buildRequest=number)
        await world.settle()
        world.tick(60)
    assert len(world.all("ImageBuild")) == 10
    assert "image" in world.status("Artifact", "scorer")["containerGroups"][0]["containers"][0]


async def test_nothing_is_written_at_rest() -> None:
    """Also by a new operator, and after the end of a build."""
    world = World(artifact(locked=True, run={}), build(), settings=SETTINGS)
    await world.settle()
    before = len(world.writes())
    await world.restart()
    await world.settle()
    world.tick(4000)
    await world.settle()
    assert world.writes(before) == []


@pytest.mark.parametrize("answered", [False, True])
async def test_killed_at_every_write(answered: bool) -> None:
    """One Job for each build, whatever was lost."""
    for step in range(1, 30):
        world = World(artifact(locked=True, run={}), settings=SETTINGS)
        door = Deadly(world.cluster, step, answered=answered)
        world.connect(door)
        try:
            await world.settle()
        except Killed:
            await world.restart()
            await world.settle()
        else:
            break
        assert world.status("Artifact", "scorer")["phase"] == "Locked", step
        assert world.status("Artifact", "scorer")["runPhase"] == "Running", step
        assert len(world.all("ImageBuild")) == len(world.all("Job")) == 1, step
    assert step > 6


@pytest.mark.parametrize("row", CODES, ids=lambda row: row.code)
async def test_each_failure_is_told(row: Code) -> None:
    world = World(artifact(), build(), settings=SETTINGS, jobs=f"failed {row.code} some words\nthe log")
    await world.settle()
    status = world.status("ImageBuild", "b")
    assert (status["state"], reason(status), status["logTail"]) == ("FAILED", str(row.reason), "the log")
    assert row.cause in status["message"]
    assert row.remedy in status["message"]


async def test_a_pod_that_is_stopped_from_outside() -> None:
    world = World(artifact(), build(), settings=SETTINGS, jobs="Running")
    await world.settle()
    job = world.get("Job", "b")
    world.cluster.user_apply(ended_pod(job, 143, ""))
    world.cluster.user_replace({**job, "status": job_status("killed", "2026-01-01T00:00:00Z")})
    await world.settle()
    assert reason(world.status("ImageBuild", "b")) == "BuildInterrupted"


async def test_a_build_that_takes_too_long() -> None:
    """The Job ends it, so nothing is left of its pod."""
    world = World(artifact(), build(), settings=SETTINGS, jobs="DeadlineExceeded")
    await world.settle()
    status = world.status("ImageBuild", "b")
    assert status["state"] == "FAILED"
    assert status["finishedAt"]


async def test_states_of_a_job_that_runs() -> None:
    """Pending without a pod that started, in progress, and built once the digest is there."""
    world = World(artifact(), build(), settings=SETTINGS, jobs="Running")
    await world.settle()
    assert world.status("ImageBuild", "b")["state"] == "PENDING"
    pod = ended_pod(world.get("Job", "b"), 0, f"digest sha256:{'0' * 64}")
    running = {"name": "build", "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
    world.cluster.user_apply({**pod, "status": {"phase": "Running", "containerStatuses": [running]}})
    await world.settle()
    assert world.status("ImageBuild", "b")["state"] == "IN_PROGRESS"
    world.cluster.user_apply(pod)
    await world.settle()
    assert world.status("ImageBuild", "b")["state"] == "BUILT"


async def test_a_lock_whose_build_cannot_start() -> None:
    """It is told with the cause, and goes on once that is gone. What never started goes with its source."""
    config = {"credential": {"name": "push"}}
    world = World(
        artifact("scorer", {"port": 8080, "imageBuildConfig": {"codeRef": GIT}}, locked=True), settings=SETTINGS
    )
    await world.settle()
    status = world.status("Artifact", "scorer")
    assert (status["phase"], reason(status)) == ("LockFailed", "BuildFailed")
    assert "has no repository to push to" in status["message"]
    groups = [{"containers": [container(config=config)]}]
    world.edit("Artifact", "scorer", containerGroups=groups)
    await world.settle()
    (made,) = world.all("ImageBuild")
    assert "Credential push does not exist" in world.status("ImageBuild", made["metadata"]["name"])["message"]
    assert world.status("Artifact", "scorer")["phase"] == "Locking"
    world.edit("Artifact", "scorer", containerGroups=[{"containers": [{"port": 8080, "imageUri": f"{REPOSITORY}:1"}]}])
    await world.settle()
    assert world.status("Artifact", "scorer")["phase"] == "Locked"
    assert world.all("ImageBuild") == []


async def test_a_job_that_the_server_refuses() -> None:
    """One status while it stays so, however often it is tried; and the build starts once there is room."""
    world = World(artifact(), build(), settings=SETTINGS)
    world.connect(Refusing(world.cluster, "create", Forbidden("exceeded quota: q", status=403), kind="Job"))
    await world.settle()
    assert reason(world.status("ImageBuild", "b")) == "QuotaExceeded"
    before = len(world.writes())
    for _ in range(5):
        world.tick(61)
        await world.once("ImageBuild", "b")
        assert reason(world.status("ImageBuild", "b")) == "QuotaExceeded"
    assert [write for write in world.writes(before) if write[0] == "status"] == []
    world.connect(world.cluster)
    world.tick(61)
    await world.once("ImageBuild", "b")
    await world.settle()
    assert world.status("ImageBuild", "b")["state"] == "COMPLETED"


@pytest.mark.parametrize(
    ("mark", "value", "state"),
    [
        (ANNOTATION_BUILD_SOURCE, None, "COMPLETED"),  # the status knows it
        (ANNOTATION_BUILD_DESTINATION, None, "UNKNOWN"),
        (ANNOTATION_BUILD_DESTINATION, "no image", "UNKNOWN"),
    ],
)
async def test_a_job_whose_marks_somebody_changed(mark: str, value: str | None, state: str) -> None:
    """Without them the digest belongs to no image, and the Artifact can be planned in any case."""
    world = World(artifact(run={}), build(), settings=SETTINGS, jobs="Running")
    await world.settle()
    job = world.get("Job", "b")
    marks = {**job["metadata"]["annotations"], mark: value}
    kept = {name: text for name, text in marks.items() if text is not None}
    world.cluster.user_apply(ended_pod(job, 0, f"digest sha256:{'0' * 64}"))
    ended = {**job, "metadata": {**job["metadata"], "annotations": kept}}
    world.cluster.user_replace({**ended, "status": job_status("Complete", "2026-01-01T00:00:00Z")})
    await world.settle()
    assert world.status("ImageBuild", "b")["state"] == state
    missing = "ImageNotBuilt" in issues(world.status("Artifact", "scorer"))
    assert missing is (state == "UNKNOWN")


async def test_a_container_that_is_renamed_while_its_build_waits() -> None:
    """The build of the old name could never start. The source is the same, so a new one takes its place."""
    config = {"credential": {"name": "push"}}
    world = World(artifact("scorer", container(config=config, name="old"), locked=True), settings=SETTINGS)
    await world.settle()
    (first,) = world.all("ImageBuild")
    world.edit("Artifact", "scorer", containerGroups=[{"containers": [container(config=config, name="new")]}])
    await world.settle()
    (second,) = world.all("ImageBuild")
    assert second["metadata"]["name"] == first["metadata"]["name"]
    assert second["spec"]["container"] == {"group": "default", "name": "new"}
