"""deploy/kustomize: the fields of our kinds that Kustomize changes, and the lists that its patches merge."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from outfitter.api.v1alpha1 import GROUP, KINDS, VERSION, Kind
from outfitter.api.v1alpha1.policyfields import NOT_IN_POLICIES, SECTIONS
from outfitter.codegen.crd import crd_for
from outfitter.codegen.model_fields import LIST, ModelField, Path, model_fields, spec_fields
from outfitter.codegen.yaml_text import Inline, dump, header

FOLDER: Final = "deploy/kustomize"
CONFIGURATION: Final = "configuration.yaml"
SCHEMA: Final = "schema.json"
_POLICY: Final = "WorkloadPolicy"
_AUTOSCALER: Final = {"kind": "HorizontalPodAutoscaler", "group": "autoscaling"}
_PLACES: Final = (("spec", "imposedAssets"), *(("spec", "imposedAssets", name) for name in SECTIONS["distributed"]))

FieldSpec = dict[str, Any]


def kustomize_files() -> dict[str, str]:
    """Return the text of every file in deploy/kustomize by its name."""
    component = {
        "apiVersion": "kustomize.config.k8s.io/v1alpha1",
        "kind": "Component",
        "configurations": [CONFIGURATION],
        "openapi": {"path": SCHEMA},
    }
    return {
        "kustomization.yaml": header("src/outfitter/codegen/kustomize.py") + dump(component),
        CONFIGURATION: header("src/outfitter/api") + dump(configuration()),
        SCHEMA: json.dumps(merge_schema(), indent=1) + "\n",
    }


def configuration() -> dict[str, Any]:
    """Return the configuration of the transformers: images, replicas, and the references that follow a new name."""
    references: dict[str, list[FieldSpec]] = {}
    images = []
    for kind in KINDS:
        for field in _fields(kind):
            for target in _targets(field):
                references.setdefault(target, []).append(_field_spec(kind, field.path))
            if field.is_image:
                images.append(_field_spec(kind, field.path))
    for path in _PLACES:
        references["DataSource"].append(Inline(path="/".join((*path, "name")), kind=_POLICY, group=GROUP))
    scaled = [kind for kind in KINDS if kind.model.SCALE]
    for kind in scaled:
        references.setdefault(kind.name, []).append(Inline(path="spec/scaleTargetRef/name", **_AUTOSCALER))
    return {
        "images": images,
        "replicas": [_replicas(kind) for kind in scaled],
        "nameReference": [_name_reference(target, references[target]) for target in sorted(references)],
    }


def merge_schema() -> dict[str, Any]:
    """Return an OpenAPI document that names the key of every list whose items a strategic merge patch merges."""
    return {"definitions": {f"dev.outfitter.{VERSION}.{kind.name}": _definition(kind) for kind in KINDS}}


def _fields(kind: Kind) -> Iterator[ModelField]:
    for field in spec_fields(kind):
        yield ModelField(("spec", *field.path), field.model, field.name)
    if kind.name == _POLICY:
        yield from _policy_fields()


def _policy_fields() -> Iterator[ModelField]:
    """Yield the fields of `spec.defaults`, each path once."""
    seen: set[Path] = set()
    for sections in SECTIONS.values():
        for section, model in sections.items():
            prefix = ("spec", "defaults", *([section] if section else []))
            for field in model_fields(model, prefix, policy=True):
                if field.path[len(prefix)].removesuffix(LIST) not in NOT_IN_POLICIES and field.path not in seen:
                    seen.add(field.path)
                    yield field


def _targets(field: ModelField) -> Iterable[str]:
    if not field.target:
        return ()
    if "user_credential" in field.model.model_fields:  # a pull secret: its flag makes the name that of a Credential
        return (field.target, "Credential")
    return (field.target,)


def _field_spec(kind: Kind, path: Path) -> FieldSpec:
    return Inline(path="/".join(step.removesuffix(LIST) for step in path), kind=kind.name, group=GROUP)


def _replicas(kind: Kind) -> FieldSpec:
    """Return the field of the replicas. It is not created in `spec.run`: that would start the object."""
    path = (kind.model.SCALE or "").strip(".").split(".")
    return Inline(path="/".join(path), create=len(path) == len(("spec", "replicas")), kind=kind.name, group=GROUP)


def _name_reference(target: str, fields: list[FieldSpec]) -> dict[str, Any]:
    ours = any(kind.name == target for kind in KINDS)
    return {"kind": target, **({"group": GROUP} if ours else {"version": "v1"}), "fieldSpecs": fields}


def _definition(kind: Kind) -> dict[str, Any]:
    version = crd_for(kind)["spec"]["versions"][0]
    found = _merged(version["schema"]["openAPIV3Schema"]["properties"]["spec"]) or {"type": "object"}
    group_version_kind = {"group": GROUP, "version": VERSION, "kind": kind.name}
    return {
        "type": "object",
        "properties": {"spec": found},
        "x-kubernetes-group-version-kind": [group_version_kind],
    }


def _merged(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a schema that leads to lists with keys; empty if there is none."""
    if schema.get("type") == "array":
        return _list(schema)
    found = {name: inner for name, child in schema.get("properties", {}).items() if (inner := _merged(child))}
    return {"type": "object", "properties": found} if found else {}


def _list(schema: Mapping[str, Any]) -> dict[str, Any]:
    keys = schema.get("x-kubernetes-list-map-keys", ())
    if len(keys) != 1:
        return {}
    items = _merged(schema["items"]) or {"type": "object"}
    return {
        "type": "array",
        "items": items,
        "x-kubernetes-patch-merge-key": keys[0],
        "x-kubernetes-patch-strategy": "merge",
    }
