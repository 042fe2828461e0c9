"""The files of a sandbox before its supervisor starts.

Certificates, kubeconfigs, command lines.
"""

from __future__ import annotations

import json
import sys
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from outfitter_sandbox import audit, supervisor_client
from outfitter_sandbox.components import API_SERVER, CONTROLLER_MANAGER, ETCD, NODE, SERVICE_ADDRESS, Layout, commands
from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.nodes import REAL, SIMULATED
from outfitter_sandbox.processes import free_ports
from outfitter_sandbox.realnode.names import NODE_ADDRESS

Progress = Callable[[str], None]
CONTROL_PORTS, NODE_PORTS = 3, 4
SIMULATED_GPUS = 16


def described(
    name: str,
    node: str,
    controllers: str,
    gpus: int | None,
    mig: Mapping[str, int],
    programs: Mapping[str, Path],
    emulated: str = "",
) -> dict[str, Any]:
    """The recorded state of a sandbox without its address; `Sandbox.attach` reads it."""
    return {
        "name": name,
        "node": node,
        "controllers": controllers,
        "gpus": (SIMULATED_GPUS if node == SIMULATED else 0) if gpus is None else gpus,
        "mig": dict(mig),
        "emulated": emulated,
        "programs": {program: str(path) for program, path in programs.items()},
    }


def address(state: Mapping[str, Any]) -> dict[str, Any]:
    """Ports and address of the API server.

    The address is loopback, or the bridge of a real node, which its pods reach.
    """
    if state["node"] != REAL:
        return {"ports": free_ports(CONTROL_PORTS)}
    return {"ports": free_ports(CONTROL_PORTS + NODE_PORTS), "address": NODE_ADDRESS}


def layout_of(directory: Path, state: Mapping[str, Any]) -> Layout:
    """Layout of a sandbox from its recorded state."""
    api, etcd, peer = state["ports"][:CONTROL_PORTS]
    return Layout(directory, api, etcd, peer, state.get("address", "127.0.0.1"))


def write(layout: Layout, state: Mapping[str, Any], programs: Mapping[str, Path], progress: Progress) -> None:
    """Write the files of a new sandbox; `programs` is component -> executable."""
    from outfitter_sandbox import certificates, kubeconfigs

    directory, real = layout.directory, state["node"] == REAL
    certificates.create_control_plane(layout.pki, SERVICE_ADDRESS, *([NODE_ADDRESS] if real else []))
    (directory / "logs").mkdir()
    (directory / "audit-policy.json").write_text(json.dumps(audit.POLICY))
    origin = kubeconfigs.Origin(state["name"], layout.url, layout.pki)
    for name in ("admin", "controller-manager", "node"):
        kubeconfigs.with_certificate(directory / f"{name}.kubeconfig", origin, name, f"sandbox-{name}")
    (directory / supervisor_client.COMPONENTS).write_text(json.dumps(_parts(layout, state, programs, progress)))
    if real:  # no graceful end: the state of the components is discarded, and the cleanup ends containers
        command = [sys.executable, "-P", "-m", "outfitter_sandbox.realnode.cleanup", str(directory)]
        (directory / supervisor_client.LAST).write_text(json.dumps({"command": command, "kill": True}))


def restore(layout: Layout, archive: Path) -> None:
    """Unpack the data directory of etcd. SandboxError for an archive that holds none."""
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(
                layout.directory, [member for member in tar if member.name.startswith("etcd")], filter="data"
            )
    except (OSError, tarfile.TarError) as error:
        raise SandboxError(f"{archive} cannot be unpacked: {error}") from error
    if not (layout.directory / "etcd" / "member").is_dir():
        raise SandboxError(f"{archive} holds no folder etcd/member. Use a tar of the folder etcd of a sandbox.")


def _parts(
    layout: Layout, state: Mapping[str, Any], programs: Mapping[str, Path], progress: Progress
) -> dict[str, Any]:
    """Component -> command, log, and whether the supervisor restarts it."""
    if state["node"] == REAL:
        from outfitter_sandbox.realnode import node

        lines = node.prepare(layout, state, programs, progress)
        # The umask of service managers: users of containers read files of the kubelet.
        common, restarted = {"umask": 0o022}, tuple(name for name in lines if name not in (ETCD, API_SERVER))
    else:
        lines = commands(
            layout, programs, controllers=state["controllers"], node=state["node"] == SIMULATED, gpus=state["gpus"],
            slices=state["mig"], emulated=state["emulated"],
        )  # fmt: skip
        common, restarted = {}, (CONTROLLER_MANAGER, NODE)  # they may end while the API server does not answer
    return {
        name: {"command": command, "log": str(layout.log(name)), "restart": name in restarted, **common}
        for name, command in lines.items()
    }
