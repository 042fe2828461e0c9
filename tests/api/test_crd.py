"""The CRDs: structure, bounds, list types, size, and that a real API server takes them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from outfitter.api.base import Model
from outfitter.api.schema import schema_of
from outfitter.api.shape import FREE_FORM
from outfitter.api.types import list_map
from outfitter.api.v1alpha1 import ALL_KINDS, Kind
from outfitter.codegen.crd import crd_for

from .conftest import Server

Schema = dict[str, Any]
LAST_APPLIED_LIMIT = 200_000  # bytes; the API server accepts 262,144 of annotations on one object
POLICY_LIMIT = 240_000  # three times the fields of a workload, with their rules
TREE = re.compile(r"[.]spec[.](defaults|rules)([.\[].*)?$")
"""Fields of policies: no descriptions and nulls, for which there is no room."""


def _schema(crd: dict[str, Any]) -> Schema:
    schema: Schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def _reviewed(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """All nodes but those of the trees of policies."""
    yield from ((path, node) for path, node in _nodes(schema) if not TREE.match(path))


def _nodes(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from _nodes(child, f"{path}.{name}")
    for part, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if part in schema:
            yield from _nodes(schema[part], path + mark)


def test_every_string_is_bounded(crd: dict[str, Any]) -> None:
    """CEL cost is estimated from the bounds."""
    loose = [
        path
        for path, node in _nodes(_schema(crd))
        if (node.get("type") == "string" or node.get("x-kubernetes-int-or-string"))
        and "enum" not in node
        and "maxLength" not in node
    ]
    assert loose == []


def test_authors_are_shown_and_can_be_selected(crd: dict[str, Any]) -> None:
    """In wide columns; the creator of every kind that users write. A kind has at most eight selectable fields."""
    version = crd["spec"]["versions"][0]
    if crd["spec"]["names"]["kind"] == "EffectivePolicy":
        return  # the operator writes it
    wide = {column["name"] for column in version["additionalPrinterColumns"] if column.get("priority") == 1}
    assert {"Created by", "Updated by"} <= wide
    selectable = [field["jsonPath"] for field in version["selectableFields"]]
    assert ".status.createdBy" in selectable
    assert len(selectable) == 8 or ".status.updatedBy" in selectable
    assert len(selectable) <= 8


def test_every_optional_field_may_be_null(crd: dict[str, Any]) -> None:
    """Else a server-side apply rejects a null that a client-side apply drops. A stored default replaces a null."""
    spec = _schema(crd)["properties"]["spec"]
    for path, node in _nodes(spec, ".spec"):
        if TREE.match(path):
            continue
        for name, child in node.get("properties", {}).items():
            allowed = name not in node.get("required", ()) and "default" not in child
            assert child.get("nullable", False) == allowed, f"{path}.{name}"
        if "additionalProperties" in node:
            assert node["additionalProperties"].get("nullable"), path
        if node.get("nullable"):  # an enum never contains a null for the API server, not even a listed one
            assert "enum" not in node, path
    assert not any("nullable" in node for _, node in _nodes(_schema(crd)["properties"].get("status", {})))


def test_every_list_has_a_type_and_a_bound(crd: dict[str, Any]) -> None:
    """Server-side apply merges by the list type; the keys of a map list are required in its items."""
    for path, node in _nodes(_schema(crd)):
        if node.get("type") == "array":
            assert node.get("x-kubernetes-list-type") in ("map", "set", "atomic"), path
            assert "maxItems" in node, path
            keys = node.get("x-kubernetes-list-map-keys", [])
            assert bool(keys) == (node["x-kubernetes-list-type"] == "map"), path
            assert set(keys) <= set(node["items"].get("required", [])), path


def test_every_map_is_bounded(crd: dict[str, Any]) -> None:
    """An object has known fields, or is a map with a bound; only metadata is neither."""
    for path, node in _nodes(_schema(crd)):
        if node.get("type") == "object" and path != ".metadata":
            assert {"properties", "maxProperties", FREE_FORM} & node.keys(), path


def test_every_field_is_described(crd: dict[str, Any]) -> None:
    """`kubectl explain` has something to say about each field that is ours."""
    bare = [
        path
        for path, node in _reviewed(_schema(crd))
        if not path.endswith(("[]", "{}")) and path != ".metadata" and not node.get("description")
    ]
    assert bare == []


def test_descriptions_say_the_default_of_a_choice(crd: dict[str, Any]) -> None:
    """A flag that may be left out says what it then is."""
    silent = [
        path
        for path, node in _reviewed(_schema(crd))
        if node.get("type") == "boolean"
        and not path.startswith(".status")
        and "efault" not in node["description"]
        and ".accessModes." not in path
        and not path.endswith("shouldDeleteOriginalVolume")
    ]
    assert silent == []


def test_a_crd_fits_client_side_apply(crd: dict[str, Any]) -> None:
    """`kubectl apply` stores the whole manifest as compact JSON in the annotation last-applied-configuration."""
    manifest = {**crd, "metadata": {"annotations": {}, **crd["metadata"]}}
    stored = json.dumps(manifest, separators=(",", ":"), ensure_ascii=False) + "\n"
    for character in "&<>":  # Go's encoder escapes what is special in HTML
        stored = stored.replace(character, f"\\u{ord(character):04x}")
    policy = "rules" in _schema(crd)["properties"]["spec"]["properties"]
    assert len(stored.encode()) < (POLICY_LIMIT if policy else LAST_APPLIED_LIMIT)


def test_only_frozen_defaults_are_stored(crd: dict[str, Any]) -> None:
    """A default in the schema is written into every object for good.

    The scale subresource needs one. The second, where a definition can run, tells its writes from those of a manifest.
    That of the status goes with the first status (decision 0065).
    """
    stored = [path for path, node in _nodes(_schema(crd)) if "default" in node and path != ".status"]
    status = _schema(crd)["properties"].get("status")
    assert status is None or status["default"] == {"observedGeneration": 0}
    scale = crd["spec"]["versions"][0]["subresources"].get("scale")
    if scale is None:
        assert stored == []
        return
    number = scale["specReplicasPath"]
    assert stored == ([number, ".spec.run.suspend"] if ".run." in number else [number])


def test_a_field_called_title_survives() -> None:
    """Pydantic's own titles are dropped, fields of that name are not."""

    class Book(Model):
        """A book."""

        title: str
        """Title of the book."""
        default: str | None = None
        """Its default."""

    schema = schema_of(Book)
    assert schema["properties"] == {
        "title": {"description": "Title of the book.", "type": "string"},
        "default": {"description": "Its default.", "type": "string"},
    }
    assert "title" not in schema


