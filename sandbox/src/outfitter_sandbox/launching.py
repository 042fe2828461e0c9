"""Everything that is on disk before a sandbox's supervisor starts: certificates, kubeconfigs, command lines."""

from __future__ import annotations

import json
import sys
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from outfitter_sandbox import audit, control
from outfitter_sandbox.components import API_SERVER, CONTROLLER_MANAGER, ETCD, NODE, SERVICE_ADDRESS, Layout, commands
from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.nodes import REAL, STAND_IN
from outfitter_sandbox.processes import free_ports
from outfitter_sandbox.realnode.marks import NODE_ADDRESS

Progress = Callable[[str], None]
CONTROL_PORTS, NODE_PORTS = 3, 4
STAND_IN_GPUS = 16


def described(
    name: str, node: str, controllers: str, gpus: int | None, mig: Mapping[str, int], programs: Mapping[str, Path]
) -> dict[str, Any]:
    """What is written down about a sandbox, but for its address; it is a part of its interface to `attach`."""
    return {
        "name": name,
        "node": node,
        "controllers": controllers,
        "gpus": (STAND_IN_GPUS if node == STAND_IN else 0) if gpus is None else gpus,
        "mig": dict(mig),
        "programs": {each: str(path) for each, path in programs.items()},
    }


def address(state: Mapping[str, Any]) -> dict[str, Any]:
    """Ports, and where the API server listens: on loopback, or where a real node's pods reach it."""
    if state["node"] != REAL:
        return {"ports": free_ports(CONTROL_PORTS)}
    return {"ports": free_ports(CONTROL_PORTS + NODE_PORTS), "address": NODE_ADDRESS}


def layout_of(directory: Path, state: Mapping[str, Any]) -> Layout:
    """Where the files of a written sandbox are, and its ports."""
    api, etcd, peer = state["ports"][:CONTROL_PORTS]
    return Layout(directory, api, etcd, peer, state.get("address", "127.0.0.1"))


def write(layout: Layout, state: Mapping[str, Any], programs: Mapping[str, Path], progress: Progress) -> None:
    """Fill the sandbox's folder; `programs` is component -> executable."""
    from outfitter_sandbox import certificates, kubeconfigs

    directory, real = layout.directory, state["node"] == REAL
    certificates.create_control_plane(layout.pki, SERVICE_ADDRESS, *([NODE_ADDRESS] if real else []))
    (directory / "logs").mkdir()
    (directory / "audit-policy.json").write_text(json.dumps(audit.POLICY))
    origin = kubeconfigs.Origin(state["name"], layout.url, layout.pki)
    for name in ("admin", "controller-manager", "node"):
        kubeconfigs.with_certificate(directory / f"{name}.kubeconfig", origin, name, f"sandbox-{name}")
    (directory / control.COMPONENTS).write_text(json.dumps(_parts(layout, state, programs, progress)))
    if real:  # the components' state is thrown away, and containers are ended all the same: no graceful end
        command = [sys.executable, "-P", "-m", "outfitter_sandbox.realnode.clean", str(directory)]
        (directory / control.LAST).write_text(json.dumps({"command": command, "kill": True}))


def restore(layout: Layout, archive: Path) -> None:
    """Unpack the data directory of etcd. SandboxError for an archive that holds none."""
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(layout.directory, [each for each in tar if each.name.startswith("etcd")], filter="data")
    except (OSError, tarfile.TarError) as error:
        raise SandboxError(f"{archive} cannot be unpacked: {error}") from error
    if not (layout.directory / "etcd" / "member").is_dir():
        raise SandboxError(f"{archive} holds no folder etcd/member. Use a tar of the folder etcd of a sandbox.")


def _parts(
    layout: Layout, state: Mapping[str, Any], programs: Mapping[str, Path], progress: Progress
) -> dict[str, Any]:
    """Component -> command, log, whether it is started again when it ends by itself."""
    if state["node"] == REAL:
        from outfitter_sandbox.realnode import node

        lines = node.prepare(layout, state, programs, progress)
        # As under a service manager. The kubelet makes files that users of containers have to read.
        common, again = {"umask": 0o022}, tuple(name for name in lines if name not in (ETCD, API_SERVER))
    else:
        lines = commands(
            layout, programs, controllers=state["controllers"], node=state["node"] == STAND_IN, gpus=state["gpus"],
            slices=state["mig"],
        )  # fmt: skip
        common, again = {}, (CONTROLLER_MANAGER, NODE)  # they may give up while the API server is away
    return {
        name: {"command": command, "log": str(layout.log(name)), "restart": name in again, **common}
        for name, command in lines.items()
    }
