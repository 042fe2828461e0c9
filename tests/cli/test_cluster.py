"""`run`, `status` and `explain` against a real control plane."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from outfitter_sandbox.processes import bound_command

from .conftest import MODULE, Invoke, World, eventually, process

pytestmark = pytest.mark.cluster
API = "/apis/outfitter.dev/v1alpha1/namespaces"
VERSION = "outfitter.dev/v1alpha1"


def environment(image: str) -> dict[str, Any]:
    return {
        "apiVersion": VERSION,
        "kind": "Environment",
        "metadata": {"name": "shared", "namespace": "mine"},
        "spec": {"image": image},
    }


def test_the_operator_logs_one_json_object_a_line(world: World) -> None:
    lines = [json.loads(line) for line in world.log.read_text().splitlines()]
    assert {"time", "level", "logger", "message"} <= set(lines[0])
    assert any(line["message"] == "leading" for line in lines)


def test_status_shows_all_namespaces_or_one(world: World, invoke: Invoke) -> None:
    everywhere = invoke("status", "-A", "--kubeconfig", world.kubeconfig)
    assert everywhere.exit_code == 0, everywhere.output
    lines = everywhere.stdout.splitlines()
    assert lines[0].split()[:3] == ["KIND", "NAMESPACE", "NAME"]
    assert any(line.split()[:3] == ["Workspace", "team-a", "alice"] and "1/1" in line for line in lines)
    one = invoke("status", "-n", "team-a", "--kubeconfig", world.kubeconfig)
    assert "outfitter-system" not in one.stdout
    wide = invoke("status", "envr", "-n", "team-a", "-o", "wide", "--kubeconfig", world.kubeconfig)
    assert "https://jupyter-lab-team-a.apps.example.com" in wide.stdout
    assert "Workspace" not in wide.stdout


def test_status_as_data_has_whole_objects(world: World, invoke: Invoke) -> None:
    seen = invoke("status", "workspace/alice", "-n", "team-a", "-o", "yaml", "--kubeconfig", world.kubeconfig)
    (item,) = yaml.safe_load(seen.stdout)["items"]
    assert item["status"]["phase"] == "Running"
    assert "managedFields" not in item["metadata"]


def test_the_namespace_is_that_of_the_current_context(world: World, tmp_path: Path) -> None:
    config = yaml.safe_load(world.kubeconfig.read_text())
    for context in config["contexts"]:
        context["context"]["namespace"] = "outfitter-system"
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(config))
    seen = process("status", "environments", env={"KUBECONFIG": str(path)})
    assert (seen.returncode, "torch" in seen.stdout, "jupyter" in seen.stdout) == (0, True, False)


def test_issues_are_told_below_the_table_and_by_the_exit_code(world: World, invoke: Invoke) -> None:
    world.apply("/api/v1/namespaces/red", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "red"}})
    spec = {"assets": {"environment": {"name": "nowhere"}}}
    body = {"apiVersion": VERSION, "kind": "Workspace", "metadata": {"name": "lost", "namespace": "red"}, "spec": spec}
    world.apply(f"{API}/red/workspaces/lost", body)
    arguments = ("status", "-n", "red", "--kubeconfig", world.kubeconfig)
    seen = eventually(lambda: (found := invoke(*arguments)).exit_code == 1 and found)
    assert (
        "Workspace red/lost: spec.assets.environment: Environment nowhere does not exist in namespace red"
        in seen.stdout
    )
    absent = invoke("status", "workspace/none", "-n", "red", "--kubeconfig", world.kubeconfig)
    assert (absent.exit_code, "Workspace none does not exist in namespace red." in absent.stderr) == (1, True)


def test_the_user_s_own_rights_decide(world: World) -> None:
    nobody = world.sandbox.kubeconfig_for("nobody")
    for arguments in (["status", "-A"], ["status", "-A", "--watch"], ["explain", "wsp/alice", "-n", "team-a"]):
        seen = process(*arguments, "--kubeconfig", nobody)
        assert seen.returncode == 1
        assert "is forbidden" in seen.stderr
        assert "Ask an administrator for this permission" in seen.stderr


def test_watch_tells_each_change_until_it_is_ended(world: World, tmp_path: Path) -> None:
    out = tmp_path / "watch"
    command = [*MODULE, "status", "envr/shared", "-n", "mine", "--watch", "--kubeconfig", str(world.kubeconfig)]
    world.apply("/api/v1/namespaces/mine", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mine"}})
    with out.open("w") as file:
        watching = subprocess.Popen(
            bound_command(command, os.getpid()), stdout=file, stderr=file, env=os.environ | {"PYTHONUNBUFFERED": "1"}
        )
        try:
            world.apply(f"{API}/mine/environments/shared", environment("a:1"))
            eventually(lambda: "Environment mine/shared: No issues found" in out.read_text(), out.read_text)
            world.sandbox.connection().request("DELETE", f"{API}/mine/environments/shared")
            eventually(lambda: "Environment mine/shared: deleted" in out.read_text(), out.read_text)
            watching.send_signal(signal.SIGINT)
            assert watching.wait(20) == 130
        finally:
            watching.kill()
            watching.wait()
    assert "Traceback" not in out.read_text()


def test_explain_reads_the_revision_in_use_and_marks_what_is_newer(world: World, invoke: Invoke) -> None:
    world.apply("/api/v1/namespaces/mine", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mine"}})
    world.apply(f"{API}/mine/environments/shared", environment("a:1"))
    spec = {"assets": {"environment": {"name": "shared"}}}
    body = {"apiVersion": VERSION, "kind": "Workspace", "metadata": {"name": "bob", "namespace": "mine"}, "spec": spec}
    world.apply(f"{API}/mine/workspaces/bob", body)
    arguments = ("explain", "workspace/bob", "-n", "mine", "--kubeconfig", world.kubeconfig)
    eventually(lambda: invoke(*arguments).exit_code == 0)
    world.apply(f"{API}/mine/environments/shared", environment("a:2"))
    seen = eventually(lambda: "outdated" in (found := invoke(*arguments)).stdout and found)
    image = next(line for line in seen.stdout.splitlines() if line.startswith("image "))
    assert image.split() == ["image", "a:1", "Environment", "shared", "(outdated)"]
    asset = next(line for line in seen.stdout.splitlines() if line.startswith("Environment shared"))
    assert asset.split() == ["Environment", "shared", "mine", "1", "2", "edited"]
    assert "To apply the changes: outfitter restart workspace/bob -n mine" in seen.stdout


def test_sigterm_ends_a_second_replica_in_order(world: World, tmp_path: Path) -> None:
    """It waits for the Lease that the first one holds; ending it is no failure."""
    command = [*MODULE, "run", "--kubeconfig", str(world.kubeconfig)]
    log = tmp_path / "log"
    with log.open("w") as file:
        settings = {"OUTFITTER_PROBE_PORT": "0", "OUTFITTER_PROBE_HOST": "127.0.0.1", "OUTFITTER_DOMIAN": "x"}
        second = subprocess.Popen(
            bound_command(command, os.getpid()), stdout=file, stderr=file, env=os.environ | settings
        )
        try:
            eventually(lambda: "waiting for the Lease" in log.read_text(), log.read_text)
            second.terminate()
            assert second.wait(30) == 0
        finally:
            second.kill()
            second.wait()
    assert "OUTFITTER_DOMIAN is not a setting and has no effect. Did you mean OUTFITTER_DOMAIN?" in log.read_text()


def test_a_cluster_without_outfitter_says_who_installs_it(world: World) -> None:
    from outfitter.cli.connect import error_message
    from outfitter.errors import NotFound

    with pytest.raises(NotFound) as caught:
        world.sandbox.connection().request("GET", "/apis/nobody.dev/v1/namespaces/a/things")
    assert "Ask an administrator to install Outfitter" in error_message(caught.value, "https://there")
