"""The users of an asset, for its status: counts and a capped list."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import nsmallest
from typing import Any, Final

from outfitter.api.v1alpha1 import KINDS
from outfitter.api.v1alpha1.asset import LISTED_USERS, UsedBy
from outfitter.snapshot import Key

# The fields of UsedBy are the plurals of the kinds that can use something, in camelCase.
_FIELDS: Final = {str(field.alias).lower(): str(field.alias) for field in UsedBy.model_fields.values()}
_LISTS: Final = {kind.name: _FIELDS[kind.plural] for kind in KINDS if kind.plural in _FIELDS}


def used_by(users: Iterable[Key]) -> dict[str, Any]:
    """Return `status.usedBy` of an asset; the lists hold the first users by namespace and name."""
    chosen = set(users)
    by_kind: dict[str, list[Key]] = {}
    for key in chosen:
        by_kind.setdefault(key.kind, []).append(key)
    result: dict[str, Any] = {"total": len(chosen)}
    for kind in sorted(by_kind.keys() & _LISTS.keys()):
        first = nsmallest(LISTED_USERS, by_kind[kind])
        result[_LISTS[kind]] = [{"namespace": key.namespace, "name": key.name} for key in first]
    return result
