"""The configuration for kube-state-metrics reads fields that exist, of every kind with a status."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from outfitter.api.v1alpha1 import KINDS

from .conftest import ROOT, Manifest

RESOURCES = yaml.safe_load((ROOT / "deploy" / "monitoring" / "kube-state-metrics.yaml").read_text())["spec"][
    "resources"
]
METADATA = {"name": "string", "namespace": "string", "creationTimestamp": "string"}


def definition(kind: str) -> Manifest:
    for path in (ROOT / "crds").glob("*.yaml"):
        crd: Manifest = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
        if crd["spec"]["names"]["kind"] == kind:
            return crd
    raise AssertionError(kind)


def at(schema: dict[str, Any], path: list[str]) -> dict[str, Any]:
    """The schema of a field. The metadata of an object has none in a CRD."""
    if path[:1] == ["metadata"]:
        return {"type": METADATA[path[1]]}
    for name in path:
        schema = schema["properties"][name]
    return schema


def test_every_kind_is_listed_once() -> None:
    assert [item["groupVersionKind"]["kind"] for item in RESOURCES] == [kind.name for kind in KINDS]


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda item: str(item["groupVersionKind"]["kind"]))
def test_every_path_is_a_field(resource: dict[str, Any]) -> None:
    kind = resource["groupVersionKind"]
    spec = definition(kind["kind"])["spec"]
    assert (spec["group"], spec["names"]["plural"]) == (kind["group"], resource["resourcePlural"])
    (version,) = [item for item in spec["versions"] if item["name"] == kind["version"]]
    schema = version["schema"]["openAPIV3Schema"]
    for path in resource["labelsFromPath"].values():
        assert at(schema, path)["type"] == "string"
    assert {"condition", "sync_status"} <= {metric["name"] for metric in resource["metrics"]}
    for metric in resource["metrics"]:
        (body,) = [value for key, value in metric["each"].items() if key != "type"]
        assert set(metric["each"]) == {"type", metric["each"]["type"][:1].lower() + metric["each"]["type"][1:]}
        field = at(schema, body["path"])
        if metric["each"]["type"] == "StateSet":
            assert body["list"] == field["enum"], metric["name"]
        elif field["type"] == "array":
            for path in (body["valueFrom"], *body["labelsFromPath"].values()):
                assert at(field["items"], path)["type"] == "string", metric["name"]
        else:
            assert field["type"] in ("integer", "string"), metric["name"]
