"""The reasons and phases that each kind shows: a table that the unit tests record and the reference pages list.

`tests/plugins/shown_reasons.py` compares the table with the statuses of the unit tests, and writes it with `--update`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import yaml

Shown = Mapping[str, Mapping[str, tuple[str, ...]]]
"""Kind -> `reasons`, or the field of the status that holds a phase -> values in alphabetical order."""

REASONS: Final = "reasons"
TABLE: Final = Path(__file__).with_name("shown_reasons.yaml")


def read_shown() -> Shown:
    """The committed table."""
    table = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return {kind: {field: tuple(values) for field, values in fields.items()} for kind, fields in table.items()}
