"""Write the generated files: CRDs and their reference pages."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from outfitter.api.crd import all_crds
from outfitter.api.reference import all_pages

HEADER = "# Generated from src/outfitter/api by `make generate`. Do not edit.\n"


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        """Write every value out: a CRD with YAML anchors is hard to read and not every tool takes it."""
        return True


def crd_files() -> dict[str, str]:
    """Return the text of every CRD by the name of its file."""
    return {name: HEADER + _text(crd) for name, crd in all_crds().items()}


def write_crds(folder: Path) -> list[Path]:
    """Write every CRD; CRD files of kinds that are gone are removed."""
    return _write(folder, crd_files(), "outfitter.dev_*.yaml")


def write_reference(folder: Path) -> list[Path]:
    """Write one reference page per kind, and their index."""
    return _write(folder, all_pages())


def _text(manifest: Mapping[str, Any]) -> str:
    return yaml.dump(manifest, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)


def _write(folder: Path, files: Mapping[str, str], owned: str | None = None) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob(owned) if owned else ():
        if path.name not in files:
            path.unlink()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in files]
