"""A small blocking client for the sandbox's own API server and etcd: usable in tests with and without an event loop."""

from __future__ import annotations

import http.client
import json
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from outfitter.errors import Unavailable, api_error

MERGE_PATCH = "application/merge-patch+json"


class Connection:
    """JSON over HTTPS with a client certificate; one TCP connection per request."""

    def __init__(self, url: str, *, authority: Path, certificate: Path, key: Path, timeout: float = 15) -> None:
        self.host = urlsplit(url).netloc
        self.timeout = timeout
        self.context = ssl.create_default_context(cafile=str(authority))
        self.context.load_cert_chain(certificate, key)

    def answer(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> tuple[int, Any]:
        """HTTP status and decoded body (text when it is no JSON). Unavailable when nobody answers."""
        connection = http.client.HTTPSConnection(self.host, timeout=self.timeout, context=self.context)
        try:
            headers = {"Content-Type": content_type, "Accept": "application/json", "User-Agent": "outfitter-sandbox"}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"{method} {path} on {self.host}: {error}") from error
        finally:
            connection.close()
        try:
            return response.status, json.loads(content)
        except ValueError:
            return response.status, content.decode(errors="replace")

    def request(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        """The decoded body. ApiError for every status that is not success."""
        status, content = self.answer(method, path, body, content_type)
        if 200 <= status < 300:
            return content
        reason, message = (
            (content.get("reason", ""), content.get("message", "")) if isinstance(content, dict) else ("", content)
        )
        raise api_error(status, reason, f"{method} {path}: {message}")
