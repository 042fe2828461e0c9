"""The images for builds are whole, and their programs are those of the pinned versions."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.go_parts import BUILDKIT
from outfitter_sandbox.images import build_images, full_name
from outfitter_sandbox.images.build_images import BUILD_IMAGES, BUILDER, launcher, write_build_image

from .layouts import load

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy" / "builder"
SCRIPT = ROOT / "src/outfitter/render/scripts/build.sh"


def test_an_unknown_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match=r"no image kaniko:1\. Use builder:1, registry:1"):
        write_build_image(tmp_path / "x.tar", "kaniko:1", print)


def test_the_released_image_has_the_version_of_the_tests() -> None:
    """Both are BuildKit and the launcher."""
    text = (FOLDER / "Dockerfile").read_text()
    assert f"BASE=docker.io/moby/buildkit:{BUILDKIT.version()}\n" in text
    (version,) = re.findall(r"GO_BASE=docker.io/library/golang:(\d+\.\d+)\.", text)
    assert re.search(rf"^go {re.escape(version)}", (FOLDER / "go.mod").read_text(), re.MULTILINE)


@pytest.mark.slow
@pytest.mark.build_images
@pytest.mark.parametrize("name", BUILD_IMAGES)
def test_an_image_is_whole_and_reproducible(tmp_path: Path, name: str) -> None:
    assert write_build_image(tmp_path / "1.tar", name, print) == [full_name(name)]
    write_build_image(tmp_path / "2.tar", name, print)
    image = load(tmp_path / "1.tar")
    assert load(tmp_path / "2.tar").digests == image.digests
    members = image.members()
    for program in (*image.config["config"]["Entrypoint"][:1], "/bin/sh", "/etc/ssl/certs/ca-certificates.crt"):
        assert program.lstrip("/") in members


@pytest.mark.slow
@pytest.mark.build_images
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can enter the image")
def test_the_image_has_what_the_script_needs(tmp_path: Path) -> None:
    write_build_image(tmp_path / "image.tar", BUILDER, print)
    root = tmp_path / "root"
    load(tmp_path / "image.tar").unpack(root)

    def run(*command: str) -> str:
        inside = [str(shutil.which("chroot")), str(root), *command]
        done = subprocess.run(inside, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"})
        return done.stdout + done.stderr

    assert BUILDKIT.version() in run("buildctl", "--version")
    assert BUILDKIT.version() in run("buildkitd", "--version")
    assert run("runc", "--version").startswith("runc version 1.")
    (needs,) = re.findall(r"# Needs (.*?)\.\s+Without a daemon\n#\s+also (.*?)\.\n", SCRIPT.read_text(), re.DOTALL)
    names = re.findall(r"[a-z-]+", " ".join(needs).replace(" and ", " "))
    assert {"sh", "buildctl", "wc", "userns-exec", "mount"} <= set(names)
    for name in names:
        assert run("sh", "-c", f"command -v {name}").strip().endswith(name), name


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can map all ids")
@pytest.mark.skipif(shutil.which("go") is None, reason="Go builds it")
def test_the_launcher_runs_a_program_as_root_of_its_own_namespaces(tmp_path: Path) -> None:
    """With its output, exit code and signals, and with the right to mount."""
    program = str(launcher(print))

    def run(*command: str) -> tuple[int, str]:
        done = subprocess.run([program, *command], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    namespaces = os.readlink("/proc/self/ns/user"), os.readlink("/proc/self/ns/mnt")
    code, text = run("sh", "-c", "readlink /proc/self/ns/user /proc/self/ns/mnt; cat /proc/self/uid_map; exit 7")
    assert code == 7
    assert not set(namespaces) & set(text.splitlines())
    assert text.split()[-3:] == ["0", "0", "65536"]
    assert run("mount", "-t", "tmpfs", "tmpfs", str(tmp_path)) == (0, "")
    assert not os.path.ismount(tmp_path)
    assert run("sh", "-c", "kill -TERM $$") == (143, "")
    assert run("sh", "-c", "trap 'echo got; exit 3' TERM; kill -TERM $PPID; while :; do sleep 0.05; done") == (
        3,
        "got\n",
    )
    assert run()[0] == 125
    code, text = run("/nowhere")
    assert code == 125
    assert re.match(r"userns-exec: .*no such file", text)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="a user without rights cannot be chosen")
@pytest.mark.skipif(shutil.which("go") is None, reason="Go builds it")
def test_without_rights_the_launcher_names_what_it_needs() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        copy = shutil.copy(launcher(print), folder)
        done = subprocess.run([copy, "true"], capture_output=True, text=True, check=False, user=65532, group=65532)
    assert done.returncode == 125
    assert "It needs uid 0, the capabilities SETUID, SETGID and SETFCAP" in done.stderr


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    found = build_images.missing()
    assert [line.partition(":")[0] for line in found][:2] == ["buildctl and buildkitd", "registry"]
    assert any(line.startswith("runc") for line in found)
