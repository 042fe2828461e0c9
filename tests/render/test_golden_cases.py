"""Every folder cases/<kind>/<case>: given.yaml goes in, want.yaml is what the engine writes and says."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from outfitter.api.schema import resource_schema
from outfitter.api.shape import shape_errors
from outfitter.api.v1alpha1 import kind_of
from outfitter.api.validation import strict_errors
from outfitter.naming import ANNOTATION_DIGEST, ANNOTATION_SOURCE_VERSION, LABEL_ON_DEMAND, LABEL_OWNER_UID
from outfitter.plan.planners import plan
from outfitter.snapshot import Key, read_resource
from world import OUR_KINDS, World, complete

ROOT = Path(__file__).parent / "cases"
CASES = sorted(path.parent for path in ROOT.glob("*/*/given.yaml"))
KUBERNETES = ("1.35", "1.37")

Body = dict[str, Any]


class _Dumper(yaml.CSafeDumper):
    """Without anchors: two equal parts are written twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _load(case: Path) -> tuple[Body, list[Body]]:
    """The options of a case (a document without kind) and its objects."""
    documents = [item for item in yaml.load_all((case / "given.yaml").read_text(), yaml.CSafeLoader) if item]
    options = [item for item in documents if "kind" not in item]
    return (options[0] if options else {}), [complete(item) for item in documents if "kind" in item]


def _world(case: Path) -> World:
    options, objects = _load(case)
    return World(*objects, **options)


_SETTLED: dict[Path, World] = {}


async def _settled(case: Path) -> World:
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
        every = [deepcopy(body) for body in world.cluster._objects.values()]
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


def _tidy(body: Body, names: _Names) -> Body:
    """An object as the want file shows it."""
    body = deepcopy(body)
    meta = body["metadata"]
    for field in ("uid", "resourceVersion", "generation", "creationTimestamp"):
        meta.pop(field, None)
    annotations = meta.get("annotations", {})
    annotations.pop(ANNOTATION_DIGEST, None)
    if ANNOTATION_SOURCE_VERSION in annotations:
        annotations[ANNOTATION_SOURCE_VERSION] = "<version>"
    if not annotations:
        meta.pop("annotations", None)
    if body["kind"] == "ControllerRevision" and "sources" in body["data"]:
        data = body["data"]
        body["data"] = {
            "sources": [{**item, "version": "<version>" if item["version"] else ""} for item in data["sources"]],
            "notes": data["notes"],
        }
    body.pop("status", None)  # of our kinds it is shown apart
    found: Body = names.of(body)
    return found


def _status(body: Body, names: _Names) -> Body:
    status = deepcopy(body["status"])
    for item in status["conditions"]:
        del item["lastTransitionTime"]
    named: Body = names.of(status)
    return {"kind": body["kind"], "metadata": {"name": body["metadata"]["name"]}, "status": named}


def _outcome(world: World, given: list[Body]) -> list[Body]:
    """Everything that was made, by kind and name, then the statuses."""
    names = _Names(world)
    marks = {LABEL_OWNER_UID, LABEL_ON_DEMAND}
    mine = [body for body in world.cluster._objects.values() if marks & set(body["metadata"].get("labels") or {})]
    known = {(item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"]) for item in given}
    made = [
        _tidy(body, names)
        for place, body in sorted(world.cluster._objects.items(), key=lambda pair: pair[0])
        if body in mine and place not in known
    ]
    statuses = [_status(body, names) for kind in OUR_KINDS for body in world.all(kind)]
    return made + statuses


@cases
async def test_case(case: Path, update: bool) -> None:
    """What is written and said is what the want file says."""
    _, given = _load(case)
    for item in given:
        if item["kind"] in OUR_KINDS:
            assert [str(error) for error in strict_errors(item)] == [], "given.yaml is not valid"
    world = await _settled(case)
    found = yaml.dump_all(_outcome(world, given), Dumper=_Dumper, sort_keys=True, width=120)
    if update:
        (case / "want.yaml").write_text(found)
    assert found == (case / "want.yaml").read_text()


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
            kubernetes_validate.validate(dict(write.manifest), version, strict=True)


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
            assert reader._keyed_data == keyed_data
            assert asset.key == Key(*key)
        await world.settle()


def test_there_are_cases() -> None:
    """The folder is found, and every case has both halves."""
    assert len(CASES) >= 30
    assert [case for case in CASES if not (case / "want.yaml").exists()] == []
