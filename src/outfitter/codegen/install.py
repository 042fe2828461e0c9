"""deploy/install.yaml: what the chart renders with its default values, without Helm, from the same values and rules."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from outfitter.codegen.admission.deletion import OPERATOR, binding_spec
from outfitter.codegen.admission.policies import POLICIES
from outfitter.codegen.chart import FIELD_SETTINGS, LEASE_NAME, WATCH_NAMESPACES, camel, rules, variable
from outfitter.codegen.crd import all_crds
from outfitter.settings import Settings

Manifest = dict[str, Any]

NAME: Final = "outfitter"
NAMESPACE: Final = "outfitter-system"
_SELECTOR: Final = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/instance": NAME}
_RBAC: Final = "rbac.authorization.k8s.io"


def objects(values: Mapping[str, Any], chart: Mapping[str, Any]) -> list[Manifest]:
    """Every object, in the order in which they can be created: namespace, CRDs, account, roles, service, deployment."""
    labels = {**_SELECTOR, "app.kubernetes.io/version": chart["appVersion"], "app.kubernetes.io/part-of": NAME}
    return [
        _namespace(),
        *all_crds().values(),
        _object("v1", "ServiceAccount", NAME, labels, {"automountServiceAccountToken": False}),
        *_roles(values, labels),
        *(item for name in POLICIES if values["admission"][name]["enabled"] for item in _policy(name, labels)),
        _service(values, labels),
        _deployment(values, chart, labels),
    ]


def _object(
    api: str, kind: str, name: str, labels: Mapping[str, str], rest: Mapping[str, Any], *, wide: bool = False
) -> Manifest:
    namespace = {} if wide else {"namespace": NAMESPACE}
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, **namespace, "labels": dict(labels)}, **rest}


def _namespace() -> Manifest:
    levels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": levels}}


def _roles(values: Mapping[str, Any], labels: Mapping[str, str]) -> list[Manifest]:
    known, api = rules(), f"{_RBAC}/v1"
    system = [_with_lease(rule, values["settings"]["leaseName"]) for rule in known["system"]]
    wide = known["cluster"] + (known["volumes"] if values["settings"]["staticPvDrivers"] else [])
    wide += known["roles"] if values["settings"]["sharedRoles"] else []
    people = {
        "view": {**labels, f"{_RBAC}/aggregate-to-view": "true"},
        "edit": {**labels, f"{_RBAC}/aggregate-to-edit": "true", f"{_RBAC}/aggregate-to-admin": "true"},
    }
    return [
        _object(api, "ClusterRole", NAME, labels, {"rules": wide}, wide=True),
        _object(api, "ClusterRoleBinding", NAME, labels, _binding("ClusterRole", NAME), wide=True),
        _object(api, "Role", f"{NAME}-election", labels, {"rules": system}),
        _object(api, "RoleBinding", f"{NAME}-election", labels, _binding("Role", f"{NAME}-election")),
        *(
            _object(api, "ClusterRole", f"{NAME}-{role}", has, {"rules": known[role]}, wide=True)
            for role, has in people.items()
        ),
    ]


def _policy(which: str, labels: Mapping[str, str]) -> list[Manifest]:
    api, name = "admissionregistration.k8s.io/v1", f"{NAME}-{which}"
    spec = json.loads(json.dumps(POLICIES[which]()).replace(OPERATOR, f"system:serviceaccount:{NAMESPACE}:{NAME}"))
    return [
        _object(api, "ValidatingAdmissionPolicy", name, labels, {"spec": spec}, wide=True),
        _object(api, "ValidatingAdmissionPolicyBinding", name, labels, {"spec": binding_spec(name)}, wide=True),
    ]


def _with_lease(rule: Mapping[str, Any], name: str) -> dict[str, Any]:
    names = [name if item == LEASE_NAME else item for item in rule.get("resourceNames", ())]
    return {**rule, **({"resourceNames": names} if names else {})}


def _binding(kind: str, name: str) -> Manifest:
    return {
        "roleRef": {"apiGroup": _RBAC, "kind": kind, "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}],
    }


def _service(values: Mapping[str, Any], labels: Mapping[str, str]) -> Manifest:
    port = {"name": "http", "port": values["settings"]["probePort"], "targetPort": "http", "protocol": "TCP"}
    return _object("v1", "Service", f"{NAME}-metrics", labels, {"spec": {"selector": dict(_SELECTOR), "ports": [port]}})


def _deployment(values: Mapping[str, Any], chart: Mapping[str, Any], labels: Mapping[str, str]) -> Manifest:
    pod = {
        "serviceAccountName": NAME,
        "automountServiceAccountToken": True,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 30,
        "securityContext": values["podSecurityContext"],
        "containers": [_container(values, chart)],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "16Mi"}}],
    }
    spec = {
        "replicas": values["replicaCount"],
        "revisionHistoryLimit": 3,
        "selector": {"matchLabels": dict(_SELECTOR)},
        "template": {"metadata": {"labels": dict(labels)}, "spec": pod},
    }
    return _object("apps/v1", "Deployment", NAME, labels, {"spec": spec})


def _container(values: Mapping[str, Any], chart: Mapping[str, Any]) -> Manifest:
    image = values["image"]

    def probe(path: str, period: int, failures: int) -> Manifest:
        get = {"path": path, "port": "http"}
        return {"httpGet": get, "periodSeconds": period, "timeoutSeconds": 5, "failureThreshold": failures}

    return {
        "name": NAME,
        "image": f"{image['repository']}:{image['tag'] or chart['appVersion']}",
        "imagePullPolicy": image["pullPolicy"],
        "args": ["run"],
        "env": environment(values),
        "ports": [{"name": "http", "containerPort": values["settings"]["probePort"], "protocol": "TCP"}],
        "livenessProbe": probe("/healthz", 20, 3),
        "readinessProbe": probe("/readyz", 5, 3),
        "resources": values["resources"],
        "securityContext": values["securityContext"],
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - a volume of the pod, not of this machine
    }


def environment(values: Mapping[str, Any]) -> list[Manifest]:
    """The container's environment: every setting."""
    result: list[Manifest] = []
    for name in Settings.model_fields:
        if name in FIELD_SETTINGS:
            entry: Manifest = {"valueFrom": {"fieldRef": {"fieldPath": FIELD_SETTINGS[name]}}}
        elif name == WATCH_NAMESPACES:
            entry = {"value": ",".join(values["watchNamespaces"])}
        else:
            entry = {"value": _text(values["settings"][camel(name)])}
        result.append({"name": variable(name), **entry})
    return result


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
