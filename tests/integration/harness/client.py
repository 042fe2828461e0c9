"""A blocking reader of the real API server for scenarios: short calls, and waiting that is a watch with a deadline."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import yaml

from outfitter.children import ApiResource
from outfitter.cluster.client import path_of
from outfitter.cluster.resources import RESOURCES
from outfitter.errors import ApiError, NotFound
from outfitter_sandbox import Sandbox

Object = dict[str, Any]
Predicate = Callable[[Any], object]
MERGE = "application/merge-patch+json"
DEADLINE = 30.0
_MORE = {
    "ServiceAccount": ApiResource("ServiceAccount", "", "v1", "serviceaccounts"),
    "LimitRange": ApiResource("LimitRange", "", "v1", "limitranges"),
    "ResourceQuota": ApiResource("ResourceQuota", "", "v1", "resourcequotas"),
    "NetworkPolicy": ApiResource("NetworkPolicy", "networking.k8s.io", "v1", "networkpolicies"),
    "Node": ApiResource("Node", "", "v1", "nodes", namespaced=False),
    "CustomResourceDefinition": ApiResource(
        "CustomResourceDefinition", "apiextensions.k8s.io", "v1", "customresourcedefinitions", namespaced=False
    ),
    "JobSet": ApiResource("JobSet", "jobset.x-k8s.io", "v1alpha2", "jobsets"),
    "PersistentVolume": ApiResource("PersistentVolume", "", "v1", "persistentvolumes", namespaced=False),
    "GitRepository": ApiResource("GitRepository", "source.toolkit.fluxcd.io", "v1", "gitrepositories"),
    "Kustomization": ApiResource("Kustomization", "kustomize.toolkit.fluxcd.io", "v1", "kustomizations"),
    "StorageClass": ApiResource("StorageClass", "storage.k8s.io", "v1", "storageclasses", namespaced=False),
    **{
        kind: ApiResource(kind, "admissionregistration.k8s.io", "v1", plural, namespaced=False)
        for kind, plural in (
            ("MutatingAdmissionPolicy", "mutatingadmissionpolicies"),
            ("MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings"),
            ("ValidatingAdmissionPolicy", "validatingadmissionpolicies"),
            ("ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings"),
        )
    },
    "ClusterRole": ApiResource("ClusterRole", "rbac.authorization.k8s.io", "v1", "clusterroles", namespaced=False),
    "ClusterRoleBinding": ApiResource(
        "ClusterRoleBinding", "rbac.authorization.k8s.io", "v1", "clusterrolebindings", namespaced=False
    ),
}


def resource_of(kind: str) -> ApiResource:
    return RESOURCES.get(kind) or _MORE[kind]


class Api:
    """Calls with the admin's rights."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.connection = sandbox.connection()

    def create(self, manifest: Object) -> Object:
        """POST in strict mode, as kubectl does."""
        res = resource_of(manifest["kind"])
        body = {"apiVersion": res.api_version, **manifest}
        path = path_of(res, manifest["metadata"].get("namespace", ""))
        return self._object(self.connection.request("POST", f"{path}?fieldValidation=Strict", body), manifest["kind"])

    def apply(self, manifest: Object) -> Object:
        """Server-side apply, as `kubectl apply --server-side` does."""
        res, meta = resource_of(manifest["kind"]), manifest["metadata"]
        path = path_of(res, meta.get("namespace", ""), meta["name"])
        query = "?fieldManager=kubectl&force=true&fieldValidation=Strict"
        body = {"apiVersion": res.api_version, **manifest}
        return self._object(
            self.connection.request("PATCH", path + query, body, "application/apply-patch+yaml"), manifest["kind"]
        )

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        try:
            return self._object(self.connection.request("GET", path_of(resource_of(kind), namespace, name)), kind)
        except NotFound:
            return None

    def need(self, kind: str, namespace: str, name: str) -> Object:
        found = self.get(kind, namespace, name)
        assert found is not None, f"there is no {kind} {namespace}/{name}"
        return found

    def list(self, kind: str, namespace: str = "", **query: str) -> list[Object]:
        path = path_of(resource_of(kind), namespace)
        answer = self.connection.request("GET", f"{path}?{urlencode(query)}")
        return [self._object(item, kind) for item in answer["items"]]

    def patch(self, kind: str, namespace: str, name: str, body: Any, *, sub: str = "", type_: str = MERGE) -> Object:
        path = path_of(resource_of(kind), namespace, name) + (f"/{sub}" if sub else "")
        return self._object(self.connection.request("PATCH", path, body, type_), kind)

    def delete(self, kind: str, namespace: str, name: str, **options: Any) -> None:
        self.connection.request("DELETE", path_of(resource_of(kind), namespace, name), options or None)

    def wait(self, kind: str, namespace: str, name: str, done: Predicate, seconds: float = DEADLINE) -> Any:
        """The object as it was when `done` held (None: it was gone); fails with the last sight after `seconds`."""
        deadline = time.monotonic() + seconds
        seen: Object | None = None
        while (left := deadline - time.monotonic()) > 0:
            for seen in self._sights(kind, namespace, name, left):
                if _holds(done, seen):
                    return seen
        text = yaml.safe_dump(_shown(seen), sort_keys=False) if seen else "it does not exist"
        raise AssertionError(f"{kind} {namespace}/{name}: not so within {seconds:.0f} s; last seen:\n{text}")

    def gone(self, kind: str, namespace: str, name: str, seconds: float = DEADLINE) -> None:
        self.wait(kind, namespace, name, lambda seen: seen is None, seconds)

    def events(self, path: str, seconds: float, selector: str = "", version: str = "") -> Iterator[Object]:
        """Watch events; ends when the server ends the watch or breaks it."""
        query = {"resourceVersion": version}
        if selector:
            query["fieldSelector"] = selector
        with contextlib.suppress(ApiError):
            yield from self.connection.watch(path, seconds, **query)

    def _sights(self, kind: str, namespace: str, name: str, seconds: float) -> Iterator[Object | None]:
        path, selector = path_of(resource_of(kind), namespace), f"metadata.name={name}"
        answer = self.connection.request("GET", f"{path}?{urlencode({'fieldSelector': selector})}")
        items = answer["items"]
        yield self._object(items[0], kind) if items else None
        for event in self.events(path, seconds, selector, answer["metadata"]["resourceVersion"]):
            if event["type"] == "ERROR":
                return
            yield None if event["type"] == "DELETED" else event["object"]

    @staticmethod
    def _object(item: Object, kind: str) -> Object:
        return {"kind": kind, **item}


