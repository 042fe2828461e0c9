"""Write an image as an OCI layout in one tar file.

containerd, docker and kind load it.
"""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from outfitter_sandbox.binaries import target as platform_target
from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.images.layers import Blob, Layer, add_member, file, write_layer

EPOCH = "1970-01-01T00:00:00Z"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
# The full name host/path:tag: containerd stores it unchanged, and the kubelet requests the full name.
NAME = re.compile(
    r"(?:localhost|[a-z0-9-]+(?:\.[a-z0-9-]+)+(?::\d+)?|[a-z0-9.-]+:\d+)"
    r"(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)+(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}|@sha256:[0-9a-f]{64})"
)


@dataclass(frozen=True)
class Config:
    """How a container of the image runs.

    `user` is `UID[:GID]`, `ports` are `8080` or `8080/udp`.
    """

    user: str = ""
    entrypoint: Sequence[str] = ()
    cmd: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    workdir: str = "/"
    ports: Sequence[int | str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    architecture: str = field(default_factory=lambda: platform_target()[1])


def write_image(target: Path, names: Sequence[str], layers: Sequence[Layer], config: Config) -> str:
    """Write the image to a file; the digest of its manifest (`sha256:...`).

    `names` are full names with a tag, such as `localhost/outfitter/web:test`; the image has all of them. A name with a
    digest (`host/path@sha256:...`) stays unchanged, for an image that replaces another one. Lowest layer first.
    The same names, layers and config produce the same bytes. The file is written under another name and renamed.
    SandboxError for a name that a node would not find, or for conflicting entries of a layer.
    """
    _check_names(names)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as scratch:
        folder = Path(scratch)
        stored = [write_layer(layer, folder / str(number)) for number, layer in enumerate(layers)]
        settings = _json(_settings(config, stored))
        manifest = _json(_manifest(settings, stored))
        digest = _digest(manifest)
        blobs: dict[str, bytes | Path] = {blob.digest: blob.path for blob in stored}
        blobs |= {_digest(settings): settings, digest: manifest}
        members: dict[str, bytes | Path] = {
            "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
            "index.json": _json(_index(names, digest, len(manifest))),
            # The older format for the same blobs: `kind load` reads the names from it.
            "manifest.json": _json(_docker_manifest(names, _digest(settings), stored)),
        }
        members |= {_blob_path(name): blobs[name] for name in sorted(blobs)}
        with tarfile.open(folder / "image", "w", format=tarfile.PAX_FORMAT) as tar:
            for path, content in members.items():
                add_member(tar, file(path, content))
        (folder / "image").replace(target)
    return digest


def _check_names(names: Sequence[str]) -> None:
    if not names:
        raise SandboxError("The image has no name. Give it one, for instance localhost/outfitter/web:test.")
    for name in names:
        if not NAME.fullmatch(name):
            raise SandboxError(
                f"{name!r} is not a full image name. Write HOST/PATH:TAG, for instance localhost/outfitter/web:test: "
                "a node looks for shorter names in docker.io."
            )


def _settings(config: Config, layers: Sequence[Blob]) -> dict[str, Any]:
    ports: dict[str, Any] = {str(port) if "/" in str(port) else f"{port}/tcp": {} for port in config.ports}
    run: dict[str, Any] = {
        "User": config.user,
        "Entrypoint": list(config.entrypoint),
        "Cmd": list(config.cmd),
        "Env": [f"{name}={value}" for name, value in config.env.items()],
        "WorkingDir": config.workdir,
        "ExposedPorts": ports,
        "Labels": dict(config.labels),
    }
    return {
        "created": EPOCH,
        "architecture": config.architecture,
        "os": "linux",
        "config": {key: value for key, value in run.items() if value},
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
    }


def _manifest(settings: bytes, layers: Sequence[Blob]) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {"mediaType": CONFIG_TYPE, "digest": _digest(settings), "size": len(settings)},
        "layers": [
            {
                "mediaType": LAYER_TYPE + ("+gzip" if layer.compressed else ""),
                "digest": layer.digest,
                "size": layer.size,
            }
            for layer in layers
        ],
    }


def _index(names: Sequence[str], digest: str, size: int) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "manifests": [
            {
                "mediaType": MANIFEST_TYPE,
                "digest": digest,
                "size": size,
                "annotations": {
                    "io.containerd.image.name": name,
                    "org.opencontainers.image.ref.name": name.rpartition(":")[2],
                },
            }
            for name in names
        ],
    }


def _docker_manifest(names: Sequence[str], settings: str, layers: Sequence[Blob]) -> list[dict[str, Any]]:
    return [
        {
            "Config": _blob_path(settings),
            "RepoTags": [name for name in names if "@" not in name],
            "Layers": [_blob_path(layer.digest) for layer in layers],
        }
    ]


def _blob_path(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
