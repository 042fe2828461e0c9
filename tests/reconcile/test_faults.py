"""Killed anywhere, refused anything: the next pass converges, and nothing is there twice or left over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from doors import Deadly, Killed, Refusing

from outfitter.cluster.lookup import CacheLookup
from outfitter.errors import ApiError, Conflict, Forbidden, Invalid, NotFound, Throttled, Unavailable, api_error
from outfitter.naming import ANNOTATION_DIGEST, ANNOTATION_SOURCE_VERSION, LABEL_OWNER_UID
from outfitter.simulator.manifests import place_of
from world import OUR_KINDS, TEAM, World, asset, condition, issues, reason, secret

OBJECTS = (
    asset(
        "Environment",
        "lab",
        {
            "image": "registry.example.com/u:1",
            "environmentVariables": [{"name": "K", "credential": {"name": "bucket", "key": "AccessKeyId"}}],
            "connections": [
                {"name": "lab", "toolType": "custom", "connectionType": "ExternalUrl", "containerPort": 8888}
            ],
        },
    ),
    asset("Credential", "bucket", {"type": "accessKey", "secretRef": {"name": "keys"}}),
    secret("keys", {"AccessKeyId": "id", "SecretKey": "key"}),
    asset("DataSource", "data", {"pvc": {"path": "/data", "claimInfo": {"size": "1Gi"}}}),
    asset(
        "Workspace",
        "w",
        {
            "assets": {"environment": {"name": "lab"}, "dataSources": [{"name": "data"}]},
            "storage": {
                "pvc": [
                    {"name": "own", "path": "/own", "claimInfo": {"size": "1Gi"}},
                    {"name": "short", "path": "/short", "ephemeral": True, "claimInfo": {"size": "1Gi"}},
                ]
            },
        },
    ),
)
SETTINGS = {"domain": "apps.example.com"}


def _world() -> World:
    return World(*OBJECTS, settings=SETTINGS)


def _edit(world: World) -> None:
    world.edit(
        "Workspace",
        "w",
        image="registry.example.com/u:2",
        storage={"pvc": [{"name": "own", "path": "/own", "claimInfo": {"size": "2Gi"}}]},
    )


def _suspend(world: World) -> None:
    world.edit("Workspace", "w", suspend=True)


def _rotate(world: World) -> None:
    world.cluster.user_apply(secret("keys", {"AccessKeyId": "id2", "SecretKey": "key2"}))


def _nothing(world: World) -> None:
    pass


CHANGES: tuple[Callable[[World], None], ...] = (_nothing, _edit, _suspend, _rotate)


def _picture(world: World) -> dict[tuple[str, ...], Any]:
    """Everything there is, without what differs from run to run."""
    found = {}
    uids = {body["metadata"]["uid"]: place_of(body) for body in world.cluster.objects()}
    names = {
        body["metadata"]["name"]: f"pin {number}"
        for number, body in enumerate(sorted(world.all("ControllerRevision"), key=lambda body: body["revision"]))
    }

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            hidden = (
                "resourceVersion",
                "creationTimestamp",
                "lastTransitionTime",
                "updatedAt",
                ANNOTATION_DIGEST,
                ANNOTATION_SOURCE_VERSION,
                "version",
                "generation",
                "observedGeneration",
                "currentRevision",
                "updateRevision",
                "inputs",
                "nodePort",
            )
            return {names.get(key, key): plain(item) for key, item in value.items() if key not in hidden}
        if isinstance(value, list):
            return [plain(item) for item in value]
        return names.get(value, uids.get(value, value)) if isinstance(value, str) else value

    for body in world.cluster.objects():
        kind, namespace, name = place_of(body)
        found[kind, namespace, names.get(name, name)] = plain({k: v for k, v in body.items() if k != "revision"})
    return found


async def _prepared(change: Callable[[World], None]) -> World:
    world = _world()
    if change is not _nothing:
        await world.settle()
        change(world)
    return world


async def _until_killed(world: World, number: int, *, answered: bool) -> bool:
    """Settle until the n-th write kills the process; False where there are fewer writes."""
    await world.restart(Deadly(world.cluster, number, answered=answered))
    try:
        await world.settle()
    except Killed:
        return True
    return False


@pytest.mark.parametrize("answered", [True, False], ids=["after-the-write", "before-the-write"])
@pytest.mark.parametrize("change", CHANGES)
async def test_killed_at_every_write(change: Callable[[World], None], answered: bool) -> None:
    """For each write of the whole story: die there, start again, and end where one goes without dying."""
    calm = await _prepared(change)
    await calm.settle()
    wanted = _picture(calm)
    number = 1
    while True:
        world = await _prepared(change)
        if not await _until_killed(world, number, answered=answered):
            break
        await world.restart()
        await world.settle()
        assert _picture(world) == wanted, f"killed at write {number}"
        mark = len(world.cluster.writes)
        await world.round()
        assert world.writes(mark) == []
        number += 1
    assert number > 2


@pytest.mark.parametrize("change", CHANGES)
async def test_no_orphans(change: Callable[[World], None]) -> None:
    """Every child is owned by something that is there."""
    world = await _prepared(change)
    await world.settle()
    uids = {body["metadata"]["uid"] for kind in OUR_KINDS for body in world.all(kind)}
    for body in world.cluster.objects():
        owner = (body["metadata"].get("labels") or {}).get(LABEL_OWNER_UID)
        assert owner is None or owner in uids, place_of(body)


RETRIED = [
    Conflict("changed", status=409, reason="Conflict"),
    Throttled("slow down", status=429, retry_after=1.0),
    Unavailable("internal error", status=500),
    Unavailable("connection reset"),
]


@pytest.mark.parametrize("error", RETRIED, ids=lambda error: f"{error.status}")
@pytest.mark.parametrize("verb", ["create", "apply", "delete", "status"])
@pytest.mark.parametrize("late", [False, True], ids=["refused", "answer-lost"])
async def test_retried_errors_lose_nothing(verb: str, error: ApiError, late: bool) -> None:
    """409, 429, 500 and broken connections reach the queue, and once they end everything is made."""
    world = _world()
    await world.settle()
    _edit(world)
    await world.settle()
    _rotate(world)
    await world.settle()
    wanted = _picture(world)

    world = _world()
    for step in (_nothing, _edit, _rotate):
        step(world)
        door = Refusing(world.cluster, verb, error, times=3, late=late)
        world.connect(door)
        await world.settle()
        assert late or door.refused in (0, 3)
    assert _picture(world) == wanted


async def test_each_verb_was_really_tried() -> None:
    """The story above uses every verb."""
    world = _world()
    for step in (_nothing, _edit, _rotate):
        step(world)
        await world.settle()
    assert {write.verb for write in world.cluster.writes} == {"create", "apply", "delete", "status"}


@pytest.mark.parametrize(
    ("error", "word", "stalled"),
    [
        (Forbidden('statefulsets "w" is forbidden: User cannot create', status=403), "Forbidden", True),
        (Forbidden('"w" is forbidden: exceeded quota: count', status=403), "QuotaExceeded", False),
        (
            Forbidden('"w" is forbidden: unable to create in namespace team-a because it is being terminated'),
            "NamespaceTerminating",
            False,
        ),
        (Invalid("spec.template: Invalid value", status=422), "Refused", True),
        (NotFound('namespaces "team-a" not found', status=404), "NotCreated", False),
    ],
)
async def test_refused_create(error: ApiError, word: str, stalled: bool) -> None:
    """A refusal is reported in the server's words, and tried again: a policy or a quota can change without an event."""
    world = _world()
    world.connect(Refusing(world.cluster, "create", error, kind="StatefulSet"))
    await world.settle()
    status = world.status("Workspace", "w")
    assert reason(status) == word
    assert word in issues(status)
    assert (condition(status, "Stalled") is not None) is stalled
    assert (condition(status, "Reconciling") is not None) is not stalled
    assert error.message.split(":")[-1] in status["message"] or word == "NamespaceTerminating"
    result = await world.once("Workspace", "w")
    assert result.requeue_after is not None
    world.connect(world.cluster)
    await world.settle()
    assert reason(world.status("Workspace", "w")) == "Running"


