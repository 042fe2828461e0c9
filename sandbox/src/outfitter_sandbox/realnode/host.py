"""Requirements of a real node, and its network, mounts and cgroups."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from outfitter_sandbox.components import SERVICE_RANGE
from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.processes import Identity
from outfitter_sandbox.realnode import cleanup, leftovers, names, record

Progress = Callable[[str], None]
CAPABILITIES = {12: "CAP_NET_ADMIN", 21: "CAP_SYS_ADMIN"}
SECONDS = 10
WIDEST = 8  # prefix length


def why_not() -> list[str]:
    """Reasons why this machine cannot run a real node, whatever is installed.

    [] when it can.
    """
    if sys.platform != "linux":
        return [f"containers need Linux, this is {sys.platform}: use a Linux virtual machine, or kind"]
    if os.geteuid() != 0:
        return ["only root can start containers: run it as root (sudo -E)"]
    reasons = [
        f"this process lacks {name}: run it outside of a container, or in a privileged one" for name in _lacking()
    ]
    if not _hierarchies() and not (leftovers.CGROUPS / "cgroup.controllers").exists():
        reasons.append(f"no cgroups are mounted at {leftovers.CGROUPS}: mount them")
    if not _has_overlay() and not _modprobe("overlay", dry=True):
        reasons.append("the kernel has no overlay file system: use another kernel")
    return reasons


def taken(but: Path | None = None) -> Path | None:
    """The folder of the real node that runs on this machine, unless it is `but`."""
    known = record.current()
    if known is None or not known.owner.alive() or known.directory == str(but):
        return None
    return Path(known.directory)


def refuse_second(directory: Path) -> None:
    """SandboxError when a real node outside of `directory` runs."""
    if (other := taken(directory)) is not None:
        raise SandboxError(
            f"Another real node runs on this machine: {other}. One at a time: stop it with "
            f"outfitter sandbox down --name {other.name} --root {other.parent}, or use --node simulated."
        )


def take(directory: Path, owner: Identity, nft: str, progress: Progress) -> None:
    """Register the real node of `directory`, then prepare network and cgroups.

    Remove leftovers of a crash first. SandboxError when another real node, another Kubernetes or a conflicting network
    exists.
    """
    with record.exclusively():
        refuse_second(directory)
        before = record.current()
        if before is not None:
            progress(f"Removing the leftovers of the crashed real node of {before.directory}")
            cleanup.clean(before)
        obstacles = _obstacles(nft)
        if obstacles:
            raise SandboxError("A real node cannot start:\n" + "\n".join(f"  {obstacle}" for obstacle in obstacles))
        record.claim(directory, owner, nft)
    _make_bridge()
    _make_cgroups()
    _mount_kubelet(directory / names.NAME / names.KUBELET.name)
    if not _has_overlay():
        _modprobe("overlay")


def _obstacles(nft: str) -> list[str]:
    """Conflicts with other programs, and objects that the cleanup would destroy."""
    if remains := leftovers.left(None):
        return [f"a crash left {leftovers.counted(remains)}; next: outfitter sandbox down --force"]
    obstacles = [
        f"another kubelet runs (process {pid}): one Kubernetes node per machine" for pid in leftovers.running("kubelet")
    ]
    obstacles += [
        f"packet filter table {' '.join(table)} exists: another kube-proxy uses this machine, or left it; "
        f"if none runs: nft delete table {' '.join(table)}"
        for table in leftovers.tables(nft)
    ]
    for network in (names.POD_RANGE, SERVICE_RANGE):
        obstacles += [
            f"the network {network} is in use (route {route}): remove that route" for route in _routes(network)
        ]
    return obstacles


def _routes(wanted: str) -> list[str]:
    routes = json.loads(_ip("-json", "-4", "route", "show", "table", "all") or "[]")
    network, overlapping = ipaddress.ip_network(wanted), []
    for route in routes:
        with contextlib.suppress(ValueError):  # "default"
            used = ipaddress.ip_network(route["dst"])
            if used.prefixlen >= WIDEST and used.overlaps(network):  # a wider one is a default route
                overlapping.append(f"{route['dst']} dev {route.get('dev', '?')}")
    return overlapping


def _make_bridge() -> None:
    """Create the bridge with the node's address, before the first pod.

    It has a fixed hardware address. Otherwise the bridge takes the lowest address of its ports, which changes with
    pods; packets of running pods to the old address, such as DNS queries, are lost until their ARP entry expires.
    """
    length = names.POD_RANGE.partition("/")[2]
    _ip("link", "add", names.BRIDGE, "address", names.HARDWARE_ADDRESS, "type", "bridge")
    _ip("address", "add", f"{names.NODE_ADDRESS}/{length}", "dev", names.BRIDGE)
    _ip("link", "set", names.BRIDGE, "up")
    if not leftovers.settings(["net.bridge.bridge-nf-call-iptables"]):
        _modprobe("br_netfilter")
    leftovers.set_setting("net.ipv4.ip_forward", "1")
    # Packets between two pods on the bridge pass the packet filter, which Services require.
    with contextlib.suppress(OSError):
        leftovers.set_setting("net.bridge.bridge-nf-call-iptables", "1")


def _mount_kubelet(files: Path) -> None:
    """Mount the kubelet's folder, private.

    Otherwise the kubelet's mounts also appear in the sandbox's folder.
    """
    for folder in (files, names.KUBELET):
        folder.mkdir(mode=0o750)
    _run("mount", "--bind", str(files), str(names.KUBELET))
    _run("mount", "--make-private", str(names.KUBELET))


def _make_cgroups() -> None:
    """Create the parent of all pods' cgroups, as the kubelet requires."""
    for top in _hierarchies():
        folder = top / names.NAME
        folder.mkdir(exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):  # empty in a new cgroup of version 1, which then accepts no process
            if (folder / name).exists() and not (folder / name).read_text().strip():
                (folder / name).write_text((top / name).read_text())
    unified = leftovers.CGROUPS / "cgroup.controllers"
    if unified.exists():
        (leftovers.CGROUPS / names.NAME).mkdir(exist_ok=True)
        for controller in unified.read_text().split():
            with contextlib.suppress(OSError):
                (leftovers.CGROUPS / "cgroup.subtree_control").write_text(f"+{controller}")


def _hierarchies() -> list[Path]:
    """Mounted hierarchies of cgroup version 1, without duplicates."""
    lines = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    mounted = [Path(words[4]) for words in lines if words[words.index("-") + 1] == "cgroup"]
    return [path for path in mounted if path.parent == leftovers.CGROUPS]


def _lacking() -> list[str]:
    status = Path("/proc/self/status").read_text()
    effective = int(next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")), 16)
    return [name for bit, name in CAPABILITIES.items() if not effective >> bit & 1]


def _has_overlay() -> bool:
    return "\toverlay\n" in Path("/proc/filesystems").read_text()


def _modprobe(module: str, *, dry: bool = False) -> bool:
    """Load a kernel module, or check that this is possible.

    It stays loaded, as other programs may use it.
    """
    command = ["modprobe", *(["--dry-run"] if dry else []), module]
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=SECONDS).returncode == 0
    except OSError:
        return False


def _ip(*arguments: str) -> str:
    return _run("ip", *arguments)


def _run(*command: str) -> str:
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    if answer.returncode != 0:
        raise SandboxError(f"{' '.join(command)} failed: {answer.stderr.strip()}")
    return answer.stdout
