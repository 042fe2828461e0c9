"""Find everything of a real node on this machine by its names.

Processes, mounts, network links, packet filter tables, cgroups and kernel settings.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from outfitter_sandbox.realnode.names import BRIDGE, NAME, RUN, TABLES

CGROUPS = Path("/sys/fs/cgroup")
MOUNTS_IN_FOLDER = re.compile(rf"/{NAME}/(?:kubelet|containerd)/")
SHIM = "containerd-shim-runc-v2"
SECONDS = 10


def mounts(table: str | None = None) -> list[str]:
    """Mount points of the node, the innermost first.

    `table` is the text of a mountinfo file.
    """
    lines = (table if table is not None else Path("/proc/self/mountinfo").read_text()).splitlines()
    points = [_unescaped(line.split()[4]) for line in lines if line]
    owned = [point for point in points if point.startswith(f"{RUN}/") or MOUNTS_IN_FOLDER.search(point)]
    return [point for _, point in sorted(enumerate(owned), reverse=True)]  # a later mount is above an earlier one


def shims() -> list[int]:
    """Shims of the node's containerd.

    A shim holds the containers of one pod and outlives containerd.
    """
    return [
        pid for pid, words in _processes() if Path(words[0]).name == SHIM and any(str(RUN) in word for word in words)
    ]


def running(program: str) -> list[int]:
    """All processes of a program with this name."""
    return [pid for pid, words in _processes() if Path(words[0]).name == program]


def cgroups() -> list[Path]:
    """Cgroups of the node in every hierarchy, the innermost first."""
    roots = [path for pattern in (NAME, f"*/{NAME}") for path in CGROUPS.glob(pattern) if path.is_dir()]
    return [Path(folder) for root in roots for folder, _, _ in os.walk(root, topdown=False)]


def members() -> set[int]:
    """Processes in the node's cgroups, that is, in containers."""
    pids: set[int] = set()
    for folder in cgroups():
        try:
            pids |= {int(pid) for pid in (folder / "cgroup.procs").read_text().split()}
        except OSError:
            continue  # the cgroup was removed meanwhile, or is threaded
    return pids


def links() -> list[str]:
    """The bridge and the pods' interfaces on it, the bridge last."""
    if not Path(f"/sys/class/net/{BRIDGE}").exists():
        return []
    ports = [path.name for path in Path(f"/sys/class/net/{BRIDGE}/brif").glob("*")]
    return [*ports, BRIDGE]


def tables(nft: str) -> list[tuple[str, str]]:
    """Packet filter tables with the names of kube-proxy; [] when nft does not run."""
    try:
        answer = subprocess.run(
            [nft, "--json", "list", "tables"], capture_output=True, text=True, check=False, timeout=SECONDS
        )
        entries = json.loads(answer.stdout)["nftables"]
    except (OSError, ValueError, KeyError, subprocess.TimeoutExpired):
        return []
    present = {(entry["table"]["family"], entry["table"]["name"]) for entry in entries if "table" in entry}
    return [table for table in TABLES if table in present]


def settings(names: Iterable[str]) -> dict[str, str]:
    """Kernel settings by their dotted names, without unknown ones."""
    values = {}
    for name in names:
        try:
            values[name] = _setting(name).read_text().strip()
        except OSError:
            continue
    return values


def set_setting(name: str, value: str) -> None:
    """Write one kernel setting. OSError when the kernel refuses."""
    _setting(name).write_text(value)


def left(nft: str | None) -> list[str]:
    """A line `kind: object` for everything of a real node on this machine."""
    lines = [f"shim: process {pid}" for pid in shims()]
    lines += [f"container: process {pid}" for pid in members()]
    lines += [f"mount: {point}" for point in mounts()]
    lines += [f"network interface: {link}" for link in links()]
    lines += [f"cgroup: {folder}" for folder in cgroups()]
    if nft is not None and (lines or RUN.exists()):  # otherwise the tables belong to another kube-proxy
        lines += [f"packet filter table: {' '.join(table)}" for table in tables(nft)]
    return lines


def counted(lines: Iterable[str]) -> str:
    """`2 shims, 1 mount`, from the lines of `left`."""
    kinds = Counter(line.partition(":")[0] for line in lines)
    return ", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in kinds.items())


def _processes() -> Iterable[tuple[int, list[str]]]:
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
        except OSError:
            continue  # ended meanwhile
        if words[0]:  # kernel threads and zombies have no command line
            yield int(entry.name), words


def _setting(name: str) -> Path:
    return Path("/proc/sys") / name.replace(".", "/")


def _unescaped(text: str) -> str:
    """mountinfo contains spaces and similar characters as octal numbers."""
    return text.encode().decode("unicode_escape").encode("latin-1").decode() if "\\" in text else text