async def test_refused_apply_and_delete() -> None:
    """The same for changes: the old pod goes on, the status says what is not done."""
    for verb in ("apply", "delete"):
        world = _world()
        await world.settle()
        _edit(world)
        world.connect(
            Refusing(
                world.cluster, verb, Forbidden("not allowed", status=403), kind="StatefulSet" if verb == "apply" else ""
            )
        )
        await world.settle()
        status = world.status("Workspace", "w")
        assert reason(status) == "Forbidden", verb
        assert status["readyReplicas"] == 1


async def test_refused_pin_stops_the_rest() -> None:
    """Nothing runs and nothing is reached of a workload whose pin could not be written; its addresses are kept."""
    world = _world()
    world.connect(Refusing(world.cluster, "create", Forbidden("no", status=403), kind="ControllerRevision"))
    await world.settle()
    uid = world.get("Workspace", "w")["metadata"]["uid"]
    assert {child.kind for child in CacheLookup(world.caches).owned(uid)} == {"Service"}
    assert reason(world.status("Workspace", "w")) == "Forbidden"
    before = world.get("Service", "w")["metadata"]["uid"]
    world.connect(world.cluster)
    await world.settle()
    assert reason(world.status("Workspace", "w")) == "Running"
    assert world.get("Service", "w")["metadata"]["uid"] == before


async def test_refused_copy_is_not_counted_as_synced() -> None:
    """A Credential whose Secret may not be written says so in its targets."""
    world = World(
        asset("Credential", "c", {"type": "genericSecret", "secretRef": {"name": "s"}}), secret("s", {"a": "b"})
    )
    world.connect(Refusing(world.cluster, "create", Forbidden("no", status=403), kind="Secret"))
    await world.settle()
    status = world.status("Credential", "c")
    assert status["targets"] == {"desired": 1, "synced": 0}
    assert status["syncStatus"] == "Failed"


async def test_refused_end_is_asked_for_again() -> None:
    """What nobody needs any more, and may not go, goes as soon as it may."""
    groups = [{"containers": [{"imageUri": "registry.example.com/s:1", "port": 8080}]}]
    world = World(asset("Artifact", "a", {"containerGroups": groups}))
    await world.settle()
    world.cluster.user_delete("Artifact", TEAM, "a")
    world.tick(3)
    door = Refusing(world.cluster, "delete", Forbidden("no", status=403), times=2)
    world.connect(door)
    await world.round()  # it says first that it holds nothing
    delays = []
    while world.find("ArtifactRepository", "a") is not None:
        done = await world.once("ArtifactRepository", "a")
        delays.append(done.requeue_after)
    assert (delays, done.outcome, door.refused) == ([1.0, 2.0, None], "Gone", 2)


def test_every_status_code_has_its_error() -> None:
    """The HTTP codes that the tests above speak of."""
    codes = {403: Forbidden, 404: NotFound, 409: Conflict, 422: Invalid, 429: Throttled, 500: Unavailable}
    for code, kind in codes.items():
        assert type(api_error(code, "", "text")) is kind
