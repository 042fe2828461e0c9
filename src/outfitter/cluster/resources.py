"""Where each kind lives on the API server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from outfitter.api.v1alpha1 import GROUP, KINDS, VERSION


@dataclass(frozen=True, slots=True)
class ApiResource:
    """Group, version and plural of a kind."""

    kind: str
    group: str
    version: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """The apiVersion of its manifests."""
        return f"{self.group}/{self.version}" if self.group else self.version


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

_CUSTOM = tuple(ApiResource(kind.name, GROUP, VERSION, kind.plural) for kind in KINDS)

RESOURCES: Mapping[str, ApiResource] = {resource.kind: resource for resource in (*NATIVE, *_CUSTOM)}


def api_resource(kind: str) -> ApiResource:
    """The ApiResource of a kind; KeyError for a kind that Outfitter does not use."""
    return RESOURCES[kind]
