"""A blocking client for one API server, for code with and without an event loop."""

from __future__ import annotations

import base64
import json
import ssl
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import yaml
from urllib3 import BaseHTTPResponse, HTTPHeaderDict, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from outfitter.errors import ConfigurationError, Unavailable, api_error

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
TIMEOUT_SECONDS = 15.0
ATTEMPTS = 10  # of a request that the server asks to repeat, as in client-go
# A new kind has no schema for mutating admission policies until the server's next look, which is every 5 s.
_NO_SCHEMA_YET = "There can be a delay between when CustomResourceDefinitions are created"
_SCHEMA_SECONDS = 1.0
_OPEN = 16  # connections that stay open between requests
_BROKEN = (OSError, HTTPError)


class Connection:
    """JSON over HTTPS with the credentials of one user.

    TCP connections stay open for the next request; several threads can share it.
    """

    def __init__(
        self,
        url: str,
        context: ssl.SSLContext,
        headers: Sequence[tuple[str, str]] = (),
        pool: HTTPSConnectionPool | None = None,
    ) -> None:
        """`headers` are credentials and impersonation. `pool`: the open connections of another one to share."""
        server = urlsplit(url)
        self.host = server.netloc
        self.context = context
        self.headers = tuple(headers)
        self._pool = pool or HTTPSConnectionPool(
            server.hostname or "", server.port, ssl_context=context, maxsize=_OPEN, retries=False
        )

    @classmethod
    def with_certificate(cls, url: str, *, authority: Path, certificate: Path, key: Path) -> Connection:
        """Authenticate with a client certificate."""
        context = ssl.create_default_context(cafile=str(authority))
        context.load_cert_chain(certificate, key)
        return cls(url, context)

    @classmethod
    def from_kubeconfig(cls, path: Path) -> Connection:
        """Connect as the user of the current context.

        Supports client certificates and tokens, in files or embedded.
        """
        config = yaml.load(path.read_bytes(), yaml.CSafeLoader)
        current = _named(config["contexts"], config["current-context"])["context"]
        cluster = _named(config["clusters"], current["cluster"])["cluster"]
        user = _named(config["users"], current["user"])["user"]
        context = ssl.create_default_context(cadata=_content(cluster, "certificate-authority").decode())
        if "token" in user:
            return cls(cluster["server"], context, [("Authorization", f"Bearer {user['token']}")])
        if not {"client-certificate", "client-certificate-data"} & user.keys():
            raise ConfigurationError(
                f"{path}: user {current['user']} has neither a client certificate nor a token. Use another context."
            )
        with tempfile.NamedTemporaryFile() as pair:  # the ssl module reads certificates from files only
            pair.write(_content(user, "client-certificate") + b"\n" + _content(user, "client-key"))
            pair.flush()
            context.load_cert_chain(pair.name)
        return cls(cluster["server"], context)

    def impersonating(self, user: str, *groups: str) -> Connection:
        """The same connection for requests as another user."""
        impersonation = [("Impersonate-User", user), *(("Impersonate-Group", group) for group in groups)]
        return Connection(f"https://{self.host}", self.context, [*self.headers, *impersonation], self._pool)

    def answer(self, method: str, path: str, body: Any = None, content_type: str = JSON) -> tuple[int, Any]:
        """HTTP status and decoded body (text when it is not JSON).

        Unavailable without an answer.
        Tried again: a 429 with a time to wait, which the server sends while it opens the storage of a changed CRD,
        and the 503 of a kind so new that mutating admission policies have no schema for it.
        """
        for _ in range(ATTEMPTS - 1):
            status, content = self._once(method, path, body, content_type)
            seconds = _pause(status, content)
            if seconds is None:
                return status, content
            time.sleep(seconds)
        return self._once(method, path, body, content_type)

    def request(self, method: str, path: str, body: Any = None, content_type: str = JSON) -> Any:
        """The decoded body. ApiError for every status that is not success."""
        status, content = self.answer(method, path, body, content_type)
        if 200 <= status < 300:
            return content
        raise _refusal(f"{method} {path}", status, content)

    def watch(self, path: str, seconds: float, **query: str) -> Iterator[dict[str, Any]]:
        """Watch events until the server ends the watch.

        ApiError when it refuses it, Unavailable when it breaks. Tried again as `answer`.
        """
        query = {"watch": "true", "timeoutSeconds": str(max(1, int(seconds))), **query}
        where = f"{path}?{urlencode(query)}"
        try:
            for attempt in range(1, ATTEMPTS + 1):
                with closing(self._open("GET", where, None, JSON, seconds + 5)) as response:
                    if response.status == 200:
                        yield from map(json.loads, response)
                        return
                    content = _decoded(response.read())
                pause = _pause(response.status, content)
                if pause is None or attempt == ATTEMPTS:
                    raise _refusal(f"watch {path}", response.status, content)
                time.sleep(pause)
        except (*_BROKEN, ValueError) as error:
            raise Unavailable(f"watch {path} on {self.host}: {error}") from error

    def _once(self, method: str, path: str, body: Any, content_type: str) -> tuple[int, Any]:
        try:
            response = self._open(method, path, body, content_type, TIMEOUT_SECONDS)
            content = response.read()
            response.release_conn()
            return response.status, _decoded(content)
        except _BROKEN as error:
            raise Unavailable(f"{method} {path} on {self.host}: {error}") from error

    def _open(self, method: str, path: str, body: Any, content_type: str, timeout: float) -> BaseHTTPResponse:
        headers = HTTPHeaderDict({"Accept": JSON, "User-Agent": "outfitter-sandbox", "Content-Type": content_type})
        for name, value in self.headers:
            headers.add(name, value)
        content = b"" if body is None else json.dumps(body).encode()
        return self._pool.urlopen(
            method, path, content, headers, redirect=False, timeout=timeout, preload_content=False, decode_content=False
        )


def _named(items: Sequence[Any], name: str) -> Any:
    return next(item for item in items if item["name"] == name)


def _content(holder: dict[str, str], key: str) -> bytes:
    """A certificate or key, embedded or in a file."""
    if f"{key}-data" in holder:
        return base64.b64decode(holder[f"{key}-data"])
    return Path(holder[key]).read_bytes()


def _decoded(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content.decode(errors="replace")


def _pause(status: int, content: Any) -> float | None:
    """Seconds until a refused request can succeed; None where the server names no end."""
    if not isinstance(content, dict):
        return None
    if status == 503 and _NO_SCHEMA_YET in content.get("message", ""):
        return _SCHEMA_SECONDS
    seconds = (content.get("details") or {}).get("retryAfterSeconds")
    return None if status != 429 or seconds is None else float(seconds)


def _refusal(request: str, status: int, content: Any) -> Exception:
    if not isinstance(content, dict):
        return api_error(status, "", f"{request}: {content}")
    return api_error(status, content.get("reason", ""), f"{request}: {content.get('message', '')}")
