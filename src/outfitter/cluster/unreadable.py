"""Objects that cannot be cached, usually because their JSON is nested too deeply for our parser.

The server accepts far deeper JSON. Every user with the right to write one object could otherwise stop a whole watch.
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
# The server writes these fields before all that a user chooses, so the first match of each is the object's own.
_META: Final = re.compile(rb'"(name|namespace|uid|resourceVersion)"\s*:\s*"([^"\\]*)"')


class Unreadable:
    """The unreadable objects. Logs each object once, and calls `count` with its kind each time."""

    def __init__(self, count: Callable[[str], None] = lambda kind: None) -> None:
        self._count = count
        self._uids: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, uid: str) -> bool:
        """Whether the object with that uid is unreadable."""
        return uid in self._uids

    def skipped(self, kind: str, meta: Mapping[str, Any], error: Exception) -> None:
        """Record an object that is ignored. `meta` has the known part of its metadata."""
        self._count(kind)
        uid = str(meta.get("uid"))
        if uid in self._uids:
            return
        self._uids[uid] = None
        if len(self._uids) > _REMEMBERED:
            self._uids.popitem(last=False)
        place = f"{kind} {meta.get('namespace', '')}/{meta.get('name', '')}"
        _log.error("%s: cannot be read and is ignored. Correct or delete it.", place, exc_info=error)


def identity(content: bytes) -> dict[str, str]:
    """Name, namespace, uid and resourceVersion of a built-in object whose JSON cannot be parsed."""
    found: dict[str, str] = {}
    for match in _META.finditer(content):
        found.setdefault(match[1].decode(), match[2].decode(errors="replace"))
        if len(found) == len(("name", "namespace", "uid", "resourceVersion")):
            break
    return found


def split(content: bytes) -> tuple[dict[str, Any], dict[str, str]]:
    """Split the list of one built-in object that cannot be parsed into the list without it and its identity.

    Unavailable if the content is not such a list, or is incomplete.
    """
    items = _ITEMS.search(content)
    if items is None or not content.rstrip().endswith(b"}"):
        raise Unavailable("the list is incomplete")
    try:
        page = orjson.loads(content[: items.end()] + b"]}")
        return {"metadata": page["metadata"]}, identity(content[items.end() :])
    except (orjson.JSONDecodeError, KeyError):
        raise Unavailable("the list cannot be parsed") from None
