"""Every generated file of a checkout, by its path."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from outfitter.codegen import argocd, install_yaml, kube_state_metrics, kustomize
from outfitter.codegen.action_table import log_page
from outfitter.codegen.admission import policies
from outfitter.codegen.chart_readme import chart_readme
from outfitter.codegen.chart_rules import rules
from outfitter.codegen.chart_settings import settings_template, values_text
from outfitter.codegen.crd import crd_files
from outfitter.codegen.dashboard import dashboard
from outfitter.codegen.installed_file import installed_file
from outfitter.codegen.priorities import priority_classes
from outfitter.codegen.reason_tables import troubleshooting_page
from outfitter.codegen.reference_pages import all_pages
from outfitter.codegen.rights_page import rights_page
from outfitter.codegen.settings_page import settings_page
from outfitter.codegen.values_schema import values_schema
from outfitter.codegen.yaml_text import dump, header
from outfitter.errors import ConfigurationError
from outfitter.installed import FILE as INSTALLED

_CHART: Final = "deploy/chart"
_CRDS_CHART: Final = f"{_CHART}/charts/crds"
CRD_FOLDERS: Final = ("crds", f"{_CRDS_CHART}/files")
"""Folders that hold nothing else: CRDs of kinds that no longer exist are removed from them."""
RENDERED: Final = {
    "deploy/install.yaml": install_yaml.render,
    "deploy/identity.yaml": install_yaml.render_identity,
}
"""Files that Helm renders from the chart."""
_GUIDE: Final = "docs/guide/troubleshooting.md"
_LOGS: Final = "docs/guide/logs.md"


def all_files(root: Path) -> dict[str, str]:
    """Return every generated file but those in RENDERED; reads only files or parts of them that are written by hand.

    Raises ConfigurationError where `root` is no checkout.
    """
    if not (root / _CHART / "Chart.yaml").is_file():
        raise ConfigurationError(
            f"{root} is not a checkout of Outfitter: it has no {_CHART}/Chart.yaml. Run this in a checkout."
        )
    values = values_text(_read(root, f"{_CHART}/values.yaml"))
    return {
        **{f"{kustomize.FOLDER}/{name}": text for name, text in kustomize.kustomize_files().items()},
        **{f"{folder}/{name}": text for folder in CRD_FOLDERS for name, text in crd_files().items()},
        **{f"{_CHART}/files/{name}": header(source) + dump(spec) for name, source, spec in policies.files()},
        f"{_CRDS_CHART}/Chart.yaml": header(f"{_CHART}/Chart.yaml") + dump(_crds_chart(root)),
        f"{_CHART}/README.md": chart_readme(_load(_read(root, f"{_CHART}/Chart.yaml")), values),
        f"{_CHART}/files/dashboard.json": dashboard(),
        f"{_CHART}/files/priorities.yaml": header("src/outfitter/api/priorities.py") + dump(priority_classes()),
        f"{_CHART}/files/rules.yaml": header("src/outfitter/cluster/access.py") + dump(rules()),
        f"{_CHART}/files/values.yaml": header(f"{_CHART}/values.yaml") + dump(_load(values)),
        f"{_CHART}/templates/_settings.tpl": settings_template(),
        f"{_CHART}/values.yaml": values,
        f"{_CHART}/values.schema.json": json.dumps(values_schema(_load(values)), indent=2) + "\n",
        "deploy/argocd/argocd-cm.yaml": argocd.config_map(
            {name: _read(root, f"{argocd.FOLDER}/{name}") for name in argocd.SCRIPTS}
        ),
        "deploy/monitoring/kube-state-metrics.yaml": kube_state_metrics.configuration(),
        f"src/outfitter/{INSTALLED}": installed_file(_load(_read(root, f"{_CHART}/Chart.yaml"))),
        _GUIDE: troubleshooting_page(_read(root, _GUIDE)),
        _LOGS: log_page(_read(root, _LOGS)),
        **{f"docs/reference/{name}": text for name, text in _reference().items()},
    }


def rendered(root: Path, helm: Path) -> dict[str, str]:
    """Return the files that are rendered from the chart as it is in the checkout."""
    about = _load(_read(root, f"{_CHART}/Chart.yaml"))
    return {name: render(helm, root, about) for name, render in RENDERED.items()}


def generate(root: Path, helm: Path | None = None) -> list[Path]:
    """Write every generated file; return those that changed or were removed.

    Without Helm those in RENDERED stay as they are.
    """
    files = all_files(root)
    changed = [*_write(root, files), *_remove_other_crds(root, files)]
    return changed if helm is None else [*changed, *_write(root, rendered(root, helm))]


def _reference() -> dict[str, str]:
    pages = all_pages()
    more = "\n- [Settings](settings.md) of the operator\n- [Rights](rbac.md) of the operator\n"
    return {
        **pages,
        "README.md": pages["README.md"] + more,
        "rbac.md": rights_page(),
        "settings.md": settings_page(),
    }


def _crds_chart(root: Path) -> dict[str, Any]:
    about = _load(_read(root, f"{_CHART}/Chart.yaml"))
    versions = {key: about[key] for key in ("apiVersion", "type", "version", "appVersion")}
    return {"name": "crds", "description": "The CustomResourceDefinitions of Outfitter", **versions}


def _write(root: Path, files: Mapping[str, str]) -> list[Path]:
    changed = []
    for name, text in files.items():
        path = root / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        changed.append(path)
    return changed


def _remove_other_crds(root: Path, files: Mapping[str, str]) -> list[Path]:
    present = [path for folder in CRD_FOLDERS for path in sorted((root / folder).glob("*.yaml"))]
    removed = [path for path in present if path.relative_to(root).as_posix() not in files]
    for path in removed:
        path.unlink()
    return removed


def _read(root: Path, name: str) -> str:
    return (root / name).read_text(encoding="utf-8")


def _load(text: str) -> Any:
    return yaml.load(text, yaml.CSafeLoader)
