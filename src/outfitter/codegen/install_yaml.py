"""deploy/install.yaml and deploy/identity.yaml: the chart as Helm renders it with default values, for kubectl."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from outfitter.codegen.helm import run
from outfitter.codegen.yaml_text import header

RELEASE = "outfitter"
NAMESPACE = "outfitter-system"
_HELM_LABELS = re.compile(r"^ +(?:helm\.sh/chart|app\.kubernetes\.io/managed-by): .*\n", re.MULTILINE)
_BLANK_LINES = re.compile(r"\n+---\n(# Source: .*\n)\n*")


def render(helm: Path, root: Path, about: dict[str, Any]) -> str:
    """Return the Namespace and every object of the chart of the checkout at `root`; `about` is its Chart.yaml.

    Only the policies that not every supported API server has are left out.
    """
    objects = _objects(helm, root, about, "identity.enabled=false")
    namespace = (root / "deploy" / "namespace.yaml").read_text(encoding="utf-8")
    return (
        header("deploy/namespace.yaml and deploy/chart")
        + "# Apply it with: kubectl apply --server-side -f install.yaml\n"
        + f"---\n{namespace}"
        + objects
    )


def render_identity(helm: Path, root: Path, about: dict[str, Any]) -> str:
    """Return the policies that stamp authors, which need the kind MutatingAdmissionPolicy."""
    only = ("--show-only", "templates/identity.yaml")
    return (
        header("deploy/chart")
        + "# For Kubernetes 1.36 and later: kubectl apply --server-side -f identity.yaml\n"
        + _objects(helm, root, about, "identity.enabled=true", *only).removeprefix("\n")
    )


def _objects(helm: Path, root: Path, about: dict[str, Any], value: str, *flags: str) -> str:
    """Return the objects that Helm renders, without the labels by which it finds those of a release."""
    oldest = about["kubeVersion"].removeprefix(">=").removesuffix("-0")
    chart = str(root / "deploy" / "chart")
    place = ("--namespace", NAMESPACE, "--kube-version", oldest, "--set", f"crds.keep=false,{value}", *flags)
    text = run(helm, "template", RELEASE, chart, *place, failure=f"Helm cannot render {chart}")
    return _BLANK_LINES.sub(r"\n---\n\1", _HELM_LABELS.sub("", text))
