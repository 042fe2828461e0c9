"""The policy `operator`: what the operator's own account may write, which limits the damage if somebody takes it over.

RBAC gives the account rights on whole kinds. The policy allows only what Outfitter does with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from outfitter.api.v1alpha1 import DERIVED_KINDS, GROUP, KINDS
from outfitter.children import CHILD_KINDS
from outfitter.codegen.admission.exempt import OPERATOR_ACCOUNT
from outfitter.codegen.admission.namespace_labels import SYSTEM
from outfitter.naming import LABEL_ELEVATION, LABEL_ON_DEMAND, LABEL_OWNER_UID, SHARED_ROLE_PREFIX
from outfitter.policy.elevation import APPARMOR, FREE_CAPABILITIES, PROBES
from outfitter.render.artifactrepository import RBAC
from outfitter.render.credential import DOCKER_TYPE
from outfitter.render.volumes import CSI_NFS

_WRITING: Final = frozenset({"create", "delete", "patch", "update"})
_TEMPLATES: Final = ("deployments", "jobs", "statefulsets")
_ROLES: Final = ("Launcher", "Worker")
_CONTAINERS: Final = "(t.spec.containers + (has(t.spec.initContainers) ? t.spec.initContainers : []))"
_VOLUMES_OF: Final = "(has(t.spec.volumes) ? t.spec.volumes : [])"
_NEVER_IN_PODS: Final = ("seLinuxOptions", "sysctls", "appArmorProfile", "windowsOptions")
_VOLUMES: Final = (
    "configMap",
    "downwardAPI",
    "emptyDir",
    "image",
    "nfs",
    "persistentVolumeClaim",
    "projected",
    "secret",
)
_DERIVED: Final = tuple(kind.plural for kind in DERIVED_KINDS)
_EXPIRING: Final = tuple(kind.plural for kind in KINDS if kind.expires)
_SHARED_KINDS: Final = ["artifactrepositories", "artifacts"]
_WHAT: Final = "request.operation + ' of ' + request.resource.resource + ' ' + request.name"


def policy_spec() -> dict[str, Any]:
    """Return the spec of the policy."""
    return {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": list(_rules())},
        "matchConditions": [
            {"name": "the-operator", "expression": f"request.userInfo.username == '{OPERATOR_ACCOUNT}'"}
        ],
        "variables": list(_variables()),
        "validations": list(_validations()),
    }


def resources() -> list[tuple[str, str]]:
    """Return group and plural of every kind that the account may write, by RBAC."""
    children = [(kind.group, kind.plural) for kind in CHILD_KINDS if _WRITING & set(kind.verbs)]
    return sorted({*children, *((GROUP, kind.plural) for kind in KINDS)})


def _rules() -> Iterator[dict[str, Any]]:
    groups = sorted({group for group, _ in resources()})
    for group in groups:
        yield {
            "apiGroups": [group],
            "apiVersions": ["*"],
            "operations": ["CREATE", "UPDATE", "DELETE"],
            "resources": [plural for each, plural in resources() if each == group],
        }


def _is(*plurals: str) -> str:
    return f"request.resource.resource in {list(plurals)}"


def _labelled(side: str, label: str) -> str:
    return f"(has({side}.metadata.labels) && '{label}' in {side}.metadata.labels)"


def _owned(side: str) -> str:
    """CEL: whether an object carries our label, or one of our objects controls it. `side` is object or oldObject."""
    owners = f"{side}.metadata.ownerReferences"
    controlled = f"(has({owners}) && {owners}.exists(o, o.apiVersion.startsWith('{GROUP}/')))"
    return f"({_labelled(side, LABEL_OWNER_UID)} || {_labelled(side, LABEL_ON_DEMAND)} || {controlled})"


def _expired() -> str:
    """CEL: whether the request deletes an object whose time is over."""
    return f"request.operation == 'DELETE' && {_is(*_EXPIRING)}"


def _cascades() -> str:
    """CEL: whether the request deletes an artifact that was in a repository, and that nothing keeps."""
    spec, status = "oldObject.spec", "oldObject.status"
    kept = (
        f"has({spec}.locked) && {spec}.locked || has({spec}.run) || has({status}.version) || "
        f"has({status}.usedBy) && has({status}.usedBy.total) && {status}.usedBy.total > 0"
    )
    counted = f"has({status}) && has({status}.repositoryUid)"
    return f"request.operation == 'DELETE' && {_is('artifacts')} && {counted} && !({kept})"


def _variables() -> Iterator[dict[str, Any]]:
    yield {"name": "before", "expression": _templates("oldObject")}
    yield {"name": "now", "expression": _templates("object")}
    yield {"name": "templates", "expression": "variables.now.filter(t, !variables.before.exists(b, b == t))"}
    labels = "namespaceObject.metadata.labels"
    yield {
        "name": "mayElevate",
        "expression": f"namespaceObject != null && has({labels}) && '{LABEL_ELEVATION}' in {labels} && "
        f"{labels}['{LABEL_ELEVATION}'] == 'allowed'",
    }
    yield {"name": "elevated", "expression": _elevated()}


def _templates(side: str) -> str:
    """CEL: the pod templates of an object; none of a kind without pods."""
    roles = ", ".join(f"dyn({side}.spec.mpiReplicaSpecs.{role}.template)" for role in _ROLES)
    return (
        f"{side} == null ? [] : {_is(*_TEMPLATES)} ? [dyn({side}.spec.template)] : "
        f"{_is('jobsets')} ? {side}.spec.replicatedJobs.map(j, dyn(j.template.spec.template)) : "
        f"{_is('mpijobs')} ? [{roles}] : []"
    )


def _context(side: str) -> str:
    """CEL: whether a securityContext exceeds Pod Security level restricted."""
    context = f"{side}.securityContext"
    free = ", ".join(f"'{name}'" for name in sorted(FREE_CAPABILITIES))
    return (
        f"(has({context}) && ("
        f"(has({context}.privileged) && {context}.privileged) || "
        f"(has({context}.allowPrivilegeEscalation) && {context}.allowPrivilegeEscalation) || "
        f"has({context}.procMount) || has({context}.seLinuxOptions) || has({context}.appArmorProfile) || "
        f"has({context}.windowsOptions) || "
        f"(has({context}.seccompProfile) && {context}.seccompProfile.type == 'Unconfined') || "
        f"(has({context}.capabilities) && has({context}.capabilities.add) && "
        f"{context}.capabilities.add.exists(a, !(a in [{free}])))))"
    )


def _elevated() -> str:
    """CEL: the list of outfitter.policy.elevation, over each pod template that is new."""
    pod, meta = "t.spec", "t.metadata"
    hosts = [f"(has({pod}.{name}) && {pod}.{name})" for name in ("hostNetwork", "hostIPC", "hostPID")]
    seccomp = f"(has({pod}.securityContext) && has({pod}.securityContext.seccompProfile) && "
    handlers = [f"c.{name}" for name in PROBES]
    handlers += [f"c.lifecycle.{name}" for name in ("postStart", "preStop")]
    probes = []
    for handler in handlers:
        start = f"has(c.lifecycle) && has({handler})" if "lifecycle" in handler else f"has({handler})"
        probes += [
            f"({start} && has({handler}.{kind}) && has({handler}.{kind}.host) && {handler}.{kind}.host != '')"
            for kind in ("httpGet", "tcpSocket")
        ]
    parts = [
        *hosts,
        f"{seccomp}{pod}.securityContext.seccompProfile.type == 'Unconfined')",
        *(f"(has({pod}.securityContext) && has({pod}.securityContext.{name}))" for name in _NEVER_IN_PODS),
        *(f"has({pod}.{name})" for name in ("nodeName", "runtimeClassName", "hostAliases")),
        f"{_CONTAINERS}.exists(c, has(c.ports) && c.ports.exists(p, has(p.hostPort) && p.hostPort != 0))",
        f"{_VOLUMES_OF}.exists(v, {' && '.join(f'!has(v.{kind})' for kind in _VOLUMES)} && "
        f"!(has(v.csi) && v.csi.driver == '{CSI_NFS}'))",
        f"{_VOLUMES_OF}.exists(v, has(v.hostPath))",
        f"{_CONTAINERS}.exists(c, {_context('c')})",
        *(f"{_CONTAINERS}.exists(c, {probe})" for probe in probes),
        f"(has({meta}) && has({meta}.annotations) && {meta}.annotations.exists(k, k.startsWith('{APPARMOR}') && "
        f"{meta}.annotations[k] != 'runtime/default'))",
    ]
    return f"variables.templates.exists(t, {' || '.join(parts)})"


def _validations() -> Iterator[dict[str, Any]]:
    system = ", ".join(f"'{name}'" for name in SYSTEM)
    yield _check(
        f"!has(request.namespace) || !(request.namespace in [{system}])",
        "the operator writes nothing in the namespaces of Kubernetes",
    )
    yield _check(
        f"object == null || oldObject != null || {_is('events', *_DERIVED)} || {_owned('object')}",
        "the operator labels everything that it creates",
    )
    yield _check(
        f"oldObject == null || {_is(*_DERIVED)} || {_expired()} || {_cascades()} || {_owned('oldObject')}",
        "the operator changes and deletes only what it made",
    )
    yield _check(
        f"request.resource.group != '{GROUP}' || {_is(*_DERIVED)} || {_expired()} || {_cascades()} || "
        f"request.operation == 'DELETE' && {_labelled('oldObject', LABEL_ON_DEMAND)} || "
        f"request.operation == 'CREATE' && {_labelled('object', LABEL_ON_DEMAND)}",
        "the operator creates and deletes custom resources on demand only, deletes ImageQueries and artifacts that "
        "nothing keeps, and never changes one but EffectivePolicies",
    )
    yield _check(
        "variables.templates.all(t, has(t.spec.automountServiceAccountToken) && "
        "!t.spec.automountServiceAccountToken && "
        "(!has(t.spec.serviceAccountName) || t.spec.serviceAccountName in ['', 'default']) && "
        f"!{_VOLUMES_OF}.exists(v, has(v.projected) && has(v.projected.sources) && "
        "v.projected.sources.exists(s, has(s.serviceAccountToken))))",
        "the pods of the operator have no account of their own and no token",
    )
    yield _check(
        "!variables.elevated || variables.mayElevate",
        f"pods beyond Pod Security level restricted need label {LABEL_ELEVATION}=allowed on the Namespace",
    )
    yield _check(
        f"!({_is('secrets')}) || object == null || !has(object.type) || object.type in ['Opaque', '{DOCKER_TYPE}']",
        "the operator writes Secrets of type Opaque and of image registries only",
    )
    yield _check(
        f"!({_is('services')}) || object == null || ((!has(object.spec.externalIPs) || "
        "object.spec.externalIPs.size() == 0) && (!has(object.spec.type) || object.spec.type != 'ExternalName'))",
        "the operator claims no external addresses and names",
    )
    yield _check(
        f"!({_is('persistentvolumes')}) || object == null || has(object.spec.csi)",
        "the operator creates volumes of CSI drivers only",
    )
    ours = f"startsWith('{SHARED_ROLE_PREFIX}')"
    inside = (
        f"object.rules.all(r, has(r.apiGroups) && r.apiGroups == ['{GROUP}'] && has(r.resources) && "
        f"r.resources.all(x, x in {_SHARED_KINDS}))"
    )
    role = f"!has(object.rules) || object.rules == null || {inside}"
    binding = f"object.roleRef.kind == 'Role' && object.roleRef.name.{ours}"
    yield _check(
        f"request.resource.group != '{RBAC}' || object == null || "
        f"(object.metadata.name.{ours} && ({_is('roles')} ? ({role}) : {binding}))",
        "the operator grants rights on artifacts only",
    )


def _check(expression: str, message: str) -> dict[str, Any]:
    return {
        "expression": expression,
        "reason": "Forbidden",
        "messageExpression": f"{_WHAT} + ': {message}.'",
        "message": message,
    }
