"""Killed, doubled, restarted, deleted half-way: what is left in the end is exactly what was asked for."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from outfitter.errors import ApiError, Unavailable

from .conftest import Stack
from .harness.client import eventually, ready
from .harness.process import Operator
from .harness.rights import SYSTEM
from .harness.space import Space

PORT = {"name": "web", "toolType": "custom", "connectionType": "ExternalUrl", "containerPort": 80}
SEED = 20261121


def make(space: Space, number: int) -> tuple[str, str]:
    """The object of this number: half Workspaces, the rest Credentials and DataSources."""
    if number % 2:
        name = f"box-{number}"
        space.make("Workspace", name, {"image": "registry.example.com/box:1", "connections": [PORT]})
        return "Workspace", name
    if number % 4:
        space.make("Credential", f"cred-{number}", {"type": "genericSecret", "secretRef": {"name": "source"}})
        return "Credential", f"cred-{number}"
    space.make("DataSource", f"data-{number}", {"pvc": {"path": "/data", "claimInfo": {"size": "1Gi"}}})
    return "DataSource", f"data-{number}"


def complete(space: Space, made: list[tuple[str, str]]) -> None:
    """Every object has its children, and every child an object: none twice, none left over."""
    uids = {}
    for kind in ("Workspace", "Credential", "DataSource"):
        for item in space.list(kind):
            assert ready(item), (kind, item["metadata"]["name"], item.get("status"))
            uids[item["metadata"]["uid"]] = (kind, item["metadata"]["name"])
    assert sorted(uids.values()) == sorted(made)
    want = {
        "Workspace": {"ControllerRevision": 1, "StatefulSet": 1, "Service": 1, "Ingress": 1},
        "Credential": {"Secret": 1},
        "DataSource": {"PersistentVolumeClaim": 1},
    }
    found: dict[str, dict[str, int]] = {uid: {} for uid in uids}
    for kind in ("ControllerRevision", "StatefulSet", "Service", "Ingress", "Secret", "PersistentVolumeClaim"):
        for item in space.list(kind, labelSelector="outfitter.dev/owner-uid"):
            if (item["metadata"].get("ownerReferences") or [{}])[0].get("kind") == "StatefulSet":
                continue  # a StatefulSet's own revisions carry the labels of its pods
            owner = item["metadata"]["labels"]["outfitter.dev/owner-uid"]
            assert owner in found, f"{kind} {item['metadata']['name']} has no owner"
            found[owner][kind] = found[owner].get(kind, 0) + 1
    wrong = {uids[uid]: kinds for uid, kinds in found.items() if kinds != want[uids[uid][0]]}
    assert wrong == {}


def test_killed_at_random_points_of_two_hundred_creations(
    stack: Stack, operator: Operator, spaces: Callable[..., Space]
) -> None:
    space = spaces()
    space.secret("source", a="1")
    chance = random.Random(SEED)  # the same points in every run
    since = stack.mark()
    with ThreadPoolExecutor(4) as pool:
        work = [pool.submit(make, space, number) for number in range(200)]
        for _ in range(5):
            target = len(stack.writes(since)) + chance.randint(1, 90)

            def written(target: int = target) -> bool:
                return len(stack.writes(since)) >= target or all(each.done() for each in work)

            eventually(written, seconds=60, what=f"fewer than {target} writes")
            operator.kill()
            operator.start()
        made = [each.result() for each in work]
    for kind, name in made:
        space.ready(kind, name, 90)
    operator.quiet()
    complete(space, made)
    # Retries after a kill may find what is there already, but nothing is ever made twice.
    created = [
        (entry.resource, entry.name)
        for entry in stack.writes(since)
        if entry.verb == "create" and entry.code == 201 and entry.namespace == space.name and entry.resource != "events"
    ]
    assert len(created) == len(set(created))


def test_api_server_restarted_under_load(stack: Stack, operator: Operator, spaces: Callable[..., Space]) -> None:
    space = spaces()
    space.secret("source", a="1")

    def patiently(number: int) -> tuple[str, str]:
        def attempt() -> tuple[str, str] | None:
            try:
                return make(space, number)
            except Unavailable:
                return None
            except ApiError as error:
                if error.reason == "AlreadyExists":  # made, but the answer was lost
                    kinds = {1: "Workspace", 2: "Credential"}
                    kind = kinds.get(1 if number % 2 else number % 4, "DataSource")
                    return kind, f"{ {'Workspace': 'box', 'Credential': 'cred'}.get(kind, 'data') }-{number}"
                return None

        result: tuple[str, str] = eventually(attempt, seconds=60)
        return result

    with stack.outage():
        with ThreadPoolExecutor(4) as pool:
            work = [pool.submit(patiently, number) for number in range(40)]
            eventually(lambda: sum(each.done() for each in work), lambda count: count >= 10, 60)
            stack.sandbox.restart("kube-apiserver")
            made = [each.result() for each in work]
        for kind, name in made:
            space.ready(kind, name, 60)
        operator.quiet()
    assert operator.running
    complete(space, made)


def test_etcd_stopped_for_a_while(stack: Stack, operator: Operator, spaces: Callable[..., Space]) -> None:
    """The server answers 500 to everything; afterwards all goes on, and what leads still leads or leads again."""
    space = spaces()
    space.running("before")
    with stack.outage():
        stack.sandbox.stop_component("etcd")
        stack.sandbox.start_component("etcd")
        eventually(lambda: stack.api.connection.answer("GET", "/readyz")[0], lambda code: code == 200, 60)
        space.make("Workspace", "after", {"image": "i"})
        space.ready("Workspace", "after", 90)
    assert ready(space.need("Workspace", "before"))
    assert operator.running


def test_objects_deleted_while_their_pass_runs(stack: Stack, space: Space) -> None:
    with ThreadPoolExecutor(4) as pool:

        def short_life(number: int) -> None:
            space.make("Workspace", f"box-{number}", {"image": "i", "connections": [PORT]})
            space.delete("Workspace", f"box-{number}")

        list(pool.map(short_life, range(30)))
    marker = space.running("marker")
    # Whatever was made for them goes too; only the marker's children are left.
    for kind in ("StatefulSet", "Service", "Ingress", "ControllerRevision"):

        def owners(kind: str = kind) -> set[str]:
            found = space.list(kind, labelSelector="outfitter.dev/owner-uid")
            return {item["metadata"]["labels"]["outfitter.dev/owner-uid"] for item in found}

        eventually(owners, lambda seen: seen <= {marker["metadata"]["uid"]}, what=f"orphans among {kind}")


def test_recreated_with_the_same_name(space: Space) -> None:
    old = space.running("box", connections=[PORT])
    for number in range(3):
        space.delete("Workspace", "box", propagationPolicy="Background")
        space.make("Workspace", "box", {"image": f"registry.example.com/box:{number}", "connections": [PORT]})
    new = space.ready("Workspace", "box", 60)
    assert new["metadata"]["uid"] != old["metadata"]["uid"]
    for kind, name in (("StatefulSet", "box"), ("Service", "box"), ("Ingress", "box-web")):
        assert space.need(kind, name)["metadata"]["labels"]["outfitter.dev/owner-uid"] == new["metadata"]["uid"]
    assert space.template()["containers"][0]["image"] == "registry.example.com/box:2"


def test_a_namespace_goes_with_everything_in_it(stack: Stack, spaces: Callable[..., Space]) -> None:
    doomed, home = spaces(department="doomed"), Space(stack.api, SYSTEM)
    home.secret("doomed-source", User="u", Password="p")
    scope = {"type": "department", "name": "doomed"}
    home.make("Credential", "doomed", {"scope": scope, "type": "password", "secretRef": {"name": "doomed-source"}})
    home.ready("Credential", "doomed")
    doomed.secret("source", a="1")
    made = [make(doomed, number) for number in range(8)]
    for kind, name in made:
        doomed.ready(kind, name)
    since = stack.mark()
    stack.api.delete("Namespace", "", doomed.name)
    stack.api.gone("Namespace", "", doomed.name, 90)
    # Nobody wrote into it any more, and the wide asset simply has one target less.
    status = home.wait("Credential", "doomed", lambda item: item["status"]["targets"]["desired"] == 0)["status"]
    assert [issue["issue"] for issue in status["issues"]] == ["NoNamespaceInScope"]
    late = [
        entry
        for entry in stack.writes(since)
        if entry.namespace == doomed.name and entry.verb == "create" and entry.code < 300
    ]
    assert [(entry.verb, entry.uri) for entry in late] == []
    home.delete("Credential", "doomed")
    home.delete("Secret", "doomed-source")


@pytest.fixture
def hasty(operator: Operator) -> Iterator[Operator]:
    """The operator with a Lease so short that waiting for its end takes no time."""
    usual = operator.settings["lease_seconds"]
    operator.settings["lease_seconds"] = "3"
    operator.stop()
    yield operator.start()
    operator.settings["lease_seconds"] = usual
    if operator.running:
        operator.stop()


def test_two_operators(stack: Stack, hasty: Operator, space: Space) -> None:
    """One Lease: the second waits, takes over when the first dies without a word; the first returns as a follower."""
    operator = hasty
    second = Operator(stack.kubeconfig, stack.operator.log, identity="second", lease_seconds="3").start(wait=False)
    try:
        eventually(lambda: second.probe("/readyz"), lambda code: code == 200)
        assert second.metric("outfitter_leader") == 0
        assert operator.leading()
        space.running("one")
        assert second.passes() == 0
        operator.kill()
        eventually(second.leading, what="the second does not take over")
        space.running("two")
        assert ready(space.need("Workspace", "one"))
        operator.start(wait=False)
        eventually(lambda: operator.probe("/readyz"), lambda code: code == 200)
        assert operator.metric("outfitter_leader") == 0
        assert operator.passes() == 0
        # A clean stop hands over.
        assert second.stop() == 0
        eventually(operator.leading, what="the first does not lead again")
        space.running("three")
    finally:
        if second.running:
            second.stop()


def test_a_leader_that_lost_its_lease_stops_writing(stack: Stack, hasty: Operator, space: Space) -> None:
    operator = hasty
    space.running("before")
    operator.quiet()
    path = f"/apis/coordination.k8s.io/v1/namespaces/{SYSTEM}/leases/outfitter"
    lease = stack.api.connection.request("GET", path)
    stolen = {**lease["spec"], "holderIdentity": "thief", "leaseDurationSeconds": 5}
    body = {"spec": {**stolen, "renewTime": lease["spec"]["renewTime"]}}
    stack.api.connection.request("PATCH", path, body, "application/merge-patch+json")
    eventually(lambda: operator.exit_code, lambda code: code == 1, what="it goes on without its Lease")
    since = stack.mark()
    space.make("Workspace", "orphan", {"image": "i"})
    assert stack.writes(since) == []
    operator.start()  # waits until the thief's Lease has run out
    space.ready("Workspace", "orphan")
