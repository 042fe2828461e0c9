"""Builds the files of a version into a folder."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from outfitter.codegen import kustomize
from outfitter.codegen.release import krew, sbom
from outfitter.codegen.release.archives import write_archive
from outfitter.codegen.release.artifact_hub import packaged_chart
from outfitter.codegen.release.names import SUMS, Options
from outfitter.codegen.release.source import Source
from outfitter.errors import ConfigurationError


def build(source: Source, folder: Path, options: Options) -> None:
    """Write every file of the version to the empty `folder`."""
    names = source.names
    for project in (".", "sandbox"):
        _wheel(source, source.root / project, folder)
    write_chart(source, folder)
    (folder / names.crds).write_text(crd_bundle(source), encoding="utf-8")
    for name in ("install.yaml", "identity.yaml"):
        (folder / name).write_text(source.text(f"deploy/{name}"), encoding="utf-8")
    write_archive(folder / names.kustomize, component(source), source.epoch)
    krew.write_plugin(source, folder)
    (folder / "outfitter-krew.yaml").write_text(krew.manifest(source, folder, options), encoding="utf-8")
    bill = sbom.bill(source.text("requirements.txt"), folder / names.wheel, source.epoch)
    (folder / names.sbom).write_text(bill, encoding="utf-8")
    (folder / SUMS).write_text(checksums(folder), encoding="utf-8")


def crd_bundle(source: Source) -> str:
    """Return all CRDs, in the order of their names."""
    return "".join(f"---\n{text.decode()}" for text in source.files("crds").values())


def component(source: Source) -> dict[str, bytes]:
    """Return the files of the Kustomize component, in one folder without a version: a Kustomization names it."""
    return {f"outfitter-kustomize/{name}": text for name, text in source.files(kustomize.FOLDER).items()}


def checksums(folder: Path) -> str:
    """Return the lines of SHA256SUMS for every other file in `folder`."""
    files = [path for path in sorted(folder.iterdir()) if path.name != SUMS]
    return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)


def write_chart(source: Source, folder: Path) -> Path:
    """Package the chart with its facts for Artifact Hub, as Helm does, but without the time of the call."""
    path = folder / source.names.chart
    files = {f"outfitter/{name}": content for name, content in packaged_chart(source).items()}
    write_archive(path, files, source.epoch)
    return path


def _wheel(source: Source, project: Path, folder: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(source.epoch)}
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ConfigurationError(f"The wheel of {project} cannot be built: {done.stderr.strip()[-500:]}")
