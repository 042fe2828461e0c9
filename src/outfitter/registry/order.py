"""The order of tags: versions from the newest to the oldest, then other names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_VERSION: Final = re.compile(r"v?([0-9]{1,18}(?:[.][0-9]{1,18}){0,3}+)(.*)", re.DOTALL)
_NUMBER: Final = re.compile(r"([0-9]{1,18})")
_PARTS: Final = 4  # numbers in a suffix that count: a tag of a hostile registry has many


def newest_first(tags: Iterable[str]) -> list[str]:
    """Return the tags in the order in which a user chooses. A version without a suffix comes before its variants."""
    versions: list[tuple[tuple[int, ...], bool, list[tuple[bool, int, str]], str]] = []
    others: list[str] = []
    for tag in tags:
        match = _VERSION.fullmatch(tag)
        if match is None:
            others.append(tag)
        else:
            numbers = tuple(map(int, match[1].split(".")))
            versions.append((numbers, not match[2], natural(match[2]), tag))
    return [*(item[-1] for item in sorted(versions, reverse=True)), *sorted(others)]


def natural(text: str) -> list[tuple[bool, int, str]]:
    """Return a sort key by which rc10 is newer than rc9."""
    return [
        (part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in _NUMBER.split(text, _PARTS) if part
    ]
