"""Admission policies of a company, for one namespace each: they change or reject what the operator writes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .client import Object, eventually
from .space import Space

PROBE = "policy-probe"
GROUPS = {
    "statefulsets": "apps",
    "deployments": "apps",
    "ingresses": "networking.k8s.io",
    "secrets": "",
    "services": "",
}


@contextmanager
def mutating(space: Space, resource: str, patch: str, condition: str = "true") -> Iterator[None]:
    """Change every object of a resource by the JSON patch of a CEL expression."""
    spec = {
        "reinvocationPolicy": "Never",
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": patch}}],
        "matchConditions": [{"name": "concerned", "expression": condition}],
    }
    with _policy(space, "Mutating", resource, spec, {}):
        yield


@contextmanager
def validating(space: Space, resource: str, expression: str, message: str) -> Iterator[None]:
    """Reject every object of a resource for which a CEL expression does not hold."""
    spec = {"validations": [{"expression": expression, "message": message}]}
    with _policy(space, "Validating", resource, spec, {"validationActions": ["Deny"]}):
        yield


@contextmanager
def _policy(space: Space, type_: str, resource: str, spec: Object, binding: Object) -> Iterator[None]:
    api, name = space.api, f"{space.name}-{resource}"
    rules: list[dict[str, Any]] = [
        {"apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": [plural]}
        for group, plural in ((GROUPS[resource], resource), ("", "configmaps"))
    ]
    kind = f"{type_}AdmissionPolicy"
    only = {"name": "probe", "expression": f"object.kind != 'ConfigMap' || object.metadata.name == '{PROBE}'"}
    conditions = [*spec.pop("matchConditions", ()), only]
    whole = {"failurePolicy": "Fail", "matchConstraints": {"resourceRules": rules}, **spec}
    whole["matchConditions"] = conditions
    where = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": space.name}}}
    api.create({"kind": kind, "metadata": {"name": name}, "spec": whole})
    api.create(
        {
            "kind": f"{kind}Binding",
            "metadata": {"name": name},
            "spec": {"policyName": name, "matchResources": where, **binding},
        }
    )
    eventually(lambda: _active(space), what=f"{kind} {name} has no effect")
    try:
        yield
    finally:
        api.delete(f"{kind}Binding", "", name)
        api.delete(kind, "", name)


def _active(space: Space) -> bool:
    """Whether the API server knows a policy: it rejects or changes a ConfigMap that is only tried."""
    probe = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": PROBE}, "data": {"a": "b"}}
    path = f"/api/v1/namespaces/{space.name}/configmaps?dryRun=All"
    status, answer = space.api.connection.answer("POST", path, probe)
    return status != 201 or answer["data"] != probe["data"]
