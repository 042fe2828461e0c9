"""An image registry on a loopback port that speaks the protocol: lists with pages, Basic logins, tokens."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
USER, PASSWORD = "robot", "p\u00e4ss:w0rd"


@dataclass
class ImageRegistry:
    """What the registry has. `login`: none, basic or bearer. `link`: whether pages have a Link header."""

    repositories: dict[str, list[str]] = field(default_factory=lambda: {"team/app": ["1", "2"], "base": ["latest"]})
    login: str = "none"
    link: bool = True
    catalogue: bool = True
    harbor: bool = False
    realm: str = ""
    page: int = 1000
    status: int = 0
    """Status of all answers; 0: as usual."""
    retry_after: str = ""
    """`Retry-After` of these answers."""
    released: threading.Event = field(default_factory=threading.Event)
    """No answer as long as it is not set."""
    requests: list[tuple[str, str, str]] = field(default_factory=list)  # path, query, Authorization
    manifests: dict[str, bytes] = field(default_factory=dict)
    """By the path below `/v2/`: what it answers there instead of an image without content."""

    def __post_init__(self) -> None:
        self.released.set()

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/v2/", self._root)
        app.router.add_get("/v2/_catalog", self._catalogue)
        app.router.add_get("/v2/{name:.+}/tags/list", self._tags)
        app.router.add_get("/v2/{name:.+}/manifests/{tag}", self._manifest)
        app.router.add_get("/token", self._token)
        app.router.add_get("/api/v2.0/ping", self._ping)
        app.router.add_get("/api/v2.0/projects", self._projects)
        app.router.add_get("/api/v2.0/projects/{project}/repositories", self._project)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "")
        self.requests.append((request.path, request.query_string, given))
        if not self.released.is_set():
            await asyncio.to_thread(self.released.wait, 60)
        if self.status:
            headers = {"Retry-After": self.retry_after} if self.retry_after else {}
            return web.Response(status=self.status, headers=headers)
        if self.login == "none" or request.path in ("/token", "/api/v2.0/ping"):
            return await handler(request)
        if given not in (basic(), "Bearer t0ken"):
            realm = self.realm or str(request.url.with_path("/token").with_query({}))
            named = f'Bearer realm="{realm}",service="registry"' if self.login == "bearer" else 'Basic realm="registry"'
            return web.json_response({"errors": []}, status=401, headers={"WWW-Authenticate": named})
        return await handler(request)

    async def _root(self, request: web.Request) -> web.Response:
        return web.json_response({})

    async def _token(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization", "") not in ("", basic()):
            return web.Response(status=401)
        return web.json_response({"token": "t0ken", "expires_in": 60})

    async def _catalogue(self, request: web.Request) -> web.Response:
        if not self.catalogue:
            return web.json_response({"errors": []}, status=401)
        return self._paged(request, "repositories", sorted(self.repositories))

    async def _tags(self, request: web.Request) -> web.Response:
        tags = self.repositories.get(request.match_info["name"])
        return web.json_response({}, status=404) if tags is None else self._paged(request, "tags", tags)

    async def _manifest(self, request: web.Request) -> web.Response:
        name, tag = request.match_info["name"], request.match_info["tag"]
        body = self.manifests.get(f"{name}/manifests/{tag}")
        if body is not None:
            kind = json.loads(body).get("mediaType", "")
            return web.Response(body=body, headers={"Docker-Content-Digest": digest(body), "Content-Type": kind})
        if tag not in self.repositories.get(name, []):
            return web.json_response({}, status=404)
        return web.Response(headers={"Docker-Content-Digest": digest_of(name, tag)})

    def push(self, name: str, tag: str, body: bytes) -> str:
        """Point a tag to a manifest, and return its digest."""
        for reference in (tag, digest(body)):
            self.manifests[f"{name}/manifests/{reference}"] = body
        return digest(body)

    def _paged(self, request: web.Request, key: str, names: list[str]) -> web.Response:
        size, last = min(int(request.query.get("n", self.page)), self.page), request.query.get("last", "")
        rest = names[names.index(last) + 1 :] if last in names else names
        shown, headers = rest[:size], {}
        if self.link and len(rest) > size:
            headers["Link"] = f'<{request.path}?last={shown[-1]}&n={size}>; rel="next"'
        return web.json_response({key: shown}, headers=headers)

    async def _ping(self, request: web.Request) -> web.Response:
        return web.Response(text="Pong") if self.harbor else web.Response(status=404)

    async def _projects(self, request: web.Request) -> web.Response:
        return self._numbered(request, sorted({name.partition("/")[0] for name in self.repositories}))

    async def _project(self, request: web.Request) -> web.Response:
        start = request.match_info["project"] + "/"
        return self._numbered(request, [name for name in sorted(self.repositories) if name.startswith(start)])

    def _numbered(self, request: web.Request, names: list[str]) -> web.Response:
        number, size = int(request.query["page"]), int(request.query["page_size"])
        return web.json_response([{"name": name} for name in names[(number - 1) * size : number * size]])


def digest(body: bytes) -> str:
    """The digest of a manifest."""
    return "sha256:" + hashlib.sha256(body).hexdigest()


def digest_of(name: str, tag: str) -> str:
    """The digest of an image without content."""
    return digest(f"{name}:{tag}".encode())


def image(content: str) -> bytes:
    """The manifest of an image for one platform."""
    return _manifest("image.manifest", config={"digest": digest(content.encode())}, layers=[])


def index(*images: bytes, kind: str = "image.manifest") -> bytes:
    """The manifest of an image for several platforms."""
    kinds = f"application/vnd.oci.{kind}.v1+json"
    return _manifest("image.index", manifests=[{"mediaType": kinds, "digest": digest(body)} for body in images])


def _manifest(kind: str, **content: object) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": f"application/vnd.oci.{kind}.v1+json", **content}).encode()


def basic() -> str:
    """The Authorization of the one user."""
    return "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@asynccontextmanager
async def listening(app: web.Application, ssl_context: object = None) -> AsyncIterator[int]:
    """Serve an application on a free port."""
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl_context)  # type: ignore[arg-type]
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
