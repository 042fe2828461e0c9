"""deploy/install.yaml: the chart as Helm renders it with its default values, for `kubectl apply`."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from outfitter.codegen.yaml_text import header
from outfitter.errors import ConfigurationError

RELEASE = "outfitter"
NAMESPACE = "outfitter-system"
_HELM_LABELS = re.compile(r"^ +(?:helm\.sh/chart|app\.kubernetes\.io/managed-by): .*\n", re.MULTILINE)
_BLANK_LINES = re.compile(r"\n+---\n(# Source: .*\n)\n*")


def render(helm: Path, root: Path, about: dict[str, Any]) -> str:
    """Return the Namespace and every object of the chart of the checkout at `root`; `about` is its Chart.yaml.

    The labels by which Helm finds the objects of a release are left out: nothing here belongs to a release.
    """
    with tempfile.TemporaryDirectory(prefix="outfitter-helm-") as home:
        oldest = about["kubeVersion"].removeprefix(">=").removesuffix("-0")
        chart = str(root / "deploy" / "chart")
        place = ("--namespace", NAMESPACE, "--kube-version", oldest, "--set", "crds.keep=false")
        folders = dict.fromkeys(("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"), home)
        done = subprocess.run(
            [str(helm), "template", RELEASE, chart, *place], env=folders, capture_output=True, text=True, check=False
        )
    if done.returncode != 0:
        raise ConfigurationError(f"Helm cannot render {chart}: {done.stderr.strip()}")
    namespace = (root / "deploy" / "namespace.yaml").read_text(encoding="utf-8")
    return (
        header("deploy/namespace.yaml and deploy/chart")
        + "# Apply it with: kubectl apply --server-side -f install.yaml\n"
        + f"---\n{namespace}"
        + _BLANK_LINES.sub(r"\n---\n\1", _HELM_LABELS.sub("", done.stdout))
    )
