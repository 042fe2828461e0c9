"""The health script of Argo CD over statuses that the operator wrote."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from lupa import lua51

from .conftest import ROOT, Manifest

SCRIPT = (ROOT / "deploy" / "argocd" / "health.lua").read_text(encoding="utf-8")
RECORDED = yaml.safe_load(Path(__file__).with_name("health.yaml").read_text(encoding="utf-8"))
LIBRARIES = ("string", "table", "math", "io", "os", "debug", "package", "coroutine", "require", "dofile", "loadfile")


def health(manifest: Manifest) -> tuple[str, str]:
    """Status and message, from Lua 5.1 without its libraries: Argo CD gives scripts none."""
    lua: Any = lua51.LuaRuntime()
    for name in LIBRARIES:
        lua.globals()[name] = None
    lua.globals().obj = lua.table_from(manifest, recursive=True)
    result = lua.execute(SCRIPT)
    return result["status"], result["message"]


def _recorded(name: str) -> Manifest:
    found: Manifest = next(item["object"] for item in RECORDED if item["object"]["metadata"]["name"] == name)
    return copy.deepcopy(found)


@pytest.mark.parametrize("item", RECORDED, ids=lambda item: item["object"]["metadata"]["name"])
def test_recorded_statuses(item: dict[str, Any]) -> None:
    """The health, and the message of condition Ready."""
    status, message = health(item["object"])
    assert status == item["want"]
    ready = next(each for each in item["object"]["status"]["conditions"] if each["type"] == "Ready")
    assert message == ready["message"]


def test_every_outcome_is_recorded() -> None:
    """Each health that Argo CD shows occurs."""
    assert {item["want"] for item in RECORDED} == {"Healthy", "Degraded", "Progressing", "Suspended"}


def test_an_object_before_its_first_reconciliation() -> None:
    """Progressing, so that a sync wave waits for it."""
    manifest = _recorded("small")
    del manifest["status"]
    assert health(manifest)[0] == "Progressing"
    assert health({**manifest, "status": {"observedGeneration": 1}})[0] == "Progressing"


@pytest.mark.parametrize("name", ["small", "wide", "alice"])
def test_a_status_of_an_older_generation_does_not_count(name: str) -> None:
    """Neither a good one nor a bad one."""
    manifest = _recorded(name)
    manifest["metadata"]["generation"] += 1
    assert health(manifest) == ("Progressing", "waiting for the operator to reconcile the newest version")
    del manifest["status"]["observedGeneration"]
    assert health(manifest)[0] == "Progressing"


def test_an_object_that_is_being_deleted() -> None:
    """Progressing until it is gone."""
    manifest = _recorded("small")
    manifest["metadata"]["deletionTimestamp"] = "2026-11-21T11:15:30Z"
    assert health(manifest) == ("Progressing", "being deleted")


def test_a_paused_object_is_suspended() -> None:
    """Its status may be old, and is not updated."""
    manifest = _recorded("wide")
    manifest["metadata"]["generation"] += 1
    manifest["metadata"]["annotations"] = {"outfitter.dev/reconcile": "disabled"}
    assert health(manifest)[0] == "Suspended"
    manifest["metadata"]["annotations"] = {"outfitter.dev/reconcile": "enabled"}
    assert health(manifest)[0] == "Progressing"


def test_the_configuration_block_carries_the_script() -> None:
    """Under the only key that accepts wildcards."""
    manifest = yaml.safe_load((ROOT / "deploy" / "argocd" / "argocd-cm.yaml").read_text(encoding="utf-8"))
    rules = yaml.safe_load(manifest["data"]["resource.customizations"])
    assert rules == {"outfitter.dev/*": {"health.lua": SCRIPT}}
