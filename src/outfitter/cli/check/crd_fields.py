"""Where a CustomResourceDefinition differs from that of this version. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from outfitter.api.v1alpha1 import ALL_KINDS
from outfitter.api.version import VERSION
from outfitter.cli.check.findings import names
from outfitter.crd import crd_version
from outfitter.installed import compared

_SHOWN: Final = 3
_SCHEMA: Final = "schema"
Body = Mapping[str, Any]


def differing_fields(plural: str, crd: Body) -> str:
    """Return the first fields that differ, and the number of the others; "" if the kind or its version is not known."""
    kind = next((kind for kind in ALL_KINDS if kind.plural == plural), None)
    live = next((version for version in crd["spec"]["versions"] if version["name"] == VERSION), None)
    if kind is None or live is None:
        return ""
    wanted, present = compared(crd_version(kind)), compared(live)
    found = list(_fields(_schema(present), _schema(wanted), ""))
    found += (key for key in sorted({*wanted, *present} - {_SCHEMA}) if wanted.get(key) != present.get(key))
    return names(found, _SHOWN)


def _schema(version: Body) -> Body:
    schema: Body = (version.get(_SCHEMA) or {}).get("openAPIV3Schema") or {}
    return schema


def _fields(live: Body, wanted: Body, path: str) -> Iterator[str]:
    """Yield each field that is missing, that this version does not have, or that has another definition."""
    if live == wanted:
        return
    inner = {"properties", "items", "additionalProperties"}
    words = sorted(key for key in {*live, *wanted} - inner if live.get(key) != wanted.get(key))
    if words:
        yield f"{path or 'the object'} ({', '.join(words)})"
    here, there = live.get("properties") or {}, wanted.get("properties") or {}
    for name in sorted({*here, *there}):
        field = f"{path}.{name}" if path else str(name)
        if name not in here:
            yield f"{field} (missing)"
        elif name not in there:
            yield f"{field} (not in this version)"
        else:
            yield from _fields(here[name], there[name], field)
    for key, step in (("items", "[]"), ("additionalProperties", ".*")):
        one, other = live.get(key), wanted.get(key)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            yield from _fields(one, other, path + step)
        elif one != other:
            yield f"{path}{step}"
