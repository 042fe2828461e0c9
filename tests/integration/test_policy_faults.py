"""Policies on a server that refuses, forgets and is cut off, and under authors who do not keep still."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from .conftest import Line, Stack
from .harness.client import condition, eventually, message
from .harness.proxy import Fault
from .harness.rights import SYSTEM
from .harness.space import Space

IMAGE = "registry.example.com/box:1"
EFFECTIVE = "effectivepolicies"


@pytest.fixture
def space(line: Line, spaces: Callable[..., Space]) -> Space:
    return spaces()


@pytest.fixture
def home(stack: Stack) -> Iterator[Space]:
    """The system namespace, without the policies and data of a test afterwards."""
    system = Space(stack.api, SYSTEM)
    yield system
    for kind in ("WorkloadPolicy", "DataSource"):
        for item in system.list(kind):
            system.delete(kind, item["metadata"]["name"])
            system.gone(kind, item["metadata"]["name"])


def args(item: dict[str, object] | None) -> object:
    spec = (item or {}).get("spec")
    return spec["defaults"]["args"] if isinstance(spec, dict) else None


def own(space: Space, text: str) -> None:
    spec = {"workloadType": "workspace", "defaults": {"args": text}}
    if space.get("WorkloadPolicy", "own") is None:
        space.make("WorkloadPolicy", "own", spec)
    else:
        space.spec("WorkloadPolicy", "own", defaults={"args": text})


@pytest.mark.parametrize(
    ("code", "reason", "retry_after"),
    [(409, "Conflict", None), (429, "TooManyRequests", 1), (500, "InternalError", None), (403, "Forbidden", None)],
)
def test_refusals_of_an_effective_policy_are_retried(
    line: Line, space: Space, code: int, reason: str, retry_after: int | None
) -> None:
    faults = [
        Fault(verb, (f"/{EFFECTIVE}", space.name), code=code, reason=reason, retry_after=retry_after, times=2)
        for verb in ("POST", "PATCH", "DELETE")
    ]
    line.proxy.inject(*faults)
    own(space, "one")
    space.wait("EffectivePolicy", "workspace", lambda item: args(item) == "one", 60)
    own(space, "two")
    space.wait("EffectivePolicy", "workspace", lambda item: args(item) == "two", 60)
    space.delete("WorkloadPolicy", "own")
    space.gone("EffectivePolicy", "workspace", 60)
    assert [fault for fault in faults if not fault.spent] == []


def test_lost_answers_about_an_effective_policy(stack: Stack, line: Line, space: Space) -> None:
    """Each write is done and its answer lost: nothing is made twice, and nothing is left over."""
    since = stack.mark()
    faults = [Fault(verb, (f"/{EFFECTIVE}", space.name), lose=True) for verb in ("POST", "PATCH", "DELETE")]
    line.proxy.inject(*faults)
    own(space, "one")
    space.wait("EffectivePolicy", "workspace", lambda item: args(item) == "one", 60)
    own(space, "two")
    space.wait("EffectivePolicy", "workspace", lambda item: args(item) == "two", 60)
    space.delete("WorkloadPolicy", "own")
    space.gone("EffectivePolicy", "workspace", 60)
    line.operator.quiet()
    assert [fault for fault in faults if not fault.spent] == []
    done = Counter(
        entry.verb
        for entry in stack.writes(since)
        if (entry.resource, entry.namespace) == (EFFECTIVE, space.name) and entry.code < 300
    )
    assert done["create"] == 1


def test_deleted_before_the_answer_to_its_creation(line: Line, space: Space) -> None:
    """Its deletion is the last event about it, and comes before the operator knows what depends on what."""
    fault = Fault("POST", (f"/{EFFECTIVE}", space.name), hold="after")
    line.proxy.inject(fault)
    own(space, "one")
    made = space.wait("EffectivePolicy", "workspace", bool)
    assert fault.held.wait(30)
    space.delete("EffectivePolicy", "workspace")
    space.gone("EffectivePolicy", "workspace")
    line.proxy.release(fault)
    again = space.wait("EffectivePolicy", "workspace", bool)
    assert again["metadata"]["uid"] != made["metadata"]["uid"]


@pytest.mark.parametrize("how", ["broken", "expired"])
def test_watches_of_policies_that_end(line: Line, space: Space, how: str) -> None:
    """What happened meanwhile is found: an edit, a deletion, and what somebody did to an EffectivePolicy."""
    own(space, "one")
    space.make("WorkloadPolicy", "gone", {"workloadType": "inference", "defaults": {"args": "x"}})
    space.wait("EffectivePolicy", "workspace", bool)
    space.wait("EffectivePolicy", "inference", bool)
    if how == "expired":
        faults = [Fault("WATCH", (f"/{plural}?",), gone=True) for plural in (EFFECTIVE, "workloadpolicies")]
    else:
        faults = [Fault("WATCH", (f"/{plural}?",), code=500, times=2) for plural in (EFFECTIVE, "workloadpolicies")]
    line.proxy.inject(*faults)
    assert line.proxy.drop_watches() > 10
    own(space, "two")
    space.delete("WorkloadPolicy", "gone")
    space.delete("EffectivePolicy", "workspace")
    space.wait("EffectivePolicy", "workspace", lambda item: args(item) == "two", 60)
    space.gone("EffectivePolicy", "inference", 60)
    eventually(lambda: [fault for fault in faults if not fault.spent], lambda left: not left, 60)
    line.proxy.drop_watches()
    space.spec("EffectivePolicy", "workspace", defaults={"args": "mine", "command": "c"})
    space.wait("EffectivePolicy", "workspace", lambda item: item and item["spec"]["defaults"] == {"args": "two"}, 60)


def test_imposed_data_deleted_under_a_running_workload(line: Line, home: Space, spaces: Callable[..., Space]) -> None:
    scope = {"type": "department", "name": "imposing"}
    data = {"pvc": {"path": "/d", "existingPvc": True, "claimName": "lake"}, "scope": scope}
    home.make("DataSource", "lake", data)
    home.make(
        "WorkloadPolicy", "imposing", {"workloadType": "workspace", "scope": scope, "imposedAssets": [{"name": "lake"}]}
    )
    space = spaces(department="imposing")
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    space.native("PersistentVolumeClaim", "lake", spec=claim)
    space.wait("EffectivePolicy", "workspace", lambda item: item["spec"]["imposedAssets"])
    item = space.running(image=IMAGE)
    assert item["status"]["imposedDataSources"] == ["lake"]
    pods = space.need("StatefulSet", "box")["spec"]["template"]
    home.delete("DataSource", "lake")
    item = space.wait("Workspace", "box", lambda item: item["status"].get("outdated"))
    assert [(row["name"], row["reason"]) for row in item["status"]["outdated"]] == [("lake", "Deleted")]
    assert condition(item, "Ready")["status"] == "True"
    space.annotate("Workspace", "box", restartedAt="2026-11-21T12:00:00Z")
    item = space.wait("Workspace", "box", lambda item: condition(item, "Ready").get("reason") == "PolicyInvalid")
    assert f"{SYSTEM}/imposing" in message(item)
    assert "lake" in message(item)
    assert space.need("StatefulSet", "box")["spec"]["template"] == pods
    home.make("DataSource", "lake", data)
    space.ready("Workspace", "box")


def test_a_hundred_edits_over_two_hundred_workloads(
    stack: Stack, line: Line, home: Space, spaces: Callable[..., Space]
) -> None:
    """Ends with the last edit; what a status says again and again is written once for each window."""
    scope = {"type": "department", "name": "restless"}
    home.make("WorkloadPolicy", "restless", {"workloadType": "workspace", "scope": scope, "defaults": {"args": "0"}})
    space = spaces(department="restless")
    names = [f"box-{number}" for number in range(200)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: space.make("Workspace", name, {"image": IMAGE}), names))
    for name in names:
        space.ready("Workspace", name, 120)
    line.operator.quiet()
    since = stack.mark()
    for number in range(1, 101):
        home.spec("WorkloadPolicy", "restless", defaults={"args": str(number)})
    space.wait("EffectivePolicy", "workspace", lambda item: args(item) == "100", 60)
    for name in names:
        space.wait("Workspace", name, lambda item: item["status"]["outdated"][0]["generation"] == 101, 60)
    line.operator.quiet()
    done = Counter(entry.resource for entry in stack.writes(since) if entry.namespace == space.name)
    assert done.keys() == {EFFECTIVE, "workspaces"}
    assert done[EFFECTIVE] <= 100
    assert done["workspaces"] <= 200 * 12, "a window is 0.2 s here"
