"""Every folder cases/<kind>/<case>: given.yaml goes in, want.yaml and status.yaml are what the engine writes.

want.yaml holds the child objects without the metadata that all of them have (see `test_every_child_names_its_owner`),
status.yaml the status of every custom resource; both are sorted by kind, then name.
"""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from outfitter.api.schema import resource_schema
from outfitter.api.shape import shape_errors
from outfitter.api.v1alpha1 import kind_of
from outfitter.api.validation import strict_errors
from outfitter.canonical import digest
from outfitter.cluster.resources import RESOURCES
from outfitter.naming import ANNOTATION_DIGEST, ANNOTATION_SOURCE_VERSION, LABEL_ON_DEMAND, LABEL_OWNER_UID
from outfitter.plan.planners import plan
from outfitter.reconcile.reconciler import Result
from outfitter.snapshot import Key, read_resource
from schemas import check_manifest
from stamps import created_by, enforce
from world import OUR_KINDS, World, complete

ROOT = Path(__file__).parent / "cases"
CASES = sorted(path.parent for path in ROOT.glob("*/*/given.yaml"))
KUBERNETES = ("1.35", "1.37")
OWNERSHIP_LABELS = (
    "app.kubernetes.io/managed-by",
    "outfitter.dev/owner-kind",
    "outfitter.dev/owner-name",
    "outfitter.dev/owner-uid",
)

Body = dict[str, Any]
Place = tuple[str, str, str]  # kind, namespace, name


class RecordingWorld(World):
    """A world that records which object was reconciled when a child was written."""

    def __init__(self, *objects: Body, **options: Any) -> None:
        self.writers: dict[Place, Key] = {}
        super().__init__(*objects, **options)

    async def reconcile(self, key: Key) -> Result:
        mark = len(self.cluster.writes)
        try:
            return await super().reconcile(key)
        finally:
            for write in self.cluster.writes[mark:]:
                if write.verb in ("create", "apply"):
                    self.writers[write.kind, write.namespace, write.name] = key


