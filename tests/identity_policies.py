"""deploy/identity.yaml with keys for the ids of a login, as an administrator sets identity.extraKeys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import yaml

from outfitter.naming import ANNOTATION_RUN_AS

ROOT: Final = Path(__file__).parents[1]
KEYS: Final = {name: f"example.com/{name}" for name in ANNOTATION_RUN_AS}
_NONE: Final = "'' != '' && '' in variables.extra ? variables.extra[''].join(',') : ''"


def identity_policies() -> list[dict[str, Any]]:
    """The policies and their bindings."""
    return [_with_keys(item) for item in yaml.safe_load_all((ROOT / "deploy" / "identity.yaml").read_text()) if item]


def _with_keys(manifest: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(manifest)
    for key in KEYS.values():
        text = text.replace(_NONE, f"'{key}' in variables.extra ? variables.extra['{key}'].join(',') : ''", 1)
    result: dict[str, Any] = json.loads(text)
    return result
