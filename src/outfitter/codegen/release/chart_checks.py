"""Checks of the packaged chart."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from outfitter.codegen import helm as helms
from outfitter.codegen.install_yaml import NAMESPACE, RELEASE
from outfitter.codegen.release.archives import read_archive
from outfitter.codegen.release.source import Source
from outfitter.errors import ConfigurationError

_CHART: Final = "deploy/chart"


def chart_problems(package: Path, source: Source, helm: Path) -> list[str]:
    """Return what is wrong with the package: its files, and what Helm makes of it."""
    files = {name.removeprefix("outfitter/"): content for name, content in read_archive(package).items()}
    wanted = source.files(_CHART)
    problems = [f"{package.name}: {name} is missing." for name in sorted(wanted.keys() - files.keys())]
    problems += [f"{package.name}: {name} must not be in it." for name in sorted(files.keys() - wanted.keys())]
    problems += [
        f"{package.name}: {name} differs from the file of the checkout."
        for name in sorted(wanted.keys() & files.keys())
        if wanted[name] != files[name]
    ]
    return problems or _helm_problems(package, source, helm)


def _helm_problems(package: Path, source: Source, helm: Path) -> list[str]:
    try:
        helms.run(helm, "lint", str(package), "--strict", failure=f"{package.name} has faults")
        text = helms.run(helm, *_template(package, source), failure=f"{package.name} cannot be rendered")
    except ConfigurationError as error:
        return [str(error)]
    rendered = [item for item in yaml.load_all(text, yaml.CSafeLoader) if item]
    installed = [item for item in yaml.load_all(source.text("deploy/install.yaml"), yaml.CSafeLoader) if item]
    differing = sorted(_identities(rendered) ^ _identities(installed) - {("Namespace", NAMESPACE)})
    return [f"{package.name} and install.yaml differ: only one has {kind} {name}." for kind, name in differing]


def _template(package: Path, source: Source) -> tuple[str, ...]:
    oldest = _load(source.text(f"{_CHART}/Chart.yaml"))["kubeVersion"].removeprefix(">=").removesuffix("-0")
    values = "identity.enabled=false"
    return "template", RELEASE, str(package), "--namespace", NAMESPACE, "--kube-version", oldest, "--set", values


def _identities(manifests: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(item["kind"], item["metadata"]["name"]) for item in manifests}


def _load(text: str) -> Any:
    return yaml.load(text, yaml.CSafeLoader)
