"""An API server that is busy, broken, forgetful or cut off: nothing is lost, doubled or given up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from .conftest import Line, Stack
from .harness.client import eventually, ready
from .harness.proxy import Fault
from .harness.rights import SYSTEM
from .harness.space import Space
from .test_artifacts import locked

CHILDREN = (
    "controllerrevisions", "statefulsets", "services", "ingresses", "persistentvolumeclaims", "secrets", "deployments",
    "poddisruptionbudgets", "artifactrepositories",
)  # fmt: skip
OURS = (
    "credentials", "datasources", "computeresources", "environments", "workspaces", "artifacts", "artifactrepositories",
    "inferences",
)  # fmt: skip


@pytest.fixture
def space(line: Line, spaces: Callable[..., Space]) -> Space:
    return spaces()


def everything(space: Space) -> None:
    """An object of every kind, so that every kind of child is made."""
    space.create("every-child.yaml")


def settled(space: Space) -> None:
    """All Ready, and exactly the children there should be."""
    for kind, name in (
        ("Credential", "bucket"), ("DataSource", "data"), ("ComputeResource", "shape"), ("Environment", "base"),
        ("Workspace", "box"), ("Inference", "serving"),
    ):  # fmt: skip
        space.ready(kind, name, 60)
    space.wait("Artifact", "scorer", locked(1))
    found = {
        kind: sorted(
            item["metadata"]["name"]
            for item in space.list(kind, labelSelector="outfitter.dev/owner-uid")
            if (item["metadata"].get("ownerReferences") or [{}])[0].get("kind") != "StatefulSet"
        )
        for kind in (
            "StatefulSet", "Deployment", "Service", "Ingress", "PersistentVolumeClaim", "Secret", "PodDisruptionBudget",
        )
    }  # fmt: skip
    assert found == {
        "StatefulSet": ["box"], "Deployment": ["serving"], "Service": ["box", "serving"],
        "Ingress": ["box-lab"], "PersistentVolumeClaim": ["data"], "Secret": ["cred-bucket"],
        "PodDisruptionBudget": ["serving"],
    }  # fmt: skip
    revisions = [item["metadata"] for item in space.list("ControllerRevision")]
    assert len([meta for meta in revisions if meta["ownerReferences"][0]["kind"] == "Workspace"]) == 1


@pytest.mark.parametrize(
    ("code", "reason", "retry_after"),
    [
        (429, "TooManyRequests", 1),
        (500, "InternalError", None),
        (503, "ServiceUnavailable", None),
        (409, "Conflict", None),
    ],
)
def test_refusals_are_retried(line: Line, space: Space, code: int, reason: str, retry_after: int | None) -> None:
    faults = [
        Fault("POST", (f"/{plural}?", space.name), code=code, reason=reason, retry_after=retry_after, times=2)
        for plural in CHILDREN
    ]
    faults += [
        Fault("PATCH", (f"/{plural}/", "/status", space.name), code=code, reason=reason, times=2) for plural in OURS
    ]
    line.proxy.inject(*faults)
    everything(space)
    settled(space)
    assert [fault for fault in faults if not fault.spent] == []


def test_writes_whose_answer_is_lost_are_recognised(line: Line, space: Space) -> None:
    faults = [Fault("POST", (f"/{plural}?", space.name), lose=True) for plural in CHILDREN]
    faults += [Fault("PATCH", (f"/{plural}/", "/status", space.name), lose=True) for plural in OURS]
    line.proxy.inject(*faults)
    everything(space)
    settled(space)
    assert [fault for fault in faults if not fault.spent] == []


def test_changes_and_deletions_that_fail_are_repeated(line: Line, space: Space) -> None:
    everything(space)
    settled(space)
    faults = [
        Fault("PATCH", ("/services/", space.name), code=500, reason="InternalError", times=2),
        Fault("PATCH", ("/services/", space.name), lose=True),
        Fault("PATCH", ("/secrets/", space.name), code=503, times=2),
        Fault("GET", ("/secrets/", space.name), code=500, times=2),
        Fault("DELETE", ("/ingresses/", space.name), code=429, reason="TooManyRequests", times=2),
        Fault("DELETE", ("/services/", space.name), lose=True),
    ]
    line.proxy.inject(*faults)
    space.edit("Service", "box", {"spec": {"selector": {"app": "elsewhere"}}})
    space.wait("Service", "box", lambda item: item and "app" not in item["spec"]["selector"], 60)
    space.edit("Secret", "source", {"stringData": {"SecretKey": "rotated"}})
    space.wait("Secret", "cred-bucket", lambda item: item and item["data"]["SecretKey"] == "cm90YXRlZA==", 60)
    space.spec("Environment", "base", connections=[])
    # Both edits come by watches of their own: a restart takes up what was seen by then.
    space.wait("Workspace", "box", lambda item: len(item["status"].get("outdated", [])) == 2, 60)
    space.annotate("Workspace", "box", restartedAt="2026-11-21T12:00:00Z")
    space.gone("Ingress", "box-lab", 60)
    space.wait("Service", "box", lambda item: item and item["spec"]["clusterIP"] == "None", 60)
    space.ready("Workspace", "box", 60)
    assert [fault for fault in faults if not fault.spent] == []


def test_broken_watches_miss_nothing(line: Line, space: Space) -> None:
    everything(space)
    settled(space)
    for round_ in ("broken", "expired"):
        if round_ == "expired":
            kinds = (*OURS, "statefulsets", "services", "ingresses", "secrets", "persistentvolumeclaims", "namespaces")
            faults = [Fault("WATCH", (f"/{plural}?",), gone=True) for plural in kinds]
            line.proxy.inject(*faults)
        assert line.proxy.drop_watches() > 10
        # What happens in between is found by going on from where it was, or by listing again.
        space.delete("Service", "box")
        space.make("Workspace", round_, {"image": "i", "assets": {"compute": {"name": "shape"}}})
        space.edit("Secret", "source", {"stringData": {"SecretKey": round_}})
        space.wait("Service", "box", bool, 60)
        space.ready("Workspace", round_, 60)
        space.delete("Workspace", round_)
        space.gone("StatefulSet", round_, 60)

    def missed() -> int:
        """How many watches have not met their fault: one that was being opened was not dropped."""
        left = [fault for fault in line.proxy.faults if not fault.spent]
        return line.proxy.drop_watches() if left else 0

    eventually(missed, lambda left: not left, 60)
    space.wait(
        "Workspace", "box", lambda item: [each["reason"] for each in item["status"]["outdated"]] == ["Rotated"], 60
    )


def test_watches_that_end_after_every_event(line: Line, space: Space) -> None:
    line.proxy.inject(
        *(Fault("WATCH", (f"/{plural}?",), cut=True, times=5) for plural in ("statefulsets", "workspaces"))
    )
    line.proxy.drop_watches()
    everything(space)
    settled(space)


def test_deletions_that_nobody_saw_are_found(stack: Stack, line: Line, spaces: Callable[..., Space]) -> None:
    """A Credential of wide scope goes while the watch is blind: the copies elsewhere are swept after the next list."""
    space, home = spaces(department="blind"), Space(stack.api, SYSTEM)
    home.secret("blind-source", User="u", Password="p")
    scope = {"type": "department", "name": "blind"}
    home.make("Credential", "blind", {"scope": scope, "type": "password", "secretRef": {"name": "blind-source"}})
    home.ready("Credential", "blind")
    line.proxy.inject(
        Fault("WATCH", ("/credentials?",), code=500, times=2), Fault("WATCH", ("/credentials?",), gone=True)
    )
    line.proxy.drop_watches()
    home.delete("Credential", "blind")
    space.gone("Secret", "cred-blind", 60)
    home.delete("Secret", "blind-source")


def test_a_status_that_somebody_else_wrote_is_corrected(line: Line, space: Space) -> None:
    everything(space)
    settled(space)
    wrong = {"status": {"phase": "Failed", "readyReplicas": 0, "connections": None}}
    space.edit("Workspace", "box", wrong, sub="status")
    space.touch("Workspace", "box", "look")
    space.wait("Workspace", "box", lambda item: ready(item) and item["status"]["phase"] == "Running", 60)


def test_events_are_a_courtesy(line: Line, space: Space) -> None:
    fault = Fault("POST", ("/events?", space.name), code=500, times=1)
    line.proxy.inject(fault)
    space.make("Workspace", "box", {"image": "i", "security": {"hostIpc": True}})
    space.wait("Workspace", "box", lambda item: (item.get("status") or {}).get("syncStatus") == "Failed")
    eventually(lambda: fault.spent, what="no Event was tried")
    space.spec("Workspace", "box", security=None)
    space.ready("Workspace", "box")


def test_the_start_survives_a_server_that_does_not_answer(line: Line, space: Space) -> None:
    everything(space)
    settled(space)
    line.operator.stop()
    faults = [
        Fault("GET", (f"/{plural}?",), code=500, reason="InternalError", times=2) for plural in (*OURS, *CHILDREN)
    ]
    faults += [Fault("GET", (f"/{plural}?",), garble=True) for plural in ("statefulsets", "pods", "namespaces")]
    faults += [Fault("GET", ("/leases/",), code=500), Fault("WATCH", ("/statefulsets?",), code=503, times=2)]
    line.proxy.inject(*faults)
    line.operator.start(wait=False)
    eventually(line.operator.leading, seconds=60, what="the operator does not lead")
    space.make("Workspace", "later", {"image": "i"})
    space.ready("Workspace", "later", 60)
    settled_names = Counter(item["metadata"]["name"] for item in space.list("StatefulSet"))
    assert settled_names == {"box": 1, "later": 1}
