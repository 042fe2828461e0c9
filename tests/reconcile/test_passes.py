"""Reconciliations in the situations that clusters bring: unmanaged objects, namesakes, deletions, pauses, rotation."""

from __future__ import annotations

import base64
import json
import logging
from typing import Any

import pytest
from doors import Refusing

from outfitter.api.validation import strict_errors
from outfitter.errors import AlreadyExists, Conflict
from outfitter.naming import LABEL_OWNER_UID, LABEL_PROJECT, LABEL_RETAINED
from world import SYSTEM, TEAM, World, asset, complete, condition, issues, namespace, reason, secret

IMAGE = "registry.example.com/u:1"


def workspace(name: str = "w", **spec: Any) -> dict[str, Any]:
    return asset("Workspace", name, {"image": IMAGE, **spec})


def unmanaged(kind: str, name: str, **fields: Any) -> dict[str, Any]:
    return complete({"kind": kind, "metadata": {"name": name}, **fields})


async def test_one_write_per_child_and_one_status_per_state() -> None:
    """A new workload: its pin, its children, Services before others as they take longest, one status per state."""
    world = World(workspace())
    await world.settle()
    assert world.writes() == [
        ("create", "ControllerRevision", world.all("ControllerRevision")[0]["metadata"]["name"]),
        ("create", "Service", "w"),
        ("create", "StatefulSet", "w"),
        ("status", "Workspace", "w"),
        ("status", "Workspace", "w"),
    ]
    phases = [write.manifest["phase"] for write in world.cluster.writes if write.verb == "status"]
    assert phases == ["Creating", "Running"]


