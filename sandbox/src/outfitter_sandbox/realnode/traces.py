"""What a real node leaves on a machine, looked up by its marks: processes, mounts, links, tables, cgroups, settings."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from outfitter_sandbox.realnode.marks import BRIDGE, MARK, RUN, TABLES

CGROUPS = Path("/sys/fs/cgroup")
PLACES = re.compile(rf"/{MARK}/(?:kubelet|containerd)/")  # in the folder of a sandbox
SHIM = "containerd-shim-runc-v2"
SECONDS = 10


def mounts(table: str | None = None) -> list[str]:
    """Our mount points, the innermost first. `table` is text of a mountinfo file."""
    lines = (table if table is not None else Path("/proc/self/mountinfo").read_text()).splitlines()
    points = [_unescaped(line.split()[4]) for line in lines if line]
    ours = [each for each in points if each.startswith(f"{RUN}/") or PLACES.search(each)]
    return [each for _, each in sorted(enumerate(ours), reverse=True)]  # mounted later is mounted on top


def shims() -> list[int]:
    """The shims of our containerd: each holds the containers of one pod and outlives containerd."""
    return [
        pid for pid, words in _processes() if Path(words[0]).name == SHIM and any(str(RUN) in each for each in words)
    ]


def running(program: str) -> list[int]:
    """Processes that run a program of that name, whoever started them."""
    return [pid for pid, words in _processes() if Path(words[0]).name == program]


def cgroups() -> list[Path]:
    """Our cgroups in every hierarchy, the innermost first."""
    tops = [each for pattern in (MARK, f"*/{MARK}") for each in CGROUPS.glob(pattern) if each.is_dir()]
    return [Path(folder) for top in tops for folder, _, _ in os.walk(top, topdown=False)]


def members() -> set[int]:
    """Processes in our cgroups: what runs in containers."""
    found: set[int] = set()
    for folder in cgroups():
        try:
            found |= {int(each) for each in (folder / "cgroup.procs").read_text().split()}
        except OSError:
            continue  # the cgroup went while we looked, or is threaded
    return found


def links() -> list[str]:
    """The bridge and the ends of the pods' cables in it, the bridge last."""
    if not Path(f"/sys/class/net/{BRIDGE}").exists():
        return []
    ports = [each.name for each in Path(f"/sys/class/net/{BRIDGE}/brif").glob("*")]
    return [*ports, BRIDGE]


def tables(nft: str) -> list[tuple[str, str]]:
    """Packet filter tables with the names that kube-proxy uses; [] when nft does not run here."""
    try:
        answer = subprocess.run(
            [nft, "--json", "list", "tables"], capture_output=True, text=True, check=False, timeout=SECONDS
        )
        entries = json.loads(answer.stdout)["nftables"]
    except (OSError, ValueError, KeyError, subprocess.TimeoutExpired):
        return []
    present = {(each["table"]["family"], each["table"]["name"]) for each in entries if "table" in each}
    return [each for each in TABLES if each in present]


def settings(names: Iterable[str]) -> dict[str, str]:
    """Kernel settings by their dotted names; what this kernel does not have is left out."""
    found = {}
    for name in names:
        try:
            found[name] = _setting(name).read_text().strip()
        except OSError:
            continue
    return found


def set_setting(name: str, value: str) -> None:
    """Write one kernel setting. OSError when the kernel refuses."""
    _setting(name).write_text(value)


def left(nft: str | None) -> list[str]:
    """A line for everything of a real node that is still on this machine; its kind, a colon, which one."""
    found = [f"shim: process {pid}" for pid in shims()]
    found += [f"container: process {pid}" for pid in members()]
    found += [f"mount: {each}" for each in mounts()]
    found += [f"network interface: {each}" for each in links()]
    found += [f"cgroup: {each}" for each in cgroups()]
    if nft is not None and (found or RUN.exists()):  # without any other mark they are not ours
        found += [f"packet filter table: {' '.join(each)}" for each in tables(nft)]
    return found


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
            continue  # ended while we looked
        if words[0]:  # kernel threads and zombies have none
            yield int(entry.name), words


def _setting(name: str) -> Path:
    return Path("/proc/sys") / name.replace(".", "/")


def _unescaped(text: str) -> str:
    """Spaces and the like stand in mountinfo as octal numbers."""
    return text.encode().decode("unicode_escape").encode("latin-1").decode() if "\\" in text else text
