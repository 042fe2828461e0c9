"""Where binaries come from, with folders, a web server and a `go` command of our own."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from outfitter_sandbox import binaries, sources
from outfitter_sandbox.errors import SandboxError

from .conftest import script

NAMES = ("etcd", "kube-apiserver", "kube-controller-manager")
# Answers `go env GOVERSION` and writes to the file after `-o`, slowly enough for two builds to meet.
GO = """
if [ "$1" = env ]; then echo go1.99.0; exit; fi
echo build >> "$(dirname "$0")/calls"; echo some/package >&2; sleep 0.2
while [ "$1" != -o ]; do shift; done; echo "built $(basename "$2")" > "$2"
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, no Go, and release servers that refuse."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    for name in ("KUBEBUILDER_ASSETS", *(f"TEST_ASSET_{each.upper().replace('-', '_')}" for each in NAMES)):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sources, "KUBERNETES_RELEASES", "http://127.0.0.1:9")
    return tmp_path / "cache" / "outfitter" / "controlplane"


@pytest.fixture
def go(tmp_path: Path) -> Path:
    """A `go` on the PATH; a file counts the builds."""
    script(tmp_path / "bin" / "go", GO)
    return tmp_path / "bin" / "calls"


def assets(folder: Path, *names: str) -> Path:
    for name in names:
        script(folder / name, "exit 0")
    return folder


def silent(text: str) -> None:
    """No progress display."""


def test_single_files_win_over_the_folder(tmp_path: Path) -> None:
    folder, single = assets(tmp_path / "assets", *NAMES), script(tmp_path / "mine", "exit 0")
    given = {"KUBEBUILDER_ASSETS": str(folder), "TEST_ASSET_ETCD": str(single)}
    assert binaries.find("auto", silent, given) == {
        "etcd": single,
        "kube-apiserver": folder / "kube-apiserver",
        "kube-controller-manager": folder / "kube-controller-manager",
    }


def test_a_folder_without_controller_manager_is_taken_with_a_warning(tmp_path: Path) -> None:
    lines: list[str] = []
    found = binaries.find("auto", lines.append, {"KUBEBUILDER_ASSETS": str(assets(tmp_path, "etcd", "kube-apiserver"))})
    assert set(found) == {"etcd", "kube-apiserver"}
    assert "garbage collection" in lines[0]


@pytest.mark.parametrize("variable", ["KUBEBUILDER_ASSETS", "TEST_ASSET_ETCD"])
def test_a_variable_that_points_nowhere_is_an_error(tmp_path: Path, variable: str) -> None:
    with pytest.raises(SandboxError, match=f"{variable}=.*is not an executable file"):
        binaries.find("auto", silent, {variable: str(tmp_path / "absent")})


def test_with_nothing_the_error_lists_what_was_tried(cache: Path) -> None:
    with pytest.raises(SandboxError) as caught:
        binaries.find("auto", silent)
    assert all(
        word in str(caught.value)
        for word in ("KUBEBUILDER_ASSETS", str(cache), "download: http", "no `go` command", "Next:")
    )
    with pytest.raises(SandboxError, match="no source 'guess'"):
        binaries.find("guess", silent)


def test_build_once_then_cache(cache: Path, go: Path) -> None:
    found = binaries.find("build", silent)
    assert found["etcd"].read_text() == "built etcd\n"
    assert found["etcd"].parent.parent == cache
    assert "go1.99.0" in found["etcd"].parent.name
    assert binaries.find("auto", silent) == found
    assert go.read_text().count("build") == 3
    go.with_name("go").unlink()
    assert binaries.find("auto", silent) == found  # what Go once built serves without it


def test_a_damaged_cache_is_rebuilt(cache: Path, go: Path) -> None:
    binaries.find("build", silent)["etcd"].write_text("bit rot")
    assert binaries.find("build", silent)["etcd"].read_text() == "built etcd\n"
    assert go.read_text().count("build") == 6


def test_concurrent_builds_build_once(cache: Path, go: Path) -> None:
    code = "from outfitter_sandbox import binaries; print(binaries.find('build', lambda text: None)['etcd'])"
    together = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(2)]
    paths = {process.communicate()[0] for process in together}
    assert len(paths) == 1
    assert go.read_text().count("build") == 3
    assert [each.name for each in cache.iterdir() if each.name.endswith(".partial")] == []


def test_a_failed_build_shows_gos_words(cache: Path, tmp_path: Path) -> None:
    script(tmp_path / "bin" / "go", 'if [ "$1" = env ]; then echo go1.99.0; exit; fi; echo no space left >&2; exit 1')
    with pytest.raises(SandboxError, match=r"(?s)Building etcd failed.*no space left.*Next:"):
        binaries.find("build", silent)


@pytest.fixture
def releases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a release server that is laid out like the official ones."""
    folder = tmp_path / "releases"
    kubernetes = folder / sources.version("k8s.io/kubernetes") / "bin/linux/amd64"
    kubernetes.mkdir(parents=True)
    for name in NAMES[1:]:
        (kubernetes / name).write_text(f"released {name}")
        (kubernetes / f"{name}.sha256").write_text(hashlib.sha256(f"released {name}".encode()).hexdigest())
    tag = sources.version(sources.ETCD_MODULE)
    archive = folder / tag / f"etcd-{tag}-linux-amd64.tar.gz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as tar:
        member = tarfile.TarInfo(f"etcd-{tag}-linux-amd64/etcd")
        member.size = len(b"released etcd")
        tar.addfile(member, io.BytesIO(b"released etcd"))
    (archive.parent / "SHA256SUMS").write_text(f"{sources.sha256(archive)}  {archive.name}\n")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        for constant in ("KUBERNETES_RELEASES", "ETCD_RELEASES"):
            monkeypatch.setattr(sources, constant, f"http://127.0.0.1:{server.server_port}")
        yield folder
        server.shutdown()
        thread.join()


def test_downloads_are_unpacked_and_checked(tmp_path: Path, releases: Path) -> None:
    target = tmp_path / "new"
    target.mkdir()
    sources.download(target, "linux", "amd64", silent)
    assert {each.name: each.read_text() for each in target.iterdir()} == {name: f"released {name}" for name in NAMES}
    (releases / sources.version("k8s.io/kubernetes") / "bin/linux/amd64/kube-apiserver").write_text("tampered")
    with pytest.raises(SandboxError, match="SHA-256"):
        sources.download(target, "linux", "amd64", silent)
