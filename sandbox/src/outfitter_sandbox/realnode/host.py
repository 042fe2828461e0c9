"""Whether this machine can run a real node, and what it needs before the first component starts."""

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
from outfitter_sandbox.realnode import clean, marks, record, traces

Progress = Callable[[str], None]
CAPABILITIES = {12: "CAP_NET_ADMIN", 21: "CAP_SYS_ADMIN"}
SECONDS = 10
WIDEST = 8  # prefix length


def why_not() -> list[str]:
    """Why no real node can run on this machine whatever is installed; [] when it can."""
    if sys.platform != "linux":
        return [f"containers need Linux, this is {sys.platform}: use a Linux virtual machine, or kind"]
    if os.geteuid() != 0:
        return ["only root can start containers: run it as root (sudo -E)"]
    reasons = [
        f"this process lacks {name}: run it outside of a container, or in a privileged one" for name in _lacking()
    ]
    if not _hierarchies() and not (traces.CGROUPS / "cgroup.controllers").exists():
        reasons.append(f"no cgroups are mounted at {traces.CGROUPS}: mount them")
    if not _has_overlay() and not _modprobe("overlay", dry=True):
        reasons.append("the kernel has no overlay file system: take one that has")
    return reasons


def taken(but: Path | None = None) -> Path | None:
    """The folder of the real node that runs on this machine, unless it is `but`."""
    found = record.current()
    if found is None or not found.owner.alive() or found.directory == str(but):
        return None
    return Path(found.directory)


def refuse_second(directory: Path) -> None:
    """SandboxError when another real node than the one of `directory` runs."""
    if (other := taken(directory)) is not None:
        raise SandboxError(
            f"Another real node runs on this machine: {other}. One at a time: stop it with "
            f"outfitter sandbox down --name {other.name} --root {other.parent}, or use --node stand-in."
        )


def take(directory: Path, owner: Identity, nft: str, progress: Progress) -> None:
    """Claim this machine for the real node of `directory`, then prepare network and cgroups.

    SandboxError when another one is up, when another Kubernetes or network is in the way. What a crashed one left is
    removed first.
    """
    with record.exclusively():
        refuse_second(directory)
        before = record.current()
        if before is not None:
            progress(f"Removing what the crashed real node of {before.directory} left behind")
            clean.clean(before)
        obstacles = _obstacles(nft)
        if obstacles:
            raise SandboxError("No real node can start:\n" + "\n".join(f"  {each}" for each in obstacles))
        record.claim(directory, owner, nft)
    _make_bridge()
    _make_cgroups()
    _mount_kubelet(directory / marks.MARK / marks.KUBELET.name)
    if not _has_overlay():
        _modprobe("overlay")


def _obstacles(nft: str) -> list[str]:
    """What on this machine would clash, or be destroyed at the end."""
    if remains := traces.left(None):
        return [f"a crash left {traces.counted(remains)}; next: outfitter sandbox down --force"]
    found = [
        f"another kubelet runs (process {each}): one Kubernetes node per machine" for each in traces.running("kubelet")
    ]
    found += [
        f"packet filter table {' '.join(each)} exists: another kube-proxy uses this machine, or left it; "
        f"if none runs: nft delete table {' '.join(each)}"
        for each in traces.tables(nft)
    ]
    for wanted in (marks.POD_RANGE, SERVICE_RANGE):
        found += [
            f"the network {wanted} is in use here (route {each}): take that route away" for each in _routes(wanted)
        ]
    return found


def _routes(wanted: str) -> list[str]:
    answer = json.loads(_ip("-json", "-4", "route", "show", "table", "all") or "[]")
    network, found = ipaddress.ip_network(wanted), []
    for each in answer:
        with contextlib.suppress(ValueError):  # "default"
            used = ipaddress.ip_network(each["dst"])
            if used.prefixlen >= WIDEST and used.overlaps(network):  # a wider one is a way out, not a network here
                found.append(f"{each['dst']} dev {each.get('dev', '?')}")
    return found


def _make_bridge() -> None:
    """It exists before the first pod and carries the node's address: nothing listens on an address of the machine.

    Its hardware address is given. A bridge without one takes the lowest of those that are plugged in, another one with
    many a pod that comes or goes, and what running pods send to the one they remember, such as questions for names,
    is lost until they ask for it again.
    """
    length = marks.POD_RANGE.partition("/")[2]
    _ip("link", "add", marks.BRIDGE, "address", marks.HARDWARE_ADDRESS, "type", "bridge")
    _ip("address", "add", f"{marks.NODE_ADDRESS}/{length}", "dev", marks.BRIDGE)
    _ip("link", "set", marks.BRIDGE, "up")
    if not traces.settings(["net.bridge.bridge-nf-call-iptables"]):
        _modprobe("br_netfilter")
    traces.set_setting("net.ipv4.ip_forward", "1")
    # Answers between two pods of one bridge pass the packet filter, or a Service would not answer a neighbour.
    with contextlib.suppress(OSError):
        traces.set_setting("net.bridge.bridge-nf-call-iptables", "1")


def _mount_kubelet(files: Path) -> None:
    """Private, so that what the kubelet mounts there does not show up in the sandbox's folder too."""
    for folder in (files, marks.KUBELET):
        folder.mkdir(mode=0o750)
    _run("mount", "--bind", str(files), str(marks.KUBELET))
    _run("mount", "--make-private", str(marks.KUBELET))


def _make_cgroups() -> None:
    """The parent of all pods' cgroups, in every hierarchy: the kubelet wants to find it."""
    for top in _hierarchies():
        folder = top / marks.MARK
        folder.mkdir(exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):  # empty in a new cgroup of version 1, and then nothing may enter it
            if (folder / name).exists() and not (folder / name).read_text().strip():
                (folder / name).write_text((top / name).read_text())
    unified = traces.CGROUPS / "cgroup.controllers"
    if unified.exists():
        (traces.CGROUPS / marks.MARK).mkdir(exist_ok=True)
        for each in unified.read_text().split():
            with contextlib.suppress(OSError):
                (traces.CGROUPS / "cgroup.subtree_control").write_text(f"+{each}")


def _hierarchies() -> list[Path]:
    """Mounted hierarchies of cgroup version 1, each once though it may have two names."""
    lines = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    found = [Path(words[4]) for words in lines if words[words.index("-") + 1] == "cgroup"]
    return [each for each in found if each.parent == traces.CGROUPS]


def _lacking() -> list[str]:
    status = Path("/proc/self/status").read_text()
    effective = int(next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")), 16)
    return [name for bit, name in CAPABILITIES.items() if not effective >> bit & 1]


def _has_overlay() -> bool:
    return "\toverlay\n" in Path("/proc/filesystems").read_text()


def _modprobe(module: str, *, dry: bool = False) -> bool:
    """Load a kernel module, or see that it could be. It stays loaded: nobody can tell who else came to use it."""
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