def test_list_map_names_its_key() -> None:
    """The key stands in the schema of the list."""
    assert list_map("name", 3).json_schema_extra["x-kubernetes-list-map-keys"] == ["name"]


@pytest.mark.parametrize("kind", ALL_KINDS, ids=lambda kind: kind.name)
def test_columns_and_selectors_name_fields_that_exist(kind: Kind) -> None:
    """A column over a misspelt path would only stay empty."""
    paths = {path for path, _ in _nodes(_schema(crd_for(kind)))}
    for path in (*kind.model.SELECTABLE, *(column.path for column in kind.model.COLUMNS)):
        plain = path.replace("[?(@.type=='Ready')]", "[]").replace("[0]", "[]")
        assert plain in paths, path
    assert len(kind.model.SELECTABLE) <= 8


def test_the_server_takes_every_crd(server: Server) -> None:
    """Structural, established, no warnings: the cost of all rules is within the server's budget."""
    for crd in map(crd_for, ALL_KINDS):
        status, found = server.answer(
            "GET", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{crd['metadata']['name']}"
        )
        assert status == 200
        conditions = {entry["type"]: entry["status"] for entry in found["status"]["conditions"]}
        assert conditions["Established"] == "True", conditions
        assert conditions.get("NonStructuralSchema", "False") == "False", conditions
        assert conditions["NamesAccepted"] == "True", conditions


ANNOTATION_SCALED: dict[str, Any] = {
    "Environment": {"image": "a:1", "run": {}},
    "Artifact": {"cloneFrom": {"name": "other"}, "run": {}},
    "Inference": {"artifact": {"name": "other"}},
}


def test_every_kind_that_scales_is_tried() -> None:
    """See the next test."""
    assert set(ANNOTATION_SCALED) == {kind.name for kind in ALL_KINDS if kind.model.SCALE}


@pytest.mark.parametrize("kind", ANNOTATION_SCALED)
def test_scale_reaches_what_runs(server: Server, kind: str) -> None:
    """`kubectl scale` works although nobody wrote `replicas`."""
    metadata = {"name": "scaled", "namespace": "team-a"}
    body = {"apiVersion": "outfitter.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": ANNOTATION_SCALED[kind]}
    status, stored = server.create(body, keep=True)
    assert status == 201, stored
    path = server.path(kind, "scaled")
    _, scale = server.answer("GET", f"{path}/scale")
    assert scale["spec"]["replicas"] == 1
    scale["spec"]["replicas"] = 0
    assert server.answer("PUT", f"{path}/scale", scale)[0] == 200
    spec = server.answer("GET", path)[1]["spec"]
    assert spec.get("run", spec)["replicas"] == 0
    assert server.answer("DELETE", path)[0] == 200


def test_objects_can_be_selected_by_field(server: Server) -> None:
    """The declared selectors are answered by the server."""
    for kind in ALL_KINDS:
        for selectable in kind.model.SELECTABLE:
            status, answer = server.answer("GET", server.path(kind.name) + f"?fieldSelector={selectable[1:]}=x")
            assert status == 200, answer
