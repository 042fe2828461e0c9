"""The ValidatingAdmissionPolicy that checks the own rights of the requester: no user gains rights through Outfitter.

Each check of a right costs a third of what one expression may cost the API server: hence one expression for each.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, get_args

from pydantic.alias_generators import to_camel

from outfitter.api.base import Model
from outfitter.api.refs import ObjectRef
from outfitter.api.v1alpha1 import GROUP, KINDS
from outfitter.codegen.admission.deletion import EXEMPT, OPERATOR
from outfitter.render.artifactrepository import RBAC, SHARE

VERB: Final = "elevate"
MOST: Final = 8
"""Secrets that are checked one by one; a user who names more needs the right to read all of the namespace."""
_RUNS: Final = ("inferences", "nimcaches", "workspaces")  # environments and artifacts only with spec.run

Path = tuple[str, ...]


def secret_paths() -> list[Path]:
    """Every field below spec that names a Secret of the namespace; `[]` ends the name of a list."""
    found = {path for kind in KINDS for path in _walk(kind.model.model_fields["spec"].annotation)}
    return sorted(found)


def _walk(model: Any) -> Iterator[Path]:
    if not (isinstance(model, type) and issubclass(model, Model)):
        return
    if issubclass(model, ObjectRef) and model.TARGET == "Secret":
        yield ("name",)
        return
    yield from ((to_camel(name),) for name, kind in model.REFERS.items() if kind == "Secret")
    for name, field in model.model_fields.items():
        if name in model.without():
            continue
        for part, many in _models(field.annotation, many=False):
            here = to_camel(name) + ("[]" if many else "")
            yield from ((here, *rest) for rest in _walk(part))


def _models(annotation: Any, *, many: bool) -> Iterator[tuple[Any, bool]]:
    """The models in an annotation, and whether they are items of a list."""
    if isinstance(annotation, type) and not get_args(annotation):
        yield annotation, many
        return
    many = many or getattr(annotation, "__origin__", None) is tuple
    for part in get_args(annotation):
        yield from _models(part, many=many)


def _present(start: str, path: Path) -> str:
    """CEL: whether every step of a path is there."""
    steps = [".".join((start, *path[: number + 1])) for number in range(len(path))]
    return " && ".join(f"has({step})" for step in steps)


def names(path: Path) -> str:
    """CEL: the list of names at one path of the spec, which goes through at most one list."""
    spots = [number for number, step in enumerate(path) if step.endswith("[]")]
    if not spots:
        return f"({_present('object.spec', path)} ? [object.spec.{'.'.join(path)}] : [])"
    (spot,) = spots
    outer, inner = (*path[:spot], path[spot].removesuffix("[]")), path[spot + 1 :]
    items = f"object.spec.{'.'.join(outer)}"
    return (
        f"({_present('object.spec', outer)} ? {items}.filter(i, {_present('i', inner)})"
        f".map(i, i.{'.'.join(inner)}) : [])"
    )


_SECURITY: Final = (
    "has(object.spec.security.hostIpc) && object.spec.security.hostIpc",
    "has(object.spec.security.hostNetwork) && object.spec.security.hostNetwork",
    "has(object.spec.security.allowPrivilegeEscalation) && object.spec.security.allowPrivilegeEscalation",
    "has(object.spec.security.seccompProfileType) && object.spec.security.seccompProfileType == 'Unconfined'",
    "has(object.spec.security.capabilities) && object.spec.security.capabilities.exists(c, c != 'NET_BIND_SERVICE')",
)
_CONTEXT: Final = (
    "has(c.securityContext.allowPrivilegeEscalation) && c.securityContext.allowPrivilegeEscalation",
    "has(c.securityContext.seccompProfile) && c.securityContext.seccompProfile.type == 'Unconfined'",
    "has(c.securityContext.capabilities) && has(c.securityContext.capabilities.add) && "
    "c.securityContext.capabilities.add.exists(a, a != 'NET_BIND_SERVICE')",
)
_APPARMOR: Final = "container.apparmor.security.beta.kubernetes.io/"


def _any(conditions: tuple[str, ...]) -> str:
    return " || ".join(f"({condition})" for condition in conditions)


def _elevated() -> str:
    """CEL: whether the object itself asks for what goes beyond Pod Security restricted."""
    probes = tuple(
        f"has(c.{name}) && has(c.{name}.host)" for name in ("startupProbe", "readinessProbe", "livenessProbe")
    )
    container = _any((f"has(c.securityContext) && ({_any(_CONTEXT)})", *probes))
    probe = ("probes", "readiness", "handler", "httpGet", "host")
    return _any(
        (
            f"has(object.spec.security) && ({_any(_SECURITY)})",
            "has(object.spec.hostPath)",
            "has(object.spec.storage) && has(object.spec.storage.hostPath) && object.spec.storage.hostPath.size() > 0",
            f"has(object.spec.containerGroups) && object.spec.containerGroups.exists(g, has(g.containers) && "
            f"g.containers.exists(c, {container}))",
            _present("object.spec", probe),
            "has(object.spec.annotations) && object.spec.annotations.exists(a, has(a.name) && "
            f"a.name.startsWith('{_APPARMOR}') && has(a.value) && a.value != 'runtime/default')",
        )
    )


def _secret_checks() -> Iterator[dict[str, Any]]:
    right = "authorizer.group('').resource('secrets').namespace(request.namespace)"
    for number in range(MOST):
        name = f"variables.secrets[{number}]"
        yield {
            "expression": f"variables.secrets.size() <= {number} || variables.readsAll || "
            f"{right}.name({name}).check('get').allowed()",
            "reason": "Forbidden",
            "messageExpression": f"'Secret ' + {name} + ' is named, which you may not read yourself: you need the verb "
            "get on it in namespace ' + request.namespace",
            "message": "a Secret is named that you may not read yourself",
        }
    yield {
        "expression": f"variables.secrets.size() <= {MOST} || variables.readsAll",
        "reason": "Forbidden",
        "message": f"more than {MOST} Secrets are named: you need the verb get on all Secrets of the namespace",
    }


def _shared(side: str) -> str:
    """CEL: the sharedRoles of an ArtifactRepository; none where there are none. `side`: object or oldObject."""
    return f"({side} != null && has({side}.spec.sharedRoles) ? {side}.spec.sharedRoles : [])"


def _sharing() -> Iterator[dict[str, Any]]:
    """Variables: whether the list changes, and whether the requester could write such Roles and bindings himself."""
    changed = f"{_shared('object')} != {_shared('oldObject')}"
    yield {
        "name": "shares",
        "expression": f"request.resource.resource == 'artifactrepositories' && {changed}",
    }
    right = "authorizer.group('{}').resource('{}').namespace(request.namespace).check('{}').allowed()"
    yield {"name": "bindsRoles", "expression": right.format(RBAC, "rolebindings", "create")}
    held = (right.format(GROUP, "artifacts", verb) for verb in ("update", "delete"))
    yield {"name": "ownsArtifacts", "expression": " && ".join(held)}


def _sharing_check() -> dict[str, Any]:
    """A user who shares a repository grants rights: allowed for role binders and owners of the repository."""
    told = f"verb {SHARE} on it, or create on rolebindings, and update and delete on artifacts,"
    return {
        "expression": "!variables.shares || (variables.bindsRoles && variables.ownsArtifacts) || "
        f"authorizer.group('{GROUP}').resource('artifactrepositories').namespace(request.namespace)"
        f".name(object.metadata.name).check('{SHARE}').allowed()",
        "reason": "Forbidden",
        "messageExpression": "'sharedRoles of ArtifactRepository ' + object.metadata.name + ' hands out rights: you "
        f"need the {told} in namespace ' + request.namespace",
        "message": f"sharedRoles hands out rights: you need the {told} in this namespace",
    }


def policy_spec() -> dict[str, Any]:
    """The spec of the policy."""
    exempt = ", ".join(f"'{name}'" for name in (*EXEMPT, OPERATOR))
    running = ", ".join(f"'{plural}'" for plural in _RUNS)
    inside = "namespace(request.namespace)"
    return {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "resourceRules": [
                {
                    "apiGroups": [GROUP],
                    "apiVersions": ["*"],
                    "operations": ["CREATE", "UPDATE"],
                    "resources": sorted(kind.plural for kind in KINDS),
                }
            ]
        },
        "matchConditions": [
            {"name": "a-person-or-tool", "expression": f"!(request.userInfo.username in [{exempt}])"},
            {"name": "changed", "expression": "oldObject == null || object.spec != oldObject.spec"},
        ],
        "variables": [
            {
                "name": "runs",
                "expression": f"request.resource.resource in [{running}] || has(object.spec.run)",
            },
            *({"name": f"named{number}", "expression": names(path)} for number, path in enumerate(secret_paths())),
            {
                "name": "secrets",
                "expression": " + ".join(f"variables.named{number}" for number in range(len(secret_paths()))),
            },
            {
                "name": "readsAll",
                "expression": f"authorizer.group('').resource('secrets').{inside}.check('get').allowed()",
            },
            {"name": "elevated", "expression": _elevated()},
            *_sharing(),
        ],
        "validations": [
            {
                "expression": "!variables.runs || "
                f"authorizer.group('').resource('pods').{inside}.check('create').allowed()",
                "reason": "Forbidden",
                "messageExpression": "object.kind + ' ' + object.metadata.name + ' runs pods: you need the verb create "
                "on pods in namespace ' + request.namespace",
                "message": "it runs pods, which you may not create yourself",
            },
            *_secret_checks(),
            _sharing_check(),
            {
                "expression": "!variables.elevated || "
                f"authorizer.group('{GROUP}').resource(request.resource.resource).{inside}.check('{VERB}').allowed()",
                "reason": "Forbidden",
                "messageExpression": "object.kind + ' ' + object.metadata.name + ' asks for more than Pod Security "
                f"restricted allows: you need the verb {VERB} on ' + request.resource.resource + '.{GROUP} in namespace"
                " ' + request.namespace",
                "message": f"it is elevated: you need the verb {VERB}",
            },
        ],
    }
