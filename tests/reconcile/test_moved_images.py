"""Images whose tag moved: `status.outdated` of the workloads that run them, and how often registries are asked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from registry_world import CREDENTIAL, LOGIN, Looking, here, registry

from image_registry import PASSWORD, ImageRegistry, basic, digest, image, index, listening
from outfitter.registry import image_watch
from outfitter.simulator.controllers import running_pod
from outfitter.snapshot import Key
from world import SYSTEM, TEAM, Body, asset, namespace, secret

OLD, NEW = image("old"), image("new")
TORCH = {"distributedFramework": "PyTorch", "masterSpecSameAsWorker": True, "backend": "native"}
SERVES = ("Deployment", "x")
PODS = {"pod_objects": True, "jobs": "Running"}


def runs(world: Looking, image_id: str, name: str = "w", where: str = TEAM) -> None:
    """Set what the pod of a workspace runs, as the kubelet does."""
    pod = world.get("Pod", f"{name}-0", where)
    pod["status"]["containerStatuses"] = [{**item, "imageID": image_id} for item in pod["status"]["containerStatuses"]]
    world.cluster.user_replace(pod)


def watching(port: int, where: str = TEAM, **spec: Any) -> Body:
    return registry(f"127.0.0.1:{port}", where=where, watchImages=True, **spec)


def workspace(port: int, image: str = "team/app:1", name: str = "w", where: str = TEAM) -> Body:
    return asset("Workspace", name, {"image": f"127.0.0.1:{port}/{image}"}, where)


async def running(port: int, *objects: Body, where: str = TEAM, hosts: Any = None, **settings: Any) -> Looking:
    """Workspaces that run the old image. `objects`: by default, a Registry that watches and a Workspace."""
    given = objects or (watching(port), workspace(port))
    world = Looking(*given, hosts=here(port) if hosts is None else hosts, simulated=PODS, **settings)
    await world.settle()
    for each in (item for item in given if item["kind"] == "Workspace"):
        runs(world, f"127.0.0.1:{port}/team/app@{digest(OLD)}", each["metadata"]["name"], where)
    await world.passes(10)
    return world


def outdated(world: Looking, name: str = "w", where: str = TEAM) -> list[Body]:
    found: list[Body] = world.status("Workspace", name, where).get("outdated") or []
    return found


def written(world: Looking, since: int) -> list[tuple[str, str, str]]:
    return [write for write in world.writes(since) if write[1] != "Registry"]


def asked(images: ImageRegistry) -> list[tuple[str, str, str]]:
    """The requests about images."""
    return [request for request in images.requests if "/manifests/" in request[0]]


async def test_a_tag_that_moves_and_moves_back() -> None:
    images = ImageRegistry()
    images.push("team/app", "1", OLD)
    async with listening(images.application()) as port:
        world = await running(port)
        assert outdated(world) == []
        images.push("team/app", "1", NEW)
        mark = len(world.cluster.writes)
        await world.passes(3580)
        assert outdated(world) == []
        await world.passes(20)
        moved = {"kind": "Image", "usedDigest": digest(OLD), "digest": digest(NEW), "reason": "Moved"}
        assert outdated(world) == [{**moved, "name": f"127.0.0.1:{port}/team/app:1"}]
        assert written(world, mark) == [("status", "Workspace", "w")]
        await world.passes(3 * 3600)
        assert written(world, mark) == [("status", "Workspace", "w")]
        images.push("team/app", "1", OLD)
        await world.passes(3620)
        assert outdated(world) == []
        assert written(world, mark) == 2 * [("status", "Workspace", "w")]
        assert len(world.images_asked) == 6


async def test_a_restart_of_the_pod_ends_it_at_once() -> None:
    images = ImageRegistry()
    images.push("team/app", "1", NEW)
    async with listening(images.application()) as port:
        world = await running(port)
        assert [row["reason"] for row in outdated(world)] == ["Moved"]
        runs(world, f"127.0.0.1:{port}/team/app@{digest(NEW)}")
        await world.settle()
        assert outdated(world) == []
        # A node that still has the old image starts it again: known at once, without another request.
        mark = len(images.requests)
        runs(world, f"127.0.0.1:{port}/team/app@{digest(OLD)}")
        await world.passes(20)
        assert [row["reason"] for row in outdated(world)] == ["Moved"]
        assert len(images.requests) - mark <= 2


async def test_a_restart_of_the_operator_writes_nothing() -> None:
    images = ImageRegistry()
    images.push("team/app", "1", NEW)
    async with listening(images.application()) as port:
        world = await running(port)
        mark, before = len(world.cluster.writes), outdated(world)
        assert before
        await world.again()
        await world.passes(7200)
        for status in (500, 404, 302):
            images.status = status
            await world.again()
            await world.passes(7200)
            assert outdated(world) == before
        assert written(world, mark) == []


async def test_a_registry_that_fails_and_a_tag_that_is_gone_change_nothing() -> None:
    images = ImageRegistry()
    images.push("team/app", "1", OLD)
    async with listening(images.application()) as port:
        world = await running(port)
        mark = len(world.cluster.writes)
        images.status = 503
        await world.passes(4 * 3600)
        images.status = 0
        images.manifests.clear()
        await world.passes(4 * 3600)
        assert (outdated(world), written(world, mark)) == ([], [])
        assert "issues" not in world.status("Workspace", "w")
        images.push("team/app", "1", NEW)
        await world.passes(3700)
        assert [row["digest"] for row in outdated(world)] == [digest(NEW)]


@pytest.mark.parametrize(
    ("runs_now", "has"),
    [
        pytest.param(OLD, index(OLD, image("arm")), id="the runtime reports the image of its platform"),
        pytest.param(index(OLD, image("arm")), index(OLD, image("arm")), id="the runtime reports the index"),
        pytest.param(OLD, index(index(OLD), kind="image.index"), id="an index of indexes is not read"),
    ],
)
async def test_images_for_several_platforms(runs_now: bytes, has: bytes) -> None:
    images = ImageRegistry()
    images.push("team/app", "1", has)
    async with listening(images.application()) as port:
        world = await running(port)
        runs(world, f"docker-pullable://127.0.0.1:{port}/team/app@{digest(runs_now)}")
        await world.passes(7200)
        assert outdated(world) == []
        images.push("team/app", "1", index(NEW, image("arm")))
        await world.passes(3700)
        assert [row["usedDigest"] for row in outdated(world)] == [digest(runs_now)]


async def test_a_manifest_is_read_once_for_each_digest() -> None:
    images = ImageRegistry()
    images.push("team/app", "1", index(OLD))
    async with listening(images.application()) as port:
        world = await running(port)
        await world.passes(5 * 3600)
    assert [path.rpartition("/")[2] for path, _, _ in asked(images)] == ["1", digest(index(OLD)), *(5 * ["1"])]
    assert outdated(world) == []


@pytest.mark.parametrize(
    ("image_id", "name"),
    [
        pytest.param("sha256:" + 64 * "a", "team/app:1", id="an image that was imported has no digest of a registry"),
        pytest.param("docker://sha256:" + 64 * "a", "team/app:1", id="likewise with Docker"),
        pytest.param("", "team/app:1", id="an image that is not there yet"),
        pytest.param("x@sha256:" + 64 * "a", "other/app:1", id="an image that the Registry does not cover"),
        pytest.param("x@sha256:" + 64 * "a", f"team/app@{digest(OLD)}", id="an image by digest"),
        pytest.param("x@sha256:" + 64 * "a", f"team/app:1@{digest(OLD)}", id="an image by tag and digest"),
    ],
)
async def test_images_that_are_not_asked_for(image_id: str, name: str) -> None:
    images = ImageRegistry()
    async with listening(images.application()) as port:
        covers = registry(f"127.0.0.1:{port}/team", watchImages=True)
        world = Looking(covers, workspace(port, name), hosts=here(port), simulated=PODS)
        await world.settle()
        runs(world, image_id)
        await world.passes(7200)
        assert (asked(images), outdated(world)) == ([], [])


async def test_an_image_that_an_admission_policy_replaced_is_not_asked_for() -> None:
    images = ImageRegistry()
    images.push("team/app", "1", NEW)
    async with listening(images.application()) as port:
        world = Looking(watching(port), workspace(port), hosts=here(port), simulated=PODS)
        await world.settle()
        pod = world.get("Pod", "w-0")
        pod["spec"]["containers"][0]["image"] = "mirror.example.com/team/app:1"
        world.cluster.user_replace(pod)
        runs(world, f"mirror.example.com/team/app@{digest(OLD)}")
        await world.passes(7200)
        assert (asked(images), outdated(world)) == ([], [])


@pytest.mark.parametrize(
    ("spec", "settings"),
    [
        pytest.param({"watchImages": False}, {}, id="not asked for"),
        pytest.param({"repositories": ["team/tool"]}, {}, id="another repository"),
        pytest.param({"scope": {"type": "cluster"}}, {}, id="a scope that is not valid here"),
        pytest.param({"credential": {"name": "gone"}}, {}, id="a login that is missing"),
        pytest.param({}, {"image_watch_seconds": 0}, id="turned off"),
        pytest.param({}, {"hosts": {"registry.example.com": {}}}, id="a host that is not listed"),
    ],
)
async def test_a_registry_that_does_not_watch(spec: Body, settings: Body) -> None:
    images = ImageRegistry()
    images.push("team/app", "1", NEW)
    async with listening(images.application()) as port:
        given = registry(f"127.0.0.1:{port}", **{"watchImages": True, **spec})
        world = await running(port, given, workspace(port), **settings)
        await world.passes(7200)
        assert (asked(images), outdated(world)) == ([], [])


async def test_to_stop_to_watch_and_to_delete_the_registry() -> None:
    images = ImageRegistry()
    images.push("team/app", "1", NEW)
    async with listening(images.application()) as port:
        world = await running(port)
        assert outdated(world)
        world.edit("Registry", "images", watchImages=False)
        await world.settle()
        assert outdated(world) == []
        mark = len(asked(images))
        await world.passes(7200)
        assert len(asked(images)) == mark
        world.edit("Registry", "images", watchImages=True)
        await world.passes(20)
        assert outdated(world)
        world.cluster.user_delete("Registry", TEAM, "images")
        await world.settle()
        world.reconciler.forget(Key("Registry", TEAM, "images"))
        await world.passes(7200)
        assert outdated(world) == []
        assert len(asked(images)) == mark + 2


@pytest.mark.parametrize(
    ("labels", "scope", "watched"),
    [
        ({"outfitter.dev/project": "b"}, None, True),
        ({}, None, False),
        ({"outfitter.dev/project": "b", "outfitter.dev/department": "d"}, {"type": "department", "name": "d"}, True),
        ({"outfitter.dev/project": "b", "outfitter.dev/department": "e"}, {"type": "department", "name": "d"}, False),
    ],
)
async def test_a_shared_registry(labels: dict[str, str], scope: Body | None, *, watched: bool) -> None:
    images = ImageRegistry()
    images.push("team/app", "1", NEW)
    async with listening(images.application()) as port:
        shared = watching(port, SYSTEM, **({"scope": scope} if scope else {}))
        world = await running(
            port, namespace("team-b", labels), shared, workspace(port, where="team-b"), where="team-b"
        )
        assert bool(outdated(world, where="team-b")) == watched
        assert bool(asked(images)) == watched
        assert (world.status("Registry", "images", SYSTEM).get("usedBy") or {}).get("total", 0) == 0


async def test_the_login_of_the_registry_is_used_and_is_nowhere_else() -> None:
    images = ImageRegistry(login="basic")
    images.push("team/app", "1", NEW)
    async with listening(images.application()) as port:
        given = watching(port, credential={"name": "robot"})
        world = await running(port, LOGIN, CREDENTIAL, given, workspace(port))
        assert outdated(world)
        assert asked(images)[-1][2] == basic()
        assert PASSWORD not in repr(world.images_asked)


async def test_one_request_for_all_workloads_with_the_same_image() -> None:
    images = ImageRegistry()
    images.push("team/app", "1", OLD)
    async with listening(images.application()) as port:
        many = [workspace(port, name=f"w{number}") for number in range(30)]
        world = await running(port, watching(port), *many)
        assert len(asked(images)) == 1
        mark = len(world.cluster.writes)
        images.push("team/app", "1", NEW)
        await world.passes(3600)
        assert len(asked(images)) == 3
        assert sorted(written(world, mark)) == sorted(("status", "Workspace", f"w{number}") for number in range(30))


async def test_one_request_for_registries_with_the_same_login() -> None:
    images = ImageRegistry()
    images.push("team/app", "1", OLD)
    async with listening(images.application()) as port:
        given = [each(port, where=where) for where in (TEAM, "team-b") for each in (watching, workspace)]
        world = Looking(*given, hosts=here(port), simulated=PODS)
        await world.settle()
        for where in (TEAM, "team-b"):
            runs(world, f"127.0.0.1:{port}/team/app@{digest(OLD)}", where=where)
        await world.passes(10)
        assert len(asked(images)) == 1
        images.push("team/app", "1", NEW)
        await world.passes(3600)
        assert outdated(world)
        assert outdated(world, where="team-b")


async def test_a_start_is_no_burst() -> None:
    images = ImageRegistry()
    async with listening(images.application()) as port:
        many = [workspace(port, f"team/app:{number}", f"w{number}") for number in range(30)]
        for number in range(30):
            images.push("team/app", str(number), OLD)
        world = await running(port, watching(port), *many)
        assert 10 <= len(asked(images)) <= 12
        await world.passes(30)
        assert len(asked(images)) == 30
        await world.passes(3600)
        assert len(asked(images)) == 60


async def test_a_login_that_is_rejected_is_not_tried_for_every_image() -> None:
    images = ImageRegistry(login="basic")
    async with listening(images.application()) as port:
        many = [workspace(port, f"team/app:{number}", f"w{number}") for number in range(30)]
        wrong = secret("login", {"username": "robot", "password": "wrong"})
        given = watching(port, credential={"name": "robot"})
        world = await running(port, wrong, CREDENTIAL, given, *many)
        await world.passes(3600)
        assert len(world.images_asked) <= 7
        # The right one is used at once.
        for number in range(30):
            images.push("team/app", str(number), NEW)
        world.cluster.user_apply(LOGIN)
        await world.settle()
        await world.passes(60)
        assert all(outdated(world, f"w{number}") for number in range(30))


async def test_a_host_that_asks_to_wait_gets_no_request() -> None:
    images = ImageRegistry()
    async with listening(images.application()) as port:
        many = [workspace(port, f"team/app:{number}", f"w{number}") for number in range(5)]
        for number in range(5):
            images.push("team/app", str(number), OLD)
        world = await running(port, watching(port), *many)
        mark = len(world.images_asked)
        images.status, images.retry_after = 429, "1800"
        await world.passes(3600)
        assert len(world.images_asked) == mark + 1
        await world.passes(1700)
        assert len(world.images_asked) == mark + 1


async def test_the_images_of_a_namespace_have_a_limit(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(image_watch, "MOST_PER_NAMESPACE", 3)
    images = ImageRegistry()
    async with listening(images.application()) as port:
        many = [workspace(port, f"team/app:{number}", f"w{number}") for number in range(5)]
        world = await running(port, watching(port), *many)
        await world.passes(30)
        assert len({question.query for question in world.images_asked}) == 3
        assert len([each for each in caplog.messages if "watches no more images" in each]) == 1
        # The images of workloads that are gone leave room for others.
        world.cluster.user_delete("Workspace", TEAM, "w0")
        await world.settle()
        world.reconciler.forget(Key("Workspace", TEAM, "w0"))
        await world.passes(30)
        for number in range(1, 5):
            await world.once("Workspace", f"w{number}")
        await world.passes(30)
        assert len({question.query for question in world.images_asked}) == 4


@pytest.mark.parametrize(
    ("kind", "spec", "controller"),
    [
        ("Environment", {"image": "IMAGE", "run": {}}, ("StatefulSet", "x")),
        ("Workspace", {"image": "IMAGE", "restartPolicy": "Never"}, ("Job", "x")),
        ("Training", {"image": "IMAGE"}, ("Job", "x")),
        ("DistributedTraining", {"image": "IMAGE", "numWorkers": 2, **TORCH}, ("Job", "x")),
        ("Inference", {"image": "IMAGE", "servingPort": {"container": 8080}}, SERVES),
        ("Artifact", {"containerGroups": [{"containers": [{"imageUri": "IMAGE", "port": 8080}]}], "run": {}}, SERVES),
    ],
)
async def test_every_workload(kind: str, spec: Body, controller: tuple[str, str]) -> None:
    images = ImageRegistry()
    images.push("team/app", "1", NEW)
    async with listening(images.application()) as port:
        filled = json.loads(json.dumps(spec).replace("IMAGE", f"127.0.0.1:{port}/team/app:1"))
        world = Looking(watching(port), asset(kind, "x", filled), hosts=here(port), simulated=PODS)
        await world.settle()
        if controller[0] != "StatefulSet":
            world.cluster.user_apply(running_pod(world.get(*controller), "x-0"))
        runs(world, f"127.0.0.1:{port}/team/app@{digest(OLD)}", "x")
        await world.passes(10)
        assert [row["reason"] for row in world.status(kind, "x")["outdated"]] == ["Moved"]


async def test_the_registry_of_the_project_comes_first() -> None:
    """Its login is the one that the project is to use, whatever else is shared with it."""
    images = ImageRegistry(login="basic")
    images.push("team/app", "1", NEW)
    async with listening(images.application()) as port:
        own = watching(port, credential={"name": "robot"})
        near = registry(f"127.0.0.1:{port}/team/app", name="a-near", where=SYSTEM, watchImages=True)
        world = await running(port, LOGIN, CREDENTIAL, own, near, workspace(port))
        assert outdated(world)
        # A longer path is the better one among those of one namespace.
        world.cluster.user_apply(registry(f"127.0.0.1:{port}/team", name="z-team", watchImages=True))
        await world.passes(30)
        assert world.images_asked[-1].login is None
