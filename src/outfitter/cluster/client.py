"""The verbs of Cluster over HTTP: POST to create, server-side apply to change, JSON patch for status."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import quote, urlencode

from outfitter.children import CHILD_KINDS, ApiResource, ChildKind
from outfitter.cluster.events import EventLimit, event
from outfitter.cluster.resources import resources
from outfitter.cluster.transport import Transport, parsed
from outfitter.errors import ApiError, Conflict, Forbidden, Invalid, LeadershipLost, NotFound
from outfitter.naming import FIELD_MANAGER
from outfitter.snapshot import CachedObject

PAGE: Final = 100  # objects per list request: a page is parsed as a whole, and its memory is not given back
_TRIES: Final = 4  # controllers write the status at the same time
_CREATE: Final = f"?fieldManager={FIELD_MANAGER}&fieldValidation=Strict"
_APPLY: Final = "?fieldManager={}&fieldValidation=Strict&force=true"
_STATUS: Final = f"/status?fieldManager={FIELD_MANAGER}"
_APPLY_PATCH: Final = "application/apply-patch+yaml"
_JSON_PATCH: Final = "application/json-patch+json"
_MERGE_PATCH: Final = "application/merge-patch+json"
_UID_MISMATCH: Final = re.compile("UID in (the )?precondition")


# What the server itself says of a refused Secret; what follows a webhook's name is the webhook's text.
_OWN_WORDS: Final = re.compile(
    r'admission webhook "[^"]*" denied the request|secrets (?:"[^"]*" )?is forbidden: (?:exceeded quota|User ).*'
)


def path_of(res: ApiResource, namespace: str = "", name: str = "") -> str:
    """URL path of a collection or of one object."""
    parts = [f"/apis/{res.group}/{res.version}" if res.group else f"/api/{res.version}"]
    if res.namespaced and namespace:
        parts.append(f"/namespaces/{quote(namespace, safe='')}")
    parts.append(f"/{res.plural}")
    if name:
        parts.append(f"/{quote(name, safe='')}")
    return "".join(parts)


class Client:
    """The real Cluster. `namespaces` limits lists without a namespace; empty means all."""

    def __init__(
        self, transport: Transport, namespaces: Iterable[str] = (), kinds: Iterable[ChildKind] = CHILD_KINDS
    ) -> None:
        self.transport = transport
        self._resources = resources(kinds)
        self._namespaces = tuple(namespaces)
        self._events = EventLimit()

    async def get(self, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        """The object, or None where there is none."""
        try:
            return parsed(await self.transport.request("GET", path_of(self._resources[kind], namespace, name)))
        except NotFound:
            return None

    async def list(self, kind: str, namespace: str = "", *, label_selector: str = "") -> list[dict[str, Any]]:
        """All objects of a kind, in one namespace or in all that we may work in, page by page."""
        res = self._resources[kind]
        spaces = (namespace,) if namespace or not res.namespaced else self._namespaces or ("",)
        found: list[dict[str, Any]] = []
        for space in spaces:
            query = {"limit": str(PAGE)}
            if label_selector:
                query["labelSelector"] = label_selector
            while True:
                page = parsed(await self.transport.request("GET", f"{path_of(res, space)}?{urlencode(query)}"))
                found += ({"apiVersion": res.api_version, "kind": kind, **item} for item in page.get("items") or ())
                token = (page.get("metadata") or {}).get("continue")
                if not token:
                    break
                query["continue"] = token
        return found

    async def create(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """POST; AlreadyExists where the name is taken. Returns the stored object."""
        kind, meta = manifest["kind"], manifest["metadata"]
        path = path_of(self._resources[kind], meta.get("namespace", "")) + _CREATE
        with _scrubbing(kind):
            return parsed(await self.transport.request("POST", path, manifest))

    async def apply(self, manifest: Mapping[str, Any], uid: str, manager: str = FIELD_MANAGER) -> dict[str, Any]:
        """Server-side apply with force on the live object with `uid`; Conflict where the live object is another one."""
        kind, meta = manifest["kind"], manifest["metadata"]
        path = path_of(self._resources[kind], meta.get("namespace", ""), meta["name"])
        # The uid in the body makes the server itself refuse should the object be replaced in between.
        if_unchanged = {**manifest, "metadata": {**meta, "uid": uid}}
        with _scrubbing(kind):
            if manager == FIELD_MANAGER:
                await self._move_to_apply(path, kind, uid)
            try:
                how = path + _APPLY.format(manager)
                return parsed(await self.transport.request("PATCH", how, if_unchanged, content_type=_APPLY_PATCH))
            except Invalid as error:
                if "metadata.uid: Invalid value" in error.message:
                    text = f"{kind} {meta['name']} is another object now"
                    raise Conflict(text, status=409, reason="Conflict") from None
                return await self._replace_lists(path, if_unchanged, error)

    async def _replace_lists(self, path: str, if_unchanged: Mapping[str, Any], refused: Invalid) -> dict[str, Any]:
        """Change by merge patch what apply cannot: apply keeps the items that others put into a keyed list, and the
        server may refuse them beside ours (two ports of one name). A merge patch takes our lists as the whole truth.
        """
        try:
            query = f"?fieldManager={FIELD_MANAGER}"
            return parsed(await self.transport.request("PATCH", path + query, if_unchanged, content_type=_MERGE_PATCH))
        except Invalid:
            raise refused from None

    async def _move_to_apply(self, path: str, kind: str, uid: str) -> None:
        """Record as applied what a POST of ours recorded as updated; most often there is nothing to do."""
        for attempt in range(1, _TRIES + 1):
            live = parsed(await self.transport.request("GET", path))["metadata"]
            if live["uid"] != uid:
                raise Conflict(f"{kind} {live['name']} is another object now", status=409, reason="Conflict")
            entries = live.get("managedFields") or ()
            number = next((number for number, entry in enumerate(entries) if _made_by_post(entry)), None)
            if number is None:
                return
            field = f"/metadata/managedFields/{number}"
            steps = [
                {"op": "test", "path": "/metadata/resourceVersion", "value": live["resourceVersion"]},
                {"op": "test", "path": f"{field}/manager", "value": FIELD_MANAGER},
                {"op": "replace", "path": f"{field}/operation", "value": "Apply"},
            ]
            try:
                await self._json_patch(path + f"?fieldManager={FIELD_MANAGER}", steps)
            except Conflict:
                if attempt == _TRIES:
                    raise
            else:
                return

    async def delete(self, kind: str, namespace: str, name: str, uid: str, *, orphan: bool = False) -> None:
        """Delete with a uid precondition; an object already gone is success. `orphan` leaves its dependents."""
        options = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "preconditions": {"uid": uid},
            "propagationPolicy": "Orphan" if orphan else "Background",
        }
        try:
            with _scrubbing(kind):
                await self.transport.request("DELETE", path_of(self._resources[kind], namespace, name), options)
        except NotFound:
            return
        except Conflict as error:
            # The name belongs to another object now: the one we meant is gone.
            if not _UID_MISMATCH.search(error.message):
                raise

    async def write_status(
        self, kind: str, namespace: str, name: str, uid: str, status: Mapping[str, Any], version: int = 0
    ) -> dict[str, Any]:
        """Replace `status` of one of our objects, guarded by uid and, if given, by its version: else Conflict."""
        unchanged = [{"op": "test", "path": "/metadata/resourceVersion", "value": str(version)}] if version else []
        steps: list[dict[str, Any]] = [
            {"op": "test", "path": "/metadata/uid", "value": uid},
            *unchanged,
            {"op": "add", "path": "/status", "value": status},
        ]
        return await self._json_patch(path_of(self._resources[kind], namespace, name) + _STATUS, steps)

    async def _json_patch(self, path: str, steps: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        try:
            return parsed(await self.transport.request("PATCH", path, steps, content_type=_JSON_PATCH))
        except Invalid as error:
            # A failed test is 422 without a cause; a value that the schema refuses names its field.
            if error.status == 422 and error.reason == "Invalid" and "is invalid:" not in error.message:
                raise Conflict("the object changed meanwhile", status=409, reason="Conflict") from None
            raise

    async def emit(self, regarding: CachedObject, *, type_: str, reason: str, message: str, action: str) -> None:
        """Write an Event about one of our objects: rate-limited, and never an error."""
        if not self._events.admits(regarding.uid, reason, message):
            return
        body = event(regarding, type_=type_, reason=reason, message=message, action=action)
        path = path_of(self._resources["Event"], body["metadata"]["namespace"]) + _CREATE
        try:
            await self.transport.request("POST", path, body, attempts=1)
        except (ApiError, LeadershipLost):
            return  # an Event is a courtesy; the status says the same


def _made_by_post(entry: Mapping[str, Any]) -> bool:
    ours = entry.get("manager") == FIELD_MANAGER and not entry.get("subresource")
    return ours and entry.get("operation") == "Update"


@contextmanager
def _scrubbing(kind: str) -> Iterator[None]:
    """The server quotes refused values, and webhooks may quote anything: a Secret's must not reach logs or status."""
    try:
        yield
    except ApiError as error:
        if kind != "Secret" or not (isinstance(error, Forbidden | Invalid) or "denied" in error.message):
            raise
        own = _OWN_WORDS.match(error.message)
        text = "the server refuses this Secret" + (f": {own[0]}" if own else "")
        raise type(error)(text, status=error.status, reason=error.reason, retry_after=error.retry_after) from None
