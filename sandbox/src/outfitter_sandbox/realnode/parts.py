"""The programs of a real node: installed, cached, or built with Go.

Every group of programs has its own cache folder. `runc` and `nft` use C: they come from the PATH, else from Debian
packages, unpacked and not installed; `runc` is built where a C compiler is available.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from outfitter_sandbox import binaries, sources
from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.images import samples
from outfitter_sandbox.realnode import system_parts

Progress = Callable[[str], None]
MODULES = Path(__file__).with_name("modules")
CONTAINERD = "github.com/containerd/containerd/v2"
CNI = "github.com/containernetworking/plugins/plugins"
TOOLS = {"ip": "iproute2", "mount": "mount", "umount": "mount"}  # required on the PATH; command -> Debian package


@dataclass(frozen=True)
class Group:
    """Programs that are found or built together.

    `packages` is program -> Go package in `module`.
    """

    name: str
    module: Path
    packages: Mapping[str, str]
    installed: Callable[[], dict[str, Path]] = dict  # installed programs, {} when absent or not compatible
    stamp: str = ""
    tags: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)

    def key(self, go: str) -> str:
        """Name of the cache folder, with a digest of all inputs of the build."""
        digest = hashlib.sha256(
            b"".join(path.read_bytes() for path in sorted(self.module.rglob("*")) if path.is_file())
        )
        toolchain = re.sub(r"[^A-Za-z0-9.*]", "_", go)
        return f"node-{self.name}-{digest.hexdigest()[:12]}-{toolchain}-{'-'.join(binaries.target())}"

    def cached(self, cache: Path, go: str | None) -> Path | None:
        """The complete cache folder; without Go, of an earlier build."""
        folders = [cache / self.key(go)] if go else sorted(cache.glob(self.key("*")), reverse=True)
        return next((folder for folder in folders if binaries.complete(folder, tuple(self.packages))), None)

    def find(
        self, progress: Progress | None, option: str, environment: Mapping[str, str] = os.environ
    ) -> tuple[dict[str, Path], str]:
        """Program -> path, or {} and a sentence with the way to get them.

        With `progress`, they are built if they are not cached; without, the call returns at once. `option` of
        `outfitter sandbox build` builds them.
        """
        cache, go = binaries.cache_root(environment), sources.go_version()
        names = tuple(self.packages)
        folder = self.cached(cache, go)
        if folder is None:
            if go is None or progress is None:
                way = (
                    f"next: outfitter sandbox build {option}"
                    if go
                    else "install Go (https://go.dev/dl) and build it once"
                )
                return {}, f"{' and '.join(names)}: not built yet; {way}"
            folder = binaries.install(
                cache / self.key(go), lambda partial: self.build(partial, progress), progress, names
            )
        return {name: folder / name for name in names}, ""

    def build(self, folder: Path, progress: Progress) -> None:
        """Compile all programs into `folder`."""
        started = time.monotonic()
        for program, package in self.packages.items():
            sources.compile_one(
                folder / program, package, started, progress,
                module=self.module, stamp=self.stamp, tags=self.tags, environment=self.environment,
            )  # fmt: skip


def groups() -> list[Group]:
    """Groups that are built with Go alone, quick ones first."""
    kubernetes = {name: f"k8s.io/kubernetes/cmd/{name}" for name in ("kubelet", "kube-scheduler", "kube-proxy")}
    version = _version("containerd", CONTAINERD)
    return [
        Group(
            "cni", MODULES / "cni",
            {"bridge": f"{CNI}/main/bridge", "host-local": f"{CNI}/ipam/host-local"},
            installed=system_parts.network_plugins,
        ),
        Group(
            "containerd", MODULES / "containerd",
            {name: f"{CONTAINERD}/cmd/{name}" for name in ("containerd", "containerd-shim-runc-v2", "ctr")},
            installed=system_parts.containerd, stamp=f"-X {CONTAINERD}/version.Version={version}",
            tags="no_btrfs,no_zfs,no_devmapper",
        ),
        Group("coredns", MODULES / "coredns", {"coredns": "."}),
        Group("kubernetes", sources.MODULE, kubernetes, stamp=sources.stamp()),
    ]  # fmt: skip


def find(progress: Progress | None, environment: Mapping[str, str] = os.environ) -> tuple[dict[str, Path], list[str]]:
    """Program -> path, and a sentence for every missing part with the way to get it.

    With `progress`, missing parts are built or unpacked; without, the call returns at once.
    """
    cache, go = binaries.cache_root(environment), sources.go_version()
    found: dict[str, Path] = {}
    missing: list[str] = []
    if go is None:
        missing.append("the pause image: Go builds it in seconds; install Go (https://go.dev/dl)")
    elif progress is not None:
        samples.programs(progress)
    for group in groups():
        found |= _from_group(group, cache, go, progress, missing)
    for name, make in (("runc", _runc), ("nft", _nft)):
        path = make(cache, go, progress, missing)
        if path is not None:
            found[name] = path
    for tool, package in TOOLS.items():
        if (where := shutil.which(tool)) is not None:
            found[tool] = Path(where)
        else:
            missing.append(f"{tool} is not on the PATH: install the package {package}")
    return found, missing


def get(progress: Progress) -> dict[str, Path]:
    """All parts, built where necessary.

    SandboxError lists each missing part and the way to get it.
    """
    found, missing = find(progress)
    if missing:
        raise SandboxError(
            "A real node cannot run on this machine:\n" + "".join(f"  {line}\n" for line in missing).rstrip()
        )
    return found


def _from_group(
    group: Group, cache: Path, go: str | None, progress: Progress | None, missing: list[str]
) -> dict[str, Path]:
    if installed := group.installed():
        return installed
    folder = group.cached(cache, go)
    names = tuple(group.packages)
    if folder is None and progress is not None and go is not None:
        folder = binaries.install(
            cache / group.key(go), lambda partial: group.build(partial, progress), progress, names
        )
    if folder is None:
        way = "next: outfitter sandbox build --node" if go else "install Go (https://go.dev/dl) and build it once"
        missing.append(f"{' and '.join(names) if len(names) < 3 else ', '.join(names)}: not built yet; {way}")
        return {}
    return {name: folder / name for name in names}


def _runc(cache: Path, go: str | None, progress: Progress | None, missing: list[str]) -> Path | None:
    """From the PATH, else built with seccomp, else the Debian package."""
    if (installed := system_parts.runc()) is not None:
        return installed
    group = Group(
        "runc", MODULES / "runc", {"runc": "github.com/opencontainers/runc"}, tags="seccomp",
        stamp=f"-X main.version={_version('runc', 'github.com/opencontainers/runc').removeprefix('v')}",
    )  # fmt: skip
    debian = system_parts.Unpacked("runc", ("runc", "libseccomp2"), "usr/sbin/runc")
    for folder in (group.cached(cache, go), debian.cached(cache)):
        if folder is not None:
            return folder / "runc"
    ways: list[str] = []
    if go and shutil.which("cc"):
        environment = system_parts.seccomp_headers(cache, progress)
        if environment is None:
            ways.append("install libseccomp-dev and pkg-config to build it")
        elif progress is None:
            ways.append("next: outfitter sandbox build --node")
        else:
            ready = Group(group.name, group.module, group.packages, dict, group.stamp, group.tags, environment)
            make = lambda partial: ready.build(partial, progress)  # noqa: E731
            return binaries.install(cache / group.key(go), make, progress, ("runc",)) / "runc"
    elif debian.available():
        if progress is not None:
            return debian.unpack(cache, progress) / "runc"
        ways.append("next: outfitter sandbox build --node")
    else:
        ways.append("install runc 1.1 or newer (with seccomp), or a C compiler, libseccomp-dev and Go")
    missing.append(f"runc: neither on the PATH nor built yet; {ways[0]}")
    return None


def _nft(cache: Path, go: str | None, progress: Progress | None, missing: list[str]) -> Path | None:
    """From the PATH, else the Debian package, unpacked."""
    del go
    if (installed := shutil.which("nft")) is not None:
        return Path(installed)
    debian = system_parts.Unpacked("nft", system_parts.NFT_PACKAGES, "usr/sbin/nft")
    folder = debian.cached(cache)
    if folder is None and debian.available():
        if progress is not None:
            folder = debian.unpack(cache, progress)
        else:
            missing.append("nft: not on the PATH; outfitter sandbox build --node unpacks it, or install nftables")
            return None
    if folder is None:
        missing.append("nft: not on the PATH; install the package nftables")
        return None
    return folder / "nft"


def _version(module: str, path: str) -> str:
    found = re.search(
        rf"^(?:require)?\s*{re.escape(path)} (v\S+)", (MODULES / module / "go.mod").read_text(), re.MULTILINE
    )
    if found is None:
        raise SandboxError(f"{MODULES / module / 'go.mod'} does not name {path}. Reinstall outfitter-sandbox.")
    return found[1]
