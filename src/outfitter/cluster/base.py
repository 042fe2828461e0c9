"""The door to the API server, as a protocol: the real client and the in-memory twin both fit it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from outfitter.naming import FIELD_MANAGER
from outfitter.snapshot import CachedObject


@dataclass(frozen=True, slots=True)
class ApiResource:
    """Where a kind lives on the API server."""

    kind: str
    group: str
    version: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """apiVersion in manifests."""
        return f"{self.group}/{self.version}" if self.group else self.version


def api_resource(kind: str) -> ApiResource:
    """The Resource of a kind, ours or native; KeyError for one that Outfitter has no business with."""
    return RESOURCES[kind]


NATIVE: tuple[ApiResource, ...] = (
    ApiResource("Namespace", "", "v1", "namespaces", namespaced=False),
    ApiResource("Secret", "", "v1", "secrets"),
    ApiResource("ConfigMap", "", "v1", "configmaps"),
    ApiResource("Service", "", "v1", "services"),
    ApiResource("PersistentVolumeClaim", "", "v1", "persistentvolumeclaims"),
    ApiResource("PersistentVolume", "", "v1", "persistentvolumes", namespaced=False),
    ApiResource("Pod", "", "v1", "pods"),
    ApiResource("Event", "", "v1", "events"),
    ApiResource("StatefulSet", "apps", "v1", "statefulsets"),
    ApiResource("Deployment", "apps", "v1", "deployments"),
    ApiResource("ControllerRevision", "apps", "v1", "controllerrevisions"),
    ApiResource("Job", "batch", "v1", "jobs"),
    ApiResource("HorizontalPodAutoscaler", "autoscaling", "v2", "horizontalpodautoscalers"),
    ApiResource("PodDisruptionBudget", "policy", "v1", "poddisruptionbudgets"),
    ApiResource("StorageClass", "storage.k8s.io", "v1", "storageclasses", namespaced=False),
    ApiResource("Ingress", "networking.k8s.io", "v1", "ingresses"),
    ApiResource("Role", "rbac.authorization.k8s.io", "v1", "roles"),
    ApiResource("RoleBinding", "rbac.authorization.k8s.io", "v1", "rolebindings"),
    ApiResource("Lease", "coordination.k8s.io", "v1", "leases"),
)


def _ours() -> Iterable[ApiResource]:
    from outfitter.api.v1alpha1 import GROUP, KINDS, VERSION

    return (ApiResource(kind.name, GROUP, VERSION, kind.plural) for kind in KINDS)


RESOURCES: Mapping[str, ApiResource] = {item.kind: item for item in (*NATIVE, *_ours())}


@dataclass(frozen=True, slots=True)
class Change:
    """What a cache learned: `old` is None for something new, `new` is None for something gone."""

    kind: str
    old: CachedObject | None
    new: CachedObject | None

    @property
    def live(self) -> CachedObject:
        """The newer of the two that exists."""
        found = self.new or self.old
        if found is None:
            raise ValueError("a Change has an old or a new object")
        return found


Listener = Callable[[Change], None]


class Cluster(Protocol):
    """The verbs that a pass may use. All raise errors.ApiError and its subclasses, nothing else.

    Manifests are plain dicts with apiVersion, kind and metadata.{name, namespace}.
    """

    async def get(self, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        """The object, or None where there is none."""

    async def list(self, kind: str, namespace: str = "", *, label_selector: str = "") -> list[dict[str, Any]]:
        """All objects of a kind, in one namespace or in all."""

    async def create(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """POST; AlreadyExists where the name is taken. Returns the stored object."""

    async def apply(self, manifest: Mapping[str, Any], uid: str, manager: str = FIELD_MANAGER) -> dict[str, Any]:
        """Server-side apply with force on the live object with `uid`, as field manager `manager`.

        Conflict where the live object is another one. Where our fields were recorded by a POST (operation Update),
        their managedFields entry is first moved to Apply: else fields that the manifest no longer has would stay.
        """

    async def delete(self, kind: str, namespace: str, name: str, uid: str, *, orphan: bool = False) -> None:
        """Delete with a uid precondition; an object already gone is success. `orphan` leaves its dependents."""

    async def write_status(
        self, kind: str, namespace: str, name: str, uid: str, status: Mapping[str, Any], version: int = 0
    ) -> dict[str, Any]:
        """Replace `status` of one of our objects, guarded by uid (Conflict where it is another object now).

        With `version`, a resourceVersion, also Conflict where anything wrote the object since.
        """

    async def emit(self, regarding: CachedObject, *, type_: str, reason: str, message: str, action: str) -> None:
        """Write an Event about one of our objects."""
