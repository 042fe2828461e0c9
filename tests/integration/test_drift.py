"""What somebody else changes: repaired where the fields are ours, left alone where they are not, and pausing."""

from __future__ import annotations

from .conftest import Stack
from .harness.client import Object, ready
from .harness.space import Space


def made(space: Space) -> Object:
    """A Workspace that runs, with an Ingress and a Service of type NodePort."""
    space.create("connections-of-two-types.yaml")
    return space.ready("Workspace", "box")


def image(item: Object | None) -> str:
    return str(item["spec"]["template"]["spec"]["containers"][0]["image"]) if item else ""


def test_deleted_children_come_back(space: Space) -> None:
    made(space)
    for kind, name in (("Service", "box"), ("Service", "box-out"), ("Ingress", "box-lab"), ("StatefulSet", "box")):
        old = space.need(kind, name)["metadata"]["uid"]
        space.delete(kind, name)
        space.wait(kind, name, lambda item, old=old: item and item["metadata"]["uid"] != old)
    space.wait("Workspace", "box", lambda item: ready(item) and item["status"]["phase"] == "Running")


def test_a_deleted_pin_does_not_stop_what_runs(space: Space) -> None:
    revision = space.running("box")["status"]["revision"]
    made = space.need("StatefulSet", "box")["metadata"]
    space.delete("ControllerRevision", revision)
    space.wait("ControllerRevision", revision, bool)
    assert ready(space.wait("Workspace", "box", ready))
    assert space.need("StatefulSet", "box")["metadata"]["generation"] == made["generation"]


def test_edited_fields_of_ours_are_restored(space: Space) -> None:
    made(space)
    wanted = image(space.need("StatefulSet", "box"))
    edits = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "evil.example.com/x:1"}]
    space.api.patch("StatefulSet", space.name, "box", edits, type_="application/json-patch+json")
    space.wait("StatefulSet", "box", lambda item: image(item) == wanted)
    space.edit("Service", "box-out", {"spec": {"selector": {"app": "elsewhere"}}})
    space.wait("Service", "box-out", lambda item: item and "app" not in item["spec"]["selector"])
    space.edit("Service", "box", {"spec": {"ports": [{"name": "lab", "port": 1, "targetPort": 1}]}})
    space.wait("Service", "box", lambda item: item and [p["port"] for p in item["spec"]["ports"]] == [8888])
    rules = [{"host": "evil.example.com", "http": {"paths": [
        {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "x", "port": {"number": 1}}}}
    ]}}]  # fmt: skip
    space.edit("Ingress", "box-lab", {"spec": {"rules": rules}})
    host = f"box-lab-{space.name}.apps.example.com"
    space.wait("Ingress", "box-lab", lambda item: item and item["spec"]["rules"][0]["host"] == host)


def test_children_that_lost_their_label_are_found_again(stack: Stack, space: Space) -> None:
    """Children are watched by a label; without it they seem to be gone, and their names to be taken."""
    item = made(space)
    label = "outfitter.dev/owner-uid"
    for kind, name in (("Service", "box-out"), ("Ingress", "box-lab"), ("StatefulSet", "box")):
        uid = space.need(kind, name)["metadata"]["uid"]
        space.edit(kind, name, {"metadata": {"labels": {label: None}}})
        found = space.wait(kind, name, lambda item: item and item["metadata"]["labels"].get(label))
        assert found["metadata"]["uid"] == uid
    revision = item["status"]["revision"]
    space.edit("ControllerRevision", revision, {"metadata": {"labels": {label: None}}})
    space.wait("ControllerRevision", revision, lambda item: item and item["metadata"]["labels"].get(label))
    space.ready("Workspace", "box")
    # They are known again: looking once more costs nothing.
    stack.operator.quiet()
    since = stack.mark()
    space.touch("Workspace", "box", "again")
    stack.operator.quiet()
    assert [(entry.verb, entry.uri) for entry in stack.writes(since) if entry.namespace == space.name] == []


def test_an_env_variable_that_somebody_adds_to_the_stateful_set_goes(space: Space) -> None:
    space.running("box", environmentVariables=[{"name": "A", "value": "1"}])
    edits = [{"op": "replace", "path": "/spec/template/spec/containers/0/env/0/value", "value": "2"}]
    space.api.patch("StatefulSet", space.name, "box", edits, type_="application/json-patch+json")

    def value(item: Object | None) -> bool:
        return bool(item) and item["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] == "1"

    space.wait("StatefulSet", "box", value)


def test_what_we_do_not_own_is_left_alone(stack: Stack, space: Space) -> None:
    made(space)
    stack.operator.quiet()
    since = stack.mark()
    space.edit("Service", "box-out", {"metadata": {"annotations": {"example.com/note": "x"}}})
    space.edit("Service", "box-out", {"spec": {"sessionAffinity": "ClientIP"}})
    space.edit("StatefulSet", "box", {"metadata": {"labels": {"example.com/team": "a"}}})
    space.touch("Workspace", "box", "1")
    stack.operator.quiet()
    assert [(entry.verb, entry.uri) for entry in stack.writes(since) if entry.namespace == space.name] == []
    assert space.need("Service", "box-out")["spec"]["sessionAffinity"] == "ClientIP"


def test_labels_of_the_workspace_are_not_copied(space: Space) -> None:
    space.make(
        "Workspace", "box", {"image": "i"}, labels={"argocd.argoproj.io/instance": "x"}, annotations={"a.b/c": "d"}
    )
    space.ready("Workspace", "box")
    for kind, name in (("StatefulSet", "box"), ("Service", "box"), ("Pod", "box-0")):
        meta = space.need(kind, name)["metadata"]
        assert "argocd.argoproj.io/instance" not in meta["labels"]
        assert "a.b/c" not in meta.get("annotations", {})


def test_a_paused_object_is_left_alone(stack: Stack, space: Space) -> None:
    made(space)
    space.annotate("Workspace", "box", reconcile="disabled")
    stack.operator.quiet()
    since = stack.mark()
    space.delete("Service", "box-out")
    space.spec("Workspace", "box", image="registry.example.com/box:2")
    # Another object goes through the same queue meanwhile.
    space.running("other")
    stack.operator.quiet()
    names = {
        entry.name for entry in stack.writes(since) if entry.namespace == space.name and entry.resource != "events"
    }
    assert not [name for name in names if name.startswith("box")]
    assert space.get("Service", "box-out") is None
    space.annotate("Workspace", "box", reconcile=None)
    space.wait("Service", "box-out", bool)
    space.ready("Workspace", "box")
    assert image(space.need("StatefulSet", "box")) == "registry.example.com/box:2"


def test_deleting_takes_everything_along(space: Space) -> None:
    made(space)
    item = space.need("Workspace", "box")
    assert "finalizers" not in item["metadata"]
    revision = item["status"]["revision"]
    space.delete("Workspace", "box")
    for kind, name in (
        ("StatefulSet", "box"), ("Service", "box"), ("Service", "box-out"), ("Ingress", "box-lab"),
        ("ControllerRevision", revision), ("Pod", "box-0"),
    ):  # fmt: skip
        space.gone(kind, name)


def test_somebody_elses_finalizer_is_respected(space: Space) -> None:
    space.running("box")
    space.edit("Workspace", "box", {"metadata": {"finalizers": ["example.com/hold"]}})
    space.delete("Workspace", "box")
    item = space.wait("Workspace", "box", lambda item: item and item["status"]["syncStatus"] == "Deleting")
    assert item["status"]["phase"] == "Deleting"
    space.edit("Workspace", "box", {"metadata": {"finalizers": None}})
    space.gone("Workspace", "box")
