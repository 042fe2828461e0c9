"""HTTP requests to the API server: one session, limited concurrency, retries, and errors of outfitter.errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, nullcontext
from math import inf
from typing import Any, Final, Protocol

import aiohttp
import orjson
from yarl import URL

from outfitter.cluster.jitter import jitter
from outfitter.cluster.limiter import Limiter
from outfitter.errors import ApiError, LeadershipLost, Throttled, Unavailable, api_error

JSON: Final = "application/json"
METADATA_ONLY: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

REQUEST_SECONDS: Final = 10.0
_CONNECT_SECONDS: Final = 30.0  # of a WebSocket; the kubelet answers after the container runtime
_ATTEMPTS: Final = 5
_BACKOFF: Final = 0.1  # seconds before the second attempt; doubles, jittered
_LONGEST_WAIT: Final = 10.0  # for a longer Retry-After the request fails, and the key is requeued

Recorder = Callable[[str, int], None]
_BROKEN: Final = (aiohttp.ClientError, TimeoutError, ConnectionError)


class Credentials(Protocol):
    """The address of an API server, and sessions that authenticate to it."""

    server: str

    async def reload(self) -> None:
        """Read the credentials again, after the server has answered 401."""

    def session(self, *, limit: int = 0, trace: aiohttp.TraceConfig | None = None) -> aiohttp.ClientSession:
        """A session for the server; `limit` is the number of connections, 0 for no limit."""


class Transport:
    """Requests to one API server. `record` is called with verb and status (0: no response).

    `gate` returns whether writes are allowed, and `remaining` the seconds until a write must have ended.
    """

    def __init__(
        self,
        auth: Credentials,
        *,
        max_requests: int = 32,
        gate: Callable[[], bool] = lambda: True,
        remaining: Callable[[], float] = lambda: inf,
        record: Recorder = lambda verb, code: None,
        request_seconds: float = REQUEST_SECONDS,
        trace: aiohttp.TraceConfig | None = None,
    ) -> None:
        self.auth = auth
        self.limiter = Limiter(max_requests)
        self.gate = gate
        self.remaining = remaining
        self._record = record
        self._timeout = aiohttp.ClientTimeout(total=request_seconds)
        self._trace = trace
        self._session: aiohttp.ClientSession | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """The session, opened at first use."""
        if self._session is None:
            self._session = self.auth.session(trace=self._trace)
        return self._session

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def request(
        self,
        verb: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = JSON,
        accept: str = JSON,
        write: bool | None = None,
        attempts: int = _ATTEMPTS,
        within: aiohttp.ClientTimeout | None = None,
        urgent: bool = False,
    ) -> bytes:
        """Return the body of the response. LeadershipLost for a write while `gate` returns False.

        ApiError if the server rejects the request, or after all attempts. `urgent`: the limiter does not apply.
        """
        data = None if body is None else orjson.dumps(body)
        headers = {"Accept": accept} if data is None else {"Accept": accept, "Content-Type": content_type}
        needs_lease = verb != "GET" if write is None else write
        attempt = 1
        while True:
            try:
                async with nullcontext() if urgent else self.limiter:
                    return await self._once(verb, path, data, headers, needs_lease, within or self._timeout)
            except (Throttled, Unavailable) as error:
                wait = _BACKOFF * 2 ** (attempt - 1) * jitter(0.5, 1.5)
                wait = max(wait, error.retry_after or 0)
                if attempt >= attempts or wait > _LONGEST_WAIT:
                    raise
                attempt += 1
                await asyncio.sleep(wait)
            except ApiError as error:
                if error.status != 401 or attempt >= min(attempts, 2):
                    raise
                attempt += 1
                await self.auth.reload()

    async def _once(
        self,
        verb: str,
        path: str,
        data: bytes | None,
        headers: Mapping[str, str],
        needs_lease: bool,
        within: aiohttp.ClientTimeout,
    ) -> bytes:
        if needs_lease and not self.gate():
            raise LeadershipLost(f"{verb} {path}: this replica does not hold the Lease")
        if needs_lease:
            within = _at_most(within, self.remaining())
        try:
            async with self.session.request(
                verb,
                self._url(path),
                data=data,
                headers=headers,
                timeout=within,
                allow_redirects=False,
            ) as response:
                content = await response.read()
                code, retry_after = response.status, response.headers.get("Retry-After")
        except _BROKEN as error:
            self._record(verb, 0)
            self.limiter.busy()
            raise Unavailable(f"no response from the API server: {type(error).__name__}") from None
        self._record(verb, code)
        if code < 300:
            self.limiter.answered()
            return content
        answer = refusal(code, content, retry_after)
        if isinstance(answer, Throttled | Unavailable):
            self.limiter.busy()
        raise answer

    @asynccontextmanager
    async def stream(self, path: str, *, accept: str, total: float, idle: float) -> AsyncIterator[aiohttp.StreamReader]:
        """The body of a watch. Unavailable if it breaks, or sends nothing for `idle` seconds."""
        timeout = aiohttp.ClientTimeout(total=total, sock_read=idle, connect=REQUEST_SECONDS)
        try:
            async with self.session.get(
                self._url(path),
                headers={"Accept": accept},
                timeout=timeout,
                read_bufsize=2**18,
                allow_redirects=False,
            ) as response:
                self._record("WATCH", response.status)
                if response.status == 401:
                    await self.auth.reload()
                if response.status >= 300:
                    raise refusal(
                        response.status,
                        await response.read(),
                        response.headers.get("Retry-After"),
                    )
                yield response.content
        except _BROKEN as error:
            raise Unavailable(f"the watch broke: {type(error).__name__}") from None

    async def connect(self, path: str, protocol: str) -> aiohttp.ClientWebSocketResponse:
        """Open a WebSocket. ApiError if the server rejects it. Limits and the Lease do not apply: for commands only."""
        try:
            return await self._open_socket(path, protocol)
        except ApiError as error:
            if error.status != 401:
                raise
        await self.auth.reload()
        return await self._open_socket(path, protocol)

    async def _open_socket(self, path: str, protocol: str) -> aiohttp.ClientWebSocketResponse:
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                return await self.session.ws_connect(self._url(path), protocols=(protocol,), max_msg_size=0)
        except _BROKEN as error:
            raise Unavailable(f"no WebSocket to the API server: {type(error).__name__}") from None

    def _url(self, path: str) -> URL:
        return URL(self.auth.server + path, encoded=True)


def parsed(content: bytes) -> dict[str, Any]:
    """The JSON of a response; Unavailable if it is invalid, or nested too deeply for the parser."""
    try:
        return orjson.loads(content)  # type: ignore[no-any-return]
    except orjson.JSONDecodeError as error:
        raise Unavailable(f"the response of the API server cannot be parsed: {error.msg}") from None


async def rejected_upgrade(response: aiohttp.ClientResponse) -> ApiError:
    """The error of a rejected WebSocket."""
    return refusal(response.status, await response.read(), response.headers.get("Retry-After"))


def _at_most(timeout: aiohttp.ClientTimeout, seconds: float) -> aiohttp.ClientTimeout:
    if timeout.total is not None and timeout.total <= seconds:
        return timeout
    return aiohttp.ClientTimeout(total=max(seconds, 0.001))  # 0 would mean no limit


def refusal(code: int, content: bytes, retry_after: str | None = None) -> ApiError:
    """The error of a failed request. Its body is a Status object, or any text if a proxy answered."""
    try:
        status = orjson.loads(content)
    except orjson.JSONDecodeError:
        status = None
    if not isinstance(status, dict):
        status = {}
    after = _seconds(retry_after)
    if after is None:
        after = _seconds((status.get("details") or {}).get("retryAfterSeconds"))
    return api_error(code, status.get("reason") or "", status.get("message") or f"HTTP {code}", after)


def _seconds(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
