"""The tables of `outfitter explain`: values with their origins and rules, assets, and images that moved."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from outfitter.cli.origins import PodValue, UsedAsset
from outfitter.cli.table import short_digest
from outfitter.resolve.serving import BUILT_IN

_GAP: Final = 2
_ENOUGH_FIELD: Final = 32  # most names of fields; a long value gets the rest
_LEAST_FIELD: Final = 26  # the longest part of a name between two dots, with its indent
_LEAST_VALUE: Final = 16
_MOST_ORIGIN: Final = 34
_PART: Final = re.compile(r"[^./]*[./]|[^./]+")


class _Row(NamedTuple):
    field: str
    value: str
    origin: str
    style: str
    rules: str


def value_tables(values: Sequence[PodValue], changed: Collection[str], width: int) -> list[Table]:
    """Return the table of values, and one of their rules where these do not fit beside them.

    `changed`: the assets that were changed since, by their labels.
    """
    rows = [_row(item, changed) for item in values]
    sizes = _natural(rows)
    if not sizes[3] or sum(sizes) + 3 * _GAP <= width:
        return [_values(rows, sizes, width, rules=bool(sizes[3]))]
    ruled = _table(("FIELD", "RULES"))
    for row in rows:
        if row.rules:
            ruled.add_row(Text(row.field), Text(row.rules))
    return [_values(rows, sizes, width, rules=False), ruled]


def _row(item: PodValue, changed: Collection[str]) -> _Row:
    outdated = any(label in changed for label in item.origin.split(", "))
    style = "yellow" if outdated else "dim" if item.origin == BUILT_IN else ""
    return _Row(item.field, item.value, item.origin + (" (outdated)" if outdated else ""), style, _rules(item))


def _natural(rows: Iterable[_Row]) -> tuple[int, int, int, int]:
    """Return the width of the content of each column; 0 for that of the rules if there are none."""
    texts = [("FIELD", "VALUE", "FROM", ""), *((row.field, row.value, row.origin, row.rules) for row in rows)]
    field, value, origin, rules = (max(map(cell_len, column)) for column in zip(*texts, strict=True))
    return field, value, origin, rules


def _values(rows: Iterable[_Row], sizes: tuple[int, int, int, int], width: int, *, rules: bool) -> Table:
    field, value, origin = _fitted(sizes, width - (sizes[3] + _GAP if rules else 0))
    table = _table(("FIELD", "VALUE", "FROM", "RULES")[: 4 if rules else 3], (field, value, origin))
    for row in rows:
        cells = [Text(_broken(row.field, field)), Text(row.value), Text(row.origin, row.style)]
        table.add_row(*cells, *([Text(row.rules)] if rules else []))
    return table


def _fitted(sizes: tuple[int, int, int, int], width: int) -> tuple[int, int, int]:
    """Return the widths of field, value and origin that fill at most `width`: the values first, down to their least."""
    field, value, origin, _ = sizes
    if field + value + origin + 2 * _GAP <= width:
        return field, value, origin
    origin = min(origin, _MOST_ORIGIN)
    room = width - origin - 2 * _GAP
    value = min(value, max(_LEAST_VALUE, room - min(field, _ENOUGH_FIELD)))
    return min(field, max(_LEAST_FIELD, room - value)), value, origin


def _broken(field: str, width: int) -> str:
    """Break the name of a field after its dots, and indent what follows."""
    if cell_len(field) <= width:
        return field
    lines = [""]
    for part in _PART.findall(field):
        if lines[-1].strip() and cell_len(lines[-1] + part) > width:
            lines.append("  ")
        lines[-1] += part
    return "\n".join(lines)


def _table(heads: Sequence[str], widths: Sequence[int] = ()) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, head in enumerate(heads):
        table.add_column(head, overflow="fold", width=widths[index] if index < len(widths) else None)
    return table


def asset_table(assets: Sequence[UsedAsset]) -> Table:
    """Return the table of the assets of a revision."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("ASSET", "NAMESPACE", "GENERATION", "NEWEST", ""):
        table.add_column(head, no_wrap=True)
    for asset in assets:
        newest = "deleted" if asset.newest is None else str(asset.newest)
        table.add_row(asset.label, asset.namespace, str(asset.generation), newest, Text(asset.change, "yellow"))
    return table


def image_table(images: Sequence[Mapping[str, str]]) -> Table:
    """Return the table of images whose tag has another digest now."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("MOVED IMAGE", "PODS RUN", "THE TAG IS"):
        table.add_column(head, overflow="fold")
    for item in images:
        table.add_row(
            Text(item["name"]), short_digest(item["usedDigest"]), Text(short_digest(item["digest"]), "yellow")
        )
    return table


def _rules(value: PodValue) -> str:
    """Return the rules of a value by the policy that they come from."""
    texts: dict[tuple[str, str], list[str]] = {}
    for item in value.rules:
        texts.setdefault((item.policy.rpartition("/")[2], item.scope), []).append(str(item))
    return "; ".join(f"{', '.join(rules)} ({policy}, {scope})" for (policy, scope), rules in texts.items())
