"""Which asset a reference means, and where an asset reaches."""

from __future__ import annotations

from typing import Any

import pytest

from outfitter.api.refs import AssetRef
from outfitter.naming import LABEL_DEPARTMENT, LABEL_PROJECT
from outfitter.problems import Level, Problem
from outfitter.resolve.scope import find, reach, scope_problem, targets
from outfitter.snapshot import Resource, read_resource
from world import SYSTEM, TEAM, World, asset, namespace

RESEARCH = {"type": "department", "name": "research"}
OPTED_IN = {LABEL_PROJECT: TEAM}
IN_RESEARCH = {LABEL_PROJECT: TEAM, LABEL_DEPARTMENT: "research"}


def environment(where: str = TEAM, **spec: Any) -> dict[str, Any]:
    return asset("Environment", "e", {"image": f"registry.example.com/{where}", **spec}, where)


def look(world: World, scope: str | None = None, where: str = TEAM) -> Resource | Problem:
    return find(world.reader(), "Environment", where, AssetRef.model_validate({"name": "e", "scope": scope}), "spec.x")


LOCAL = environment()
CLUSTER = environment(SYSTEM)
EXPLICIT = environment(SYSTEM, scope={"type": "cluster"})
TENANT = environment(SYSTEM, scope={"type": "tenant"})
DEPARTMENTS = environment(SYSTEM, scope=RESEARCH)
PROJECTS = environment(SYSTEM, scope={"type": "project"})
WRONG = environment(scope={"type": "cluster"})

CASES = [
    # objects, labels of the namespace, scope in the reference, namespace that is found or word
    ([LOCAL], {}, None, TEAM),
    ([LOCAL], {}, "project", TEAM),
    ([LOCAL], OPTED_IN, "cluster", "ReferenceNotFound"),
    ([], OPTED_IN, None, "ReferenceNotFound"),
    ([CLUSTER], OPTED_IN, None, SYSTEM),
    ([CLUSTER], OPTED_IN, "cluster", SYSTEM),
    ([CLUSTER], OPTED_IN, "tenant", "ReferenceNotFound"),
    ([CLUSTER], OPTED_IN, "project", "ReferenceNotFound"),
    ([CLUSTER], {}, None, "ReferenceNotFound"),
    ([EXPLICIT], OPTED_IN, None, SYSTEM),
    ([TENANT], OPTED_IN, None, SYSTEM),
    ([TENANT], OPTED_IN, "tenant", SYSTEM),
    ([TENANT], OPTED_IN, "cluster", "ReferenceNotFound"),
    ([DEPARTMENTS], IN_RESEARCH, None, SYSTEM),
    ([DEPARTMENTS], IN_RESEARCH, "department", SYSTEM),
    ([DEPARTMENTS], OPTED_IN, None, "ReferenceNotFound"),
    ([DEPARTMENTS], {LABEL_DEPARTMENT: "research"}, None, "ReferenceNotFound"),
    ([DEPARTMENTS], {LABEL_PROJECT: TEAM, LABEL_DEPARTMENT: "sales"}, None, "ReferenceNotFound"),
    ([PROJECTS], OPTED_IN, None, "ReferenceNotFound"),
    ([LOCAL, CLUSTER], OPTED_IN, None, TEAM),
    ([LOCAL, CLUSTER], OPTED_IN, "cluster", SYSTEM),
    ([LOCAL, CLUSTER], {}, "cluster", "ReferenceNotFound"),
    ([WRONG], OPTED_IN, None, "ReferenceInvalid"),
    ([WRONG, CLUSTER], OPTED_IN, "cluster", SYSTEM),
]


@pytest.mark.parametrize(("objects", "labels", "scope", "wanted"), CASES)
def test_references(objects: list[dict[str, Any]], labels: dict[str, str], scope: str | None, wanted: str) -> None:
    """Own namespace first, then what is shared with it; a pinned level is the only one looked at."""
    found = look(World(*objects, namespace(TEAM, labels)), scope)
    if isinstance(found, Problem):
        assert found.reason == wanted
        assert found.field == "spec.x"
        assert "e" in found.message
    else:
        assert found.live.namespace == wanted


