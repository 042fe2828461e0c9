"""Checks of the packaged chart."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

import yaml

from outfitter.codegen import helm as helms
from outfitter.codegen import install_yaml
from outfitter.codegen.release.archives import read_archive
from outfitter.codegen.release.artifact_hub import annotation_problems, packaged_chart
from outfitter.codegen.release.source import Source
from outfitter.errors import ConfigurationError

_CHART: Final = "deploy/chart"


def chart_problems(package: Path, source: Source) -> list[str]:
    """Return the files of the package that differ from those of the checkout, and annotations that are wrong."""
    files = {name.removeprefix("outfitter/"): content for name, content in read_archive(package).items()}
    wanted = packaged_chart(source)
    problems = [f"{package.name}: {name} is missing." for name in sorted(wanted.keys() - files.keys())]
    problems += [f"{package.name}: {name} must not be in it." for name in sorted(files.keys() - wanted.keys())]
    problems += [
        f"{package.name}: {name} differs from the file of the checkout."
        for name in sorted(wanted.keys() & files.keys())
        if wanted[name] != files[name]
    ]
    return problems or annotation_problems(yaml.load(files["Chart.yaml"], yaml.CSafeLoader))


def rendering_problems(package: Path, source: Source, helm: Path) -> list[str]:
    """Return what Helm finds wrong with the package, and whether it renders install.yaml."""
    about = yaml.load(source.text(f"{_CHART}/Chart.yaml"), yaml.CSafeLoader)
    with tempfile.TemporaryDirectory(prefix="outfitter-chart-") as work:
        unpacked = Path(work, _CHART)
        for name, content in read_archive(package).items():
            path = unpacked / name.removeprefix("outfitter/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        Path(work, "deploy/namespace.yaml").write_text(source.text("deploy/namespace.yaml"), encoding="utf-8")
        try:
            helms.run(helm, "lint", str(package), "--strict", failure=f"{package.name} has faults")
            rendered = install_yaml.render(helm, Path(work), about)
        except ConfigurationError as error:
            return [str(error)]
    same = rendered == source.text("deploy/install.yaml")
    return [] if same else [f"install.yaml differs from what Helm renders from {package.name}."]
