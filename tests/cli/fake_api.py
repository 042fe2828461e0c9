"""An API server in a thread, as far as the verbs use one: get, list, merge patch and logs of objects in a table."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from outfitter.cluster.client import path_of
from outfitter.cluster.resources import RESOURCES, api_resource

Object = dict[str, Any]


class FakeApi:
    """`objects` by path; `logs` by (pod, container, previous); `forbidden`: parts of paths without rights.

    `after_patch` plays the operator: it gets each patched object. `before_get` gets the path of each request. `refuse`
    gets verb and path of each write, and returns what the server answers instead of doing it.
    """

    def __init__(self, objects: Iterable[Object] = ()) -> None:
        self.objects = {_path(body): body for body in objects}
        self.logs: dict[tuple[str, str, bool], str] = {}
        self.forbidden: set[str] = set()
        self.patches: list[tuple[str, Object]] = []
        self.managers: list[str] = []
        self.accepts: dict[str, str] = {}
        self.after_patch: Callable[[Object], None] = lambda body: None
        self.before_get: Callable[[str], None] = lambda path: None
        self.refuse: Callable[[str, str], tuple[int, Object] | None] = lambda verb, path: None
        self._closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def add(self, body: Object) -> Object:
        self.objects[_path(body)] = body
        return body

    def need(self, kind: str, name: str, namespace: str = "team-a") -> Object:
        return self.objects[path_of(api_resource(kind), namespace, name)]

    def kubeconfig(self, folder: Path) -> Path:
        host, port = self._server.server_address[:2]
        named: Object = {
            "clusters": [{"name": "c", "cluster": {"server": f"http://{host!s}:{port}"}}],
            "users": [{"name": "u", "user": {"token": "of-ann"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "team-a"}}],
        }
        path = folder / "kubeconfig"
        path.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", "current-context": "c", **named}))
        return path

    def answer(self, verb: str, url: str, body: Object | None, accept: str) -> tuple[int, Any]:
        """Status code and body; text for a log, None for a watch."""
        parts = urlsplit(url)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        path = unquote(parts.path)
        self.accepts[path] = accept
        words = path.split("/")
        self.before_get(path)
        if self.forbidden & {*words}:
            return 403, {"reason": "Forbidden", "message": f"{words[-2]} is forbidden: User ann may not"}
        if verb != "GET" and (refused := self.refuse(verb, path)):
            return refused
        if verb == "DELETE" and path in self.objects:
            return 200, self.objects.pop(path)
        if path.endswith("/log"):
            return self._log(words[-2], query)
        if path in self.objects:
            return 200, self._patched(path, body, query) if verb == "PATCH" and body else self.objects[path]
        if query.get("watch"):
            self._closing.wait(30)
            return 200, None
        if path in self.collections():
            return self._list(path, query)
        return 404, {"reason": "NotFound", "message": f"{words[-1]} not found"}

    def collections(self) -> set[str]:
        """Paths of all lists: of the whole cluster, and in the namespaces of the tests."""
        places = ("", "team-a", "outfitter-system")
        return {path_of(resource, place) for resource in RESOURCES.values() for place in places}

    def _log(self, pod: str, query: dict[str, str]) -> tuple[int, Any]:
        key = (pod, query["container"], query.get("previous") == "true")
        if key in self.logs:
            return 200, self.logs[key]
        return 400, {"reason": "BadRequest", "message": f"container {key[1]} is waiting to start"}

    def _patched(self, path: str, patch: Object, query: dict[str, str]) -> Object:
        self.patches.append((path, patch))
        self.managers.append(query["fieldManager"])
        stored = self.objects[path]
        assert patch["metadata"].pop("uid") == stored["metadata"]["uid"]
        _merge(stored, patch)
        if "spec" in patch:
            stored["metadata"]["generation"] = stored["metadata"].get("generation", 1) + 1
        self.after_patch(stored)
        return stored

    def _list(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
        collections = {path, *(path_of(each, "team-a") for each in RESOURCES.values() if path_of(each) == path)}
        found = [body for place, body in self.objects.items() if place.rpartition("/")[0] in collections]
        for key, equals, value in [item.partition("=") for item in query.get("labelSelector", "").split(",") if item]:
            labels = [(body, body["metadata"].get("labels") or {}) for body in found]
            found = [body for body, given in labels if (given.get(key) == value if equals else key in given)]
        name = query.get("fieldSelector", "").removeprefix("metadata.name=")
        found = [body for body in found if name in ("", body["metadata"]["name"])]
        return 200, {"metadata": {"resourceVersion": "9"}, "items": found}


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # with the default of 5, concurrent requests wait for the system to connect again


def _path(body: Object) -> str:
    return path_of(api_resource(body["kind"]), body["metadata"].get("namespace", ""), body["metadata"]["name"])


def _merge(into: Object, patch: Object) -> None:
    for key, value in patch.items():
        if isinstance(value, dict):
            _merge(into.setdefault(key, {}), value)
        else:
            into[key] = value


def _handler(api: FakeApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size)) if size else None
            code, answer = api.answer(self.command, self.path, body, self.headers.get("Accept", ""))
            content = (answer if isinstance(answer, str) else json.dumps(answer) if answer else "").encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(content)))
            with contextlib.suppress(ConnectionError):  # the command has ended
                self.end_headers()
                self.wfile.write(content)

        def do_PATCH(self) -> None:
            self.do_GET()

        def do_DELETE(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    return Handler
