"""Download the binaries of the control plane, or build them with Go.

`controlplane/go.mod` pins the versions of both.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from outfitter_sandbox.components import API_SERVER, CONTROLLER_MANAGER, ETCD
from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.processes import bound_command, last_lines

Progress = Callable[[str], None]
MODULE = Path(__file__).with_name("controlplane")
ETCD_MODULE = "go.etcd.io/etcd/server/v3"
KUBERNETES_RELEASES = "https://dl.k8s.io/release"
ETCD_RELEASES = "https://github.com/etcd-io/etcd/releases/download"
REACHABLE_SECONDS = 4  # fail quickly on a machine without internet access
REPORT_SECONDS = 2


class UnreachableError(SandboxError):
    """The release servers do not answer."""


def version(module: str) -> str:
    """The version of a module in go.mod, for instance v1.36.3."""
    found = re.search(rf"^(?:require)?\s*{re.escape(module)} (v\S+)", (MODULE / "go.mod").read_text(), re.MULTILINE)
    if found is None:
        raise SandboxError(f"{MODULE / 'go.mod'} does not name {module}. Reinstall outfitter-sandbox.")
    return found[1]


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def parse_sums(text: str) -> dict[str, str]:
    """File name -> digest, from the lines that sha256sum writes."""
    return {name.lstrip("*"): digest for digest, name in (line.split() for line in text.splitlines())}


def download(folder: Path, system: str, architecture: str, progress: Progress) -> None:
    """Download the official binaries, checked against the published SHA-256.

    UnreachableError when a server does not answer within seconds; SandboxError when a checksum differs.
    """
    release = f"{KUBERNETES_RELEASES}/{version('k8s.io/kubernetes')}/bin/{system}/{architecture}"
    for name in (API_SERVER, CONTROLLER_MANAGER):
        expected = _text(f"{release}/{name}.sha256").split()[0]
        _fetch(f"{release}/{name}", folder / name, expected, progress)
    tag = version(ETCD_MODULE)
    archive = f"{ETCD}-{tag}-{system}-{architecture}.tar.gz"
    sums = parse_sums(_text(f"{ETCD_RELEASES}/{tag}/SHA256SUMS"))
    if archive not in sums:
        raise SandboxError(f"{ETCD_RELEASES}/{tag}/SHA256SUMS does not list {archive}. Use --source build.")
    packed = folder / archive
    _fetch(f"{ETCD_RELEASES}/{tag}/{archive}", packed, sums[archive], progress)
    with tarfile.open(packed) as tar:
        member = tar.extractfile(f"{archive.removesuffix('.tar.gz')}/{ETCD}")
        if member is None:
            raise SandboxError(f"{archive} holds no {ETCD}. Use --source build.")
        with (folder / ETCD).open("wb") as file:
            shutil.copyfileobj(member, file)
    packed.unlink()


def go_version() -> str | None:
    """The version of the Go toolchain, for instance go1.26.8; None without Go."""
    if shutil.which("go") is None:
        return None
    answer = subprocess.run(["go", "env", "GOVERSION"], cwd=MODULE, capture_output=True, text=True, check=False)
    return answer.stdout.strip() if answer.returncode == 0 else None


def build(folder: Path, progress: Progress) -> None:
    """Compile the three binaries into `folder`.

    It takes minutes with cold caches, about a minute with warm ones. SandboxError with the end of Go's output when it
    fails. Go caches packages, so an interrupted build resumes.
    """
    release = version("k8s.io/kubernetes")
    steps = {
        ETCD: ETCD_MODULE,
        API_SERVER: f"k8s.io/kubernetes/cmd/{API_SERVER}",
        CONTROLLER_MANAGER: f"k8s.io/kubernetes/cmd/{CONTROLLER_MANAGER}",
    }
    started = time.monotonic()
    progress(
        f"Building Kubernetes {release} and etcd {version(ETCD_MODULE)} with Go; it takes minutes, once per version"
    )
    for name, package in steps.items():
        compile_one(folder / name, package, started, progress, stamp=stamp())


def stamp() -> str:
    """Linker flags with the Kubernetes release; without them /version returns v0.0.0."""
    release = version("k8s.io/kubernetes")
    major, minor = release.removeprefix("v").split(".")[:2]
    return " ".join(
        f"-X {package}.gitVersion={release} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"
        for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    )


def compile_one(
    target: Path,
    package: str,
    started: float,
    progress: Progress,
    *,
    module: Path = MODULE,
    stamp: str = "",
    tags: str = "",
    environment: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Build one Go package of a module into the file `target`.

    Reports progress every two seconds.

    `go build -v` prints a line per compiled package, which is counted. SandboxError with the end of its output.
    """
    command = ["go", "build", "-v", "-mod=readonly", "-trimpath", f"-tags={tags}", "-ldflags", f"-s -w {stamp}"]
    command += ["-o", str(target), package]
    log = target.with_name(f"{target.name}.build.log")
    _run(target.name, command, log, started, progress, module, environment)
    log.unlink()


def _run(
    name: str, command: list[str], log: Path, started: float, progress: Progress, module: Path, more: Mapping[str, str]
) -> None:
    environment = {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOWORK": "off",
        "GOFLAGS": os.environ.get("GOFLAGS", "") + " -buildvcs=false",
        **more,
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            bound_command(command, os.getpid()),
            cwd=module,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            while True:
                try:
                    process.wait(REPORT_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    packages = log.read_bytes().count(b"\n")
                    progress(f"Building {name}: {packages} packages compiled, {time.monotonic() - started:.0f} s")
        finally:
            if process.poll() is None:  # interrupted
                process.terminate()
                process.wait()
    if process.returncode != 0:
        raise SandboxError(
            f"Building {name} failed (exit code {process.returncode}):\n{last_lines(log)}\n"
            f"It ran `go build` in {module}. Next: check that Go can download modules (`go env GOPROXY`) and that the "
            "disk has 4 GB free; or set KUBEBUILDER_ASSETS to a folder that holds the binaries."
        )


def _text(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=REACHABLE_SECONDS) as response:  # noqa: S310 - our own https address
            content: bytes = response.read(1_000_000)
            return content.decode()
    except (urllib.error.URLError, OSError) as error:
        raise UnreachableError(f"{url}: {getattr(error, 'reason', error)}") from error


def _fetch(url: str, path: Path, expected: str, progress: Progress) -> None:
    name, reported = url.rpartition("/")[2], time.monotonic()
    try:
        with urllib.request.urlopen(url, timeout=30) as response, path.open("wb") as file:  # noqa: S310 - our own https address
            total = int(response.headers.get("Content-Length") or 0)
            while chunk := response.read(1 << 20):
                file.write(chunk)
                if time.monotonic() - reported > REPORT_SECONDS:
                    reported = time.monotonic()
                    progress(f"Downloading {name}: {file.tell() >> 20} of {total >> 20} MiB")
    except (urllib.error.URLError, OSError) as error:
        raise UnreachableError(f"{url}: {getattr(error, 'reason', error)}") from error
    actual = sha256(path)
    if actual != expected:
        raise SandboxError(f"{url} has SHA-256 {actual}, published is {expected}. Try again, or use --source build.")
