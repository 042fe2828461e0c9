"""One look at a registry: does it answer, which dialect does it speak, which repositories does it have."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any, Final

from aiohttp.abc import AbstractResolver

from outfitter.api.registry_hosts import DOCKER_HUB
from outfitter.registry.client import NAMES, PAGES, Names, RegistryClient, repository_names
from outfitter.registry.endpoint import Endpoint, endpoint_of
from outfitter.registry.errors import Denied, RegistryError, unreachable
from outfitter.registry.names import limited, look_up, with_text
from outfitter.registry.session import REQUEST_SECONDS, Session
from outfitter.snapshot import NameResult, RegistryQuestion

SURVEY_SECONDS: Final = 60.0
_PAGE: Final = 100  # the largest page of Harbor and of Docker Hub
_HARBOR_PAGES: Final = 100  # in all projects


@dataclass(frozen=True, slots=True)
class Survey:
    """The result. `listed`: whether `names` is the registry's own list. `absent`: asked for and not found."""

    dialect: str
    listed: bool
    names: tuple[str, ...] = ()
    truncated: bool = False
    absent: tuple[str, ...] = ()
    result: NameResult | None = None  # of a question with a query


async def survey(
    question: RegistryQuestion,
    resolver: AbstractResolver,
    *,
    endpoint: Endpoint | None = None,
    request_seconds: float = REQUEST_SECONDS,
    seconds: float = SURVEY_SECONDS,
) -> Survey:
    """Look at a registry. RegistryError if it does not answer as it must, or not within `seconds`."""
    where = endpoint or endpoint_of(question)
    try:
        async with (
            asyncio.timeout(seconds),
            Session(where, resolver, request_seconds=request_seconds) as session,
        ):
            return await _survey(session, question)
    except TimeoutError:
        raise unreachable(f"Registry {where.host} did not answer everything within {seconds:g} s.") from None


async def _survey(session: Session, question: RegistryQuestion) -> Survey:
    client = RegistryClient(session, question.login)
    await client.check()
    query = question.query
    if query is None:
        return await _repositories(session, client, question)
    if query.repository:
        return Survey("", listed=False, result=await look_up(client, query))
    wanted = tuple(with_text(question.repositories, query.search))
    if question.repositories and not wanted:
        return Survey("", listed=False, result=NameResult())
    found = await _repositories(session, client, replace(question, repositories=wanted))
    if not found.listed and not wanted:
        return replace(found, result=NameResult(exists=False))
    matching = with_text(found.names, query.search)
    return replace(found, result=limited(matching, query, truncated=found.truncated))


async def _repositories(session: Session, client: RegistryClient, question: RegistryQuestion) -> Survey:
    """List the repositories of a registry in its dialect, or look for those that the Registry names."""
    dialect = question.options.dialect or await _dialect(session, question)
    if question.repositories:
        return await _named(client, dialect, question)
    try:
        found = await _listed(session, client, dialect, question.path)
    except Denied:
        return Survey(dialect, listed=False)
    if found is None:
        return Survey(dialect, listed=False)
    below = f"{question.path}/"
    names = [name for name in found.names if not question.path or name == question.path or name.startswith(below)]
    return Survey(dialect, listed=True, names=tuple(sorted(names)), truncated=found.truncated)


async def _dialect(session: Session, question: RegistryQuestion) -> str:
    """Return the dialect of a registry, if no administrator set one."""
    if question.host == DOCKER_HUB:
        return "hub"
    try:
        response = await session.get(session.endpoint.origin.with_path("/api/v2.0/ping"))
    except RegistryError:  # the API of Harbor is an extra: without it, the standard one is used
        return "oci"
    return "harbor" if response.status == 200 and response.body.strip().strip(b'"') == b"Pong" else "oci"


async def _named(client: RegistryClient, dialect: str, question: RegistryQuestion) -> Survey:
    """Look for each repository that the Registry names."""
    names: list[str] = []
    valid = repository_names(question.repositories)  # a name becomes a part of a URL
    absent = [name for name in question.repositories if name not in valid]
    for name in valid:
        try:
            await client.tags(name, page=1, pages=1)
            names.append(name)
        except Denied:
            absent.append(name)
    return Survey(dialect, listed=False, names=tuple(sorted(names)), absent=tuple(sorted(absent)))


async def _listed(session: Session, client: RegistryClient, dialect: str, path: str) -> Names | None:
    if dialect == "harbor":
        return await _harbor(session, client, path)
    if dialect == "hub":
        return await _hub(session, path) if path and session.endpoint.hub else None
    return await client.repositories()


async def _harbor(session: Session, client: RegistryClient, path: str) -> Names:
    """Return the repositories of Harbor: those of one project, or of all that the login sees."""
    origin = session.endpoint.origin
    projects, cut = [path.partition("/")[0]], False
    if not path:
        projects, cut, _ = await _harbor_pages(client, origin.with_path("/api/v2.0/projects"), PAGES)
    names: list[str] = []
    left = _HARBOR_PAGES
    for project in projects:
        found, more, used = await _harbor_pages(client, origin / "api/v2.0/projects" / project / "repositories", left)
        names, cut, left = names + found, cut or more, left - used
        if left <= 0 or len(names) > NAMES:
            return Names(tuple(names[:NAMES]), truncated=True)
    return Names(tuple(names), cut)


async def _harbor_pages(client: RegistryClient, url: Any, pages: int) -> tuple[list[str], bool, int]:
    """Return the names on all pages, whether there are more, and how many pages were read."""
    names: list[str] = []
    for number in range(1, min(pages, PAGES) + 1):
        items = (await client.basic(url.with_query(page=number, page_size=_PAGE))).items()
        if not isinstance(items, list):
            raise unreachable("Harbor sent a list of an unexpected form. Check the dialect of the host.")
        names += repository_names(item.get("name") for item in items if isinstance(item, dict))
        if len(items) < _PAGE:
            return names, False, number
    return names, True, min(pages, PAGES)


async def _hub(session: Session, path: str) -> Names:
    """Return the public repositories of one namespace of Docker Hub. No login is sent to the host of the list."""
    assert session.endpoint.hub is not None
    namespace = path.partition("/")[0]
    names: list[str] = []
    for number in range(1, PAGES + 1):
        url = session.endpoint.hub.with_path(f"/v2/repositories/{namespace}/")
        response = await session.get(url.with_query(page=number, page_size=_PAGE))
        if response.status != 200:
            raise unreachable(f"Docker Hub answers with status {response.status}. Check the namespace in the URL.")
        found = response.json()
        items = found.get("results")
        items = items if isinstance(items, list) else []
        names += repository_names(f"{namespace}/{item.get('name')}" for item in items if isinstance(item, dict))
        if not found.get("next") or not items:
            return Names(tuple(names))
    return Names(tuple(names), truncated=True)
