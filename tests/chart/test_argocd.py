"""The health script of Argo CD over statuses that the operator wrote."""

from __future__ import annotations

import copy
import itertools
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from lupa import lua51

from outfitter.api.v1alpha1 import KINDS, Kind
from outfitter.codegen.shown_reasons import REASONS, read_shown
from outfitter.naming import ANNOTATION_RESTARTED_AT
from outfitter.problems import Problem
from outfitter.reasons import Level, Reason
from outfitter.status.compose import StatusInput, compose

from .conftest import ROOT, Manifest

SCRIPT = (ROOT / "deploy" / "argocd" / "health.lua").read_text(encoding="utf-8")
RECORDED = yaml.safe_load(Path(__file__).with_name("health.yaml").read_text(encoding="utf-8"))
CONFIG = yaml.safe_load((ROOT / "deploy" / "argocd" / "argocd-cm.yaml").read_text(encoding="utf-8"))["data"]
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


def test_every_reason_of_every_kind_has_the_health_of_its_level() -> None:
    """Degraded only where a user must act, as `Stalled` says; the statuses are those that the operator composes."""
    checked = set()
    for kind, shown in read_shown().items():
        meta = {"name": "x", "namespace": "team-a", "generation": 3}
        for reason, level in itertools.product(map(Reason, shown[REASONS]), Level):
            problem = Problem(reason, "spec.x: it does not work. Correct it.", level)
            given = StatusInput(ready=level is Level.NOTE, reason=reason, problems=(problem,))
            status = compose(given, {"metadata": meta}, datetime(2026, 11, 30, tzinfo=UTC))
            found, message = health({"kind": kind, "metadata": meta, "status": status})
            healthy = "Suspended" if reason is Reason.STOPPED else "Healthy"
            want = {Level.STALLED: "Degraded", Level.NOTE: healthy}.get(level, "Progressing")
            assert (found, message) == (want, condition(status, "Ready")), f"{kind} {reason}"
            checked.add((kind, found))
    assert {kind for kind, _ in checked} == {kind.name for kind in KINDS}
    assert {found for _, found in checked} == {"Degraded", "Progressing", "Healthy", "Suspended"}


def condition(status: dict[str, Any], name: str) -> str:
    return str(next(item["message"] for item in status["conditions"] if item["type"] == name))


def run(script: str, manifest: Manifest) -> Any:
    """The result of an action's script, from Lua 5.1 with the one library that Argo CD gives to actions."""
    lua: Any = lua51.LuaRuntime()
    date = lua.globals().os.date
    for name in LIBRARIES:
        lua.globals()[name] = None
    lua.globals().require = {"os": lua.table_from({"date": date})}.__getitem__
    lua.globals().obj = lua.table_from(manifest, recursive=True)
    return lua.execute(script)


def plain(table: Any) -> Any:
    return {key: plain(value) for key, value in table.items()} if lua51.lua_type(table) == "table" else table


def actions(kind: str) -> tuple[str, dict[str, str]]:
    """The script that discovers the actions of a kind, and those of the actions, as Argo CD reads them."""
    found = yaml.safe_load(CONFIG[f"resource.customizations.actions.outfitter.dev_{kind}"])
    return found["discovery.lua"], {item["name"]: item["action.lua"] for item in found["definitions"]}


RUNNING = [kind for kind in KINDS if kind.runs is not None]


@pytest.mark.parametrize("kind", RUNNING, ids=lambda kind: kind.name)
def test_actions_change_what_the_verbs_of_the_command_line_change(kind: Kind) -> None:
    """An object runs, is stopped, and starts again; an action that makes no sense is disabled."""
    discovery, scripts = actions(kind.name)
    spec: Manifest = {"image": "a:1"} if kind.workload else {"run": {"replicas": 1}}
    given = {"kind": kind.name, "metadata": {"name": "x"}, "spec": spec}

    def possible(manifest: Manifest) -> set[str]:
        return {name for name, action in plain(run(discovery, manifest)).items() if not action["disabled"]}

    assert possible(given) == {"restart", "stop"}
    stopped = plain(run(scripts["stop"], given))
    place = stopped["spec"] if kind.workload else stopped["spec"]["run"]
    assert place["suspend"] is True
    assert possible(stopped) == {"start"}
    started = plain(run(scripts["start"], stopped))
    assert possible(started) == {"restart", "stop"}
    restarted = plain(run(scripts["restart"], given))
    assert list(restarted["metadata"]["annotations"]) == [ANNOTATION_RESTARTED_AT]
    assert restarted["spec"] == spec
    if not kind.workload:
        assert possible({**given, "spec": {}}) == set()


def test_the_configuration_block_carries_the_health_script() -> None:
    """Under the only key that accepts wildcards."""
    rules = yaml.safe_load(CONFIG["resource.customizations"])
    assert rules == {"outfitter.dev/*": {"health.lua": SCRIPT}}
