"""YAML text of generated files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml


class Block(str):
    """Text that is written as a block scalar, line by line."""

    __slots__ = ()


class Inline(dict[str, Any]):
    """A mapping that is written in braces, to keep a large file short."""


class _Dumper(yaml.CSafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        """Write every value in full: not every tool reads YAML anchors in a CRD."""
        return True


_Dumper.add_representer(
    Inline, lambda dumper, data: dumper.represent_mapping("tag:yaml.org,2002:map", data, flow_style=True)
)
_Dumper.add_representer(
    Block, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style="|")
)


def header(source: str) -> str:
    """Return the first line of a generated file."""
    return f"# Generated from {source} by `make generate`. Do not edit.\n"


def dump(manifest: Mapping[str, Any]) -> str:
    """Return one document, with its keys in their order."""
    return yaml.dump(manifest, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)
