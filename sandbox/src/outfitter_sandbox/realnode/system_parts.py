"""Installed parts of a real node, and Debian packages in the cache.

Debian packages are unpacked, never installed.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from outfitter_sandbox import binaries, debian

Progress = Callable[[str], None]
PLUGIN_FOLDERS = ("/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni")
CNI_VERSION = "1.0.0"
NFT_PACKAGES = (
    "nftables", "libnftables1", "libnftnl11", "libmnl0", "libjansson4", "libedit2", "libgmp10", "libxtables12",
    "libbsd0", "libmd0", "libtinfo6",
)  # fmt: skip
SECONDS = 10


def containerd() -> dict[str, Path]:
    """containerd 2 with its shim and ctr from the PATH.

    Older versions lack a call that the kubelet makes.
    """
    found = {name: shutil.which(name) for name in ("containerd", "containerd-shim-runc-v2", "ctr")}
    if not all(found.values()):
        return {}
    version = re.search(r" v?(\d+)\.\d+", _output(["containerd", "--version"]))
    return {name: Path(str(path)) for name, path in found.items()} if version and int(version[1]) >= 2 else {}


def runc() -> Path | None:
    """runc 1.1 or newer with seccomp from the PATH.

    Pods of restricted namespaces require seccomp.
    """
    path = shutil.which("runc")
    text = _output(["runc", "--version"]) if path else ""
    version = re.search(r"runc version (\d+)\.(\d+)", text)
    compatible = version is not None and (int(version[1]), int(version[2])) >= (1, 1) and "libseccomp" in text
    return Path(str(path)) if compatible else None


def network_plugins() -> dict[str, Path]:
    """Installed CNI plugins that support the version of the sandbox's configuration."""
    for folder in PLUGIN_FOLDERS:
        found = {name: Path(folder) / name for name in ("bridge", "host-local")}
        if all(os.access(path, os.X_OK) and _supported(path) for path in found.values()):
            return found
    return {}


@dataclass(frozen=True)
class Unpacked:
    """A program from unpacked Debian packages, with a script for its libraries."""

    program: str
    packages: tuple[str, ...]
    path: str  # of the program in its package

    def available(self) -> bool:
        """Whether this machine can download Debian packages."""
        return debian.available()

    def cached(self, cache: Path) -> Path | None:
        """The folder of the script when it is complete."""
        folder = cache / self.key()
        return folder if binaries.complete(folder, (self.program,)) else None

    def key(self) -> str:
        """Name of the cache folder."""
        return f"node-{self.program}-debian-{'-'.join(binaries.target())}"

    def unpack(self, cache: Path, progress: Progress) -> Path:
        """The folder of the script.

        SandboxError with the message of apt when a download fails.
        """
        folder = cache / self.key()

        def make(partial: Path) -> None:
            progress(f"Downloading Debian packages of {self.program}; they are unpacked, not installed")
            debian.fetch(debian.known(self.packages), partial / "root")
            script = partial / self.program
            script.write_text(
                f"#!/bin/sh\nroot={shlex.quote(str(folder))}/root\n"
                f'for folder in "$root"/usr/lib/*-gnu "$root"/lib/*-gnu; do libraries=$libraries:$folder; done\n'
                f'LD_LIBRARY_PATH=${{libraries#:}} exec "$root/{self.path}" "$@"\n'
            )

        return binaries.install(folder, make, progress, (self.program,))


def seccomp_headers(cache: Path, progress: Progress | None) -> dict[str, str] | None:
    """Environment of a Go build that links runc with libseccomp.

    None when that is not possible. Without `progress` the packages are not downloaded, and the result is {} when they
    can be.
    """
    if _succeeds(["pkg-config", "--exists", "libseccomp"]):
        return {"CGO_ENABLED": "1"}
    headers = Unpacked("libseccomp-dev", ("libseccomp-dev", "libseccomp2"), "usr/include/seccomp.h")
    if shutil.which("pkg-config") is None or not headers.available():
        return None
    if progress is None:
        return {}
    root = headers.unpack(cache, progress) / "root"
    libraries = next(root.glob("usr/lib/*-linux-gnu"))
    return {
        "CGO_ENABLED": "1",
        "CGO_CFLAGS": f"-I{root}/usr/include",
        "CGO_LDFLAGS": f"-L{libraries}",
        "PKG_CONFIG_PATH": str(libraries / "pkgconfig"),
    }


def _supported(plugin: Path) -> bool:
    answer = subprocess.run(
        [str(plugin)], input=json.dumps({"cniVersion": CNI_VERSION}), env={"CNI_COMMAND": "VERSION"},
        capture_output=True, text=True, check=False, timeout=SECONDS,
    )  # fmt: skip
    try:
        return CNI_VERSION in json.loads(answer.stdout)["supportedVersions"]
    except (ValueError, KeyError):
        return False


def _output(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _succeeds(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=SECONDS).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
