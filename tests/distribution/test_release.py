"""The files of a version: complete, reproducible, and refused where one of them is wrong."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from outfitter.codegen.release.archives import read_archive, write_archive
from outfitter.codegen.release.build import build, checksums
from outfitter.codegen.release.checks import problems
from outfitter.codegen.release.names import SUMS, Names, Options
from outfitter.codegen.release.sbom import locked
from outfitter.codegen.release.source import Source
from outfitter.codegen.release.versions import version

from .checkouts import ROOT, copy_checkout

EPOCH = 1_800_000_000

Change = Callable[[Path, Names], object]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """The files that a version is made of."""
    return Source(copy_checkout(tmp_path_factory.mktemp("source")), EPOCH)


@pytest.fixture(scope="module")
def built(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a version, which tests leave as they are."""
    folder = tmp_path_factory.mktemp("built")
    build(source, folder, Options())
    return folder


@pytest.fixture
def release(built: Path, tmp_path: Path) -> Path:
    """The same files, to be changed."""
    return shutil.copytree(built, tmp_path / "release")


def test_a_version_is_complete(source: Source, built: Path, helm: Path) -> None:
    assert {path.name for path in built.iterdir()} == source.names.all
    assert problems(source, built, helm, Options()) == []


def test_the_same_files_make_the_same_bytes(source: Source, built: Path, tmp_path: Path) -> None:
    other = Source(copy_checkout(tmp_path), EPOCH)
    (tmp_path / "again").mkdir()
    build(other, tmp_path / "again", Options())
    assert checksums(tmp_path / "again") == checksums(built)


def test_all_crds_are_in_one_file(source: Source, built: Path) -> None:
    bundle = list(yaml.load_all((built / source.names.crds).read_text(encoding="utf-8"), yaml.CSafeLoader))
    assert {item["kind"] for item in bundle} == {"CustomResourceDefinition"}
    assert len(bundle) == len(list((ROOT / "crds").iterdir()))


def test_the_bill_lists_the_lock_and_who_needs_what(source: Source, built: Path) -> None:
    bill = json.loads((built / source.names.sbom).read_text(encoding="utf-8"))
    assert len(bill["components"]) == len(re.findall("^[^ #]+==", source.text("requirements.txt"), re.MULTILINE))
    needs = {item["ref"].partition("@")[0]: item["dependsOn"] for item in bill["dependencies"]}
    direct = {each.partition("@")[0] for each in needs["pkg:pypi/outfitter"]}
    assert {"pkg:pypi/kopf", "pkg:pypi/pydantic", "pkg:pypi/pyyaml"} <= direct
    assert "pkg:pypi/pydantic-core" in {each.partition("@")[0] for each in needs["pkg:pypi/pydantic"]}
    assert all(needs.keys() >= {each.partition("@")[0] for each in used} for used in needs.values())


def test_a_lock_with_markers_extras_and_several_users() -> None:
    text = """\
uvloop==0.23.0 ; sys_platform == 'linux' \\
    --hash=sha256:00
    # via outfitter (pyproject.toml)
Py-YAML[x]==6.0 \\
    --hash=sha256:00
    # via
    #   kopf
    #   outfitter (pyproject.toml)
"""
    yaml_row, uvloop = locked(text)
    assert (yaml_row.purl, yaml_row.needed_by, yaml_row.marker) == ("pkg:pypi/py-yaml@6.0", ("kopf", "outfitter"), "")
    assert (uvloop.version, uvloop.marker, uvloop.needed_by) == ("0.23.0", "sys_platform == 'linux'", ("outfitter",))


def append(name: str) -> Change:
    """A byte more in a file."""
    return lambda folder, names: (folder / getattr(names, name, name)).open("ab").write(b"\n")


def repack(archive: str, add: dict[str, bytes] | None = None, leave_out: str = "") -> Change:
    """An archive with other files, and right sums."""

    def change(folder: Path, names: Names) -> None:
        path = folder / getattr(names, archive)
        content = {name: data for name, data in read_archive(path).items() if name != leave_out} | (add or {})
        write_archive(path, content, EPOCH)
        (folder / SUMS).write_text(checksums(folder))

    return change


def rezip(leave_out: str = "", **add: bytes) -> Change:
    """A wheel with other files, and right sums."""

    def change(folder: Path, names: Names) -> None:
        path = folder / names.wheel
        with zipfile.ZipFile(path) as archive:
            content = {name: archive.read(name) for name in archive.namelist() if name != leave_out}
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in (content | {name.replace("__", "/"): data for name, data in add.items()}).items():
                archive.writestr(name, data)
        (folder / SUMS).write_text(checksums(folder))

    return change


def other_krew_sum(folder: Path, names: Names) -> None:
    path = folder / "outfitter-krew.yaml"
    path.write_text(re.sub("sha256: .*", f"sha256: {'0' * 64}", path.read_text()))
    (folder / SUMS).write_text(checksums(folder))


