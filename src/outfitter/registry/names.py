"""The answers to ImageQueries: tags and digests. `survey` lists repositories."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from outfitter.registry.client import RegistryClient, repository_names, tag_names
from outfitter.registry.errors import Denied
from outfitter.registry.order import newest_first
from outfitter.snapshot import NameQuery, NameResult

TAGS: Final = 20_000
_PAGE: Final = 1000


async def look_up(client: RegistryClient, query: NameQuery) -> NameResult:
    """Return the tags of a repository, or the digest of one of them."""
    # Names become parts of a URL.
    if not repository_names([query.repository]) or (query.tag and not tag_names([query.tag])):
        return NameResult(exists=False)
    try:
        if query.tag:
            return NameResult(digest=await client.digest(query.repository, query.tag), found=1)
        tags = await client.tags(query.repository, page=_PAGE, most=TAGS)
    except Denied:
        return NameResult(exists=False)
    # Thousands of names take a noticeable part of a second, and reconciliations go on meanwhile.
    matching = await asyncio.to_thread(newest_first, with_text(tags.names, query.search))
    return limited(matching, query, truncated=tags.truncated)


def with_text(names: Iterable[str], search: str) -> list[str]:
    """Return the names that contain a text, whose letters are lower case."""
    return [name for name in names if search in name.lower()]


def limited(names: Sequence[str], query: NameQuery, *, truncated: bool) -> NameResult:
    """Return as many names as the query wants, and the number of all."""
    return NameResult(tuple(names[: query.limit]), len(names), truncated)
