"""The order of environment variables: Kubernetes fills in `$(NAME)` only from variables that come before."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

_REFERENCE: Final = re.compile(r"\$(?:\$|\(([-._a-zA-Z][-._a-zA-Z0-9]*)\))")


def in_reference_order(variables: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the variables with each one after those that its value refers to, otherwise in their order.

    In a circle of references one variable has to come too early.
    """
    by_name = {str(item["name"]): item for item in variables}
    placed: dict[str, Mapping[str, Any]] = {}
    open_: set[str] = set()

    def place(name: str) -> None:
        if name in placed or name in open_:
            return
        open_.add(name)
        for other in _references(by_name[name]):
            if other in by_name:
                place(other)
        open_.discard(name)
        placed[name] = by_name[name]

    for name in by_name:
        place(name)
    return list(placed.values())


def _references(item: Mapping[str, Any]) -> list[str]:
    """Return the names in `$(NAME)` of a value; `$$` is a plain dollar."""
    return [name for name in _REFERENCE.findall(str(item.get("value") or "")) if name]
