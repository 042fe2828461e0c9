"""`outfitter sandbox image` as a person runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from outfitter_sandbox.images import SAMPLES, full_name, write_samples

from .layouts import load

COMMAND = [sys.executable, "-c", "from outfitter.cli.app import main; main()", "sandbox", "image"]


def outfitter(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], cwd=folder, capture_output=True, text=True, check=False)


def test_an_unknown_image_is_refused_with_those_there_are(tmp_path: Path) -> None:
    done = outfitter(tmp_path, "nothing:1")
    assert (done.returncode, done.stdout) == (1, "")
    assert all(name in done.stderr for name in ("operator", *SAMPLES))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_name_goes_to_standard_output_and_the_image_to_a_file(tmp_path: Path) -> None:
    done = outfitter(tmp_path, "web:1")
    assert (done.returncode, done.stdout) == (0, "localhost/outfitter/web:1\n")
    assert "web-1.tar: 6 MiB" in done.stderr
    assert set(load(tmp_path / "web-1.tar").digests) == {"localhost/outfitter/web:1"}


@pytest.mark.slow
def test_an_image_takes_the_names_it_is_given(tmp_path: Path) -> None:
    names = ["quay.io/team/notebook:1", "registry.example.com/web:2"]
    done = outfitter(tmp_path, "web:1", "-o", "x.tar", "--name", names[0], "--name", names[1])
    assert done.stdout.split() == names
    assert set(load(tmp_path / "x.tar").digests) == set(names)
    short = outfitter(tmp_path, "web:1", "--name", "web")
    assert (short.returncode, "not a full image name" in short.stderr) == (1, True)


@pytest.mark.slow
def test_all_samples_are_whole(tmp_path: Path) -> None:
    """Every link leads to a program, the entry point is one, and none is like another."""
    written = write_samples(tmp_path, print)
    assert set(written) == {full_name(sample) for sample in SAMPLES}
    digests = set()
    for name, path in written.items():
        image = load(path)
        digests.add(image.digests[name])
        members = image.members()
        programs = {f"/{each}" for each, info in members.items() if info.isreg() and info.mode == 0o755}
        assert set(image.config["config"]["Entrypoint"]) == programs
        assert {info.linkname for info in members.values() if info.issym()} <= programs
    assert len(digests) == len(written)
    native = load(written["localhost/outfitter/fake-nim-native:1"]).config["config"]
    assert native["Labels"] == {"com.nvidia.nim.model_download_protocol": "native-v1"}
    assert load(written["localhost/outfitter/fake-nim:1"]).members()["opt/nim/.cache"].mode == 0o777
