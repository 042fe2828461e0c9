"""What users get wrong: refused by the server where it can be known, told in the status where it cannot."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from outfitter.cli.app import application
from outfitter.errors import Invalid

from .conftest import Stack
from .harness.client import condition, eventually, message, ready, stalls, waits
from .harness.rights import SYSTEM
from .harness.space import Space

IMAGE = "registry.example.com/box:1"
NFS = {"server": "s", "path": "/p", "mountPath": "/m"}
PORT = {"toolType": "custom", "connectionType": "NodePort"}


@pytest.mark.parametrize(
    ("kind", "spec", "what"),
    [
        pytest.param("Workspace", {"image": IMAGE, "imag": "x"}, 'unknown field "spec.imag"', id="unknown-field"),
        pytest.param(
            "Environment",
            {"image": IMAGE, "security": {"runAsUID": 1}},
            'unknown field "spec.security.runAsUID"',
            id="misspelt",
        ),
        pytest.param(
            "DataSource",
            {"nfs": NFS, "hostPath": {"path": "/p", "mountPath": "/m"}},
            "Set one of nfs, hostPath",
            id="two-of-one",
        ),
        pytest.param("DataSource", {}, "Set one of nfs, hostPath", id="none-of-one"),
        pytest.param("DataSource", {"nfs": {"server": "s"}}, "spec.nfs", id="incomplete"),
        pytest.param(
            "Environment",
            {"environmentVariables": [{"name": "A", "value": "1", "podFieldRef": {"path": "metadata.name"}}]},
            "Keep one of value, credential",
            id="two-sources",
        ),
        pytest.param(
            "Workspace",
            {"environmentVariables": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]},
            "Duplicate value",
            id="same-variable-twice",
        ),
        pytest.param(
            "Workspace", {"connections": [{"name": "a", "containerPort": 80}]}, "Set toolType", id="half-a-connection"
        ),
        pytest.param(
            "Workspace",
            {"connections": [{"name": "a", **PORT, "containerPort": 80, "customNodePort": True, "nodePort": 70000}]},
            "nodePort",
            id="no-port-at-all",
        ),
        pytest.param("Credential", {"type": "token", "secretRef": {"name": "x"}}, "Unsupported value", id="type"),
        pytest.param(
            "ComputeResource", {"scope": {"type": "department"}}, "name is required for type department", id="scope"
        ),
    ],
)
def test_refused_by_the_server(space: Space, kind: str, spec: Any, what: str) -> None:
    with pytest.raises(Invalid, match=what):
        space.make(kind, "bad", spec)


def test_names_that_would_not_fit_are_refused(space: Space) -> None:
    for name in ("1box", "a" * 51, "with.dot"):
        with pytest.raises(Invalid):
            space.make("Workspace", name, {"image": IMAGE})


def test_references_to_nothing_and_to_the_wrong_level(stack: Stack, space: Space) -> None:
    home = Space(stack.api, SYSTEM)
    space.make("Workspace", "box", {"assets": {"environment": {"name": "late"}}})
    said = space.wait("Workspace", "box", waits("ReferenceNotFound"))
    assert "spec.assets.environment" in message(said)
    assert "late" in message(said)
    home.make("Environment", "late", {"image": IMAGE, "scope": {"type": "department", "name": "elsewhere"}})
    try:
        said = space.wait("Workspace", "box", lambda item: "shared only with department elsewhere" in message(item))
        assert condition(said, "Ready")["reason"] == "ReferenceNotFound"
        space.make("Environment", "late", {"image": IMAGE})
        space.ready("Workspace", "box")
        space.make("Workspace", "wide", {"assets": {"environment": {"name": "late", "scope": "cluster"}}})
        space.wait("Workspace", "wide", waits("ReferenceNotFound"))
    finally:
        home.delete("Environment", "late")


def test_a_reference_to_an_object_that_is_being_deleted(space: Space) -> None:
    space.make("Environment", "base", {"image": IMAGE})
    space.edit("Environment", "base", {"metadata": {"finalizers": ["example.com/hold"]}})
    space.delete("Environment", "base")
    # Each kind has a watch of its own: until the operator saw the deletion, a workload may start with the asset.
    space.wait("Environment", "base", lambda item: condition(item, "Ready")["reason"] == "Deleting")
    space.make("Workspace", "box", {"assets": {"environment": {"name": "base"}}})
    said = space.wait("Workspace", "box", waits("ReferenceDeleting"))
    assert "being deleted" in message(said)
    space.edit("Environment", "base", {"metadata": {"finalizers": None}})
    space.gone("Environment", "base")
    space.make("Environment", "base", {"image": IMAGE})
    space.ready("Workspace", "box")


def test_clashes_between_assets_name_both(space: Space) -> None:
    claim = {"claimInfo": {"size": "1Gi"}}
    space.make("DataSource", "one", {"pvc": {"path": "/data", **claim}})
    space.make("DataSource", "two", {"pvc": {"path": "/data", **claim}})
    space.make("Workspace", "box", {"image": IMAGE, "assets": {"dataSources": [{"name": "one"}, {"name": "two"}]}})
    said = message(space.wait("Workspace", "box", stalls("Conflict")))
    assert "Mount path /data" in said
    assert "DataSource one" in said
    assert "DataSource two" in said
    assert space.get("StatefulSet", "box") is None
    moved = {"dataSources": [{"name": "one"}, {"name": "two", "mountPath": "/other"}]}
    space.spec("Workspace", "box", assets=moved)
    space.ready("Workspace", "box")


def test_node_ports(space: Space) -> None:
    connection = {"name": "board", "toolType": "tensorboard", "connectionType": "NodePort", "containerPort": 6006}
    space.make("Environment", "base", {"image": IMAGE, "connections": [{**connection, "customNodePort": True}]})
    assets = {"environment": {"name": "base"}}
    space.make("Workspace", "box", {"assets": assets})
    said = space.wait("Workspace", "box", stalls("NodePortMissing"))
    assert "spec.connections[board].nodePort" in message(said)
    # Out of the server's range: its own words, and where to correct it.
    space.spec("Workspace", "box", connections=[{"name": "board", "nodePort": 80}])
    said = space.wait("Workspace", "box", lambda item: "not in the valid range" in message(item))
    assert condition(said, "Stalled")
    space.spec("Workspace", "box", connections=[{"name": "board", "nodePort": 31234}])
    space.ready("Workspace", "box")
    # Taken by another Service.
    space.make("Workspace", "rival", {"assets": assets, "connections": [{"name": "board", "nodePort": 31234}]})
    said = space.wait("Workspace", "rival", lambda item: "already allocated" in message(item))
    assert "31234" in message(said)
    space.spec("Workspace", "rival", connections=[{"name": "board", "nodePort": 31235}])
    space.ready("Workspace", "rival")
    # Twice in one workspace.
    twice = [
        {"name": "board", "nodePort": 31236},
        {"name": "more", **PORT, "containerPort": 1, "customNodePort": True, "nodePort": 31236},
    ]
    space.make("Workspace", "twice", {"assets": assets, "connections": twice})
    assert "board and more" in message(space.wait("Workspace", "twice", stalls("Conflict")))


def test_a_service_name_that_is_taken_is_never_adopted(stack: Stack, spaces: Callable[..., Space]) -> None:
    space = spaces(lasting=True)
    theirs = space.native("Service", "box", spec={"ports": [{"port": 80}], "selector": {"app": "theirs"}})
    space.make("Workspace", "box", {"image": IMAGE})
    said = space.wait("Workspace", "box", stalls("NameTaken"))
    assert f"Service {space.name}/box exists, and Outfitter does not manage it" in message(said)
    found = space.need("Service", "box")
    assert found["metadata"]["resourceVersion"] == theirs["metadata"]["resourceVersion"]
    space.delete("Service", "box")
    # Somebody else's Service carries no label that is watched, so its going is looked for once a minute.
    stack.late_checks.append(lambda: space.ready("Workspace", "box", 90))


def test_validate_finds_offline_what_the_server_would_refuse(tmp_path: Path) -> None:
    file = tmp_path / "box.yaml"
    meta = {"name": "box", "namespace": "a"}
    manifest = {"apiVersion": "outfitter.dev/v1alpha1", "kind": "Workspace", "metadata": meta, "spec": {"imag": "x"}}
    file.write_text(yaml.safe_dump(manifest))
    result = CliRunner().invoke(application(), ["validate", "-f", str(file)])
    assert result.exit_code == 1
    assert "spec.imag" in result.output


def test_elevation_needs_the_namespace_label(spaces: Callable[..., Space]) -> None:
    space = spaces(restricted=False)
    for name, security in (
        ("caps", {"capabilities": ["SYS_PTRACE"]}), ("seccomp", {"seccompProfileType": "Unconfined"}),
        ("escalate", {"allowPrivilegeEscalation": True}), ("net", {"hostNetwork": True}), ("ipc", {"hostIpc": True}),
    ):  # fmt: skip
        space.make("Workspace", name, {"image": IMAGE, "security": security})
        space.wait("Workspace", name, stalls("ElevationForbidden"))
        assert space.get("StatefulSet", name) is None
    space.label(elevation="allowed")
    for name in ("caps", "seccomp", "escalate", "net", "ipc"):
        space.ready("Workspace", name)
    # Taken away again: what runs goes on, what is new is refused.
    space.label(elevation=None)
    space.make("Workspace", "late", {"image": IMAGE, "security": {"hostIpc": True}})
    space.wait("Workspace", "late", stalls("ElevationForbidden"))
    told = space.wait(
        "Workspace",
        "ipc",
        lambda item: "ElevationRevoked" in [each["issue"] for each in item["status"].get("issues", ())],
    )
    assert ready(told)


def test_pod_security_refuses_the_pod(spaces: Callable[..., Space]) -> None:
    space = spaces(elevation=True)  # we would allow it, Pod Security restricted does not
    space.make("Workspace", "box", {"image": IMAGE, "security": {"capabilities": ["SYS_PTRACE"]}})
    said = space.wait("Workspace", "box", lambda item: condition(item, "Ready").get("reason") == "PodSecurityViolation")
    assert "restricted" in message(said)
    assert "pod-security.kubernetes.io/enforce" in message(said)
    space.spec("Workspace", "box", security=None)
    space.ready("Workspace", "box", 60)


def test_quota_refuses_the_pod(space: Space) -> None:
    space.native("ResourceQuota", "tight", spec={"hard": {"requests.cpu": "1"}})
    space.wait("ResourceQuota", "tight", lambda item: item and (item.get("status") or {}).get("hard"))
    space.make("Workspace", "box", {"image": IMAGE, "compute": {"cpuCoreRequest": 4}})
    said = space.wait("Workspace", "box", lambda item: condition(item, "Ready").get("reason") == "QuotaExceeded")
    assert "exceeded quota: tight" in message(said)
    assert "request less compute" in message(said)
    space.spec("Workspace", "box", compute={"cpuCoreRequest": 0.5})
    space.ready("Workspace", "box", 60)


def test_quota_refuses_a_service(space: Space) -> None:
    space.native("ResourceQuota", "none", spec={"hard": {"services": "0"}})
    space.wait("ResourceQuota", "none", lambda item: item and (item.get("status") or {}).get("hard"))
    space.make("Workspace", "box", {"image": IMAGE})
    said = space.wait("Workspace", "box", waits("QuotaExceeded"))
    assert "Service" in message(said)
    space.delete("ResourceQuota", "none")
    space.touch("Workspace", "box", "now")
    space.ready("Workspace", "box", 60)


def test_a_huge_spec(space: Space) -> None:
    """Half a megabyte in one object: rendered, pinned and running like any other."""
    variables = [{"name": f"V{number}", "value": "x" * 2500} for number in range(200)]
    space.running("box", environmentVariables=variables)
    assert len(space.template()["containers"][0]["env"]) == 200


def _large(count: int) -> dict[str, Any]:
    values = [{"name": f"V{number}", "value": "x" * 16_380} for number in range(count)]
    return {"image": IMAGE, "environmentVariables": values}


def test_a_workspace_whose_revision_is_too_large(space: Space) -> None:
    """1.2 MB, of which etcd does not take the revision."""
    space.make("Workspace", "large", _large(75))
    said = message(space.wait("Workspace", "large", stalls("Refused")))
    assert f"ControllerRevision {space.name}/large-" in said
    assert "MiB, and the API server usually stores at most 1.5 MiB" in said
    space.edit("Workspace", "large", {"spec": _large(2)})
    space.ready("Workspace", "large")


def test_a_workspace_beside_which_no_status_has_room(space: Space) -> None:
    """An Event reports it."""
    made = space.make("Workspace", "large", _large(95), annotations={"outfitter.dev/reconcile": "disabled"})
    spare = 1_572_864 - len(json.dumps(made, separators=(",", ":"))) - 500
    variables = [*_large(95)["environmentVariables"], {"name": "LAST", "value": "x" * spare}]
    enabled = {"metadata": {"annotations": {"outfitter.dev/reconcile": None}}}
    space.edit("Workspace", "large", {**enabled, "spec": {"environmentVariables": variables}})

    def reports() -> list[str]:
        mine = [item for item in space.list("Event") if item["involvedObject"]["name"] == "large"]
        return [item["message"] for item in mine if item["reason"] == "Refused"]

    eventually(lambda: any("is too large" in text for text in reports()), what="no Event reports the size")
