"""Find the binaries of the control plane.

Sources, in this order: environment, cache, download, build.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from outfitter_sandbox import sources
from outfitter_sandbox.components import API_SERVER, CONTROLLER_MANAGER, ETCD
from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.processes import locked

Progress = Callable[[str], None]
REQUIRED = (ETCD, API_SERVER)
ALL = (*REQUIRED, CONTROLLER_MANAGER)
SOURCES = ("auto", "download", "build")
SUMS = "SHA256SUMS"


def find(source: str, progress: Progress, environment: Mapping[str, str] = os.environ) -> dict[str, Path]:
    """Component -> executable.

    Kube-controller-manager may be missing when the environment names the others. `auto` tries the environment variables
    of Go operator projects, then the cache, a download and a build. `download` and `build` use that source only (and
    its cache). SandboxError lists all attempts.
    """
    if source not in SOURCES:
        raise SandboxError(f"There is no source {source!r}. Use one of {', '.join(SOURCES)}.")
    given = from_environment(environment) if source == "auto" else {}
    if all(name in given for name in REQUIRED):
        if CONTROLLER_MANAGER not in given:
            progress(
                "KUBEBUILDER_ASSETS has no kube-controller-manager: no garbage collection, no namespace deletion, "
                "no pods from Deployments. Unset KUBEBUILDER_ASSETS to use Outfitter's own binaries."
            )
        return given
    folder = _cached_or_made(source, progress, cache_root(environment))
    return {name: folder / name for name in ALL} | given


def from_environment(environment: Mapping[str, str]) -> dict[str, Path]:
    """Executables of TEST_ASSET_<COMPONENT> files and the KUBEBUILDER_ASSETS folder.

    SandboxError when a named file is missing.
    """
    found: dict[str, Path] = {}
    folder = environment.get("KUBEBUILDER_ASSETS", "")
    for name in ALL:
        variable = "TEST_ASSET_" + name.upper().replace("-", "_")
        if file := environment.get(variable):
            found[name] = _executable(Path(file), f"{variable}={file}")
        elif folder and (name in REQUIRED or (Path(folder) / name).exists()):
            found[name] = _executable(Path(folder) / name, f"KUBEBUILDER_ASSETS={folder}")
    return found


def cache_root(environment: Mapping[str, str] = os.environ) -> Path:
    """`$XDG_CACHE_HOME/outfitter/controlplane`; never inside a work tree."""
    base = environment.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "outfitter" / "controlplane"


def release_key() -> str:
    """Cache folder of downloaded binaries."""
    versions = f"{sources.version('k8s.io/kubernetes')}-etcd-{sources.version(sources.ETCD_MODULE)}"
    return f"release-{versions}-{'-'.join(target())}"


def build_key(go_version: str) -> str:
    """Cache folder of built binaries.

    Its name contains a digest of all inputs of the build.
    """
    digest = hashlib.sha256(
        (sources.MODULE / "go.mod").read_bytes() + (sources.MODULE / "go.sum").read_bytes()
    ).hexdigest()
    toolchain = re.sub(r"[^A-Za-z0-9.*]", "_", go_version)
    return f"build-{sources.version('k8s.io/kubernetes')}-{digest[:12]}-{toolchain}-{'-'.join(target())}"


def target() -> tuple[str, str]:
    """Operating system and architecture as Go names them.

    SandboxError where the sandbox cannot run.
    """
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine())
    if sys.platform != "linux" or architecture is None:
        raise SandboxError(
            f"The sandbox runs on Linux amd64 and arm64, this is {sys.platform} {platform.machine()}. "
            "Use a Linux virtual machine or container, or set KUBECONFIG to another test cluster."
        )
    return "linux", architecture


def complete(folder: Path, names: Sequence[str] = ALL) -> bool:
    """Whether a cache folder holds every binary with its recorded checksum."""
    try:
        sums = sources.parse_sums((folder / SUMS).read_text())
        return set(sums) >= set(names) and all(sources.sha256(folder / name) == sums[name] for name in names)
    except (OSError, ValueError):
        return False


def install(folder: Path, make: Callable[[Path], None], progress: Progress, names: Sequence[str] = ALL) -> Path:
    """Fill `folder` through `make(partial folder)`, unless it is complete.

    Under a lock; the partial folder is renamed when it is complete, so that no process sees half a folder.
    """
    waiting = f"Another process is preparing the binaries in {folder}; waiting for it"
    with locked(folder.with_name(folder.name + ".lock"), lambda: progress(waiting)):
        if complete(folder, names):
            return folder
        partial = folder.with_name(folder.name + ".partial")
        for leftover in (partial, folder):  # of a crash, or damaged
            shutil.rmtree(leftover, ignore_errors=True)
        partial.mkdir(parents=True)
        make(partial)
        for name in names:
            (partial / name).chmod(0o755)
        (partial / SUMS).write_text("".join(f"{sources.sha256(partial / name)}  {name}\n" for name in names))
        partial.rename(folder)
    return folder


def _cached_or_made(source: str, progress: Progress, cache: Path) -> Path:
    go = sources.go_version() if source != "download" else None
    release = cache / release_key()
    candidates = [release] if source != "build" else []
    if go:
        candidates.append(cache / build_key(go))
    elif source != "download":  # without Go, use earlier builds
        candidates += sorted(cache.glob(build_key("*")), reverse=True)
    for folder in candidates:
        if complete(folder):
            return folder
    tried = [f"cache {cache}: nothing complete for this version"]
    if source == "auto":
        tried.insert(
            0, "TEST_ASSET_KUBE_APISERVER, TEST_ASSET_ETCD, KUBEBUILDER_ASSETS: not set, or not for every component"
        )
    if source != "build":
        try:
            return install(release, lambda partial: sources.download(partial, *target(), progress), progress)
        except sources.UnreachableError as error:
            tried.append(f"download: {error}")
    if source != "download":
        if go:
            return install(cache / build_key(go), lambda partial: sources.build(partial, progress), progress)
        tried.append("build: there is no `go` command on the PATH")
    raise SandboxError(
        "No control plane binaries.\n"
        + "".join(f"  tried {each}\n" for each in tried)
        + "Next: install Go (https://go.dev/dl), or set KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver and "
        "kube-controller-manager (`setup-envtest use -p path` prints one), or allow this machine to reach "
        "dl.k8s.io and github.com."
    )


def _executable(path: Path, origin: str) -> Path:
    if not (path.is_file() and os.access(path, os.X_OK)):
        raise SandboxError(
            f"{origin}: {path} is not an executable file. "
            "Correct the variable, or unset it to use Outfitter's own binaries."
        )
    return path.resolve()
