"""Write every generated file of the repository: CRDs, the chart's part of them, install.yaml, reference pages."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from outfitter.api.v1alpha1 import GROUP
from outfitter.codegen import chart, install
from outfitter.codegen.admission import policies
from outfitter.codegen.crd import all_crds
from outfitter.codegen.reason_tables import troubleshooting_page
from outfitter.codegen.reference_pages import all_pages
from outfitter.errors import ConfigurationError

HEADER = "# Generated from src/outfitter/api by `make generate`. Do not edit.\n"

# Files that are gone from what is generated are removed where their whole folder is ours.
_OWNED: Final = ("crds", "deploy/chart/files/crds")
_GUIDE: Final = "docs/guide/troubleshooting.md"


class _Dumper(yaml.CSafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        """Write every value out: a CRD with YAML anchors is hard to read and not every tool takes it."""
        return True


class _Block(str):
    """Text that is written as a block, line by line."""

    __slots__ = ()


_Dumper.add_representer(
    _Block, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style="|")
)


def crd_files() -> dict[str, str]:
    """Return the text of every CRD by the name of its file."""
    return {name: HEADER + _text(crd) for name, crd in all_crds().items()}


def reference_files() -> dict[str, str]:
    """Return every reference page by the name of its file: one per kind, rights, settings, and an index."""
    pages = all_pages()
    more = "\n- [Settings](settings.md) of the operator\n- [Rights](rbac.md) of the operator\n"
    return {
        **pages,
        "README.md": pages["README.md"] + more,
        "rbac.md": chart.rbac_page(),
        "settings.md": chart.settings_page(),
    }


def write_crds(folder: Path) -> list[Path]:
    """Write every CRD; CRD files of kinds that are gone are removed."""
    return _write(folder, crd_files(), "outfitter.dev_*.yaml")


def write_reference(folder: Path) -> list[Path]:
    """Write one reference page per kind, and their index."""
    return _write(folder, reference_files())


def all_files(root: Path) -> dict[str, str]:
    """Return every generated file by its path in the repository; reads only the hand-written part of the chart.

    Raises ConfigurationError where `root` is no checkout.
    """
    folder = root / "deploy" / "chart"
    if not (folder / "Chart.yaml").is_file():
        raise ConfigurationError(
            f"{root} is no checkout of Outfitter: it has no deploy/chart/Chart.yaml. Run this in one."
        )
    values_text = chart.values_text((folder / "values.yaml").read_text(encoding="utf-8"))
    values = chart.load(values_text)
    about = chart.load((folder / "Chart.yaml").read_text(encoding="utf-8"))
    crds = crd_files()
    return {
        **{f"crds/{name}": text for name, text in crds.items()},
        **{f"deploy/chart/files/crds/{name}": text for name, text in crds.items()},
        **{f"deploy/chart/files/{name}": _header(source) + _text(spec) for name, source, spec in policies.files()},
        "deploy/chart/files/rules.yaml": _header("src/outfitter/cluster/access.py") + _text(chart.rules()),
        "deploy/chart/templates/_settings.tpl": chart.settings_template(),
        "deploy/chart/values.yaml": values_text,
        "deploy/chart/values.schema.json": json.dumps(chart.values_schema(values), indent=2) + "\n",
        "deploy/install.yaml": _stream(install.objects(values, about)),
        "deploy/argocd/argocd-cm.yaml": _argocd((root / "deploy/argocd/health.lua").read_text(encoding="utf-8")),
        _GUIDE: troubleshooting_page((root / _GUIDE).read_text(encoding="utf-8")),
        **{f"docs/reference/{name}": text for name, text in reference_files().items()},
    }


def generate(root: Path) -> list[Path]:
    """Write every generated file of the checkout at `root`; return those that changed, removed ones included."""
    files, changed = all_files(root), []
    for name, text in files.items():
        path = root / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        changed.append(path)
    for folder in _OWNED:
        for path in sorted((root / folder).glob("*.yaml")):
            if f"{folder}/{path.name}" not in files:
                path.unlink()
                changed.append(path)
    return changed


def _argocd(script: str) -> str:
    """The block that teaches Argo CD our health, under the only key that takes one rule for a whole group."""
    head = (
        _header("deploy/argocd/health.lua")
        + "# Merge it into your argocd-cm; this key may hold rules for other groups already.\n"
    )
    rule = {f"{GROUP}/*": {"health.lua": _Block(script)}}
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "argocd-cm", "namespace": "argocd"},
        "data": {"resource.customizations": _Block(_text(rule))},
    }
    return head + _text(manifest)


def _header(source: str) -> str:
    return f"# Generated from {source} by `make generate`. Do not edit.\n"


def _text(manifest: Mapping[str, Any]) -> str:
    return yaml.dump(manifest, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)


def _stream(manifests: Sequence[Mapping[str, Any]]) -> str:
    head = _header("the models, src/outfitter/cluster/access.py and deploy/chart/values.yaml")
    how = "# kubectl apply --server-side -f install.yaml\n"
    return head + how + "".join(f"---\n{_text(manifest)}" for manifest in manifests)


def _write(folder: Path, files: Mapping[str, str], owned: str | None = None) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob(owned) if owned else ():
        if path.name not in files:
            path.unlink()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in files]
