"""The list of volume types against the API, and what each type makes of its fields."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, get_args, get_type_hints

import pytest

from outfitter.api.v1alpha1.asset import AssetSpec
from outfitter.api.v1alpha1.datasource import DataSourceSpec
from outfitter.api.v1alpha1.storage import Storage
from outfitter.naming import fit, workload_volume
from outfitter.problems import Problem
from outfitter.render.volumes import pod_patch
from outfitter.resolve.volumes import (
    SOURCE_TYPES,
    ConfigMapVolume,
    DataVolume,
    GitVolume,
    PvcVolume,
    S3Volume,
    SecretVolume,
    SourceType,
    Volume,
    VolumeUse,
    with_nodes,
)
from outfitter.settings import Settings
from world import World, asset, issues

PVC = {"path": "/data", "claimInfo": {"size": "1Gi"}}
SOURCES: dict[str, dict[str, Any]] = {
    "nfs": {"server": "nfs.example.com", "path": "/export", "mountPath": "/data"},
    "hostPath": {"path": "/export", "mountPath": "/data"},
    "git": {"repository": "https://git.example.com/a.git", "path": "/data"},
    "s3": {"bucket": "models", "path": "/data"},
    "image": {"reference": "registry.example.com/models:1", "mountPath": "/data"},
    "pvc": PVC,
    "configMapVolume": {"configMap": "settings", "mountPath": "/data"},
    "secretVolume": {"credential": {"name": "token"}, "mountPath": "/data"},
    "dataVolume": {"originPvcName": "origin", "mountPath": "/data"},
}
ITEMS: dict[str, dict[str, Any]] = {
    **SOURCES,
    "secretVolume": {"secret": "token", "mountPath": "/data"},
    "dataVolume": {"id": "shared", "mountPath": "/data"},
    "emptyDirVolume": {"path": "/data"},
}
USE = VolumeUse("Workspace box", "data", "spec.storage", "box")
TYPES = {source_type.name: source_type for source_type in SOURCE_TYPES}
VOLUMES: tuple[type[Volume], ...] = get_args(Volume)


def aliases(model: Any) -> set[str]:
    return {field.alias for field in model.model_fields.values()}


def of_data_source(source: Mapping[str, Any], use: VolumeUse = USE) -> list[tuple[SourceType, Volume]]:
    spec = DataSourceSpec.model_validate(source)
    found = [(source_type, source_type.of_data_source(spec, use)) for source_type in SOURCE_TYPES]
    return [(source_type, volume) for source_type, volume in found if volume is not None]


def of_storage(items: Mapping[str, Any]) -> list[tuple[SourceType, Volume]]:
    storage = Storage.model_validate(items)
    return [(source_type, volume) for source_type in SOURCE_TYPES for volume in source_type.of_storage(storage, USE)]


def shared_by(volume: Volume) -> VolumeUse:
    """The use of a DataSource by a workload."""
    world = World(asset("DataSource", "models", {"pvc": PVC}))
    resource = world.reader().resource("DataSource", "team-a", "models")
    assert resource is not None
    return dataclasses.replace(volume.use, name="models", asset=resource)


def test_the_list_is_the_api() -> None:
    """Every volume that the API accepts has a row, and an example for the tests below."""
    of_asset = aliases(DataSourceSpec) - aliases(AssetSpec) - {"reclaimPolicy", "labels"}
    assert of_asset == set(SOURCES)
    assert aliases(Storage) == set(ITEMS)
    assert set(TYPES) == of_asset | aliases(Storage)
    assert len(TYPES) == len(SOURCE_TYPES)


@pytest.mark.parametrize("name", SOURCES)
def test_the_row_of_a_data_source(name: str) -> None:
    [(source_type, volume)] = of_data_source({name: SOURCES[name]})
    assert source_type.name == name
    assert volume.use == dataclasses.replace(USE, mount_path="/data")


@pytest.mark.parametrize("name", ITEMS)
def test_the_row_of_an_inline_volume(name: str) -> None:
    [(source_type, volume)] = of_storage({name: [ITEMS[name]]})
    key = "shared" if name == "dataVolume" else "/data"
    assert source_type.name == name
    assert volume.use == dataclasses.replace(USE, mount_path="/data", name=key, field=f"spec.storage.{name}[{key}]")


def test_a_data_source_without_a_source_has_no_volume() -> None:
    assert of_data_source({}) == []


def test_the_union_is_what_the_list_constructs() -> None:
    """A class outside of the union would never be rendered."""
    constructed = {type(volume) for name in ITEMS for _, volume in of_storage({name: [ITEMS[name]]})}
    constructed |= {type(volume) for name in SOURCES for _, volume in of_data_source({name: SOURCES[name]})}
    assert constructed == set(VOLUMES)


@pytest.mark.parametrize("volume", VOLUMES, ids=lambda volume: volume.__name__)
def test_a_volume_type_is_frozen_and_typed(volume: type[Volume]) -> None:
    assert "Any" not in str(get_type_hints(volume))
    assert volume.__dataclass_params__.frozen


@pytest.mark.parametrize("name", ITEMS)
def test_every_supported_volume_is_mounted(name: str) -> None:
    [(_, volume)] = of_storage({name: [ITEMS[name]]})
    patch = pod_patch(volume, Settings())
    if isinstance(volume, GitVolume | S3Volume):
        assert patch is None, "a container fetches it"
    else:
        assert patch is not None
        assert patch.volumes[0]["name"] == patch.mounts[0]["name"]
        assert patch.mounts[0]["mountPath"] == "/data"


@pytest.mark.parametrize("name", SOURCES)
async def test_every_data_source_has_a_plan(name: str) -> None:
    """The status names the source type, and an issue where it is not supported or misses an object."""
    world = World(asset("DataSource", "models", {name: SOURCES[name]}))
    await world.settle()
    status = world.status("DataSource", "models")
    assert status["type"] == name
    [(_, volume)] = of_data_source({name: SOURCES[name]})
    missing = ["NotCreated"] if isinstance(volume, ConfigMapVolume | SecretVolume | DataVolume) else []
    assert issues(status) == missing


def test_the_path_of_the_reference_wins() -> None:
    [(_, volume)] = of_data_source({"pvc": PVC}, dataclasses.replace(USE, mount_path="/elsewhere"))
    assert volume.use.mount_path == "/elsewhere"


@pytest.mark.parametrize("name", ["nfs", "hostPath"])
def test_a_path_without_mount_path_is_used_twice(name: str) -> None:
    """As far as a draft goes: the API requires mountPath in the end."""
    source = {key: value for key, value in ITEMS[name].items() if key != "mountPath"}
    [(_, volume)] = of_storage({name: [source]})
    assert volume.use.mount_path == "/export"


def test_a_copied_config_map_has_the_name_of_its_data_source() -> None:
    source = {"configMapVolume": SOURCES["configMapVolume"]}
    [(_, here)] = of_data_source(source)
    [(_, copy)] = of_data_source(source, dataclasses.replace(USE, copied=True))
    assert isinstance(here, ConfigMapVolume)
    assert isinstance(copy, ConfigMapVolume)
    assert here.config_map == "settings"
    assert copy.config_map != here.config_map
    assert "data" in copy.config_map


CLAIMS = [
    # fields of pvc, of a DataSource?, claim, whether the workload creates it
    ({}, False, workload_volume("box", "/data"), True),
    ({"claimName": "mine"}, False, "mine", True),
    ({"ephemeral": True}, False, workload_volume("box", "/data"), True),
    ({"existingPvc": True, "claimName": "theirs"}, False, "theirs", False),
    ({}, True, fit("models"), False),
    ({"claimName": "mine"}, True, "mine", False),
    ({"ephemeral": True}, True, workload_volume("box", "models"), True),
    ({"existingPvc": True, "claimName": "theirs"}, True, "theirs", False),
    ({"existingPvc": True, "claimName": "theirs", "ephemeral": True}, True, "theirs", False),
]


@pytest.mark.parametrize(("fields", "of_asset", "claim", "creates"), CLAIMS)
def test_claims(fields: Mapping[str, Any], of_asset: bool, claim: str, creates: bool) -> None:
    """The name of a claim, and who creates it: the user, the DataSource, or the workload."""
    source = {**PVC, **fields}
    [(_, volume)] = of_storage({"pvc": [source]})
    if of_asset:
        [(_, volume)] = of_data_source({"pvc": source}, shared_by(volume))
    assert isinstance(volume, PvcVolume)
    assert volume.claim_name == claim
    assert (volume.new_claim is not None) == creates
    assert volume.owned == volume.ephemeral


@pytest.mark.parametrize(
    ("modes", "stored", "single"),
    [
        ({}, None, True),
        ({"readWriteOnce": True}, None, True),
        ({"readOnlyMany": True}, None, False),
        ({"readWriteMany": True}, None, False),
        ({"readWriteMany": True}, ["ReadWriteOnce"], True),
        ({}, ["ReadOnlyMany"], False),
    ],
)
def test_a_claim_of_a_single_node(modes: Mapping[str, bool], stored: list[str] | None, single: bool) -> None:
    """The claim in the cluster decides, its description until it exists."""
    pvc = {"path": "/data", "claimName": "mine", "claimInfo": {"size": "1Gi", "accessModes": modes}}
    [(_, volume)] = of_storage({"pvc": [pvc]})
    claim = {"kind": "PersistentVolumeClaim", "metadata": {"name": "mine", "labels": {"outfitter.dev/owner-uid": "u"}}}
    world = World(*([{**claim, "spec": {"accessModes": stored}}] if stored else []))
    [marked, other] = with_nodes(world.reader(), "team-a", [volume, S3Volume(USE, "data")])
    assert isinstance(marked, PvcVolume)
    assert marked.single_node == single
    assert other == S3Volume(USE, "data")


@pytest.mark.parametrize(("name", "kind"), [("configMapVolume", "ConfigMap"), ("secretVolume", "Secret")])
def test_a_mounted_object_must_exist(name: str, kind: str) -> None:
    """Its keys do not matter, so they are not fetched: this reader would raise NeedsData."""
    [(_, volume)] = of_storage({name: [ITEMS[name]]})
    missing = volume.look_up(World().reader(), "team-a", None)
    assert isinstance(missing, Problem)
    assert missing.field == volume.use.field
    world = World(*({"kind": kind, "metadata": {"name": each}} for each in ("settings", "token")))
    assert volume.look_up(world.reader(), "team-a", None) is None


@pytest.mark.parametrize("name", ["configMapVolume", "secretVolume"])
async def test_a_volume_without_a_name_is_incomplete(name: str) -> None:
    """The message names the field, not an object without a name."""
    workspace = {"image": "registry.example.com/u:1", "storage": {name: [{"mountPath": "/data"}]}}
    world = World(asset("Workspace", "box", workspace))
    await world.settle()
    status = world.status("Workspace", "box")
    assert "The field is required, and no asset or policy sets it." in status["message"]
    assert f"spec.storage.{name}[0]" in status["message"]
