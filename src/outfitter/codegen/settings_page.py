"""docs/reference/settings.md: every setting with its variable, chart value, default and meaning."""

from __future__ import annotations

import json

from outfitter.codegen.chart_settings import FIELD_SETTINGS, OWN_VALUES, camel, variable
from outfitter.settings import Settings

_HEAD = """\
# Settings

Generated from `src/outfitter/settings.py`. The operator reads environment variables. The chart sets
them from its values.

| variable | chart value | default | meaning |
|---|---|---|---|
"""


def settings_page() -> str:
    """Return the page."""
    return _HEAD + "".join(map(_row, Settings.model_fields))


def _row(name: str) -> str:
    field = Settings.model_fields[name]
    if name in FIELD_SETTINGS:
        value = f"`{FIELD_SETTINGS[name]}` of the pod"
    else:
        value = f"`{OWN_VALUES[name][0]}`" if name in OWN_VALUES else f"`settings.{camel(name)}`"
    meaning = " ".join((field.description or "").split()).replace("|", "\\|")
    default = "" if field.default in ("", ()) else f"`{json.dumps(field.default)}`"
    return f"| `{variable(name)}` | {value} | {default} | {meaning} |\n"
