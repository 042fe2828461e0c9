"""Read an image file the way a container engine does, trusting nothing: every digest and size is checked."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Image:
    """The image as a container engine loads it."""

    digests: dict[str, str]  # name -> digest of the manifest
    config: dict[str, Any]
    layers: list[bytes] = field(repr=False)  # tars, lowest first

    def members(self) -> dict[str, tarfile.TarInfo]:
        """Path -> header, over all layers, the upper one winning."""
        found: dict[str, tarfile.TarInfo] = {}
        for layer in self.layers:
            with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
                found |= {each.name: each for each in tar.getmembers()}
        return found

    def unpack(self, target: Path) -> None:
        """The root file system, into a directory."""
        for layer in self.layers:
            with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
                tar.extractall(target, filter="fully_trusted", numeric_owner=True)


def load(path: Path) -> Image:
    """Check and read the OCI layout and the older manifest."""
    with tarfile.open(path) as tar:
        contents = {each.name: tar.extractfile(each).read() for each in tar.getmembers()}  # type: ignore[union-attr]
    assert json.loads(contents.pop("oci-layout")) == {"imageLayoutVersion": "1.0.0"}
    index, docker = json.loads(contents.pop("index.json")), json.loads(contents.pop("manifest.json"))
    blobs = {}
    for name, content in contents.items():
        folder, _, digest = name.rpartition("/")
        assert folder == "blobs/sha256"
        assert hashlib.sha256(content).hexdigest() == digest
        blobs[f"sha256:{digest}"] = content

    def blob(descriptor: dict[str, Any]) -> bytes:
        assert len(blobs[descriptor["digest"]]) == descriptor["size"]
        return blobs[descriptor["digest"]]

    digests = {}
    for descriptor in index["manifests"]:
        name = descriptor["annotations"]["io.containerd.image.name"]
        assert name.endswith(":" + descriptor["annotations"]["org.opencontainers.image.ref.name"])
        digests[name] = descriptor["digest"]
        manifest = json.loads(blob(descriptor))
    config = json.loads(blob(manifest["config"]))
    layers = []
    for descriptor in manifest["layers"]:
        zipped = descriptor["mediaType"].endswith("+gzip")
        layers.append(gzip.decompress(blob(descriptor)) if zipped else blob(descriptor))
    assert [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers] == config["rootfs"]["diff_ids"]
    used = {manifest["config"]["digest"], *digests.values(), *(each["digest"] for each in manifest["layers"])}
    assert set(blobs) == used, "blobs that nothing refers to"

    paths = ["blobs/" + each["digest"].replace(":", "/") for each in (manifest["config"], *manifest["layers"])]
    assert docker == [{"Config": paths[0], "RepoTags": list(digests), "Layers": paths[1:]}]
    return Image(digests, config, layers)
