"""One look at a tag: its digest, and whether the digests that pods run are still of it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Final

from aiohttp.abc import AbstractResolver

from outfitter.registry.client import RegistryClient, repository_names, tag_names
from outfitter.registry.endpoint import endpoint_of
from outfitter.registry.errors import Denied, unreachable
from outfitter.registry.session import Session
from outfitter.snapshot import ImageAnswer, RegistryQuestion

_SECONDS: Final = 30.0


async def compare(
    question: RegistryQuestion,
    running: Collection[str],
    before: ImageAnswer | None,
    resolver: AbstractResolver,
    *,
    seconds: float = _SECONDS,
) -> ImageAnswer:
    """Ask for the digest of a tag, and compare it with those that pods run. RegistryError without a usable answer.

    `before`: the last answer. A manifest is read only where it does not say what became of one of the digests.
    """
    where = endpoint_of(question)
    try:
        async with asyncio.timeout(seconds), Session(where, resolver) as session:
            return await _compare(RegistryClient(session, question.login), question, running, before)
    except TimeoutError:
        raise unreachable(f"Registry {where.host} did not answer everything within {seconds:g} s.") from None


async def _compare(
    client: RegistryClient, question: RegistryQuestion, running: Collection[str], before: ImageAnswer | None
) -> ImageAnswer:
    query = question.query
    # Names become parts of a URL.
    if query is None or not repository_names([query.repository]) or not tag_names([query.tag]):
        raise unreachable(f"Registry {question.host} cannot have an image of this name.")
    try:
        digest = await client.digest(query.repository, query.tag)
        known = before if before is not None and before.digest == digest else ImageAnswer(digest)
        open_ones = frozenset(each for each in running if known.newer(each) is None)
        parts = await client.parts(query.repository, digest) if open_ones else frozenset()
    except Denied:
        await client.check()  # a login that is refused as a whole is another error
        raise
    return ImageAnswer(
        digest,
        known.same.intersection(running) | (open_ones & parts),
        known.replaced.intersection(running) | (open_ones - parts),
    )
