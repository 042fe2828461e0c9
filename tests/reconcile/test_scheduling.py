"""Queues, priorities and preemptibility: defaults, policies, labels of users, and what an upgrade leaves alone."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from outfitter.plan.workload import revision as revisions
from outfitter.render.scheduling import kueue_owned
from outfitter.settings import Settings
from world import TEAM, World, asset, complete, issues, namespace, reason

IMAGE = "registry.example.com/box:1"
KAI = {"queue_backend": "kai"}
Body = dict[str, Any]


def box(name: str = "box", **spec: Any) -> Body:
    return asset("Workspace", name, {"image": IMAGE, **spec})


def priority(name: str, value: int = 1) -> Body:
    return complete({"kind": "PriorityClass", "metadata": {"name": name}, "value": value})


def policy(**spec: Any) -> Body:
    return asset("WorkloadPolicy", "rules", {"workloadType": "workspace", **spec})


def project(queue: str) -> Body:
    return namespace(TEAM, {"outfitter.dev/project": TEAM, "outfitter.dev/queue": queue})


async def settled(*objects: Body, **options: Any) -> World:
    world = World(*objects, **options)
    await world.settle()
    return world


def template(world: World, name: str = "box") -> Body:
    found: Body = world.get("StatefulSet", name)["spec"]["template"]
    return found


def labels(world: World, name: str = "box") -> dict[str, str]:
    """The labels by which KAI schedules the pod, without their prefix."""
    given = template(world, name)["metadata"]["labels"]
    return {key.rpartition("/")[2]: value for key, value in given.items() if key.startswith(("kai.", "priority"))}


@pytest.mark.parametrize(
    ("word", "classes", "expected"),
    [
        ("high", ["outfitter-high"], "outfitter-high"),
        ("high", ["high", "outfitter-high"], "high"),
        ("gold", ["gold"], "gold"),
        ("outfitter-low", ["outfitter-low"], "outfitter-low"),
        ("build", ["build"], "build"),
    ],
)
async def test_a_word_or_a_name(word: str, classes: list[str], expected: str) -> None:
    world = await settled(*map(priority, classes), box(priorityClass=word))
    assert template(world)["spec"]["priorityClassName"] == expected


async def test_a_class_that_appears_later_starts_the_workload() -> None:
    world = await settled(box(priorityClass="low"))
    assert reason(world.status("Workspace", "box")) == "PriorityUnknown"
    assert world.find("StatefulSet", "box") is None
    world.load([priority("outfitter-low")])
    await world.settle()
    assert template(world)["spec"]["priorityClassName"] == "outfitter-low"


async def test_a_class_that_goes_later_stops_nothing() -> None:
    world = await settled(priority("outfitter-low"), box(priorityClass="low"))
    world.cluster.user_delete("PriorityClass", "", "outfitter-low")
    mark = len(world.cluster.writes)
    await world.settle()
    assert world.writes(mark) == []


async def test_classes_that_cannot_be_read() -> None:
    """With `watchNamespaces`: words map as the setting says, and there are no defaults."""
    narrow = {"watch_namespaces": TEAM}
    world = await settled(box(priorityClass="low"), box("plain"), box("named", priorityClass="gold"), settings=narrow)
    assert template(world)["spec"]["priorityClassName"] == "outfitter-low"
    assert "priorityClassName" not in template(world, "plain")["spec"]
    assert template(world, "named")["spec"]["priorityClassName"] == "gold"


async def test_the_default_is_no_class_of_somebody_else() -> None:
    """A class `high` was there before: it must not become the priority of every workspace."""
    world = await settled(priority("high", 1_000_000), priority("build"), box())
    assert "priorityClassName" not in template(world)["spec"]


async def test_the_classes_of_kai_are_the_second_choice() -> None:
    world = await settled(priority("build"), box(), settings=KAI)
    assert template(world)["spec"]["priorityClassName"] == "build"
    world = await settled(priority("build"), priority("outfitter-high"), box(), settings=KAI)
    assert template(world)["spec"]["priorityClassName"] == "outfitter-high"


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({}, {"priorityClassName": "outfitter-high", "preemptibility": "non-preemptible"}),
        ({"priorityClass": {"options": [{"value": "low"}]}}, {"preemptibility": "non-preemptible"}),
        ({"priorityClass": {"canEdit": False}}, {"preemptibility": "non-preemptible"}),
        (
            {"preemptibility": {"options": [{"value": "preemptible"}]}},
            {"priorityClassName": "outfitter-high", "preemptibility": "preemptible"},
        ),
    ],
)
async def test_defaults_keep_the_rules_of_policies(rules: Body, expected: dict[str, str]) -> None:
    world = await settled(priority("outfitter-high"), policy(rules=rules), box(), settings=KAI)
    assert labels(world) == {"queue": "default-queue", **expected}


async def test_defaults_of_policies_have_their_effect() -> None:
    defaults = {
        "priorityClass": "low",
        "preemptibility": "semi-preemptible",
        "queue": "research",
        "compute": {"gpuDevicesRequest": 1, "gpuRequestType": "portion", "gpuPortionRequest": 0.25},
    }
    world = await settled(priority("outfitter-low"), policy(defaults=defaults), box(), settings={"gpu_backend": "kai"})
    assert labels(world) == {
        "queue": "research",
        "preemptibility": "semi-preemptible",
        "priorityClassName": "outfitter-low",
    }
    assert template(world)["metadata"]["annotations"]["gpu-fraction"] == "0.25"


@pytest.mark.parametrize(
    ("rules", "spec", "field"),
    [
        ({"priorityClass": {"options": [{"value": "low"}]}}, {"priorityClass": "high"}, "priorityClass"),
        ({"preemptibility": {"canEdit": False}}, {"preemptibility": "preemptible"}, "preemptibility"),
        ({"queue": {"options": [{"value": "a"}]}}, {"queue": "b"}, "queue"),
        (
            {"compute": {"gpuPortionRequest": {"max": 0.5}}},
            {"compute": {"gpuDevicesRequest": 1, "gpuRequestType": "portion", "gpuPortionRequest": 0.75}},
            "compute.gpuPortionRequest",
        ),
    ],
)
async def test_rules_of_policies(rules: Body, spec: Body, field: str) -> None:
    world = await settled(priority("outfitter-high"), policy(rules=rules), box(**spec), settings={"gpu_backend": "kai"})
    assert [row["field"] for row in world.status("Workspace", "box")["violations"]] == [field]


@pytest.mark.parametrize(
    ("field", "name", "settings"),
    [
        ("labels", "kai.scheduler/queue", KAI),
        ("labels", "kai.scheduler/preemptibility", KAI),
        ("labels", "priorityClassName", KAI),
        ("annotations", "gpu-fraction", KAI),
        ("annotations", "gpu-memory", {"gpu_backend": "kai"}),
        ("annotations", "gpu-fraction-num-devices", KAI),
        ("annotations", "gpu-fraction-container-name", KAI),
        ("labels", "kueue.x-k8s.io/queue-name", {"queue_backend": "kueue"}),
    ],
)
async def test_users_cannot_set_what_schedulers_read(field: str, name: str, settings: dict[str, Any]) -> None:
    """Else they would take a queue, a priority or a GPU that policies do not see."""
    world = await settled(box(**{field: [{"name": name, "value": "mine"}]}), settings=settings)
    assert "Reserved" in issues(world.status("Workspace", "box"))
    for meta in (template(world)["metadata"], world.get("StatefulSet", "box")["metadata"]):
        assert "mine" not in (meta.get(field) or {}).values()
    plain = await settled(box(**{field: [{"name": name, "value": "mine"}]}))
    assert template(plain)["metadata"][field][name] == "mine"


async def test_an_upgrade_with_default_settings_writes_nothing() -> None:
    cache = asset("NimCache", "llama", {"image": "registry.example.com/nim/llama:1"})
    world = await settled(box(), cache, jobs="")
    mark = len(world.cluster.writes)
    await world.restart()
    await world.settle()
    assert world.writes(mark) == []


@pytest.mark.parametrize(
    "settings",
    [
        {"gpu_backend": "kai"},
        {"gpu_backend": "hami", "scheduler_name": "hami-scheduler"},
        {"gpu_backend": "dra"},
        {"queue_backend": "kueue", "default_queue": "shared"},
        {"mig_strategy": "none"},
    ],
)
async def test_another_backend_restarts_nothing(settings: dict[str, Any]) -> None:
    cache = asset("NimCache", "llama", {"image": "registry.example.com/nim/llama:1"})
    world = await settled(box(compute={"gpuDevicesRequest": 1}), cache, jobs="")
    mark = len(world.cluster.writes)
    world.settings = Settings(**settings)
    world.load([priority("outfitter-high")])
    await world.restart()
    await world.settle()
    assert [write for write in world.writes(mark) if write[0] != "status"] == []
    world.annotate("Workspace", "box", restartedAt="now")
    await world.settle()
    assert template(world)["spec"]["priorityClassName"] == "outfitter-high"


async def test_a_download_keeps_the_queue_of_its_job() -> None:
    cache = asset("NimCache", "llama", {"image": "registry.example.com/nim/llama:1"})
    world = await settled(project("first"), cache, jobs="", settings=KAI)
    mark = len(world.cluster.writes)
    world.load([project("second")])
    await world.settle()
    assert world.writes(mark) == []
    job = world.get("Job", "llama-download-1")
    assert job["metadata"]["labels"]["kai.scheduler/queue"] == "first"


async def test_a_claim_of_a_download_is_refused() -> None:
    compute = {"gpuDevicesRequest": 1}
    cache = asset("NimCache", "llama", {"image": "registry.example.com/nim/llama:1", "compute": compute})
    world = await settled(cache, settings={"gpu_backend": "dra"})
    assert issues(world.status("NimCache", "llama")) == ["Unsupported"]
    assert world.all("Job") == []


async def test_another_queue_of_the_namespace_makes_no_revision() -> None:
    world = await settled(project("first"), box(), box("own", queue="first"), settings=KAI)
    mark = len(world.cluster.writes)
    world.load([project("second")])
    await world.settle()
    assert {write[:2] for write in world.writes(mark)} == {("status", "Workspace")}
    newer = {"kind": "Namespace", "namespace": "", "name": TEAM, "reason": "Edited"}
    assert newer in world.status("Workspace", "box")["outdated"]
    world.annotate("Workspace", "box", restartedAt="now")
    world.annotate("Workspace", "own", restartedAt="now")
    await world.settle()
    assert labels(world)["queue"] == "second"
    assert "outdated" not in world.status("Workspace", "box")
    assert "QueueForbidden" in issues(world.status("Workspace", "own"))
    assert labels(world, "own")["queue"] == "first"


async def test_device_claims_come_and_go_with_their_revision() -> None:
    world = await settled(box(compute={"gpuDevicesRequest": 1}), settings={"gpu_backend": "dra"})
    (first,) = world.all("ResourceClaimTemplate")
    world.edit("Workspace", "box", compute={"gpuDevicesRequest": 2})
    await world.settle()
    (second,) = world.all("ResourceClaimTemplate")
    assert first["metadata"]["name"] != second["metadata"]["name"]
    (claim,) = template(world)["spec"]["resourceClaims"]
    assert claim["resourceClaimTemplateName"] == second["metadata"]["name"]
    world.edit("Workspace", "box", suspend=True)
    await world.settle()
    assert world.all("ResourceClaimTemplate") == [second]
    world.edit("Workspace", "box", suspend=None, compute=None)
    await world.settle()
    assert world.all("ResourceClaimTemplate") == []


async def test_device_claims_outlive_their_backend() -> None:
    """Pods of the revision still need the template, and without the setting the operator has no rights on it."""
    world = await settled(box(compute={"gpuDevicesRequest": 1}), settings={"gpu_backend": "dra"})
    mark = len(world.cluster.writes)
    world.settings = Settings()
    await world.restart()
    await world.settle()
    assert world.writes(mark) == []
    assert len(world.all("ResourceClaimTemplate")) == 1
    world.annotate("Workspace", "box", restartedAt="now")
    await world.settle()
    assert "resourceClaims" not in template(world)["spec"]


async def test_a_server_without_device_claims() -> None:
    """An older one, or one whose administrator turned the API group off."""
    world = World(box(compute={"gpuDevicesRequest": 1}), box("plain"), settings={"gpu_backend": "dra"})
    world.caches.set_served("ResourceClaimTemplate", False)
    await world.settle()
    assert reason(world.status("Workspace", "box")) == "Unsupported"
    assert "resource.k8s.io/v1" in world.status("Workspace", "box")["message"]
    assert world.find("StatefulSet", "plain") is not None
    world.caches.set_served("ResourceClaimTemplate", True)
    await world.settle()
    assert world.find("StatefulSet", "box") is not None


@pytest.mark.parametrize(("settings", "owned"), [({}, False), (KAI, False), ({"queue_backend": "kueue"}, True)])
async def test_who_decides_when_a_job_starts(settings: dict[str, Any], owned: bool) -> None:
    world = await settled(box(queue="mine"), settings=settings)
    name = world.status("Workspace", "box")["revision"]
    live = world.caches["ControllerRevision"].get(TEAM, name)
    assert live is not None
    assert kueue_owned(revisions.read(live).groups) is owned


@pytest.mark.parametrize(
    "settings",
    [
        {"gpu_backend": "kai", "queue_backend": "kueue"},
        {"gpu_backend": "mps"},
        {"priority_classes": "high=important"},
        {"priority_classes": '{"urgent": "important"}'},
        {"priority_classes": '{"high": "Not A Name"}'},
        {"priority_classes": '{"high": 7}'},
        {"default_queue": "not a label"},
        {"scheduler_name": "Not_A_Name"},
    ],
)
def test_settings_that_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Settings(**settings)
