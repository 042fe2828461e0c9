"""HTTP to a registry that is not trusted: bounded in time and memory, to known hosts only, no redirects."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
import orjson
from aiohttp.abc import AbstractResolver
from multidict import CIMultiDictProxy
from yarl import URL

from outfitter.registry.addresses import GuardedResolver, address_text, literal, permitted
from outfitter.registry.endpoint import Endpoint
from outfitter.registry.errors import RegistryError, not_allowed, unreachable

PAGE_BYTES: Final = 1024 * 1024
REQUEST_SECONDS: Final = 10.0
_CHUNK: Final = 16 * 1024
LONGEST_PAUSE: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Response:
    """Status, headers and body of an answer. The body is at most a mebibyte."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes
    host: str

    def json(self) -> dict[str, Any]:
        """Return the body as a JSON object."""
        found = self.items()
        if not isinstance(found, dict):
            raise unreachable(f"Registry host {self.host} sent JSON of an unexpected form. Check the URL.")
        return found

    def items(self) -> Any:
        """Return the body as JSON."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            text = f"Registry host {self.host} sent something else than JSON. Check the URL of the registry."
            raise unreachable(text) from None


class Session:
    """The connections of one look at a registry. `request_seconds`: the longest time of one request."""

    def __init__(
        self,
        endpoint: Endpoint,
        resolver: AbstractResolver,
        *,
        request_seconds: float = REQUEST_SECONDS,
    ) -> None:
        self.endpoint = endpoint
        self._seconds = request_seconds
        self._resolver = GuardedResolver(endpoint.network, resolver)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(
            resolver=self._resolver, ssl=self.endpoint.tls(), use_dns_cache=False, limit_per_host=2
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=self._seconds),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # a small answer could fill the memory
            trust_env=False,  # a proxy would resolve the names by itself
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._session is not None
        await self._session.close()

    async def get(self, url: URL, headers: Mapping[str, str] | None = None) -> Response:
        """Send a GET. RegistryError if the URL is not allowed, or no usable answer comes."""
        return await self._send("GET", url, headers or {})

    async def head(self, url: URL, headers: Mapping[str, str] | None = None) -> Response:
        """Send a HEAD, as `get` does a GET."""
        return await self._send("HEAD", url, headers or {})

    async def _send(self, method: str, url: URL, headers: Mapping[str, str]) -> Response:
        assert self._session is not None
        host = url.host or ""
        if not self.endpoint.may_ask(url):
            raise not_allowed(f"Registry {self.endpoint.host} leads to another host, and no request was sent to it.")
        address = literal(host)
        if address and not permitted(address, self.endpoint.network):
            raise not_allowed(address_text(host, self.endpoint.network))
        sent = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "outfitter",
            **headers,
        }
        try:
            async with self._session.request(method, url, headers=sent, allow_redirects=False) as answer:
                return await self._read(answer, host)
        except RegistryError:
            raise
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise unreachable(_cause(error, host, self._seconds)) from None

    async def _read(self, answer: aiohttp.ClientResponse, host: str) -> Response:
        status = answer.status
        if 300 <= status < 400:
            raise not_allowed(
                f"Registry host {host} answers with a redirect, which is not followed. Set the URL that it leads to."
            )
        if status == 429 or status >= 500:
            text = f"Registry host {host} answers with status {status}. Outfitter asks again later."
            raise unreachable(text, _pause(answer.headers.get("Retry-After", "")))
        if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise unreachable(f"Registry host {host} sent a compressed answer, which was not asked for.")
        body = bytearray()
        async for chunk in answer.content.iter_chunked(_CHUNK):
            body += chunk
            if len(body) > PAGE_BYTES:
                raise unreachable(f"Registry host {host} sent more than {PAGE_BYTES} bytes in one answer.")
        return Response(status, answer.headers, bytes(body), host)


def _pause(text: str) -> float:
    """Return the seconds of a Retry-After; 0 for a date or anything else."""
    return min(float(text), LONGEST_PAUSE) if text.isascii() and text.isdigit() and len(text) < 10 else 0.0


def _cause(error: BaseException, host: str, seconds: float) -> str:
    """Return the message about a failed request, without the texts of the server."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"The certificate of registry host {host} is not trusted. Ask an administrator to set its caBundle."
    if isinstance(error, aiohttp.ClientSSLError):
        return f"No TLS connection to registry host {host}. An administrator can set plainHttp in registryHosts."
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"The name of registry host {host} does not resolve. Check the URL."
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return f"Registry host {host} did not answer within {seconds:g} s."
    if isinstance(error, aiohttp.ClientConnectorError | ConnectionError):
        return f"Registry host {host} does not accept connections. Check host and port."
    return f"Registry host {host} sent an answer that is no valid HTTP."
