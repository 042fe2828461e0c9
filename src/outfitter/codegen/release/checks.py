"""Checks of the files of a version: each returns one sentence for each thing that is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from outfitter.codegen.release.archives import read_archive
from outfitter.codegen.release.build import checksums, component, crd_bundle
from outfitter.codegen.release.chart_checks import chart_problems, rendering_problems
from outfitter.codegen.release.krew import plugin_problems
from outfitter.codegen.release.names import SUMS, Options
from outfitter.codegen.release.sbom import locked
from outfitter.codegen.release.source import Source
from outfitter.codegen.release.versions import version_problems
from outfitter.codegen.release.wheel_checks import wheel_problems


def problems(source: Source, folder: Path, helm: Path, options: Options) -> list[str]:
    """Return what is wrong with the version in `folder`; empty where it can be published."""
    found = [*version_problems(source.root, options.tag), *_file_problems(source, folder)]
    if found:
        return found  # the other checks read these files
    found = [
        *_sum_problems(folder),
        *wheel_problems(folder / source.names.wheel, source),
        *wheel_problems(folder / source.names.sandbox_wheel, source),
        *chart_problems(folder / source.names.chart, source),
        *_manifest_problems(source, folder),
        *_component_problems(source, folder),
        *plugin_problems(source, folder, options),
        *_bill_problems(source, folder),
    ]
    return found or rendering_problems(folder / source.names.chart, source, helm)


def _file_problems(source: Source, folder: Path) -> list[str]:
    present = {path.name for path in folder.iterdir()}
    missing = [f"{name} is missing." for name in sorted(source.names.all - present)]
    return missing + [f"{name} is no file of this version." for name in sorted(present - source.names.all)]


def _sum_problems(folder: Path) -> list[str]:
    written = set((folder / SUMS).read_text(encoding="utf-8").splitlines())
    actual = set(checksums(folder).splitlines())
    changed = sorted({line.split("  ")[-1] for line in written ^ actual})
    return [f"{name} differs from its line in {SUMS}." for name in changed]


def _manifest_problems(source: Source, folder: Path) -> list[str]:
    wanted = {source.names.crds: crd_bundle(source)}
    wanted |= {name: source.text(f"deploy/{name}") for name in ("install.yaml", "identity.yaml")}
    return [
        f"{name} differs from the manifests of the checkout."
        for name, text in wanted.items()
        if (folder / name).read_text(encoding="utf-8") != text
    ]


def _component_problems(source: Source, folder: Path) -> list[str]:
    name = source.names.kustomize
    same = read_archive(folder / name) == component(source)
    return [] if same else [f"{name} differs from deploy/kustomize of the checkout."]


def _bill_problems(source: Source, folder: Path) -> list[str]:
    name = source.names.sbom
    document: dict[str, Any] = json.loads((folder / name).read_text(encoding="utf-8"))
    about = document["metadata"]["component"]
    if (about["name"], about["version"]) != ("outfitter", source.names.version):
        return [f"{name} describes {about['name']} {about['version']}, not outfitter {source.names.version}."]
    listed = {(item["name"], item["version"]) for item in document["components"]}
    wanted = {(package.name, package.version) for package in locked(source.text("requirements.txt"))}
    differing = sorted({package for package, _ in listed ^ wanted})
    return [f"{name} and requirements.txt differ in {package}." for package in differing]
