"""Reads of administration commands: any resource by its path, and reviews of rights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from outfitter.children import ApiResource
from outfitter.cluster.client import PAGE, path_of
from outfitter.cluster.transport import JSON, METADATA_LIST, Transport, parsed
from outfitter.errors import NotFound

_ADMISSION: Final = "admissionregistration.k8s.io"
_RBAC: Final = "rbac.authorization.k8s.io"
_MONITORING: Final = "monitoring.coreos.com"

CRD: Final = ApiResource(
    "CustomResourceDefinition", "apiextensions.k8s.io", "v1", "customresourcedefinitions", namespaced=False
)
DEPLOYMENT: Final = ApiResource("Deployment", "apps", "v1", "deployments")
INGRESS_CLASS: Final = ApiResource("IngressClass", "networking.k8s.io", "v1", "ingressclasses", namespaced=False)
NAMESPACE: Final = ApiResource("Namespace", "", "v1", "namespaces", namespaced=False)
NODE: Final = ApiResource("Node", "", "v1", "nodes", namespaced=False)
QUOTA: Final = ApiResource("ResourceQuota", "", "v1", "resourcequotas")
STORAGE_CLASS: Final = ApiResource("StorageClass", "storage.k8s.io", "v1", "storageclasses", namespaced=False)
VALIDATING: Final = ApiResource(
    "ValidatingAdmissionPolicy", _ADMISSION, "v1", "validatingadmissionpolicies", namespaced=False
)
VALIDATING_BINDING: Final = ApiResource(
    "ValidatingAdmissionPolicyBinding", _ADMISSION, "v1", "validatingadmissionpolicybindings", namespaced=False
)
MUTATING: Final = ApiResource(
    "MutatingAdmissionPolicy", _ADMISSION, "v1", "mutatingadmissionpolicies", namespaced=False
)
MUTATING_BINDING: Final = ApiResource(
    "MutatingAdmissionPolicyBinding", _ADMISSION, "v1", "mutatingadmissionpolicybindings", namespaced=False
)
RELEASE: Final[tuple[ApiResource, ...]] = (
    # Bindings first: without one, a policy judges nothing.
    VALIDATING_BINDING,
    MUTATING_BINDING,
    VALIDATING,
    MUTATING,
    ApiResource("ServiceMonitor", _MONITORING, "v1", "servicemonitors"),
    ApiResource("PrometheusRule", _MONITORING, "v1", "prometheusrules"),
    ApiResource("NetworkPolicy", "networking.k8s.io", "v1", "networkpolicies"),
    ApiResource("PodDisruptionBudget", "policy", "v1", "poddisruptionbudgets"),
    ApiResource("Service", "", "v1", "services"),
    ApiResource("ConfigMap", "", "v1", "configmaps"),
    ApiResource("StatefulSet", "apps", "v1", "statefulsets"),
    ApiResource("PriorityClass", "scheduling.k8s.io", "v1", "priorityclasses", namespaced=False),
    ApiResource("ClusterRoleBinding", _RBAC, "v1", "clusterrolebindings", namespaced=False),
    ApiResource("RoleBinding", _RBAC, "v1", "rolebindings"),
    ApiResource("ClusterRole", _RBAC, "v1", "clusterroles", namespaced=False),
    ApiResource("Role", _RBAC, "v1", "roles"),
    ApiResource("ServiceAccount", "", "v1", "serviceaccounts"),
    # Last: an interrupted removal finds the installation by it.
    DEPLOYMENT,
)
"""The kinds of which the chart creates objects, in the order of their removal."""


class Reader:
    """Reads with the rights of the user. Forbidden is raised; what does not exist is None or an empty list."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    @property
    def server(self) -> str:
        """The address of the API server."""
        return self.transport.auth.server

    async def get(self, path: str) -> dict[str, Any] | None:
        """Return the answer for a path."""
        try:
            return parsed(await self.transport.request("GET", path))
        except NotFound:
            return None

    async def object(self, resource: ApiResource, name: str, namespace: str = "") -> dict[str, Any] | None:
        """Return one object."""
        return await self.get(path_of(resource, namespace, name))

    async def items(
        self, resource: ApiResource, namespace: str = "", *, labels: str = "", metadata_only: bool = False
    ) -> list[dict[str, Any]]:
        """Return all objects, in one namespace or everywhere; none of a kind that is not served."""
        query = {"limit": str(PAGE)} | ({"labelSelector": labels} if labels else {})
        found: list[dict[str, Any]] = []
        while True:
            path = f"{path_of(resource, namespace)}?{urlencode(query)}"
            try:
                accept = METADATA_LIST if metadata_only else JSON
                page = parsed(await self.transport.request("GET", path, accept=accept))
            except NotFound:
                return found
            found += ({**item, "kind": resource.kind} for item in page.get("items") or ())
            token = (page.get("metadata") or {}).get("continue")
            if not token:
                return found
            query["continue"] = token

    async def groups(self) -> frozenset[str]:
        """Return the API groups that the server serves."""
        found = await self.get("/apis") or {}
        return frozenset(group["name"] for group in found.get("groups") or ())

    async def serves(self, resource: ApiResource) -> bool:
        """Return whether the server serves a kind."""
        found = await self.get(f"/apis/{resource.api_version}") or {}
        return any(item["name"] == resource.plural for item in found.get("resources") or ())

    async def may(self, attributes: Mapping[str, str], user: str = "", groups: tuple[str, ...] = ()) -> bool:
        """Return whether the user of the kubeconfig, or another one, has a right."""
        kind = "SubjectAccessReview" if user else "SelfSubjectAccessReview"
        spec: dict[str, Any] = {"resourceAttributes": dict(attributes)}
        if user:
            spec |= {"user": user, "groups": list(groups)}
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}
        path = f"/apis/authorization.k8s.io/v1/{kind.lower()}s"
        answer = parsed(await self.transport.request("POST", path, body))
        return bool((answer.get("status") or {}).get("allowed"))