class _Dumper(yaml.CSafeDumper):
    """Without anchors: two equal parts are written twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _dump(documents: list[Body]) -> str:
    return yaml.dump_all(documents, Dumper=_Dumper, sort_keys=True, width=120)


def _load(case: Path) -> tuple[Body, list[Body]]:
    """The options of a case (a document without kind) and its objects."""
    documents = [item for item in yaml.load_all((case / "given.yaml").read_text(), yaml.CSafeLoader) if item]
    options = [item for item in documents if "kind" not in item]
    return (options[0] if options else {}), [complete(item) for item in documents if "kind" in item]


def _world(case: Path) -> RecordingWorld:
    options, objects = _load(case)
    author = options.pop("author", "")  # the API server stamps who wrote each object, and it is this user
    if not author:
        return RecordingWorld(*objects, **options)
    world = RecordingWorld(*(created_by(author, item) for item in objects), **options)
    enforce(world)
    return world


_SETTLED: dict[Path, RecordingWorld] = {}


async def _settled(case: Path) -> RecordingWorld:
    """The world of a case once nothing changes any more: made once, for tests that only look at it."""
    if case not in _SETTLED:
        world = _world(case)
        await world.settle()
        _SETTLED[case] = world
    return _SETTLED[case]


def _ids(case: Path) -> str:
    return f"{case.parent.name}/{case.name}"


cases = pytest.mark.parametrize("case", CASES, ids=_ids)


class _Names:
    """Replaces what differs from run to run by what it stands for."""

    def __init__(self, world: World) -> None:
        every = [body for kind in RESOURCES for body in world.all(kind)]
        self.uids = {body["metadata"]["uid"]: f"<uid of {body['kind']} {body['metadata']['name']}>" for body in every}
        self.revisions = {
            body["metadata"]["name"]: f"<pin {body['revision']} of {body['metadata']['ownerReferences'][0]['name']}>"
            for body in every
            if body["kind"] == "ControllerRevision"
        }

    def of(self, value: Any) -> Any:
        """`value` with stable names."""
        if isinstance(value, dict):
            return {key: self.of(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.of(item) for item in value]
        return self.uids.get(value, self.revisions.get(value, value)) if isinstance(value, str) else value


def _child(body: Body, names: _Names) -> Body:
    """A child object as want.yaml shows it: without server fields, and without what every child has."""
    body = deepcopy(body)
    meta = body["metadata"]
    for field in ("uid", "resourceVersion", "generation", "creationTimestamp", "ownerReferences"):
        meta.pop(field, None)
    labels = meta["labels"]
    if LABEL_OWNER_UID in labels:
        meta["labels"] = {name: value for name, value in labels.items() if name not in OWNERSHIP_LABELS}
    annotations = meta.get("annotations", {})
    annotations.pop(ANNOTATION_DIGEST, None)
    if ANNOTATION_SOURCE_VERSION in annotations:
        annotations[ANNOTATION_SOURCE_VERSION] = "<version>"
    for field in ("labels", "annotations"):
        if not meta.get(field):
            meta.pop(field, None)
    if body["kind"] == "ControllerRevision" and "sources" in body["data"]:
        data = body["data"]
        body["data"] = {
            "sources": [{**item, "version": "<version>" if item["version"] else ""} for item in data["sources"]],
            "notes": data["notes"],
        }
    body.pop("status", None)
    named: Body = names.of(body)
    return named


def _status(body: Body, names: _Names) -> Body:
    status = deepcopy(body["status"])
    del status["installation"]  # that of every object
    del status["updatedAt"]
    for item in status["conditions"]:
        del item["lastTransitionTime"]
    named: Body = names.of(status)
    return {"kind": body["kind"], "metadata": {"name": body["metadata"]["name"]}, "status": named}


def _place(body: Body) -> Place:
    return body["kind"], body["metadata"].get("namespace", ""), body["metadata"]["name"]


def _order(body: Body) -> Place:
    """By kind, then name, then namespace."""
    kind, namespace, name = _place(body)
    return kind, name, namespace


def _children(world: World, given: list[Body]) -> list[Body]:
    """Every object that the engine created."""
    known, marks = {_place(item) for item in given}, {LABEL_OWNER_UID, LABEL_ON_DEMAND}
    created = [
        body
        for kind in RESOURCES
        for body in world.all(kind)
        if marks & set(body["metadata"].get("labels") or {}) and _place(body) not in known
    ]
    return sorted(created, key=_order)


@cases
async def test_case(case: Path, update: bool) -> None:
    """The engine writes the children of want.yaml and the statuses of status.yaml."""
    _, given = _load(case)
    for item in given:
        if item["kind"] in OUR_KINDS:
            assert [str(error) for error in strict_errors(item)] == [], "given.yaml is not valid"
    world = await _settled(case)
    names = _Names(world)
    resources = sorted((body for kind in OUR_KINDS for body in world.all(kind)), key=_order)
    written = {
        "want.yaml": _dump([_child(body, names) for body in _children(world, given)]),
        "status.yaml": _dump([_status(body, names) for body in resources]),
    }
    if update:
        for name, text in written.items():
            (case / name).write_text(text)
    assert written == {name: (case / name).read_text() for name in written}


@cases
async def test_every_child_names_its_owner(case: Path) -> None:
    """Labels name the object whose reconciliation wrote a child; an ownerReference does where the server accepts one.

    Volumes that keep their data, copies in other namespaces and cluster-scoped children have labels only.
    """
    world = await _settled(case)
    for child in _children(world, _load(case)[1]):
        meta = child["metadata"]
        if LABEL_OWNER_UID not in meta["labels"]:
            assert meta["labels"] == {LABEL_ON_DEMAND: "true"}
            assert "ownerReferences" not in meta
            continue
        writer = world.writers[_place(child)]
        uid = world.get(writer.kind, writer.name, writer.namespace)["metadata"]["uid"]
        assert {name: meta["labels"][name] for name in OWNERSHIP_LABELS} == {
            "app.kubernetes.io/managed-by": "outfitter",
            "outfitter.dev/owner-kind": writer.kind,
            "outfitter.dev/owner-name": writer.name,
            "outfitter.dev/owner-uid": uid,
        }
        reference = {
            "apiVersion": "outfitter.dev/v1alpha1",
            "kind": writer.kind,
            "name": writer.name,
            "uid": uid,
            "controller": True,
        }
        referable = meta.get("namespace") == writer.namespace and meta["labels"].get("outfitter.dev/retained") != "true"
        assert meta.get("ownerReferences") == ([reference] if referable else None)


@cases
async def test_every_manifest_has_its_digest(case: Path) -> None:
    """The annotation outfitter.dev/digest covers everything that is sent but itself and the data of Secrets."""
    world = await _settled(case)
    for write in world.cluster.writes:
        if write.verb not in ("create", "apply") or LABEL_ON_DEMAND in write.manifest["metadata"].get("labels", {}):
            continue
        manifest = deepcopy(dict(write.manifest))
        annotations = manifest["metadata"]["annotations"]
        found, possible = annotations.pop("outfitter.dev/digest"), {digest(manifest)}
        if not annotations:
            del manifest["metadata"]["annotations"]
            possible.add(digest(manifest))
        assert found in possible, (write.kind, write.name)


@cases
async def test_second_pass_writes_nothing(case: Path) -> None:
    """Neither over everything again, nor after a restart."""
    world = _world(case)
    await world.settle()
    mark = len(world.cluster.writes)
    await world.round()
    assert world.writes(mark) == []
    await world.restart()
    await world.round()
    await world.round()
    assert world.writes(mark) == []


@cases
@pytest.mark.parametrize("version", KUBERNETES)
async def test_manifests_are_valid(case: Path, version: str) -> None:
    """Kubernetes knows every field of every manifest, in the oldest and newest schema at hand."""
    world = await _settled(case)
    for write in world.cluster.writes:
        if write.verb in ("create", "apply") and write.kind in OUR_KINDS:
            assert [str(error) for error in strict_errors(write.manifest)] == []
        elif write.verb in ("create", "apply"):
            check_manifest(write.manifest, version)


@cases
async def test_statuses_fit_their_schema(case: Path) -> None:
    """Every status that was written on the way would pass the CRD's own schema."""
    world = await _settled(case)
    for write in world.cluster.writes:
        if write.verb == "status":
            schema = resource_schema(kind_of(write.kind).model)["properties"]["status"]
            wrong = shape_errors(schema, dict(write.manifest), ("status",))
            assert [str(error) for error in wrong] == [], (write.kind, write.name)


@cases
async def test_planning_is_pure(case: Path) -> None:
    """Asked twice, plan() says the same, and changes nothing that it was given."""
    world = _world(case)
    for _ in range(2):
        for key in list(world.keys()):
            live = world.cluster.caches[key.kind].get(key.namespace, key.name)
            assert live is not None
            asset = read_resource(live)
            body, keyed_data = deepcopy(asset.body), deepcopy(world.keyed_data())
            reader = world.reader(key)
            first = plan(reader, asset)
            kept = deepcopy(first)
            assert plan(world.reader(key), asset) == first
            assert first == kept
            assert asset.body == body
            assert {dep: reader.keyed_data(*dep, data=True) for dep in keyed_data} == keyed_data
            assert asset.key == Key(*key)
        await world.settle()


def test_there_are_cases() -> None:
    """The folder is found, and every case has its three files."""
    assert len(CASES) >= 30
    assert [case for case in CASES if not ((case / "want.yaml").exists() and (case / "status.yaml").exists())] == []
