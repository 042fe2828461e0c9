"""Annotations of Chart.yaml for Artifact Hub, made from the CRDs, the examples, the changelog and the values.

They are in the packaged chart only: in the checkout, every entry of the changelog would make Chart.yaml stale.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import yaml

from outfitter.api.v1alpha1 import DERIVED_KINDS
from outfitter.codegen.examples import example
from outfitter.codegen.release.changelog import changes
from outfitter.codegen.release.source import Source
from outfitter.codegen.yaml_text import Block, dump
from outfitter.errors import ConfigurationError

CAPABILITIES: Final = ("Basic Install", "Seamless Upgrades", "Full Lifecycle", "Deep Insights", "Auto Pilot")
"""Values of operatorCapabilities."""
_PREFIX: Final = "artifacthub.io"
_CHART: Final = "deploy/chart"
_START: Final = "\nannotations:\n"
_WORD: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


def packaged_chart(source: Source) -> dict[str, bytes]:
    """Return the files of the chart as they are packaged, by their path in it."""
    files = source.files(_CHART)
    about = files["Chart.yaml"].decode()
    if _START not in about:
        raise ConfigurationError(f"{_CHART}/Chart.yaml has no `annotations`. Artifact Hub reads its facts there.")
    generated = {name: Block(text) for name, text in chart_annotations(source).items()}
    added = "".join(f"  {line}\n" for line in dump(generated).splitlines())
    return files | {"Chart.yaml": about.replace(_START, f"{_START}{added}").encode()}


def chart_annotations(source: Source) -> dict[str, str]:
    """Return the generated annotations. A fact that the checkout does not have has no annotation."""
    crds = [yaml.load(text, yaml.CSafeLoader) for text in source.files("crds").values()]
    entries = changes(source.text("CHANGELOG.md"), source.names.version)
    lists: dict[str, Sequence[Mapping[str, Any]]] = {
        "crds": [_crd(crd) for crd in crds],
        "crdsExamples": _examples(crds),
        "changes": [{"kind": entry.kind, "description": entry.summary} for entry in entries],
        "images": _images(source),
    }
    found = {f"{_PREFIX}/{name}": _text(items) for name, items in lists.items() if items}
    if any(entry.kind == "security" for entry in entries):
        found[f"{_PREFIX}/containsSecurityUpdates"] = "true"
    return found


def annotation_problems(chart: Mapping[str, Any]) -> list[str]:
    """Return the annotations of Chart.yaml, written by hand or generated, that Artifact Hub would not accept."""
    level = chart["annotations"].get(f"{_PREFIX}/operatorCapabilities")
    return [] if level in CAPABILITIES else [
        f"Chart.yaml: operatorCapabilities {level!r} is unknown. Use one of: {', '.join(CAPABILITIES)}."
    ]  # fmt: skip


def _crd(crd: Mapping[str, Any]) -> dict[str, str]:
    kind, version = crd["spec"]["names"]["kind"], crd["spec"]["versions"][0]
    return {
        "kind": kind,
        "version": version["name"],
        "name": crd["metadata"]["name"],
        "displayName": _WORD.sub(" ", kind).replace("Nim ", "NIM "),
        "description": version["schema"]["openAPIV3Schema"]["description"],
    }


def _examples(crds: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return an example of each kind that users write."""
    derived = {kind.name for kind in DERIVED_KINDS}
    kinds = [crd["spec"]["names"]["kind"] for crd in crds]
    return [yaml.load(example(kind), yaml.CSafeLoader) for kind in kinds if kind not in derived]


def _images(source: Source) -> list[Mapping[str, Any]]:
    """Return the image of the operator, only where the version was built for one that exists: it has a digest then."""
    image = yaml.load(source.text(f"{_CHART}/values.yaml"), yaml.CSafeLoader)["image"]
    if not image["digest"]:
        return []
    return [{"name": "outfitter", "image": f"{image['repository']}@{image['digest']}"}]


def _text(items: Sequence[Mapping[str, Any]]) -> str:
    return yaml.safe_dump(list(items), sort_keys=False, width=120, allow_unicode=True)
