"""Buckets that a CSI driver mounts, on a real API server: its controllers bind the claims; no driver runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from outfitter.naming import bucket_volume

from .conftest import Stack
from .harness.client import Object, message
from .harness.process import Operator
from .harness.space import Space

STORAGE = {"s3": [{"bucket": "mounted-1", "path": "/data", "url": "https://s3.eu-west-1.amazonaws.com"}]}


def volume(stack: Stack, space: Space, name: str) -> Object:
    """The volume of a claim."""
    found = stack.api.get("PersistentVolume", "", space.need("PersistentVolumeClaim", name)["spec"]["volumeName"])
    assert found is not None
    return found


def bound(item: Object) -> bool:
    return bool(item["status"].get("phase") == "Bound")


def test_a_bucket_is_mounted_and_goes_with_its_workload(
    stack: Stack, operator: Operator, spaces: Callable[..., Space]
) -> None:
    space = spaces()
    space.running("box", storage=STORAGE, security={"runAsUid": 1000})
    template: dict[str, Any] = space.template()
    assert "initContainers" not in template
    (name,) = space.claims()
    space.wait("PersistentVolumeClaim", name, bound)
    first = volume(stack, space, name)
    assert first["spec"]["csi"]["driver"] == "s3.csi.aws.com"
    assert first["spec"]["csi"]["volumeAttributes"] == {"bucketName": "mounted-1"}
    assert first["spec"]["mountOptions"] == ["read-only", "allow-other", "uid=1000", "region eu-west-1"]
    assert first["status"]["phase"] == "Bound"
    # A second pass, and a new process, write nothing.
    operator.quiet()
    since = stack.mark()
    space.touch("Workspace", "box", "1")
    operator.stop()
    operator.start()
    operator.quiet()
    assert [(item.verb, item.uri) for item in stack.writes(since) if item.namespace in (space.name, "")] == []
    # The claim is deleted while no pod mounts it: both come back, as new objects.
    space.spec("Workspace", "box", suspend=True)
    space.wait("StatefulSet", "box", lambda item: not item["status"].get("replicas"), 60)
    space.delete("PersistentVolumeClaim", name)
    uid = first["metadata"]["uid"]
    stack.api.wait(
        "PersistentVolume", "", first["metadata"]["name"], lambda item: item and item["metadata"]["uid"] != uid, 60
    )
    space.wait("PersistentVolumeClaim", name, bound, 60)
    assert volume(stack, space, name)["metadata"]["uid"] != first["metadata"]["uid"]
    space.spec("Workspace", "box", suspend=False)
    space.ready("Workspace", "box", 60)
    # What is not listed is copied.
    space.spec("Workspace", "box", storage={"s3": [{"bucket": "unlisted", "path": "/data"}]})
    space.wait("StatefulSet", "box", lambda item: "initContainers" in item["spec"]["template"]["spec"], 60)
    space.gone("PersistentVolumeClaim", name, 60)
    stack.api.gone("PersistentVolume", "", first["metadata"]["name"], 60)
    # The workload goes, and the volume with it.
    space.spec("Workspace", "box", storage=STORAGE)
    space.wait("PersistentVolumeClaim", name, bound, 60)
    last = volume(stack, space, name)["metadata"]["name"]
    space.delete("Workspace", "box")
    space.gone("PersistentVolumeClaim", name, 60)
    stack.api.gone("PersistentVolume", "", last, 60)


def test_a_name_that_a_user_holds_is_said(stack: Stack, spaces: Callable[..., Space]) -> None:
    space = spaces()
    space.running("box", storage=STORAGE)
    (name,) = space.claims()
    space.delete("Workspace", "box")
    space.gone("PersistentVolumeClaim", name, 60)
    spec = {"accessModes": ["ReadOnlyMany"], "storageClassName": "", "resources": {"requests": {"storage": "1Gi"}}}
    space.native("PersistentVolumeClaim", name, spec=spec)
    space.make("Workspace", "box", {"image": "i", "storage": STORAGE})
    space.wait("Workspace", "box", lambda item: "does not manage it" in message(item), 60)
    assert space.get("StatefulSet", "box") is None
    assert space.need("PersistentVolumeClaim", name)["status"]["phase"] == "Pending"
    owner = space.need("Workspace", "box")["metadata"]["uid"]
    assert stack.api.get("PersistentVolume", "", bucket_volume(owner, name)) is None


def test_nothing_is_left_of_a_namespace(stack: Stack, operator: Operator, spaces: Callable[..., Space]) -> None:
    space = spaces()
    uids = [space.running(name, storage=STORAGE)["metadata"]["uid"] for name in ("one", "two")]
    places = [bucket_volume(uid, space.claims(name)[0]) for name, uid in zip(("one", "two"), uids, strict=True)]
    stack.api.delete("Namespace", "", space.name)
    stack.api.gone("Namespace", "", space.name, 60)
    operator.quiet()
    for place in places:
        stack.api.gone("PersistentVolume", "", place, 60)
