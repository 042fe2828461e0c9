"""The API of registries: login, and lists with pages. https://github.com/opencontainers/distribution-spec."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from yarl import URL

from outfitter.problems import foreign_name
from outfitter.reasons import Reason
from outfitter.registry.challenge import Challenge, challenges
from outfitter.registry.errors import Denied, RegistryError, not_allowed, unreachable
from outfitter.registry.session import Response, Session
from outfitter.snapshot import RegistryLogin

PAGE: Final = 250
PAGES: Final = 20
NAMES: Final = 5000
_REPOSITORY: Final = re.compile(r"[a-z0-9]+(([.]|__?|-+)[a-z0-9]+)*(/[a-z0-9]+(([.]|__?|-+)[a-z0-9]+)*)*")
_TAG: Final = re.compile(r"[A-Za-z0-9_][-A-Za-z0-9_.]{0,127}")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_LISTS: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MANIFESTS: Final = ", ".join(
    (
        *_LISTS,
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,16384}")
_NEXT: Final = re.compile(r'\s*<([^<>]{0,4096})>\s*;[^,]{0,256}?\brel="?next"?')


Send = Callable[[URL, Mapping[str, str]], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Names:
    """Names in the order of the registry. `truncated`: there are more than the client reads."""

    names: tuple[str, ...]
    truncated: bool = False


def repository_names(found: Iterable[Any]) -> list[str]:
    """Return the valid names of repositories among values from outside."""
    return [name for name in found if isinstance(name, str) and len(name) < 256 and _REPOSITORY.fullmatch(name)]


def tag_names(found: Iterable[Any]) -> list[str]:
    """Return the valid tags among values from outside."""
    return [name for name in found if isinstance(name, str) and _TAG.fullmatch(name)]


class RegistryClient:
    """One registry, with or without a login."""

    def __init__(self, session: Session, login: RegistryLogin | None) -> None:
        self._session = session
        self._endpoint = session.endpoint
        self._login = login
        self._authorization: dict[str, str] = {}  # by scope; of this client only

    async def check(self) -> None:
        """Check that the API answers and accepts the login."""
        response = await self.get(self._url("/v2/"), "")
        if response.status != 200:
            text = f"Registry {self._endpoint.host} has no registry API at /v2/: status {response.status}."
            raise unreachable(f"{text} Check the URL.")

    async def repositories(self) -> Names:
        """Return the catalogue. Denied where the registry does not give one."""
        return await self._pages("/v2/_catalog", "registry:catalog:*", "repositories")

    async def tags(self, repository: str, *, page: int = PAGE, pages: int = PAGES, most: int = NAMES) -> Names:
        """Return the tags of a repository. Denied where it does not exist, or its reader may not see it."""
        path = f"/v2/{repository}/tags/list"
        return await self._pages(path, f"repository:{repository}:pull", "tags", pages, page, most)

    async def digest(self, repository: str, tag: str) -> str:
        """Return the digest of a tag. Denied where it does not exist, or its reader may not see it.

        By HEAD: a registry that counts downloads counts a GET of a manifest as one.
        """
        url = self._url(f"/v2/{repository}/manifests/{tag}")
        response = await self._send(self._session.head, url, f"repository:{repository}:pull", {"Accept": _MANIFESTS})
        digest = response.headers.get("Docker-Content-Digest", "")
        if not _DIGEST.fullmatch(digest):
            raise unreachable(f"Registry {self._endpoint.host} sent no digest of an image. Check the URL.")
        return digest

    async def parts(self, repository: str, digest: str) -> frozenset[str]:
        """Return the digests of the images for single platforms that an image consists of; none if it is one itself."""
        url = self._url(f"/v2/{repository}/manifests/{digest}")
        response = await self._send(self._session.get, url, f"repository:{repository}:pull", {"Accept": _MANIFESTS})
        kind, _, wanted = digest.partition(":")
        if hashlib.new(kind, response.body).hexdigest() != wanted:
            raise unreachable(f"Registry {self._endpoint.host} sent another manifest than that of the digest.")
        items = response.json().get("manifests", [])
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise unreachable(f"Registry {self._endpoint.host} sent a list of images of an unexpected form.")
        if any(item.get("mediaType") in _LISTS for item in items):
            raise unreachable(f"Registry {self._endpoint.host} sent a list of lists of images.")
        return frozenset(item["digest"] for item in items if isinstance(item.get("digest"), str))

    async def get(self, url: URL, scope: str) -> Response:
        """Send a GET, and log in where the registry asks for it. Denied for what the login may not see."""
        return await self._send(self._session.get, url, scope, {})

    async def _send(self, send: Send, url: URL, scope: str, headers: Mapping[str, str]) -> Response:
        response = await send(url, {**headers, **self._headers(scope)})
        if response.status == 401 and scope not in self._authorization:
            found = challenges(response.headers.getall("WWW-Authenticate", []))
            self._authorization[scope] = await self._answer(found, scope)
            response = await send(url, {**headers, **self._headers(scope)})
        if response.status in (401, 403, 404, 405):
            raise self._refusal(scope if response.status == 401 else "any", response.status)
        if response.status != 200:
            raise unreachable(f"Registry {self._endpoint.host} answers with status {response.status}. Check the URL.")
        return response

    async def basic(self, url: URL) -> Response:
        """Send a GET with user and password at once: the API of Harbor asks for no login and shows public projects."""
        given = {"Authorization": self._basic()} if self._login and self._endpoint.may_log_in(url) else {}
        response = await self._session.get(url, given)
        if response.status != 200:
            raise self._refusal("any", response.status)
        return response

    def _url(self, path: str, query: Mapping[str, str] | None = None) -> URL:
        return self._endpoint.origin.with_path(path).with_query(query or {})

    def _headers(self, scope: str) -> dict[str, str]:
        return {"Authorization": self._authorization[scope]} if self._authorization.get(scope) else {}

    def _basic(self) -> str:
        assert self._login is not None
        return "Basic " + base64.b64encode(f"{self._login.user}:{self._login.password}".encode()).decode()

    def _refusal(self, scope: str, status: int) -> RegistryError:
        """Return the error of a refused request: without a scope, the login itself is refused."""
        host = self._endpoint.host
        if scope:
            return Denied(Reason.REGISTRY_UNREACHABLE, f"Registry {host} refuses a request with status {status}.")
        if self._login is None:
            return RegistryError(Reason.LOGIN_REJECTED, f"Registry {host} asks for a login. Set spec.credential.")
        return RegistryError(
            Reason.LOGIN_REJECTED, f"Registry {host} rejects the login. Correct the Secret of the Credential."
        )

    async def _answer(self, found: list[Challenge], scope: str) -> str:
        """Return the Authorization that a challenge asks for."""
        for challenge in found:
            if challenge.scheme == "bearer" and "realm" in challenge.parameters:
                return f"Bearer {await self._token(challenge.parameters, scope)}"
            if challenge.scheme == "basic" and self._login is not None:
                return self._basic()
        raise self._refusal(scope, 401)

    async def _token(self, parameters: Mapping[str, str], scope: str) -> str:
        """Return a token from the token service that a challenge names, if an administrator allows it."""
        host = self._endpoint.host
        try:
            realm = URL(parameters["realm"])
        except ValueError:
            realm = URL()
        if not self._endpoint.may_log_in(realm):
            place = foreign_name(realm.host or "") if realm.host else "an address that is no URL"
            text = f"Registry {host} has its token service at {place}, which is not allowed with this scheme and port."
            raise not_allowed(f"{text} Ask an administrator to add it to authHosts of {host} in registryHosts.")
        query = {name: parameters[name] for name in ("service",) if parameters.get(name)}
        if scope:
            query["scope"] = scope
        given = {"Authorization": self._basic()} if self._login else {}
        response = await self._session.get(realm.update_query(query), given)
        if response.status in (400, 401, 403):
            raise self._refusal(scope, response.status)
        if response.status != 200:
            raise unreachable(f"The token service of registry {host} answers with status {response.status}.")
        found = response.json()
        token = found.get("token") or found.get("access_token")
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise unreachable(f"The token service of registry {host} sent no valid token.")
        return token

    async def _pages(
        self, path: str, scope: str, key: str, pages: int = PAGES, page: int = PAGE, most: int = NAMES
    ) -> Names:
        """Return the names on all pages. A registry that sends no link gets one more request after a full page."""
        names: dict[str, None] = {}
        query = {"n": str(page)}
        for _ in range(pages):
            response = await self.get(self._url(path, query), scope)
            values = response.json().get(key) or []
            if not isinstance(values, list):
                raise unreachable(f"Registry {self._endpoint.host} sent a list of {key} of an unexpected form.")
            before = len(names)
            names.update(dict.fromkeys(repository_names(values) if key == "repositories" else tag_names(values)))
            if len(names) > most:
                return Names(tuple(names)[:most], truncated=True)
            link = self._next(response.headers.getall("Link", []), path)
            if len(names) == before:  # a full page without a new name: the registry does not continue after `last`
                return Names(tuple(names), truncated=len(values) >= page)
            if link is None and len(values) != page:
                return Names(tuple(names))
            query = link or {"n": str(page), "last": str(values[-1])[:256]}
        return Names(tuple(names), truncated=True)

    def _next(self, headers: Iterable[str], path: str) -> dict[str, str] | None:
        """Return the query of the next page; None without one. Only the same address is followed."""
        for text in headers:
            match = _NEXT.match(text)
            if match is None:
                continue
            try:
                target = self._url(path).join(URL(match[1]))
            except ValueError:
                target = URL()
            if target.with_query(None).with_fragment(None) != self._url(path):
                raise not_allowed(f"Registry {self._endpoint.host} has its next page at another address.")
            return {name: target.query[name] for name in ("n", "last") if name in target.query} or None
        return None
