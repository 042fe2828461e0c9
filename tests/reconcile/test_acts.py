"""What happened, in the log and in Events: each kind of act once, with the fields that scripts read."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from outfitter.actions import Action
from outfitter.canonical import MERGE_KEYS
from outfitter.cli.logs import JsonFormatter, PlainFormatter
from outfitter.errors import Forbidden, Invalid, Unavailable
from outfitter.reconcile.act_log import ActLog
from outfitter.reconcile.acts import Act, changed_spec
from outfitter.reconcile.state import EngineState
from outfitter.snapshot import CachedObject, Key
from world import SYSTEM, TEAM, Body, World, asset, namespace, secret

IMAGE = "registry.example.com/box:1"
WEB = {"name": "web", "toolType": "custom", "connectionType": "ExternalUrl", "containerPort": 8080}
BOX = asset("Workspace", "box", {"image": IMAGE, "connections": [WEB]})
SETTINGS = {"domain": "apps.example.com"}
GROUPS = [{"containers": [{"port": 8080, "imageUri": IMAGE}]}]
Line = dict[str, Any]
Lines = Callable[[], list[Line]]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Lines:
    """The acts since the last call."""
    caplog.set_level(logging.INFO, "outfitter")

    def new() -> list[Line]:
        found = [record.act for record in caplog.records if hasattr(record, "act")]
        caplog.clear()
        return found

    return new


def told(world: World) -> list[tuple[str, str]]:
    """Reason and message of the Events since the last call."""
    found = [(event["reason"], event["message"]) for event in world.cluster.events]
    world.cluster.events.clear()
    return found


def short(found: list[Line]) -> list[tuple[str, ...]]:
    """Action and child."""
    return [(each["action"], *filter(None, (each.get("child_kind"), each.get("child_name")))) for each in found]


async def running(body: Body = BOX, *others: Body, **options: Any) -> World:
    """A world at rest."""
    world = World(body, *others, settings=SETTINGS, **options)
    await world.settle()
    return world


async def test_a_new_workload(lines: Lines) -> None:
    world = await running()
    found = lines()
    revision = world.status("Workspace", "box")["revision"]
    assert sorted(short(found)) == [
        ("change",),
        ("create", "ControllerRevision", revision),
        ("create", "Ingress", "box-web"),
        ("create", "Service", "box"),
        ("create", "StatefulSet", "box"),
    ]
    assert {(each["kind"], each["namespace"], each["name"]) for each in found} == {("Workspace", TEAM, "box")}
    assert {each["revision"] for each in found} == {revision}
    assert {each["generation"] for each in found} == {1}
    assert told(world) == [("Created", "Created Service box, StatefulSet box, Ingress box-web.")]


async def test_no_line_at_rest_or_after_a_restart(lines: Lines) -> None:
    world = await running()
    lines(), told(world)
    await world.round()
    await world.restart()
    await world.settle()
    assert (lines(), told(world)) == ([], [])


async def test_a_change_of_the_spec_is_an_update(lines: Lines) -> None:
    world = await running()
    lines(), told(world)
    world.edit("Workspace", "box", image="registry.example.com/box:2")
    await world.settle()
    found = [each for each in lines() if each.get("child_kind") != "ControllerRevision"]
    assert [each["action"] for each in found if each["action"] not in ("update", "change")] == []
    (update,) = [each for each in found if each.get("child_kind") == "StatefulSet"]
    assert (update["reason"], update["generation"]) == ("SpecChanged", 2)
    assert "spec.template.spec.containers[main].image" in update["fields"]
    (event,) = told(world)
    assert event[0] == "Updated"
    assert event[1].startswith("Updated StatefulSet box after a change of the spec: ")


def image(body: Body) -> None:
    body["spec"]["template"]["spec"]["containers"][0]["image"] = "evil:1"


def no_label(body: Body) -> None:
    del body["metadata"]["labels"]["app.kubernetes.io/managed-by"]


def no_owner_label(body: Body) -> None:
    del body["metadata"]["labels"]["outfitter.dev/owner-uid"]


@pytest.mark.parametrize(
    ("kind", "name", "change", "field"),
    [
        ("StatefulSet", "box", image, "spec.template.spec.containers[main].image"),
        ("Service", "box", no_label, "metadata.labels.app.kubernetes.io/managed-by"),
        ("Ingress", "box-web", no_owner_label, "metadata.labels.outfitter.dev/owner-uid"),
    ],
)
async def test_drift_is_a_repair(
    lines: Lines, kind: str, name: str, change: Callable[[Body], None], field: str
) -> None:
    world = await running()
    lines(), told(world)
    body = world.get(kind, name)
    change(body)
    world.cluster.user_replace(body)
    await world.settle()
    (repair,) = lines()
    assert (repair["action"], repair["child_kind"], repair["child_name"]) == ("repair", kind, name)
    assert repair["fields"] == [field]
    assert told(world) == [("Repaired", f"Repaired {kind} {name}: A writer that left no name had changed {field}.")]


async def test_a_repair_names_the_manager(lines: Lines) -> None:
    world = await running()
    lines(), told(world)
    body = {key: item for key, item in world.get("StatefulSet", "box").items() if key in ("apiVersion", "kind")}
    body |= {"metadata": {"name": "box", "namespace": TEAM}, "spec": {"replicas": 7}}
    world.cluster.user_apply(body, "kubectl-scale")
    await world.settle()
    (repair,) = lines()
    assert (repair["action"], repair["fields"], repair["manager"]) == ("repair", ["spec.replicas"], "kubectl-scale")
    assert told(world) == [("Repaired", "Repaired StatefulSet box: kubectl-scale had changed spec.replicas.")]


async def test_a_deleted_child_is_created_again(lines: Lines) -> None:
    world = await running()
    lines(), told(world)
    world.cluster.user_delete("Service", TEAM, "box")
    await world.settle()
    assert [(each["action"], each["child_name"], each["reason"]) for each in lines()] == [
        ("recreate", "box", "Deleted")
    ]
    assert told(world) == [("Repaired", "Created Service box again, because it had been deleted.")]


async def test_a_child_that_is_not_needed_any_more(lines: Lines) -> None:
    world = await running()
    lines(), told(world)
    world.edit("Workspace", "box", connections=None)
    await world.settle()
    deleted = [each for each in lines() if each["action"] in ("delete", "recreate")]
    assert [(each["action"], each["child_name"], each["reason"]) for each in deleted] == [
        ("delete", "box", "Replaced"),  # its Service has no address any more
        ("delete", "box-web", "Unwanted"),
        ("recreate", "box", "Replaced"),
    ]
    assert {reason for reason, _ in told(world)} == {"Updated"}


async def test_stop_start_and_restart(lines: Lines) -> None:
    world = await running()
    for change, action, event in (
        (lambda: world.edit("Workspace", "box", suspend=True), "stop", "Stopped"),
        (lambda: world.edit("Workspace", "box", suspend=None), "start", "Updated"),
        (lambda: world.annotate("Workspace", "box", restartedAt="2026-01-01T00:00:00Z"), "restart", "Restarted"),
    ):
        lines(), told(world)
        change()
        await world.settle()
        decisions = [each["action"] for each in lines() if each["action"] in ("start", "stop", "restart")]
        assert decisions == [action]
        assert [reason for reason, _ in told(world)] == [event], action


async def test_a_lock_and_its_version(lines: Lines) -> None:
    world = await running(asset("Artifact", "scorer", {"containerGroups": GROUPS}))
    assert "lock" not in [each["action"] for each in lines()]
    world.edit("Artifact", "scorer", locked=True)
    await world.settle()
    assert [each["name"] for each in lines() if each["action"] == "lock"] == ["scorer"]
    assert ("Locked", "Locked, version 1.") in told(world)


def quota(name: str = "small") -> Forbidden:
    text = f'services "box" is forbidden: exceeded quota: {name}, requested: services=1, used: services=5, limited: 5'
    return Forbidden(text, status=403, reason="Forbidden")


async def test_a_refusal_names_who_refused_and_is_counted(lines: Lines) -> None:
    world = World(BOX, settings=SETTINGS)
    for _ in range(12):
        world.cluster.fail_next("create", "Service", quota())
        await world.once("Workspace", "box")
        world.tick(60)
    refused = [each for each in lines() if each["action"] == "refuse"]
    assert [(each["manager"], each["child_kind"], each["reason"], each.get("count")) for each in refused] == [
        ("ResourceQuota/small", "Service", "QuotaExceeded", None),
        ("ResourceQuota/small", "Service", "QuotaExceeded", 10),
    ]
    await world.settle()
    lines()
    world.cluster.user_delete("Service", TEAM, "box")
    world.cluster.fail_next("create", "Service", quota())
    await world.once("Workspace", "box")
    assert [each["action"] for each in lines() if each["action"] == "refuse"] == ["refuse"]  # the first one was over


@pytest.mark.parametrize(
    ("error", "who"),
    [
        (
            Forbidden("ValidatingAdmissionPolicy 'labels' with binding 'all' denied request"),
            "ValidatingAdmissionPolicy/labels",
        ),
        (Forbidden('admission webhook "check.example.com" denied the request: no'), "webhook/check.example.com"),
        (Forbidden('User "system:serviceaccount:a:b" cannot create resource "services" in API group ""'), "RBAC"),
        (Invalid("spec.x: Invalid value"), "validation"),
    ],
)
async def test_who_refused(lines: Lines, error: Forbidden | Invalid, who: str) -> None:
    world = World(BOX, settings=SETTINGS)
    world.cluster.fail_next("create", "StatefulSet", error)
    await world.once("Workspace", "box")
    (refused,) = [each for each in lines() if each["action"] == "refuse"]
    assert refused["manager"] == who


async def test_a_name_that_is_taken(lines: Lines) -> None:
    taken = {"kind": "Service", "metadata": {"name": "box"}, "spec": {}}
    world = await running(BOX, taken)
    found = lines()
    (line,) = [each for each in found if each["action"] == "name_taken"]
    assert (line["child_kind"], line["child_name"], line["reason"]) == ("Service", "box", "NameTaken")
    assert [each for each in found if each["action"] in ("stall", "wait")] == []
    await world.round()
    assert lines() == []


async def test_a_violation(lines: Lines) -> None:
    rules = {"compute": {"cpuCoreRequest": {"max": 2}}}
    policy = asset("WorkloadPolicy", "limits", {"workloadType": "workspace", "rules": rules})
    box = asset("Workspace", "box", {"image": IMAGE, "compute": {"cpuCoreRequest": 4}})
    world = await running(box, policy)
    (line,) = [each for each in lines() if each["action"] == "violate"]
    assert (line["name"], line["fields"], line["reason"]) == ("box", ["compute.cpuCoreRequest"], "PolicyViolation")
    assert "limits" in line["manager"]
    assert [reason for reason, _ in told(world)] == ["Violated"]


async def test_an_orphan(lines: Lines) -> None:
    shared = asset("Credential", "c", {"type": "genericSecret", "secretRef": {"name": "s"}}, SYSTEM)
    world = await running(shared, secret("s", {"a": "b"}, SYSTEM), namespace(TEAM))
    lines()
    world.cluster.user_delete("Credential", SYSTEM, "c")
    world.orphan_collector.check_all()
    await world.orphan_collector.collect()
    assert ("collect", "Secret", "cred-c") in short(lines())


async def test_the_content_of_a_secret_is_nowhere(lines: Lines, caplog: pytest.LogCaptureFixture) -> None:
    """A repair of a Secret names the key; a rotation of its source is an update."""
    world = await running(
        asset("Credential", "c", {"type": "genericSecret", "secretRef": {"name": "s"}}), secret("s", {"a": "dmFsdWU"})
    )
    lines(), told(world)
    edited = secret("cred-c", {"a": "b3RoZXI"})
    world.cluster.user_apply({**edited, "metadata": {"name": "cred-c", "namespace": TEAM}}, "kubectl-edit")
    await world.settle()
    text = caplog.text
    (repair,) = lines()
    assert (repair["action"], repair["fields"], repair["manager"]) == ("repair", ["data.a"], "kubectl-edit")
    world.cluster.user_apply(secret("s", {"a": "cm90YXRlZA"}))
    await world.settle()
    text += caplog.text
    assert "update" in [each["action"] for each in lines()]
    assert "repair" not in text.replace("repaired", "", 1)
    for value in ("dmFsdWU", "b3RoZXI", "cm90YXRlZA"):
        assert value not in text + str(told(world))


async def test_a_writer_that_wins_is_reported_once(lines: Lines) -> None:
    world = await running()
    lines()

    def mirror(body: Body) -> Body:
        if body["kind"] == "StatefulSet":
            image(body)
        return body

    world.cluster.admission = mirror
    world.edit("Workspace", "box", image="registry.example.com/box:3")
    await world.settle()
    for _ in range(5):
        world.tick(700)
        await world.settle()
    found = [each for each in lines() if each["action"] == "back_off"]
    assert [(each["child_kind"], each["fields"], each["seconds"]) for each in found] == [
        ("StatefulSet", ["spec.template.spec.containers[main].image"], 30.0)
    ]


def test_an_outage_is_one_line_for_all_objects(lines: Lines) -> None:
    now = 0.0
    log = ActLog(clock=lambda: now)
    act = Act(Action.RETRY, reason=Unavailable.__name__, message="no response", seconds=1.0)
    for number in range(1000):
        log.write(Key("Workspace", TEAM, f"box-{number}"), act)
    assert [each.get("count") for each in lines()] == [None, 10, 100, 1000]
    now = 61.0
    log.write(Key("Workspace", TEAM, "box"), act)
    assert [each.get("count") for each in lines()] == [None]


async def test_both_formats_are_one_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "outfitter")
    await running(asset("Workspace", "box", {"image": IMAGE, "backoffLimit": 1, "description": "a\nb"}))
    for record in caplog.records:
        assert "\n" not in PlainFormatter().format(record)
        assert "\n" not in JsonFormatter().format(record)


def nested(levels: int, value: Any) -> Any:
    """A value inside of that many objects."""
    for _ in range(levels):
        value = {"deeper": value}
    return value


@pytest.mark.parametrize("levels", [0, 3, 240])
@pytest.mark.parametrize("field", sorted(MERGE_KEYS))
def test_any_value_of_a_spec_can_be_compared(field: str, levels: int) -> None:
    """A listener of the watches compares: an error there would keep news from all other objects."""
    for value in ({}, {"a": 1}, [], [1], None, 1.5, "x", True):
        entry = {name: nested(levels, value) for name in MERGE_KEYS[field]}
        old, new = (
            CachedObject.of(asset("WorkloadPolicy", "p", {"defaults": {field: [given]}, "n": number}))
            for number, given in enumerate((entry, dict.fromkeys(MERGE_KEYS[field], "other")))
        )
        assert {"spec", "spec.n"} & changed_spec(old, new)


def test_an_object_that_nothing_reconciles_takes_no_more_and_more_memory() -> None:
    state, key = EngineState(), Key("Workspace", TEAM, "box")
    for number in range(1000):
        state.spec_changed(key, frozenset({f"spec.a{number}", "spec.image"}))
    fields = state.changed_fields(key)
    assert (len(fields), "spec.image" in fields, state.changed_fields(key)) == (100, True, ())
