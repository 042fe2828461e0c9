"""The state of this machine, read without the code under test, to compare before `up` and after `down`."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from outfitter_sandbox.realnode import parts

# Where the parts of a node are known, or likely, to leave something.
FOLDERS = (
    "/run", "/run/lock", "/var/run", "/var/lib", "/var/log", "/var/cache", "/etc", "/opt", "/opt/cni", "/srv", "/mnt",
    "/usr/libexec", "/usr/libexec/kubernetes", "/var/lib/kubelet", "/var/lib/cni", "/var/log/containers",
    "/var/log/pods", "/run/containerd", "/run/containerd/s", "/run/netns", "/var/run/netns", "/etc/cni",
)  # fmt: skip
# Folders of mount(8), which creates them at its first use.
OF_MOUNT = frozenset({"/run/mount", "/var/run/mount"})
# Counters, random numbers and what every process moves.
MOVING = (
    "/random/", "/fs/", "-nr", "_nr", "ns_last_pid", "nf_conntrack_count", "/pty/", "/kernel/tainted", "/debug/",
    "dentry-state", "rt_cache", "drop_caches", "compact_memory", "stat_refresh", "/flush", "netdev_rss_key",
    "oops_count", "warn_count", "/core_pattern", "overflow", "/sched_domain/", "/perf_event_max_sample_rate",
)  # fmt: skip
PROGRAMS = (
    "containerd", "containerd-shim-runc-v2", "runc", "kubelet", "kube-proxy", "kube-scheduler", "coredns", "pause",
    "web",
)  # fmt: skip
CONTAINERS = re.compile(r"outfitter|kube|containerd|runc|/pod|[0-9a-f]{64}")


def seen() -> dict[str, set[str]]:
    """Aspect -> everything there is of it."""
    return {name: look() for name, look in LOOKS.items()}


def differences(before: dict[str, set[str]], after: dict[str, set[str]]) -> list[str]:
    """What came and what went."""
    came = [f"+ {aspect}: {each}" for aspect in before for each in sorted(after[aspect] - before[aspect])]
    return came + [f"- {aspect}: {each}" for aspect in before for each in sorted(before[aspect] - after[aspect])]


def _processes() -> set[str]:
    """Processes with the programs of a node; kernel threads and zombies have no command line."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if Path(words[0]).name in PROGRAMS:
                found.add(f"{entry.name} {' '.join(words)[:200]}")
    return found


def _mounts() -> set[str]:
    """Without what others on this machine mount below /tmp meanwhile."""
    lines = (line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines())
    return {
        f"{words[4]} {words[words.index('-') + 1]}"
        for words in lines
        if not words[4].startswith("/tmp/") or "outfitter" in words[4] or "pytest" in words[4]
    }


def _network() -> set[str]:
    found = set()
    for what in (
        ("link",),
        ("address",),
        ("-4", "route", "show", "table", "all"),
        ("-6", "route"),
        ("rule",),
        ("netns",),
    ):
        answer = subprocess.run(["ip", "-oneline", *what], capture_output=True, text=True, check=True)
        found |= {f"{what}: {line.partition(' valid_lft')[0]}" for line in answer.stdout.splitlines()}
    return found


def _packet_filter() -> set[str]:
    nft = parts.find(None)[0]["nft"]
    return set(subprocess.run([nft, "list", "ruleset"], capture_output=True, text=True, check=True).stdout.splitlines())


def _cgroups() -> set[str]:
    """Without those that a service manager makes for others meanwhile; 64 digits are a container's."""
    return {folder for folder, _, _ in os.walk("/sys/fs/cgroup") if CONTAINERS.search(folder)}


def _settings() -> set[str]:
    found = set()
    for folder, _, names in os.walk("/proc/sys"):
        for name in names:
            path = f"{folder}/{name}"
            if any(each in path for each in MOVING):
                continue
            try:
                found.add(f"{path} = {Path(path).read_text().strip()}")
            except (OSError, UnicodeDecodeError):
                continue  # to be written only
    return found


def _folders() -> set[str]:
    return {str(each) for folder in FOLDERS if Path(folder).is_dir() for each in Path(folder).iterdir()} - OF_MOUNT


LOOKS: dict[str, Callable[[], set[str]]] = {
    "process": _processes, "mount": _mounts, "network": _network, "packet filter": _packet_filter, "cgroup": _cgroups,
    "setting": _settings, "folder": _folders,
}  # fmt: skip
