"""A real node in one sandbox: its files, components, readiness checks and images."""

from __future__ import annotations

import json
import socket
import subprocess
import tarfile
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from outfitter.errors import ApiError
from outfitter_sandbox.components import Layout
from outfitter_sandbox.connection import Connection
from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.images import write_sample
from outfitter_sandbox.processes import wait_until
from outfitter_sandbox.realnode import commands, configs, names
from outfitter_sandbox.realnode.configs import NODE_NAME, Place, Ports

NAMESPACE = "k8s.io"  # of containerd, with the images and containers of the kubelet
PAUSE = "pause.tar"
IMPORT_SECONDS = 300
LISTED_SECONDS = 20
HEALTH_SECONDS = 2


def prepare(
    layout: Layout, state: Mapping[str, Any], programs: Mapping[str, Path], progress: Callable[[str], None]
) -> dict[str, list[str]]:
    """Write certificates, kubeconfigs, configuration and the pause image.

    Component -> command.
    """
    place = place_of(layout.directory, state)
    cluster = f"sandbox-{state['name']}"
    commands.issue(layout, cluster)
    for path, content in configs.files(place, programs, f"outfitter-{cluster}").items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    place.volumes.mkdir()
    write_sample(place.folder / PAUSE, names.PAUSE_SAMPLE, progress)
    return commands.commands(
        layout, place, programs, controllers=state["controllers"],
        resources=commands.resources(state["gpus"], state["mig"]),
    )  # fmt: skip


def place_of(directory: Path, state: Mapping[str, Any]) -> Place:
    """Files and ports of a sandbox's node."""
    return Place(directory, Ports(*state["ports"][3:]))


def readiness(name: str, place: Place, api: Connection, ctr: str) -> Callable[[], bool] | None:
    """The readiness check of one component; None for components of the control plane."""
    match name:
        case commands.CONTAINERD:
            return lambda: _ctr(ctr, "version").returncode == 0
        case commands.KUBELET:
            return lambda: ready(api)
        case commands.PROXY:
            return lambda: _healthy(f"http://127.0.0.1:{place.ports.proxy_health}/healthz")
        case commands.DNS:
            return lambda: _listens(names.NODE_ADDRESS, 53)
        case commands.AGENT:
            return lambda: _exists(api, "/apis/storage.k8s.io/v1/storageclasses/standard")
        case _:
            return None


def ready(api: Connection) -> bool:
    """Whether the Node has condition Ready."""
    try:
        status, node = api.answer("GET", f"/api/v1/nodes/{NODE_NAME}")
    except ApiError:
        return False
    conditions = node.get("status", {}).get("conditions") or () if status == 200 else ()
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def import_image(ctr: str, archive: Path) -> list[str]:
    """Import the images of an archive into the node, and return their names.

    The archive is an OCI layout or a docker-archive. Returns when the kubelet can start them. SandboxError with the
    message of containerd when it fails.
    """
    images = names_in(archive)
    imported = _ctr(ctr, "images", "import", str(archive), seconds=IMPORT_SECONDS)
    if imported.returncode != 0:
        raise SandboxError(f"containerd did not import {archive}: {imported.stderr.strip()[-800:]}")

    def listed() -> bool:
        managed = _ctr(ctr, "images", "list", "--quiet", 'labels."io.cri-containerd.image"==managed').stdout.split()
        return set(images) <= set(managed)

    if not wait_until(listed, LISTED_SECONDS):
        raise SandboxError(f"containerd imported {archive}, but the kubelet does not find {', '.join(images)}.")
    return images


def add_registry(directory: Path, host: str, address: str) -> None:
    """Let the node of a sandbox pull images of a registry, from an address such as `http://10.96.0.9:5000`.

    `host` is the beginning of the names of its images. containerd reads the file at each pull.
    """
    folder = directory / names.NAME / configs.REGISTRIES / host
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "hosts.toml").write_text(f'server = "{address}"\n')


def names_in(archive: Path) -> list[str]:
    """Full names of the images in an archive.

    SandboxError when it is not an archive, or has no names.
    """
    try:
        with tarfile.open(archive) as tar:
            index = _member(tar, "index.json")
            found = [
                (manifest.get("annotations") or {}).get("io.containerd.image.name")
                for manifest in index.get("manifests", ())
            ]
            if not any(found):
                entries = _member(tar, "manifest.json") or ()
                found = [name for entry in entries for name in entry.get("RepoTags") or ()]
    except (OSError, tarfile.TarError, ValueError) as error:
        raise SandboxError(
            f"{archive} is not an image archive: {error}. Next: docker save IMAGE -o FILE.tar"
        ) from error
    images = [_in_full(name) for name in found if name]
    if not images:
        raise SandboxError(
            f"{archive} contains no image name. Save the image with a name and tag: docker save NAME:TAG."
        )
    return images


def _in_full(name: str) -> str:
    """The name of containerd for an image that was saved as `app:1` or `team/app:1`."""
    host, slash, _ = name.partition("/")
    if slash and (host == "localhost" or "." in host or ":" in host):
        return name
    return f"docker.io/{name}" if slash else f"docker.io/library/{name}"


def _member(tar: tarfile.TarFile, name: str) -> Any:
    try:
        content = tar.extractfile(name)
    except KeyError:
        return {}
    return json.load(content) if content else {}


def _ctr(ctr: str, *arguments: str, seconds: float = 20) -> subprocess.CompletedProcess[str]:
    command = [ctr, f"--address={names.SOCKET}", f"--namespace={NAMESPACE}", *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"no answer within {seconds:.0f} s")


def _healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=HEALTH_SECONDS) as answer:  # noqa: S310 - our own loopback address
            return bool(answer.status == 200)
    except OSError:
        return False


def _listens(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), HEALTH_SECONDS).close()
    except OSError:
        return False
    return True


def _exists(api: Connection, path: str) -> bool:
    try:
        return api.answer("GET", path)[0] == 200
    except ApiError:
        return False
