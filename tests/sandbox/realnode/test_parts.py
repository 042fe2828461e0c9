"""Where the parts of a real node come from, with commands of our own on the PATH."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from outfitter_sandbox import nodes
from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.realnode import host, parts, system_parts
from sandbox.conftest import script

from .conftest import silent


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on the PATH, and an empty cache."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


def test_every_missing_part_is_named_with_the_way_to_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_parts, "PLUGIN_FOLDERS", ())
    found, missing = parts.find(None)
    assert "kubelet" not in found
    text = "\n".join(missing)
    for part in ("containerd", "coredns", "kubelet", "runc", "nft", "ip is not on the PATH", "mount"):
        assert part in text
    for way in ("install Go (https://go.dev/dl)", "libseccomp-dev", "the package nftables", "the package iproute2"):
        assert way in text
    with pytest.raises(SandboxError, match=r"(?s)cannot run on this machine:.*nft: not on the PATH"):
        parts.get(silent)


def test_programs_of_the_machine_are_taken_when_they_fit(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("containerd-shim-runc-v2", "ctr", "nft"):
        script(path / name, "exit 0")
    script(path / "containerd", "echo containerd example.org/containerd 1.6.20~ds1 1")
    assert system_parts.containerd() == {}
    script(path / "containerd", "echo containerd example.org/containerd/v2 v2.1.0 abc")
    assert system_parts.containerd()["ctr"] == path / "ctr"
    script(path / "runc", "echo runc version 1.3.0; echo spec: 1.2.0")
    assert system_parts.runc() is None  # without seccomp
    script(path / "runc", "echo runc version 1.0.3; echo libseccomp: 2.5.4")
    assert system_parts.runc() is None  # too old
    script(path / "runc", "echo runc version 1.3.0; echo libseccomp: 2.5.4")
    assert system_parts.runc() == path / "runc"
    for name in ("bridge", "host-local"):
        script(path / "cni" / name, """echo '{"cniVersion":"1.0.0","supportedVersions":["0.4.0","1.0.0"]}'""")
    monkeypatch.setattr(system_parts, "PLUGIN_FOLDERS", (str(path / "cni"),))
    found, missing = parts.find(None)
    assert found["nft"] == path / "nft"
    assert found["bridge"] == path / "cni" / "bridge"
    assert not [each for each in missing if each.startswith(("runc", "nft", "containerd", "bridge"))]
    script(path / "cni" / "bridge", """echo '{"cniVersion":"0.4.0","supportedVersions":["0.3.1","0.4.0"]}'""")
    assert system_parts.network_plugins() == {}


def test_debian_packages_are_unpacked_and_not_installed(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{path}:/usr/bin:/bin")
    script(path / "apt-cache", 'test "$2" != libbsd0')  # this release has no such package
    script(path / "apt-get", 'shift; for each in "$@"; do echo $each > $each.deb; done')
    script(
        path / "dpkg",
        'mkdir -p "$3/usr/sbin" "$3/usr/lib/x86_64-linux-gnu"; cat "$2" >> "$3/fetched"\n'
        """echo '#!/bin/sh\necho "$LD_LIBRARY_PATH $@"' > "$3/usr/sbin/nft"; chmod +x "$3/usr/sbin/nft" """,
    )
    debian = system_parts.Unpacked("nft", ("nftables", "libbsd0", "libmnl0"), "usr/sbin/nft")
    assert debian.available()
    assert debian.cached(tmp_path / "c") is None
    folder = debian.unpack(tmp_path / "c", silent)
    assert debian.cached(tmp_path / "c") == folder
    assert (folder / "root" / "fetched").read_text().split() == ["libmnl0", "nftables"]
    output = subprocess.run([folder / "nft", "list", "tables"], capture_output=True, text=True, check=True).stdout
    assert output.startswith(f"{folder}/root/usr/lib/x86_64-linux-gnu")
    assert output.endswith("list tables\n")
    script(path / "apt-get", "echo no network >&2; exit 100")
    with pytest.raises(SandboxError, match=r"(?s)no network.*apt-get update"):
        system_parts.Unpacked("runc", ("runc",), "usr/sbin/runc").unpack(tmp_path / "c", silent)


def test_another_module_or_go_is_another_cache_folder(tmp_path: Path) -> None:
    for name, text in (("go.mod", "module a\n"), ("go.sum", "")):
        (tmp_path / name).write_text(text)
    group = parts.Group("some", tmp_path, {"program": "."})
    first = group.key("go1.26.8")
    assert first.startswith("node-some-")
    assert group.key("go1.27") != first
    (tmp_path / "go.sum").write_text("more")
    assert group.key("go1.26.8") != first


def test_every_carried_module_names_its_version() -> None:
    assert {each.name for each in parts.groups()} == {"cni", "containerd", "coredns", "kubernetes"}
    for each in parts.groups():
        assert (each.module / "go.sum").stat().st_size > 1000
    assert "version.Version=v2." in next(each.stamp for each in parts.groups() if each.name == "containerd")


def test_which_node_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    assert nodes.choose(True, lines.append) == "simulated"
    assert nodes.choose(False, lines.append) == "none"
    assert nodes.choose("none", lines.append) == "none"
    with pytest.raises(SandboxError, match="no node 'imaginary'"):
        nodes.choose("imaginary", lines.append)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert lines == []
    assert nodes.choose("auto", lines.append) == "simulated"
    assert ["only root" in line for line in lines] == [True]
    with pytest.raises(SandboxError, match=r"(?s)only root can start containers.*--node simulated"):
        nodes.choose("real", lines.append)
    monkeypatch.setattr("sys.platform", "darwin")
    assert "containers need Linux, this is darwin" in host.why_not()[0]
