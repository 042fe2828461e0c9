"""Every field of a spec has a class, and the admission policy looks at those that can do something."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from outfitter.api.schema import resource_schema
from outfitter.api.v1alpha1 import KINDS
from outfitter.codegen.admission import requester_rights
from outfitter.codegen.admission.presence import has_values

CLASSES: dict[str, list[str]] = yaml.safe_load(Path(__file__).with_name("field_classes.yaml").read_text())
VARIABLES = {item["name"]: item["expression"] for item in requester_rights.policy_spec()["variables"]}
# An elevated volume is recognised by its presence: the policy names no field of it.
BY_PRESENCE = {"hostPath", "storage.hostPath[]", "masterSpec.storage.hostPath[]"}


def leaves(schema: Any, path: str = "") -> Iterator[str]:
    if "items" in schema:
        yield from leaves(schema["items"], f"{path}[]")
        return
    if not schema.get("properties"):
        yield path
        return
    for name, inner in schema["properties"].items():
        yield from leaves(inner, f"{path}.{name}" if path else name)


IN_POLICIES = ("defaults.", "rules.")  # as a whole: they decide what runs, and their defaults may name any Secret
FIELDS = {
    leaf
    for kind in KINDS
    for leaf in leaves(resource_schema(kind.model)["properties"]["spec"])
    if not leaf.startswith(IN_POLICIES)
}


def test_every_field_has_one_class() -> None:
    """Add a new field to field_classes.yaml, and to the policy if it is not plain."""
    classified = [path for paths in CLASSES.values() for path in paths]
    assert len(set(classified)) == len(classified)
    assert sorted(FIELDS - set(classified)) == []
    assert sorted(set(classified) - FIELDS) == []


def test_fields_that_name_secrets_are_those_of_the_policy() -> None:
    assert sorted(CLASSES["secret"]) == sorted(".".join(path) for path in requester_rights.secret_paths())


def test_every_object_with_the_fields_of_a_workload_is_looked_at() -> None:
    """A part of the spec that repeats its fields would otherwise hide them from the checks of rights."""
    checked = [*CLASSES["elevated"], *CLASSES["network"]]
    starts = {path.partition(".")[0] for path in checked if path.partition(".")[2] in checked}
    assert starts == {"run", "masterSpec"}
    for start in starts:
        assert has_values("object.spec", (start,)) in VARIABLES["parts"], start


def test_every_elevated_field_is_looked_at() -> None:
    for path in CLASSES["elevated"]:
        owner = next((start for start in BY_PRESENCE if path.startswith(f"{start}.")), path)
        for step in owner.replace("[]", "").split("."):
            assert step in VARIABLES["parts"] + VARIABLES["elevated"], path


def test_what_opens_a_way_in_or_creates_a_volume_is_looked_at() -> None:
    for path in ("connections[].connectionType", "run.connections[].connectionType", "ports[].serviceType"):
        assert path in CLASSES["network"]
        assert path.rpartition(".")[2] in VARIABLES["addresses"]
    for start, variable in (("exposedUrls", "urls"), ("pvc", "claims"), ("storage.pvc", "claims")):
        assert any(path.startswith(start) for path in CLASSES["network"] + CLASSES["storage"])
        assert start in VARIABLES[variable]
    assert "reclaimPolicy" in VARIABLES["deletesData"]


def test_every_kind_whose_fields_decide_what_runs_needs_the_right_on_pods() -> None:
    """By its own fields, or because what it holds is run by others."""
    for kind in KINDS:
        own = set(leaves(resource_schema(kind.model)["properties"]["spec"]))
        decides = {"image", "command", "containerGroups[].containers[].imageUri"} & own
        if decides:
            assert f"'{kind.plural}'" in VARIABLES["runs"], kind.name
