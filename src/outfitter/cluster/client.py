"""The Cluster protocol over HTTP: POST to create, server-side apply to change, JSON patch for the status."""

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
from outfitter.errors import ApiError, Conflict, Forbidden, Invalid, LeadershipLost, NotFound, TooLarge
from outfitter.naming import FIELD_MANAGER
from outfitter.snapshot import CachedObject

PAGE: Final = 100  # objects per list request; a whole page is parsed at once, and Python does not return its memory
_TRIES: Final = 4  # a controller can write the status between our read and our write
_WRITE: Final = "?fieldManager={}&fieldValidation=Strict"
_APPLY: Final = "?fieldManager={}&fieldValidation=Strict&force=true"
_STATUS: Final = f"/status?fieldManager={FIELD_MANAGER}"
_APPLY_PATCH: Final = "application/apply-patch+yaml"
_JSON_PATCH: Final = "application/json-patch+json"
_MERGE_PATCH: Final = "application/merge-patch+json"
_UID_MISMATCH: Final = re.compile("UID in (the )?precondition")


# The part of an error about a Secret that is the server's own text. The text of a webhook can quote the Secret.
_OWN_WORDS: Final = re.compile(
    r'admission webhook "[^"]*" denied the request|secrets (?:"[^"]*" )?is forbidden: (?:exceeded quota|User ).*'
)


def path_of(res: ApiResource, namespace: str = "", name: str = "") -> str:
    """The URL path of a collection or of one object."""
    parts = [f"/apis/{res.group}/{res.version}" if res.group else f"/api/{res.version}"]
    if res.namespaced and namespace:
        parts.append(f"/namespaces/{quote(namespace, safe='')}")
    parts.append(f"/{res.plural}")
    if name:
        parts.append(f"/{quote(name, safe='')}")
    return "".join(parts)