def other_sum(folder: Path, names: Names) -> None:
    path = folder / SUMS
    path.write_text(re.sub("^[0-9a-f]{64}  identity", f"{'0' * 64}  identity", path.read_text(), flags=re.MULTILINE))


def other_crds(folder: Path, names: Names) -> None:
    about = read_archive(folder / names.chart)["outfitter/Chart.yaml"]
    repack("chart", {"outfitter/Chart.yaml": about.replace(b"- kind: Workspace\n", b"- kind: Notebook\n")})(
        folder, names
    )


def other_bill(folder: Path, names: Names) -> None:
    bill = json.loads((folder / names.sbom).read_text())
    bill["components"] = [item for item in bill["components"] if item["name"] != "kopf"]
    (folder / names.sbom).write_text(json.dumps(bill))
    (folder / SUMS).write_text(checksums(folder))


BAD: dict[str, tuple[Change, str]] = {
    "a missing file": (lambda folder, names: (folder / names.chart).unlink(), r"outfitter-\S+tgz is missing"),
    "a file too many": (
        lambda folder, names: (folder / "notes.txt").write_text(""),
        r"notes\.txt is no file of this version",
    ),
    "a changed byte": (append("install.yaml"), r"install\.yaml differs from its line in SHA256SUMS"),
    "a changed sum": (other_sum, r"identity\.yaml differs from its line in SHA256SUMS"),
    "no module": (rezip(leave_out="outfitter/naming.py"), r"whl: outfitter/naming\.py is missing"),
    "another module": (rezip(**{"outfitter__naming.py": b"1"}), r"outfitter/naming\.py differs from the file of"),
    "a test in the wheel": (rezip(**{"tests__conftest.py": b""}), r"whl: tests/conftest\.py must not be in it"),
    "a generator in the wheel": (rezip(**{"outfitter__codegen__crd.py": b""}), r"outfitter/codegen/crd\.py must not"),
    "no template": (
        repack("chart", leave_out="outfitter/templates/rbac.yaml"),
        r"tgz: templates/rbac\.yaml is missing",
    ),
    "a key in the chart": (repack("chart", {"outfitter/tls.key": b""}), r"tgz: tls\.key must not be in it"),
    "no kind in Artifact Hub": (other_crds, r"tgz: Chart\.yaml differs from the file of the checkout"),
    "another Kustomize field": (
        repack("kustomize", {"outfitter-kustomize/configuration.yaml": b"images: []\n"}),
        r"outfitter-kustomize-\S+gz differs from deploy/kustomize of the checkout",
    ),
    "another chart version": (
        repack("chart", {"outfitter/Chart.yaml": b"name: outfitter\nversion: 9.9.9\n"}),
        r"Chart\.yaml differs from the file of the checkout",
    ),
    "another plugin": (repack("plugin", {"kubectl-outfitter": b""}), "does not contain the wheel, the lock"),
    "a plugin that cannot be executed": (repack("plugin"), "must be the only program that can be executed"),
    "another sum for krew": (other_krew_sum, "does not name version .* and the checksum of"),
    "no package in the bill": (other_bill, r"cdx\.json and requirements\.txt differ in kopf"),
}


@pytest.mark.parametrize(("change", "expected"), BAD.values(), ids=BAD)
def test_bad_files_are_refused(change: Change, expected: str, source: Source, release: Path, helm: Path) -> None:
    change(release, source.names)
    found = problems(source, release, helm, Options())
    assert re.search(expected, "\n".join(found)), found


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="a version is built from a commit: run it in a clone")
def test_make_builds_a_version_from_a_fresh_clone(helm: Path, tmp_path: Path) -> None:
    """Twice, with the same bytes; then the plugin installs itself from its archive and runs."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True, capture_output=True)
    (clone / ".venv").symlink_to(sys.prefix)
    assert helm
    of_make = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")  # where `make` runs the tests
    environment = {name: value for name, value in os.environ.items() if name not in of_make}
    environment["PYTHONPATH"] = f"{clone}/src:{clone}/sandbox/src"
    command = ["make", "-o", ".venv/.installed", "release-artifacts"]
    printed = [
        subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, check=False)
        for _ in range(2)
    ]
    assert [done.returncode for done in printed] == [0, 0], printed[0].stderr
    assert printed[0].stdout == printed[1].stdout
    folder = clone / "build" / "release"
    assert printed[0].stdout == (folder / SUMS).read_text()
    unpacked = tmp_path / "plugin"
    with tarfile.open(fileobj=io.BytesIO((folder / Names(version(clone)).plugin).read_bytes())) as archive:
        archive.extractall(unpacked, filter="data")
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    alone["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    first, second = (
        subprocess.run(
            [unpacked / "kubectl-outfitter", "version"], env=alone, capture_output=True, text=True, check=False
        )
        for _ in range(2)
    )
    assert first.stdout.startswith(f"outfitter {version(clone)} ("), first.stderr
    assert "This happens once" in first.stderr
    assert (second.stdout, second.stderr) == (first.stdout, "")
