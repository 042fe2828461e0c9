"""The operations on the API server that a reconciliation uses; the HTTP client and the simulator implement them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from outfitter.naming import FIELD_MANAGER
from outfitter.snapshot import CachedObject


class Cluster(Protocol):
    """Reads and writes of API objects. All raise errors.ApiError and its subclasses, and nothing else.

    Manifests are plain dicts with apiVersion, kind and metadata.{name, namespace}.
    """

    async def get(self, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        """Return the object, or None if it does not exist."""

    async def list(self, kind: str, namespace: str = "", *, label_selector: str = "") -> list[dict[str, Any]]:
        """Return all objects of a kind, in one namespace or in all."""

    async def create(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """POST a manifest and return the stored object; AlreadyExists if the name is taken."""

    async def apply(self, manifest: Mapping[str, Any], uid: str, manager: str = FIELD_MANAGER) -> dict[str, Any]:
        """Server-side apply with force on the object with `uid`, as field manager `manager`.

        Conflict if the name belongs to an object with another uid. Fields that a POST of ours recorded (operation
        Update) first move to operation Apply: otherwise apply would keep fields that the manifest no longer has.
        """

    async def replace(self, manifest: Mapping[str, Any], uid: str) -> dict[str, Any]:
        """Replace spec, labels and annotations of the custom resource with `uid` in one request.

        For kinds whose spec only the operator writes: fields that another writer added go. Conflict as for `apply`.
        """

    async def delete(
        self, kind: str, namespace: str, name: str, uid: str, *, orphan: bool = False, version: int = 0
    ) -> None:
        """Delete with a uid precondition; an absent object is success. `orphan` keeps its dependents.

        With `version`, a resourceVersion: Conflict if the object has changed since.
        """

    async def write_status(
        self, kind: str, namespace: str, name: str, uid: str, status: Mapping[str, Any], version: int = 0
    ) -> dict[str, Any]:
        """Replace `status` of a custom resource; Conflict if the name belongs to an object with another uid.

        With `version`, a resourceVersion: also Conflict if the object has changed since.
        """

    async def emit(self, regarding: CachedObject, *, type_: str, reason: str, message: str, action: str) -> None:
        """Write an Event about a custom resource."""