class Client:
    """The Cluster on a real API server. `namespaces` limits lists without a namespace; empty means all."""

    def __init__(
        self, transport: Transport, namespaces: Iterable[str] = (), kinds: Iterable[ChildKind] = CHILD_KINDS
    ) -> None:
        self.transport = transport
        self._resources = resources(kinds)
        self._namespaces = tuple(namespaces)
        self._events = EventLimit()

    async def get(self, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        """See Cluster.get."""
        try:
            return parsed(await self.transport.request("GET", path_of(self._resources[kind], namespace, name)))
        except NotFound:
            return None

    async def list(
        self, kind: str, namespace: str = "", *, label_selector: str = "", field_selector: str = ""
    ) -> list[dict[str, Any]]:
        """See Cluster.list. Lists page by page, and with `namespaces` one namespace after the other."""
        res = self._resources[kind]
        spaces = (namespace,) if namespace or not res.namespaced else self._namespaces or ("",)
        found: list[dict[str, Any]] = []
        for space in spaces:
            query = {"limit": str(PAGE)}
            if label_selector:
                query["labelSelector"] = label_selector
            if field_selector:
                query["fieldSelector"] = field_selector
            while True:
                page = parsed(await self.transport.request("GET", f"{path_of(res, space)}?{urlencode(query)}"))
                found += ({"apiVersion": res.api_version, "kind": kind, **item} for item in page.get("items") or ())
                token = (page.get("metadata") or {}).get("continue")
                if not token:
                    break
                query["continue"] = token
        return found

    async def create(self, manifest: Mapping[str, Any], manager: str = FIELD_MANAGER) -> dict[str, Any]:
        """See Cluster.create."""
        kind, meta = manifest["kind"], manifest["metadata"]
        path = path_of(self._resources[kind], meta.get("namespace", "")) + _WRITE.format(manager)
        with _scrubbing(kind):
            return parsed(await self.transport.request("POST", path, manifest))

    async def apply(self, manifest: Mapping[str, Any], uid: str, manager: str = FIELD_MANAGER) -> dict[str, Any]:
        """See Cluster.apply."""
        kind, meta = manifest["kind"], manifest["metadata"]
        path = path_of(self._resources[kind], meta.get("namespace", ""), meta["name"])
        # With the uid in the body, the server rejects the request if the object has been replaced meanwhile.
        with_uid = {**manifest, "metadata": {**meta, "uid": uid}}
        with _scrubbing(kind):
            if manager == FIELD_MANAGER:
                try:
                    await self._move_to_apply(path, kind, uid)
                except Forbidden:
                    # The server judges the object as it is: a Role that was widened refuses any other change.
                    await self._send(path, kind, with_uid, manager)
                    await self._move_to_apply(path, kind, uid)
            return await self._send(path, kind, with_uid, manager)

    async def _send(self, path: str, kind: str, manifest: Mapping[str, Any], manager: str) -> dict[str, Any]:
        try:
            how = path + _APPLY.format(manager)
            return parsed(await self.transport.request("PATCH", how, manifest, content_type=_APPLY_PATCH))
        except TooLarge:
            raise
        except Invalid as error:
            if "metadata.uid: Invalid value" in error.message:
                text = f"{kind} {manifest['metadata']['name']} was replaced by another object"
                raise Conflict(text, status=409, reason="Conflict") from None
            return await self._replace_lists(path, manifest, error)

    async def _replace_lists(self, path: str, manifest: Mapping[str, Any], error: Invalid) -> dict[str, Any]:
        """Replace whole lists by a merge patch, because apply keeps the items of other field managers.

        The server can reject such items together with ours, for example two ports of one name.
        """
        try:
            query = f"?fieldManager={FIELD_MANAGER}"
            return parsed(await self.transport.request("PATCH", path + query, manifest, content_type=_MERGE_PATCH))
        except Invalid:
            raise error from None

    async def _move_to_apply(self, path: str, kind: str, uid: str) -> None:
        """Move our managedFields from operation Update, which a POST records, to Apply. Usually it is done already."""
        for attempt in range(1, _TRIES + 1):
            live = parsed(await self.transport.request("GET", path))["metadata"]
            if live["uid"] != uid:
                raise Conflict(f"{kind} {live['name']} was replaced by another object", status=409, reason="Conflict")
            entries = live.get("managedFields") or ()
            number = next((number for number, entry in enumerate(entries) if _is_ours_by_post(entry)), None)
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

    async def replace(self, manifest: Mapping[str, Any], uid: str) -> dict[str, Any]:
        """See Cluster.replace."""
        kind, meta = manifest["kind"], manifest["metadata"]
        path = path_of(self._resources[kind], meta["namespace"], meta["name"]) + _WRITE.format(FIELD_MANAGER)
        steps: list[dict[str, Any]] = [
            {"op": "test", "path": "/metadata/uid", "value": uid},
            *({"op": "add", "path": f"/metadata/{name}", "value": meta[name]} for name in ("labels", "annotations")),
            {"op": "add", "path": "/spec", "value": manifest["spec"]},
        ]
        return await self._json_patch(path, steps)

    async def merge_patch(
        self, kind: str, namespace: str, name: str, patch: Mapping[str, Any], manager: str
    ) -> dict[str, Any]:
        """Change fields of an object, as `kubectl patch --type merge` does, as field manager `manager`.

        Conflict if the patch has a uid and the name belongs to an object with another one.
        """
        path = path_of(self._resources[kind], namespace, name) + f"?fieldManager={manager}&fieldValidation=Strict"
        return parsed(await self.transport.request("PATCH", path, patch, content_type=_MERGE_PATCH))

    async def delete(
        self, kind: str, namespace: str, name: str, uid: str, *, orphan: bool = False, version: int = 0
    ) -> None:
        """See Cluster.delete."""
        options = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "preconditions": {"uid": uid, **({"resourceVersion": str(version)} if version else {})},
            "propagationPolicy": "Orphan" if orphan else "Background",
        }
        try:
            with _scrubbing(kind):
                await self.transport.request("DELETE", path_of(self._resources[kind], namespace, name), options)
        except NotFound:
            return
        except Conflict as error:
            # The name belongs to another object, so the object with this uid does not exist.
            if not _UID_MISMATCH.search(error.message):
                raise

    async def write_status(
        self, kind: str, namespace: str, name: str, uid: str, status: Mapping[str, Any], version: int = 0
    ) -> dict[str, Any]:
        """See Cluster.write_status."""
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
            # A failed test is a 422 without a cause; a value that violates the schema names its field.
            if error.status == 422 and error.reason == "Invalid" and "is invalid:" not in error.message:
                raise Conflict("the object has changed meanwhile", status=409, reason="Conflict") from None
            raise

    async def emit(self, regarding: CachedObject, *, type_: str, reason: str, message: str, action: str) -> None:
        """See Cluster.emit. Rate-limited, and never an error."""
        if not self._events.admits(regarding.namespace, regarding.uid, type_, reason, message):
            return
        body = event(regarding, type_=type_, reason=reason, message=message, action=action)
        path = path_of(self._resources["Event"], body["metadata"]["namespace"]) + _WRITE.format(FIELD_MANAGER)
        try:
            await self.transport.request("POST", path, body, attempts=1)
        except (ApiError, LeadershipLost):
            return  # the status has the same information


def _is_ours_by_post(entry: Mapping[str, Any]) -> bool:
    ours = entry.get("manager") == FIELD_MANAGER and not entry.get("subresource")
    return ours and entry.get("operation") == "Update"


@contextmanager
def _scrubbing(kind: str) -> Iterator[None]:
    """Keep the data of Secrets out of errors: servers quote rejected values, and webhooks can quote anything."""
    try:
        yield
    except ApiError as error:
        if kind != "Secret" or not (isinstance(error, Forbidden | Invalid) or "denied" in error.message):
            raise
        own = _OWN_WORDS.match(error.message)
        text = "the server rejects this Secret" + (f": {own[0]}" if own else "")
        raise type(error)(text, status=error.status, reason=error.reason, retry_after=error.retry_after) from None
