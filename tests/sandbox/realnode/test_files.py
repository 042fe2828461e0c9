"""Configuration, command lines, traces and the record: everything that needs no root."""

from __future__ import annotations

import io
import json
import os
import tarfile
import tomllib
from pathlib import Path

import pytest

from outfitter_sandbox.components import Layout
from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.pod_exec import Finished, finished
from outfitter_sandbox.processes import Identity
from outfitter_sandbox.realnode import commands, configs, leftovers, names, node, record

PLACE = configs.Place(Path('/state/it\'s "mine"'), configs.Ports(1, 2, 3, 4))
PARTS = {
    name: Path("/cache") / name
    for name in (
        "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "coredns",
        "containerd", "containerd-shim-runc-v2", "ctr", "runc", "nft", "ip", "mount", "bridge", "host-local",
    )
}  # fmt: skip


def test_every_file_says_where_things_are() -> None:
    files = configs.files(PLACE, PARTS, "outfitter-sandbox-x")
    folder = PLACE.folder
    toml = tomllib.loads(files[folder / "containerd.toml"])
    runtime = toml["plugins"]["io.containerd.cri.v1.runtime"]
    options = runtime["containerd"]["runtimes"]["runc"]["options"]
    assert (toml["root"], options["BinaryName"]) == (str(folder / "containerd"), "/cache/runc")
    assert runtime["cni"]["bin_dirs"] == ["/cache"]
    assert toml["plugins"]["io.containerd.cri.v1.images"]["pinned_images"]["sandbox"] == "localhost/outfitter/pause:1"
    kubelet = json.loads(files[folder / "kubelet.json"])
    assert (kubelet["address"], kubelet["port"], kubelet["cgroupRoot"]) == ("10.244.0.1", 1, "/outfitter-node")
    assert kubelet["healthzBindAddress"] == "127.0.0.1"
    proxy = json.loads(files[folder / "kube-proxy.json"])
    assert (proxy["mode"], proxy["healthzBindAddress"]) == ("nftables", "127.0.0.1:3")
    network = json.loads(files[folder / "cni" / "10-bridge.conflist"])
    assert network["plugins"][0]["bridge"] == "outfitter-node"
    assert files[folder / "Corefile"].count("bind 10.244.0.1") == 2
    assert len(names.BRIDGE) <= 15  # what Linux allows


def test_the_control_plane_of_a_real_node_is_on_the_bridge() -> None:
    layout = Layout(Path("/state"), 20001, 20002, 20003, names.NODE_ADDRESS)
    resources = commands.resources(8, {"1g.10gb": 4})
    lines = commands.commands(layout, PLACE, PARTS, controllers="*", resources=resources)
    assert {name for wave in commands.WAVES for name in wave} == set(lines)
    server = lines["kube-apiserver"]
    assert {"--bind-address=10.244.0.1", "--authorization-mode=Node,RBAC"} <= set(server)
    flags = [each.partition("=")[0] for each in server]
    assert len(flags) == len(set(flags))
    assert "--endpoint-reconciler-type=none" not in server  # pods find the API server by its Service
    assert {"--resource=nvidia.com/gpu=8", "--resource=nvidia.com/mig-1g.10gb=4"} <= set(lines["node-agent"])
    assert commands.resources(0, {}) == {}
    alone = Layout(Path("/state"), 1, 2, 3)
    assert alone.url == "https://127.0.0.1:1"


def test_mounts_are_found_by_the_mark_and_the_last_comes_first() -> None:
    space = "/x/outfitter-node/containerd/with\\040space"
    rows = ("/", "/run/outfitter-node/a", "/run/outfitter-nodes/x", space, "/mnt/outfitter-node/disk", "/run/other")
    table = "".join(f"1 1 0:1 / {each} rw - tmpfs tmpfs rw\n" for each in rows)
    assert leftovers.mounts(table) == ["/x/outfitter-node/containerd/with space", "/run/outfitter-node/a"]
    assert leftovers.counted(["mount: a", "shim: 1", "mount: b"]) == "2 mounts, 1 shim"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run folder of our own."""
    folder = tmp_path / "run" / names.NAME
    folder.parent.mkdir()
    monkeypatch.setattr(names, "RUN", folder)
    monkeypatch.setattr(names, "RECORD", folder / "record.json")
    return folder


def test_one_claim_at_a_time_and_its_copy_serves_when_it_is_lost(run: Path, tmp_path: Path) -> None:
    me = Identity.of(os.getpid())
    assert me is not None
    directory, other = tmp_path / "sandbox", tmp_path / "other"
    directory.mkdir()
    other.mkdir()
    assert record.current() is None
    made = record.claim(directory, me, "/nft")
    assert (record.current(), record.of(directory)) == (made, made)
    assert made.settings["net.ipv4.ip_forward"] in "01"
    with pytest.raises(SandboxError, match="down --force"):
        record.claim(other, me, "/nft")
    (run / "record.json").unlink()
    assert record.current() is None
    assert record.of(directory) == made
    copy = json.loads((directory / record.COPY).read_text())
    (directory / record.COPY).write_text(json.dumps(copy | {"owner": copy["owner"] | {"boot": "another"}}))
    assert record.of(directory) is None  # after a reboot there is nothing left to remove
    (run / "record.json").write_text("half a rec")
    assert record.current() is None


@pytest.mark.parametrize(
    ("members", "want"),
    [
        ({"index.json": {"manifests": [{"annotations": {"io.containerd.image.name": "a.b/c:1"}}]}}, ["a.b/c:1"]),
        ({"manifest.json": [{"RepoTags": ["a.b/c:1", "a.b/c:2"]}]}, ["a.b/c:1", "a.b/c:2"]),
        ({"index.json": {"manifests": [{}]}, "manifest.json": [{"RepoTags": ["x.y/z:1"]}]}, ["x.y/z:1"]),
        (
            {"manifest.json": [{"RepoTags": ["a:1", "team/a:1", "localhost/a:1", "host:5000/a:1"]}]},
            ["docker.io/library/a:1", "docker.io/team/a:1", "localhost/a:1", "host:5000/a:1"],
        ),
    ],
)
def test_names_are_read_from_archives(members: dict[str, object], want: list[str], tmp_path: Path) -> None:
    assert node.names_in(archive(tmp_path / "image.tar", members)) == want


def test_an_archive_without_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="contains no image name"):
        node.names_in(archive(tmp_path / "image.tar", {"manifest.json": [{"RepoTags": None}]}))


def archive(path: Path, members: dict[str, object]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            data = json.dumps(content).encode()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def test_the_verdict_on_a_command() -> None:
    assert finished({"status": "Success"}, "out", "err") == Finished(0, "out", "err")
    failed = {"status": "Failure", "message": "x", "details": {"causes": [{"reason": "ExitCode", "message": "7"}]}}
    assert finished(failed, "", "error") == Finished(7, "", "error")
    assert finished({"status": "Failure", "message": "no such container"}, "", "").code == -1