def test_the_system_namespace_uses_its_own_without_a_label() -> None:
    """Same-namespace use needs no label, there as everywhere."""
    for shared in (CLUSTER, DEPARTMENTS, PROJECTS):
        found = look(World(shared), where=SYSTEM)
        assert isinstance(found, Resource)


def test_the_way_out_is_named() -> None:
    """Not opted in, and not in the department, are told apart."""
    closed = look(World(CLUSTER, namespace(TEAM, {})))
    other = look(World(DEPARTMENTS))
    assert isinstance(closed, Problem)
    assert isinstance(other, Problem)
    assert "add the label outfitter.dev/project" in closed.message
    assert "only with department research" in other.message


def test_deleting_assets_are_not_used() -> None:
    """A reference to an asset that goes waits; it does not fall through to a shared one of that name."""
    going = environment(finalizers=[])
    going["metadata"]["finalizers"] = ["example.com/x"]
    going["spec"].pop("finalizers")
    world = World(going, CLUSTER)
    world.cluster.user_delete("Environment", TEAM, "e")
    found = look(world)
    assert isinstance(found, Problem)
    assert (found.reason, found.level) == ("ReferenceDeleting", Level.WAITING)


def test_levels_of_missing_references() -> None:
    """What may appear later is waited for; what is wrong in itself is stalled."""
    missing, wrong = look(World()), look(World(WRONG))
    assert isinstance(missing, Problem)
    assert isinstance(wrong, Problem)
    assert missing.level is Level.WAITING
    assert wrong.level is Level.STALLED


def test_lookups_are_remembered() -> None:
    """Every object that an answer depends on, found or not."""
    world = World(CLUSTER)
    reader = world.reader()
    find(reader, "Environment", TEAM, AssetRef(name="e"), "")
    assert {("Environment", TEAM, "e"), ("Environment", SYSTEM, "e"), ("Namespace", "", TEAM)} <= reader.deps


SPACES = [
    namespace(TEAM, IN_RESEARCH),
    namespace("team-b", {LABEL_PROJECT: "b", LABEL_DEPARTMENT: "research"}),
    namespace("team-c", {LABEL_PROJECT: "c", LABEL_DEPARTMENT: "sales"}),
    namespace("team-d", {LABEL_PROJECT: "d"}),
    namespace("closed", {LABEL_DEPARTMENT: "research"}),
]
REACHES = [
    (LOCAL, [TEAM]),
    (CLUSTER, [TEAM, "team-b", "team-c", "team-d"]),
    (TENANT, [TEAM, "team-b", "team-c", "team-d"]),
    (DEPARTMENTS, [TEAM, "team-b"]),
    (PROJECTS, [SYSTEM]),
    (WRONG, [TEAM]),
]


@pytest.mark.parametrize(("body", "wanted"), REACHES)
def test_targets(body: dict[str, Any], wanted: list[str]) -> None:
    """The projects in scope, by name."""
    world = World(body, *SPACES)
    live = world.caches["Environment"].get(body["metadata"]["namespace"], "e")
    assert live is not None
    assert targets(world.reader(), read_resource(live)) == wanted


def test_targets_leave_out_the_shadowed_the_going_and_the_unwatched() -> None:
    """A local asset of that name keeps the shared one out of its namespace."""
    world = World(CLUSTER, environment("team-b"), *SPACES, settings={"watch_namespaces": (TEAM, "team-b", "team-c")})
    world.terminate("team-c")
    live = world.caches["Environment"].get(SYSTEM, "e")
    assert live is not None
    reader = world.reader()
    assert targets(reader, read_resource(live)) == [TEAM]
    assert ("Namespace", "", "*") in reader.deps
    assert ("Environment", "team-b", "e") in reader.deps


@pytest.mark.parametrize(
    ("body", "width", "wrong"),
    [
        (LOCAL, "project", False),
        (WRONG, "cluster", True),
        (CLUSTER, "cluster", False),
        (PROJECTS, "project", False),
        (DEPARTMENTS, "department", False),
    ],
)
def test_reach(body: dict[str, Any], width: str, wrong: bool) -> None:
    """The default depends on the namespace; a wide scope counts only in the system namespace."""
    world = World(body)
    live = world.caches["Environment"].get(body["metadata"]["namespace"], "e")
    assert live is not None
    found = read_resource(live)
    assert reach(found, SYSTEM).type == width
    assert (scope_problem(found, SYSTEM) is not None) is wrong
