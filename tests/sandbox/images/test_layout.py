"""The image writer: what an engine reads back is what was put in, byte for byte the same every time."""

from __future__ import annotations

import io
import json
import os
import socket
import struct
import tarfile
from pathlib import Path

import pytest

from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.images import Config, Layer, directory, file, skeleton, symlink, tree, write_image
from outfitter_sandbox.images.layers import write_layer

from .layouts import load

NAME = "localhost/outfitter/test:1"
CONFIG = Config(
    user="65532:65532",
    entrypoint=["/bin/web"],
    cmd=["serve"],
    env={"PATH": "/bin", "A": "b=c"},
    workdir="/data",
    ports=[8080, "53/udp"],
    labels={"kind": "test"},
    architecture="amd64",
)


def test_an_engine_reads_back_what_was_written(tmp_path: Path) -> None:
    layers = [
        Layer([*skeleton(("me", 65532)), directory("/data", 0o770, 65532, 65532)]),
        Layer([file("/bin/web", b"\x7fELF", 0o755), symlink("bin/alias", "web")], compress=True),
    ]
    digest = write_image(tmp_path / "image.tar", [NAME, "localhost/outfitter/test:2"], layers, CONFIG)
    image = load(tmp_path / "image.tar")
    assert image.digests == {NAME: digest, "localhost/outfitter/test:2": digest}
    assert image.config | {"rootfs": None} == {
        "architecture": "amd64",
        "config": {
            "Cmd": ["serve"],
            "Entrypoint": ["/bin/web"],
            "Env": ["PATH=/bin", "A=b=c"],
            "ExposedPorts": {"53/udp": {}, "8080/tcp": {}},
            "Labels": {"kind": "test"},
            "User": "65532:65532",
            "WorkingDir": "/data",
        },
        "created": "1970-01-01T00:00:00Z",
        "os": "linux",
        "rootfs": None,
    }
    members = image.members()
    assert (members["data"].mode, members["data"].uid, members["data"].gid) == (0o770, 65532, 65532)
    assert (members["tmp"].mode, members["bin/web"].mode, members["bin"].mode) == (0o1777, 0o755, 0o755)
    assert members["bin/alias"].linkname == "web"
    assert {each.mtime for each in members.values()} == {0}
    image.unpack(tmp_path / "root")
    assert (tmp_path / "root/bin/alias").read_bytes() == b"\x7fELF"
    assert "me:x:65532:65532:" in (tmp_path / "root/etc/passwd").read_text()


@pytest.mark.parametrize("compress", [False, True])
def test_same_input_same_bytes(tmp_path: Path, compress: bool) -> None:
    """Neither order, times, umask, file name nor place of the input shows in the output."""
    digests, contents = [], []
    for number, order in enumerate((1, -1)):
        root = tmp_path / f"input{number}"
        root.mkdir()
        for name in ("b", "a", "c.d")[::order]:
            (root / name).mkdir()
            (root / name / "text").write_text(name)
            (root / name / "text").chmod((0o600, 0o664)[number])
            os.utime(root / name / "text", (number, number))
        (root / "run").write_bytes(b"#!")
        (root / "run").chmod((0o700, 0o775)[number])
        target = tmp_path / f"image{number}.tar"
        layers = [Layer([*skeleton(), *tree(root, "/srv")][::order], compress=compress)]
        digests.append(write_image(target, [NAME], layers, CONFIG))
        contents.append(target.read_bytes())
    assert digests[0] == digests[1]
    assert contents[0] == contents[1]


def test_a_gzip_header_carries_no_time_and_no_name(tmp_path: Path) -> None:
    write_layer(Layer([file("/a", b"1")], compress=True), tmp_path / "layer")
    magic, method, flags, when = struct.unpack("<HBBI", (tmp_path / "layer").read_bytes()[:8])
    assert (magic, method, flags, when) == (0x8B1F, 8, 0, 0)


def test_another_byte_is_another_digest(tmp_path: Path) -> None:
    first, second = (
        write_image(tmp_path / "image.tar", [NAME], [Layer([file("/a", content)])], CONFIG) for content in (b"1", b"2")
    )
    assert first != second


def test_the_same_layer_twice_is_stored_once(tmp_path: Path) -> None:
    layer = Layer([file("/a", b"1")])
    write_image(tmp_path / "image.tar", [NAME], [layer, layer], CONFIG)
    assert len(load(tmp_path / "image.tar").layers) == 2


def test_a_tree_keeps_links_and_long_names_and_leaves_out_what_it_is_told(tmp_path: Path) -> None:
    root, long = tmp_path / "root", "n" * 120
    (root / long / long).mkdir(parents=True)
    (root / long / long / "ü").write_text("deep")
    (root / "link").symlink_to("absent/target")
    (root / "cache").mkdir()
    (root / "cache" / "left-out").touch()
    kept = [*tree(root, "/", keep=lambda path: path.name != "cache")]
    write_image(tmp_path / "image.tar", [NAME], [Layer(kept)], CONFIG)
    members = load(tmp_path / "image.tar").members()
    assert set(members) == {long, f"{long}/{long}", f"{long}/{long}/ü", "link"}
    assert members["link"].linkname == "absent/target"


def test_a_socket_is_refused(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        with pytest.raises(SandboxError, match="not a file, directory or symlink"):
            list(tree(tmp_path))


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([file("/a", b""), file("a", b"")], "/a occurs twice"),
        ([file("/a", b""), file("/a/b", b"")], "/a/b is below /a"),
        ([file("/a/../../b", b"")], "is not a path in an image"),
        ([directory("/")], "is not a path in an image"),
    ],
)
def test_contradictions_are_refused_and_leave_nothing(tmp_path: Path, entries: list, message: str) -> None:
    with pytest.raises(SandboxError, match=message):
        write_image(tmp_path / "out" / "image.tar", [NAME], [Layer(entries)], CONFIG)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    "name", ["web", "outfitter/web:1", "localhost/web", "localhost/Web:1", "localhost/web@sha256:1"]
)
def test_a_name_that_a_node_would_not_find_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SandboxError, match="not a full image name"):
        write_image(tmp_path / "image.tar", [name], [], CONFIG)


@pytest.mark.parametrize("name", ["localhost/web:1", "registry.example.com/a/b-c:v1.0", "127.0.0.1:5000/x:y"])
def test_full_names_are_accepted(tmp_path: Path, name: str) -> None:
    digest = write_image(tmp_path / "image.tar", [name], [Layer([file("/a", b"")])], CONFIG)
    assert load(tmp_path / "image.tar").digests == {name: digest}


def test_an_image_without_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="has no name"):
        write_image(tmp_path / "image.tar", [], [], CONFIG)


def test_an_image_may_have_the_name_of_one_with_a_digest(tmp_path: Path) -> None:
    """A pod with a digest finds it by that name; the older format has no such names."""
    pinned = f"registry.example.com/scorer@sha256:{'0f' * 32}"
    digest = write_image(tmp_path / "image.tar", [NAME, pinned], [Layer(skeleton())], CONFIG)
    with tarfile.open(tmp_path / "image.tar") as tar:
        index, docker = (json.load(tar.extractfile(name) or io.BytesIO()) for name in ("index.json", "manifest.json"))
    listed = {each["annotations"]["io.containerd.image.name"]: each["digest"] for each in index["manifests"]}
    assert listed == {NAME: digest, pinned: digest}
    assert docker[0]["RepoTags"] == [NAME]
