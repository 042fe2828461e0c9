"""Bad luck while policies count: killed, refused, moved, deleted. Nothing is lost, doubled, or judged wrongly."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from doors import Deadly, Killed, Refusing

from outfitter.errors import ApiError, Conflict, Forbidden, Invalid, Throttled, Unavailable
from outfitter.plan.policy import EFFECTIVE
from outfitter.reconcile.reconciler import Reconciler
from outfitter.snapshot import Key
from world import SYSTEM, TEAM, World, asset, issues, namespace, reason

IMAGE = "registry.example.com/box:1"
PROJECTS = 300
SEED = 20261129


def policy(name: str = "all", where: str = SYSTEM, **spec: Any) -> dict[str, Any]:
    born = {"creationTimestamp": "2026-01-01T00:00:00Z"}
    return asset("WorkloadPolicy", name, {"workloadType": "workspace", **spec}, where, **born)


def box(**spec: Any) -> dict[str, Any]:
    return asset("Workspace", "box", {"image": IMAGE, **spec})


def status(world: World) -> dict[str, Any]:
    return world.status("Workspace", "box")


def projects(count: int) -> list[dict[str, Any]]:
    return [namespace(f"team-{number:03}") for number in range(count)]


def revision(world: World) -> dict[str, Any]:
    (found,) = [
        item for item in world.all("ControllerRevision") if item["metadata"]["name"] == status(world)["revision"]
    ]
    return found


def judged_by(world: World) -> list[str]:
    sources = revision(world)["data"]["sources"]
    return sorted(item["name"] for item in sources if item["kind"] == "WorkloadPolicy")


# -- the EffectivePolicies of many projects ----------------------------------------------------------------------------


def _edit(world: World) -> None:
    world.edit("WorkloadPolicy", "all", SYSTEM, defaults={"args": "y"})


def _add(world: World) -> None:
    world.load([policy(defaults={"args": "x"})])


def _delete(world: World) -> None:
    world.cluster.user_delete("WorkloadPolicy", SYSTEM, "all")


FAN_OUTS: dict[str, tuple[Callable[[World], None], str, int]] = {
    "create": (_add, "create", PROJECTS),
    "replace": (_edit, "replace", PROJECTS),
    "delete": (_delete, "delete", 0),
}


@pytest.mark.parametrize("verb", FAN_OUTS)
async def test_killed_at_every_write_of_a_fan_out(verb: str) -> None:
    """Each process dies with its first write, in any order of the projects: all are written, and each once."""
    change, _, left = FAN_OUTS[verb]
    world = World(*projects(PROJECTS), *([] if verb == "create" else [policy(defaults={"args": "x"})]))
    world.cluster.user_delete("Namespace", "", TEAM)
    await world.settle()
    change(world)
    before, order = len(world.cluster.writes), random.Random(SEED)
    lives = 0
    while await _dies(world, order):
        lives += 1
    written = Counter(
        (write.verb, write.namespace) for write in world.cluster.writes[before:] if write.kind == "EffectivePolicy"
    )
    assert written == {(verb, f"team-{number:03}"): 1 for number in range(PROJECTS)}
    assert lives >= PROJECTS
    found = world.all("EffectivePolicy")
    assert len(found) == left
    assert {item["spec"]["defaults"]["args"] for item in found} <= {"x" if verb == "create" else "y"}
    before = len(world.cluster.writes)
    await world.restart()
    await world.settle()
    assert world.writes(before) == []


async def _dies(world: World, order: random.Random) -> bool:
    """Start a process that dies with its first write. False where it has nothing to write."""
    world.connect(Deadly(world.cluster, 1, answered=True))
    world.reconciler = Reconciler(
        world._connection, world.caches, world.settings, world.dependents.users, world.time, world.registries
    )
    keys = [*world.keys(), *(Key(EFFECTIVE, live.namespace, live.name) for live in world.caches[EFFECTIVE].all())]
    order.shuffle(keys)
    try:
        while keys:
            result = await world.reconcile(keys.pop())
            keys += sorted(result.also_reconcile)
    except Killed:
        return True
    return False


RETRIED: tuple[ApiError, ...] = (
    Conflict("changed", status=409, reason="Conflict"),
    Throttled("slow down", status=429, retry_after=1.0),
    Unavailable("internal error", status=500),
    Unavailable("connection reset"),
)
REFUSED: tuple[ApiError, ...] = (
    Forbidden("admission policy says no", status=403),
    Invalid("spec: Invalid value", status=422),
)


@pytest.mark.parametrize("late", [False, True], ids=["refused", "answer-lost"])
@pytest.mark.parametrize("error", RETRIED + REFUSED, ids=lambda error: f"{error.status}")
@pytest.mark.parametrize("verb", FAN_OUTS)
async def test_a_write_that_fails_is_repeated(verb: str, error: ApiError, late: bool) -> None:
    change, _, left = FAN_OUTS[verb]
    world = World(*projects(3), *([] if verb == "create" else [policy(defaults={"args": "x"})]))
    world.cluster.user_delete("Namespace", "", TEAM)
    await world.settle()
    change(world)
    door = Refusing(world.cluster, verb, error, times=4, kind="EffectivePolicy", late=late)
    world.connect(door)
    for _ in range(4):  # a refusal is tried again later
        await world.settle()
    assert door.refused >= (0 if late else 4)
    assert len(world.all("EffectivePolicy")) == min(left, 3)
    assert {item["spec"]["defaults"]["args"] for item in world.all("EffectivePolicy")} <= {
        "x" if verb == "create" else "y"
    }
    before = len(world.cluster.writes)
    await world.settle()
    assert world.writes(before) == []


async def test_an_effective_policy_that_may_not_be_written_keeps_nothing_from_starting() -> None:
    """It is for people and admission: workloads are judged by the policies themselves."""
    world = World(policy(rules={"compute": {"gpuDevicesRequest": {"max": 1}}}), box(compute={"gpuDevicesRequest": 2}))
    world.connect(Refusing(world.cluster, "create", REFUSED[0], kind="EffectivePolicy"))
    await world.settle()
    assert reason(status(world)) == "PolicyViolation"
    world.edit("Workspace", "box", compute={"gpuDevicesRequest": 1})
    await world.settle()
    assert reason(status(world)) == "Running"
    result = await world.once("EffectivePolicy", "workspace")
    assert result.requeue_after is not None


# -- workloads ---------------------------------------------------------------------------------------------------------


def department(name: str, **spec: Any) -> dict[str, Any]:
    return policy(name, scope={"type": "department", "name": name}, **spec)


def of_department(name: str) -> dict[str, Any]:
    return namespace(TEAM, {"outfitter.dev/project": TEAM, "outfitter.dev/department": name})


@pytest.mark.parametrize("moment", range(12))
async def test_a_project_that_moves_while_a_workload_starts(moment: int) -> None:
    """Whenever it moves: the revision names the policy that it was judged by, and `outdated` tells the new one."""
    world = World(
        of_department("before"),
        department("before", defaults={"args": "before"}),
        department("after", defaults={"args": "after"}),
        box(),
    )
    door = Moving(world, moment)
    world.connect(door)
    await world.settle()
    if door.left > 0:  # a start has fewer writes
        door.move()
        await world.settle()
    args = world.get("StatefulSet", "box")["spec"]["template"]["spec"]["containers"][0]["args"]
    assert judged_by(world) == args
    changed = [(row["name"], row["reason"]) for row in status(world).get("outdated", ())]
    assert changed == ([("after", "Added")] if args == ["before"] else [])
    assert world.get("EffectivePolicy", "workspace")["spec"]["defaults"] == {"args": "after"}
    world.annotate("Workspace", "box", restartedAt="1")
    await world.settle()
    assert judged_by(world) == ["after"]
    assert "outdated" not in status(world)


class Moving(Refusing):
    """Moves the project to the other department before the n-th write."""

    def __init__(self, world: World, number: int) -> None:
        super().__init__(world.cluster, "none", REFUSED[0])
        self.left, self._world = number + 1, world

    def move(self) -> None:
        """Change the label of the Namespace."""
        self._world.cluster.user_apply(of_department("after"))

    def before(self, verb: str, kind: str, name: str) -> None:
        """Count the writes."""
        self.left -= 1
        if self.left == 0:
            self.move()


@pytest.mark.parametrize("invalid", [False, True])
async def test_a_policy_deleted_under_a_stopped_workload(invalid: bool) -> None:
    """Resume judges by the policies of that moment: neither the old verdict nor the old defaults stay."""
    broken = {"min": 2, "max": 1} if invalid else {"max": 1}
    world = World(policy(defaults={"args": "policy"}), box(compute={"gpuDevicesRequest": 2}))
    await world.settle()
    world.edit("Workspace", "box", suspend=True)
    await world.settle()
    world.edit("WorkloadPolicy", "all", SYSTEM, rules={"compute": {"gpuDevicesRequest": broken}})
    world.edit("Workspace", "box", suspend=False)
    await world.settle()
    assert reason(status(world)) == ("PolicyInvalid" if invalid else "PolicyViolation")
    assert world.get("StatefulSet", "box")["spec"]["replicas"] == 0
    world.edit("Workspace", "box", suspend=True)
    await world.settle()
    assert reason(status(world)) == "Stopped"
    world.cluster.user_delete("WorkloadPolicy", SYSTEM, "all")
    await world.settle()
    world.edit("Workspace", "box", suspend=False)
    await world.settle()
    assert reason(status(world)) == "Running"
    assert judged_by(world) == []
    assert "args" not in world.get("StatefulSet", "box")["spec"]["template"]["spec"]["containers"][0]
    assert "violations" not in status(world)


async def test_an_imposed_data_source_deleted_under_a_running_workload() -> None:
    """The workload goes on and tells it; a restart is refused, with the policy and the name."""
    spec = {"nfs": {"server": "s", "path": "/d", "mountPath": "/d"}, "scope": {"type": "cluster"}}
    shared = asset("DataSource", "data", spec, SYSTEM)
    world = World(shared, policy(imposedAssets=[{"name": "data"}]), box())
    await world.settle()
    before = world.get("StatefulSet", "box")
    world.cluster.user_delete("DataSource", SYSTEM, "data")
    await world.settle()
    assert world.get("StatefulSet", "box") == before
    assert reason(status(world)) == "Running"
    assert status(world)["imposedDataSources"] == ["data"]
    assert [(row["kind"], row["name"], row["reason"]) for row in status(world)["outdated"]] == [
        ("DataSource", "data", "Deleted")
    ]
    world.annotate("Workspace", "box", restartedAt="1")
    await world.settle()
    world.tick(20)  # as long as a workload may take to recover
    await world.settle()
    assert issues(status(world))[0] == "PolicyInvalid"
    message = next(row["message"] for row in status(world)["issues"] if row["issue"] == "PolicyInvalid")
    assert all(word in message for word in (f"{SYSTEM}/all", "imposedAssets[data]", "Create"))
    assert world.get("StatefulSet", "box") == before
    world.load([shared])
    await world.settle()
    assert reason(status(world)) == "Running"
    assert "outdated" not in status(world)


async def test_many_locked_items() -> None:
    """64 defaults and 200 locked items: valid, published, and each locked one judged."""
    names = [f"VARIABLE_{number:03}" for number in range(200)]
    variables = {"instances": [{"name": name, "value": "x"} for name in names[:64]]}
    lock = {"instances": {"locked": names}}
    world = World(
        policy(defaults={"environmentVariables": variables}, rules={"environmentVariables": lock}),
        box(environmentVariables=[{"name": names[0], "value": "mine"}]),
    )
    await world.settle()
    assert reason(world.status("WorkloadPolicy", "all", SYSTEM)) == "Valid"
    spec = world.get("EffectivePolicy", "workspace")["spec"]
    assert len(spec["defaults"]["environmentVariables"]["instances"]) == 64
    assert len(spec["rules"]["environmentVariables"]["instances"]["locked"]) == 200
    assert [row["field"] for row in status(world)["violations"]] == [f"environmentVariables.instances[{names[0]}]"]
    world.edit("Workspace", "box", environmentVariables=[])
    await world.settle()
    made = world.get("StatefulSet", "box")["spec"]["template"]["spec"]["containers"][0]
    assert [item["name"] for item in made["env"]] == names[:64]


async def test_a_hundred_edits_write_each_status_twice() -> None:
    """The first at once; what comes within the window of `usedBy` follows in one write, with the last generation."""
    names = [f"box-{number}" for number in range(20)]
    world = World(policy(defaults={"args": "0"}), *(asset("Workspace", name, {"image": IMAGE}) for name in names))
    await world.settle()
    before = len(world.cluster.writes)
    for number in range(1, 101):
        world.edit("WorkloadPolicy", "all", SYSTEM, defaults={"args": str(number)})
        await world.settle()
        world.tick(0.05)
    world.tick(10)
    await world.settle()
    written = Counter((verb, kind) for verb, kind, _ in world.writes(before))
    assert written == {("replace", EFFECTIVE): 100, ("status", "WorkloadPolicy"): 100, ("status", "Workspace"): 40}
    rows = {row["generation"] for name in names for row in world.status("Workspace", name)["outdated"]}
    assert rows == {101}
    assert world.get(EFFECTIVE, "workspace")["spec"]["defaults"] == {"args": "100"}


async def test_other_news_are_written_at_once_between_edits() -> None:
    world = World(policy(defaults={"args": "0"}), box())
    await world.settle()
    for number in (1, 2):
        world.edit("WorkloadPolicy", "all", SYSTEM, defaults={"args": str(number)})
        await world.settle()
    assert [row["generation"] for row in status(world)["outdated"]] == [2]
    world.edit("Workspace", "box", suspend=True)
    await world.settle()
    assert reason(status(world)) == "Stopped"
    assert [row["generation"] for row in status(world).get("outdated", ())] in ([3], [])