async def test_unmanaged_objects_are_never_adopted() -> None:
    """Objects of the names we need that nobody made for us stay as they are, and the status names them."""
    service = unmanaged("Service", "w", spec={"selector": {"app": "theirs"}, "ports": [{"port": 80}]})
    claim = unmanaged(
        "PersistentVolumeClaim",
        "mine",
        spec={"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    )
    other = unmanaged("StatefulSet", "v", spec={"selector": {"matchLabels": {"a": "b"}}, "template": {}})
    source = asset("DataSource", "mine", {"pvc": {"path": "/d", "claimInfo": {"size": "1Gi"}}})
    world = World(service, claim, other, workspace(), workspace("v"), source)
    before = [world.get("Service", "w"), world.get("PersistentVolumeClaim", "mine"), world.get("StatefulSet", "v")]
    for body in before:
        body.pop("status", None)
    world.controllers.binding = False
    await world.round()
    await world.round()
    after = [world.get("Service", "w"), world.get("PersistentVolumeClaim", "mine"), world.get("StatefulSet", "v")]
    assert after == before
    for kind, name, what in (
        ("Workspace", "w", "Service team-a/w"),
        ("Workspace", "v", "StatefulSet team-a/v"),
        ("DataSource", "mine", "PersistentVolumeClaim team-a/mine"),
    ):
        status = world.status(kind, name)
        assert reason(status) == "NameTaken"
        assert condition(status, "Stalled") is not None
        assert what in status["message"]
    world.cluster.user_delete("Service", TEAM, "w")
    with pytest.raises(Conflict):
        await world.once("Workspace", "w")  # the unmanaged object is gone: look again
    await world.settle()
    assert world.get("Service", "w")["metadata"]["labels"][LABEL_OWNER_UID]


async def test_a_stranger_is_looked_at_without_writing() -> None:
    """While an unmanaged object holds the name, passes write nothing more, and the next look is planned."""
    world = World(unmanaged("Service", "w", spec={"ports": [{"port": 80}]}), workspace())
    await world.settle()
    mark = len(world.cluster.writes)
    result = await world.once("Workspace", "w")
    assert world.writes(mark) == []
    assert result.requeue_after is not None
    assert 0 < result.requeue_after <= 60


async def test_answer_of_our_own_create_is_lost() -> None:
    """AlreadyExists of what we made ourselves a moment ago is success."""
    world = World(workspace())
    door = Refusing(
        world.cluster, "create", AlreadyExists("services exists", status=409), kind="Service", late=True, times=1
    )
    world.connect(door)
    await world.settle()
    assert door.refused == 1
    assert len(world.all("Service")) == 1
    assert reason(world.status("Workspace", "w")) == "Running"


async def test_two_of_ours_want_one_name() -> None:
    """The second to come is told whose the name is."""
    world = World(
        asset("Environment", "lab", {"image": IMAGE, "run": {}}),
        asset("Workspace", "lab", {"image": IMAGE}),
    )
    await world.settle()
    status = world.status("Workspace", "lab")
    assert reason(status) == "NameTaken"
    assert "belongs to Environment lab" in status["message"]
    assert reason(world.status("Environment", "lab")) == "Running"


async def test_recreated_owner_waits_for_its_namesakes_children() -> None:
    """Children of a deleted namesake that are still going are waited for, then everything is made again."""
    world = World(workspace())
    await world.settle()
    old = world.get("StatefulSet", "w")
    for kind in ("StatefulSet", "Service"):
        body = world.get(kind, "w")
        body["metadata"]["finalizers"] = ["foregroundDeletion"]
        body.pop("status", None)
        world.cluster.user_apply(body)
    world.cluster.user_delete("Workspace", TEAM, "w")
    assert world.get("StatefulSet", "w")["metadata"]["deletionTimestamp"]
    world.cluster.user_apply(workspace(image="registry.example.com/u:2"))
    world.controllers.binding = False
    await world.round()
    await world.round()
    status = world.status("Workspace", "w")
    assert reason(status) == "Replacing"
    assert condition(status, "Stalled") is None
    assert world.get("StatefulSet", "w")["metadata"]["uid"] == old["metadata"]["uid"]
    for kind in ("StatefulSet", "Service"):
        world.cluster.user_release(kind, TEAM, "w")
    await world.settle()
    new = world.get("StatefulSet", "w")
    assert new["metadata"]["uid"] != old["metadata"]["uid"]
    assert new["metadata"]["labels"][LABEL_OWNER_UID] == world.get("Workspace", "w")["metadata"]["uid"]
    assert reason(world.status("Workspace", "w")) == "Running"


async def test_recreated_owner_whose_cache_is_behind() -> None:
    """The same where the cache does not show the old child yet: the create meets it, and the next look is planned."""
    world = World(workspace())
    await world.settle()
    world.cluster.user_delete("Workspace", TEAM, "w", orphan=True)
    world.cluster.user_apply(workspace())
    stale = world.caches["Service"].get(TEAM, "w")
    assert stale is not None
    world.caches["Service"].remove(stale)
    result = await world.once("Workspace", "w")
    assert "Replacing" in issues(world.status("Workspace", "w"))
    assert result.requeue_after is not None
    assert 0 < result.requeue_after <= 60


async def test_retained_volumes_are_taken_up_again() -> None:
    """A re-created DataSource, and a re-created Workspace, find their data; the claims stay the same objects."""
    source = asset("DataSource", "data", {"pvc": {"path": "/d", "claimInfo": {"size": "1Gi"}}})
    mine = workspace(storage={"pvc": [{"name": "own", "path": "/own", "claimInfo": {"size": "1Gi"}}]})
    world = World(source, mine)
    await world.settle()
    before = {body["metadata"]["name"]: body["metadata"]["uid"] for body in world.all("PersistentVolumeClaim")}
    assert set(before) == {"data", "w-own-9dfc7d"}
    for kind, name in (("DataSource", "data"), ("Workspace", "w")):
        world.cluster.user_delete(kind, TEAM, name)
    assert {body["metadata"]["name"] for body in world.all("PersistentVolumeClaim")} == set(before)
    world.cluster.user_apply(source)
    world.cluster.user_apply(mine)
    await world.settle()
    assert {body["metadata"]["name"]: body["metadata"]["uid"] for body in world.all("PersistentVolumeClaim")} == before
    for body in world.all("PersistentVolumeClaim"):
        owner = body["metadata"]["labels"]
        assert (
            owner[LABEL_OWNER_UID]
            == world.get(owner["outfitter.dev/owner-kind"], owner["outfitter.dev/owner-name"])["metadata"]["uid"]
        )
        assert "ownerReferences" not in body["metadata"]


async def test_reclaim_policy_delete_takes_the_data_along() -> None:
    """With reclaimPolicy Delete the claim goes with its DataSource."""
    spec = {"reclaimPolicy": "Delete", "pvc": {"path": "/d", "claimInfo": {"size": "1Gi"}}}
    world = World(asset("DataSource", "data", spec))
    await world.settle()
    world.cluster.user_delete("DataSource", TEAM, "data")
    assert world.all("PersistentVolumeClaim") == []


@pytest.mark.parametrize("where", [TEAM, SYSTEM])
async def test_reclaim_policy_may_change(where: str) -> None:
    """Retain and Delete follow the spec in both directions, in the own namespace and in others."""
    spec = {"pvc": {"path": "/d", "claimInfo": {"size": "1Gi"}}}
    world = World(asset("DataSource", "data", spec, where))
    await world.settle()
    claim = world.get("PersistentVolumeClaim", "data")
    assert claim["metadata"]["labels"][LABEL_RETAINED] == "true"
    world.edit("DataSource", "data", where, reclaimPolicy="Delete")
    await world.settle()
    claim = world.get("PersistentVolumeClaim", "data")
    assert claim["metadata"]["labels"][LABEL_RETAINED] == "false"
    assert ("ownerReferences" in claim["metadata"]) is (where == TEAM)
    world.edit("DataSource", "data", where, reclaimPolicy="Retain")
    await world.settle()
    claim = world.get("PersistentVolumeClaim", "data")
    assert claim["metadata"]["labels"][LABEL_RETAINED] == "true"
    assert "ownerReferences" not in claim["metadata"]


async def test_terminating_namespace_is_left_alone() -> None:
    """In a namespace that goes away nothing is written, not even a status."""
    world = World(workspace())
    world.terminate(TEAM)
    await world.round()
    assert world.writes() == []
    assert world.results[next(iter(world.results))].outcome == "Gone"


async def test_namespace_terminating_beside_others() -> None:
    """A shared Credential skips a project that goes away, and goes on with the others."""
    credential = asset("Credential", "c", {"type": "genericSecret", "secretRef": {"name": "s"}}, SYSTEM)
    world = World(credential, secret("s", {"a": "b"}, SYSTEM), namespace(TEAM), namespace("team-b"))
    world.terminate("team-b")
    await world.settle()
    assert [body["metadata"]["namespace"] for body in world.all("Secret")] == [SYSTEM, TEAM]
    assert world.status("Credential", "c", SYSTEM)["targets"] == {"desired": 1, "synced": 1}


async def test_paused_object_is_not_touched() -> None:
    """`outfitter.dev/reconcile: disabled` stops writes, drift repair included; taking it away starts them."""
    world = World(workspace())
    await world.settle()
    world.annotate("Workspace", "w", reconcile="disabled")
    world.cluster.user_delete("Service", TEAM, "w")
    world.edit("Workspace", "w", image="registry.example.com/u:2")
    mark = len(world.cluster.writes)
    await world.round()
    assert world.writes(mark) == []
    result = await world.once("Workspace", "w")
    assert result.outcome == "Paused"
    assert result.deps
    world.annotate("Workspace", "w", reconcile="enabled")
    await world.settle()
    assert world.find("Service", "w") is not None
    assert world.get("StatefulSet", "w")["spec"]["template"]["spec"]["containers"][0]["image"].endswith(":2")


async def test_ready_is_held_for_ten_seconds() -> None:
    """A pod that is replaced within the time is no news; one that stays away is, once."""
    world = World(workspace())
    await world.settle()
    world.controllers.pods = False
    world.controllers.run()
    mark = len(world.cluster.writes)
    first = await world.once("Workspace", "w")
    assert first.requeue_after is not None
    assert 9 < first.requeue_after < 11
    world.tick(9)
    second = await world.once("Workspace", "w")
    assert second.requeue_after is not None
    assert 0 < second.requeue_after < 2
    assert world.writes(mark) == []
    world.controllers.pods = True
    world.controllers.run()
    recovered = await world.once("Workspace", "w")
    assert recovered.requeue_after is None
    assert world.writes(mark) == []

    world.controllers.pods = False
    world.controllers.run()
    await world.once("Workspace", "w")
    world.tick(11)
    await world.once("Workspace", "w")
    status = world.status("Workspace", "w")
    assert status["phase"] == "Degraded"
    assert condition(status, "Reconciling") is not None
    assert [verb for verb, _, _ in world.writes(mark)] == ["status"]


async def test_hold_does_not_hide_edits_or_failures() -> None:
    """A new spec is answered at once, and so is what a person must fix."""
    world = World(workspace())
    await world.settle()
    world.edit("Workspace", "w", image="registry.example.com/u:2")
    await world.once("Workspace", "w")
    status = world.status("Workspace", "w")
    assert status["observedGeneration"] == 2
    assert condition(status, "Reconciling") is not None
    await world.settle()
    world.edit("Workspace", "w", backoffLimit=1)
    await world.once("Workspace", "w")
    assert condition(world.status("Workspace", "w"), "Stalled") is not None


async def test_used_by() -> None:
    """Assets know their users: counted, listed, and dropped when they go."""
    environment = asset("Environment", "lab", {"image": IMAGE}, SYSTEM)
    users = [asset("Workspace", f"w{number}", {"assets": {"environment": {"name": "lab"}}}) for number in range(55)]
    world = World(environment, *users)
    await world.settle()
    used = world.status("Environment", "lab", SYSTEM)["usedBy"]
    assert used["total"] == 55
    assert len(used["workspaces"]) == 50
    assert used["workspaces"][0] == {"namespace": TEAM, "name": "w0", "phase": "Running"}
    for number in range(54):
        world.cluster.user_delete("Workspace", TEAM, f"w{number}")
    await world.restart()
    await world.settle()
    assert world.status("Environment", "lab", SYSTEM)["usedBy"] == {
        "total": 1,
        "workspaces": [{"namespace": TEAM, "name": "w54", "phase": "Running"}],
    }


async def test_a_namesake_is_no_user() -> None:
    """A shared asset that is shadowed in a project does not use the one that shadows it."""
    spec = {"type": "genericSecret", "secretRef": {"name": "s"}}
    world = World(
        asset("Credential", "c", spec, SYSTEM),
        asset("Credential", "c", spec),
        secret("s", {"a": "b"}),
        secret("s", {"a": "b"}, SYSTEM),
    )
    await world.settle()
    assert world.status("Credential", "c")["usedBy"] == {"total": 0}
    assert world.status("Credential", "c", SYSTEM)["targets"] == {"desired": 0, "synced": 0}


SECRET_VALUES = ("s3cr3t-access-key", "p4ss-w0rd", "ngc-t0ken-value", "pr1vate")


async def test_secret_material_appears_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    """Nor its base64 form: not in a status, event, label, annotation, pin or log line; only in Secret data."""
    caplog.set_level(logging.DEBUG)
    data = {
        "AccessKeyId": SECRET_VALUES[0],
        "SecretKey": SECRET_VALUES[0],
        "url": "registry.example.com",
        "user": SECRET_VALUES[3],
        "password": SECRET_VALUES[1],
        "NGC_API_KEY": SECRET_VALUES[2],
    }
    kinds = ("accessKey", "password", "dockerRegistry", "ngcApiKey", "genericSecret")
    credentials = [asset("Credential", kind.lower(), {"type": kind, "secretRef": {"name": "s"}}) for kind in kinds]
    broken = asset("Credential", "broken", {"type": "dockerRegistry", "secretRef": {"name": "binary"}})
    binary = secret("binary", {"url": "u", "user": "u"})
    binary["data"]["password"] = base64.b64encode(SECRET_VALUES[1].encode() + b"\xff").decode()
    variables = [
        {"name": "A", "credential": {"name": "accesskey", "key": "SecretKey"}},
        {"name": "B", "credential": {"name": "password", "key": "Password"}},
        {"name": "C", "secret": {"name": "s", "key": "user"}},
        {"name": "D", "credential": {"name": "password", "key": "absent"}},
    ]
    link = {"name": "link", "toolType": "wandb", "externalUrl": "https://wandb.ai/$A/$B/$C"}
    world = World(
        secret("s", data),
        binary,
        *credentials,
        broken,
        workspace(environmentVariables=variables[:3], connections=[link]),
        workspace("v", environmentVariables=variables),
    )
    await world.settle()
    world.cluster.user_apply(secret("s", {**data, "SecretKey": "another-" + SECRET_VALUES[0]}))
    await world.settle()
    written: list[Any] = [
        {key: value for key, value in write.manifest.items() if not (write.kind == "Secret" and key == "data")}
        for write in world.cluster.writes
    ]
    text = json.dumps([written, world.cluster.events]) + caplog.text + repr(world.results)
    text += repr(world.plan("Credential", "accesskey").status)
    for value in SECRET_VALUES:
        for shift in range(3):
            encoded = base64.b64encode(b"x" * shift + value.encode()).decode()[4 if shift else 0 : -4]
            assert encoded not in text
        assert value not in text
    assert any(
        SECRET_VALUES[2] in base64.b64decode(v).decode()
        for b in world.all("Secret")
        for v in b["data"].values()
        if b["metadata"]["name"] == "cred-ngcapikey"
    )


async def test_rotation_changes_the_copies_and_is_told() -> None:
    """A rotated Secret reaches every copy with one write each; workloads are told, and take it up on restart."""
    world = World(
        asset("Credential", "c", {"type": "genericSecret", "secretRef": {"name": "s"}}),
        secret("s", {"k": "one"}),
        workspace(environmentVariables=[{"name": "K", "credential": {"name": "c", "key": "k"}}]),
    )
    await world.settle()
    mark = len(world.cluster.writes)
    world.cluster.user_apply(secret("s", {"k": "two"}))
    await world.settle()
    assert base64.b64decode(world.get("Secret", "cred-c")["data"]["k"]) == b"two"
    assert world.writes(mark) == [("apply", "Secret", "cred-c"), ("status", "Workspace", "w")]
    assert world.status("Workspace", "w")["outdated"] == [
        {"kind": "Credential", "namespace": TEAM, "name": "c", "reason": "Rotated"}
    ]
    touched = world.get("Secret", "s")
    touched["metadata"]["annotations"] = {"touched": "yes"}
    mark = len(world.cluster.writes)
    world.cluster.user_apply(touched)
    await world.settle()
    assert world.writes(mark) == []
    world.annotate("Workspace", "w", restartedAt="now")
    await world.settle()
    assert "outdated" not in world.status("Workspace", "w")


async def test_drift_is_repaired_and_strange_fields_stay() -> None:
    """What we set is set back; what others added stays."""
    world = World(workspace())
    await world.settle()
    body = world.get("StatefulSet", "w")
    del body["status"]
    body["spec"]["template"]["spec"]["containers"][0]["image"] = "evil"
    body["spec"]["template"]["spec"]["containers"].append({"name": "sidecar", "image": "theirs"})
    body["metadata"]["annotations"]["theirs"] = "kept"
    world.cluster.user_apply(body)
    mark = len(world.cluster.writes)
    await world.settle()
    assert ("apply", "StatefulSet", "w") in world.writes(mark)
    containers = world.get("StatefulSet", "w")["spec"]["template"]["spec"]["containers"]
    assert [item["image"] for item in containers] == [IMAGE, "theirs"]
    assert world.get("StatefulSet", "w")["metadata"]["annotations"]["theirs"] == "kept"


async def test_status_conflict_is_raised_and_retried() -> None:
    """An object replaced during its pass: the old one's status is refused, the next pass is for the new one."""
    world = World(workspace())
    door = Refusing(world.cluster, "status", Conflict("another object now", status=409), times=1)
    world.connect(door)
    with pytest.raises(Conflict):
        await world.once("Workspace", "w")
    await world.settle()
    assert reason(world.status("Workspace", "w")) == "Running"


async def test_object_deleted_during_its_pass() -> None:
    """Its status has nowhere to go; that is no error, and nothing comes back to life."""
    world = World(workspace())

    class Deleting(Refusing):
        def before(self, verb: str, kind: str, name: str) -> None:
            if verb == "status" and world.find("Workspace", "w"):
                world.cluster.user_delete("Workspace", TEAM, "w")

    world.connect(Deleting(world.cluster, "none", Conflict("")))
    result = await world.once("Workspace", "w")
    assert world.find("Workspace", "w") is None
    assert world.all("StatefulSet") == []
    assert result.requeue_after is None
    assert (await world.once("Workspace", "w")).outcome == "Gone"


async def test_foreign_finalizer_holds_the_object() -> None:
    """While somebody else's finalizer holds a deleted object its status says so, and nothing is repaired any more."""
    world = World(workspace())
    await world.settle()
    body = world.get("Workspace", "w")
    body["metadata"]["finalizers"] = ["example.com/hold"]
    body.pop("status")
    world.cluster.user_apply(body)
    world.cluster.user_delete("Workspace", TEAM, "w")
    world.cluster.user_delete("Service", TEAM, "w")
    mark = len(world.cluster.writes)
    await world.settle()
    assert world.writes(mark) == [("status", "Workspace", "w")]
    status = world.status("Workspace", "w")
    assert status["syncStatus"] == "Deleting"
    assert status["phase"] == "Deleting"
    world.cluster.user_release("Workspace", TEAM, "w")
    assert world.find("StatefulSet", "w") is None


async def test_half_a_megabyte_of_spec() -> None:
    """The largest specs that users write fit into a pin: it stays below what a server stores."""
    variables = [{"name": f"V{number}", "value": "x" * 2500} for number in range(200)]
    body = workspace(environmentVariables=variables)
    assert 500_000 < len(json.dumps(body)) < 600_000
    assert strict_errors(body) == []
    world = World(body)
    await world.settle()
    assert reason(world.status("Workspace", "w")) == "Running"
    largest = max(len(json.dumps(dict(write.manifest))) for write in world.cluster.writes)
    assert largest < 1_400_000
    assert len(json.dumps(world.status("Workspace", "w"))) < 2_000


async def test_namespace_labels_open_and_close() -> None:
    """A shared Credential arrives when a namespace opts in, and leaves when it opts out."""
    spec = {"type": "genericSecret", "secretRef": {"name": "s"}}
    world = World(asset("Credential", "c", spec, SYSTEM), secret("s", {"a": "b"}, SYSTEM), namespace(TEAM, {}))
    await world.settle()
    assert world.find("Secret", "cred-c") is None
    for labels, there in (({LABEL_PROJECT: TEAM}, True), ({}, False)):
        world.cluster.user_apply(namespace(TEAM, labels))
        await world.settle()
        assert (world.find("Secret", "cred-c") is not None) is there


async def test_stalled_is_told_by_one_event() -> None:
    """The Event comes when the object gets stuck, not on every pass."""
    world = World(workspace(backoffLimit=1))
    await world.settle()
    await world.round()
    assert [item["reason"] for item in world.cluster.events] == ["Unsupported"]


async def test_run_taken_out_of_an_environment() -> None:
    """What ran goes, the definition stays; volumes with data stay too."""
    world = World(asset("Environment", "lab", {"image": IMAGE, "run": {}}))
    await world.settle()
    world.edit("Environment", "lab", run=None)
    await world.settle()
    assert world.all("StatefulSet") == world.all("Service") == world.all("ControllerRevision") == []
    status = world.status("Environment", "lab")
    assert reason(status) == "Valid"
    assert "phase" not in status


async def test_a_host_belongs_to_the_first() -> None:
    """The second claimant gets no Ingress as long as the first has it, and gets it when the first goes."""
    connection = {
        "name": "lab",
        "toolType": "custom",
        "connectionType": "ExternalUrl",
        "containerPort": 80,
        "customUrl": True,
        "externalUrl": "https://mine.apps.example.com",
    }
    world = World(
        workspace("first", connections=[connection]),
        workspace("second", connections=[connection]),
        settings={"domain": "apps.example.com"},
    )
    await world.settle()
    assert [body["metadata"]["name"] for body in world.all("Ingress")] == ["first-lab"]
    status = world.status("Workspace", "second")
    assert reason(status) == "HostTaken"
    assert "belongs to another workload" in status["message"]
    result = await world.once("Workspace", "second")
    assert ("Ingress", TEAM, "first-lab") in result.deps
    world.cluster.user_delete("Workspace", TEAM, "first")
    await world.settle()
    assert [body["metadata"]["name"] for body in world.all("Ingress")] == ["second-lab"]
    assert reason(world.status("Workspace", "second")) == "Running"
