"""Objects that cannot be taken into the caches, for one must not keep all others out: JSON nested too deep, above all.

The server accepts JSON far deeper than our parser does, and anybody who may write one object may write that.
"""

from __future__ import annotations

import logging
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from outfitter.errors import Unavailable

_log = logging.getLogger(__name__)

_REMEMBERED: Final = 4096
_ITEMS: Final = re.compile(rb'"items"\s*:\s*\[')
# The server writes these before anything that a user may choose, so the first of each is the object's own.
_META: Final = re.compile(rb'"(name|namespace|uid|resourceVersion)"\s*:\s*"([^"\\]*)"')


class Unreadable:
    """Logs each such object once, and calls `count` with its kind each time."""

    def __init__(self, count: Callable[[str], None] = lambda kind: None) -> None:
        self._count = count
        self._uids: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, uid: str) -> bool:
        """Whether the object with that uid is one of them."""
        return uid in self._uids

    def skipped(self, kind: str, meta: Mapping[str, Any], error: Exception) -> None:
        """An object was left out; `meta` is as much of its metadata as is known."""
        self._count(kind)
        uid = str(meta.get("uid"))
        if uid in self._uids:
            return
        self._uids[uid] = None
        if len(self._uids) > _REMEMBERED:
            self._uids.popitem(last=False)
        place = f"{kind} {meta.get('namespace', '')}/{meta.get('name', '')}"
        _log.error("%s: cannot be read and is left out. Repair or delete it.", place, exc_info=error)


def identity(content: bytes) -> dict[str, str]:
    """name, namespace, uid and resourceVersion of an object of a built-in kind whose JSON cannot be parsed."""
    found: dict[str, str] = {}
    for match in _META.finditer(content):
        found.setdefault(match[1].decode(), match[2].decode(errors="replace"))
        if len(found) == len(("name", "namespace", "uid", "resourceVersion")):
            break
    return found


def split(content: bytes) -> tuple[dict[str, Any], dict[str, str]]:
    """A list of one object of a built-in kind that cannot be parsed: (the list without it, the object's identity).

    Unavailable where the answer is not such a list, or only a part of one.
    """
    items = _ITEMS.search(content)
    if items is None or not content.rstrip().endswith(b"}"):
        raise Unavailable("the list is broken off or not a list")
    try:
        page = orjson.loads(content[: items.end()] + b"]}")
        return {"metadata": page["metadata"]}, identity(content[items.end() :])
    except (orjson.JSONDecodeError, KeyError):
        raise Unavailable("the list cannot be read") from None