def _holds(done: Predicate, seen: Object | None) -> bool:
    """Whether `done` holds; where it asks for a field that is not there (yet), it does not."""
    try:
        return bool(done(seen))
    except (KeyError, TypeError, IndexError):
        return False


def _shown(item: Object) -> Object:
    meta = {key: value for key, value in item["metadata"].items() if key != "managedFields"}
    return {**item, "metadata": meta}


def eventually(look: Callable[[], Any], done: Predicate = bool, seconds: float = DEADLINE, what: str = "") -> Any:
    """What `look` saw when `done` held: for what no watch shows, such as metrics and logs."""
    deadline = time.monotonic() + seconds
    while not done(seen := look()):
        assert time.monotonic() < deadline, f"{what or 'not so'} after {seconds:.0f} s; last seen: {seen}"
        time.sleep(0.03)  # between two looks, not a synchronisation
    return seen


# -- what a status says ------------------------------------------------------------------------------------------------


def condition(item: Object | None, kind: str) -> Object:
    conditions = ((item or {}).get("status") or {}).get("conditions") or ()
    return next((each for each in conditions if each["type"] == kind), {})


def current(item: Object | None) -> bool:
    """Whether the status describes the spec as it is now."""
    return bool(item) and (item.get("status") or {}).get("observedGeneration") == item["metadata"]["generation"]


def ready(item: Object | None) -> bool:
    """What `kubectl wait --for=condition=Ready` waits for: True, and observed for this generation."""
    found = condition(item, "Ready")
    return (
        current(item)
        and found.get("status") == "True"
        and found["observedGeneration"] == item["metadata"]["generation"]
    )


def waits(reason: str) -> Predicate:
    """Not Ready for `reason`, and going on by itself when that ends."""

    def check(item: Object | None) -> bool:
        return (
            current(item) and condition(item, "Reconciling").get("reason") == reason and not condition(item, "Stalled")
        )

    return check


def stalls(reason: str) -> Predicate:
    """A person must act, for `reason`."""

    def check(item: Object | None) -> bool:
        return current(item) and condition(item, "Stalled").get("reason") == reason

    return check


def message(item: Object) -> str:
    return str(condition(item, "Ready").get("message", ""))
