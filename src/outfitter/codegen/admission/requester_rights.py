"""The policy `requester`: users need the rights that Outfitter uses on their behalf.

The API server limits the cost of one expression to about three checks of rights: hence one expression for each check.
One module: all checks are over the variables of one policy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from outfitter.api.v1alpha1 import GROUP, KINDS
from outfitter.api.v1alpha1.policyfields import SECTIONS, policy_fields
from outfitter.codegen.admission import created_kinds, logins, places, share, sharing
from outfitter.codegen.admission.exempt import SHARED_NAMESPACE, user_or_tool
from outfitter.codegen.admission.presence import has_value, has_values
from outfitter.codegen.model_fields import LIST, Path, model_fields, spec_fields
from outfitter.naming import ANNOTATION_RESTARTED_AT

VERB: Final = "elevate"
CHECKED_SECRETS: Final = 8
"""Secrets that are checked by name; an object that names more needs the right to read all of the namespace."""
RUNNING: Final = (
    "artifacts",
    "datasources",
    "distributedtrainings",
    "environments",
    "imagebuilds",
    "inferences",
    "nimcaches",
    "trainings",
    "workloadpolicies",
    "workloadtemplates",
    "workspaces",
)
"""Workloads, and what decides what workloads run at their next restart: a volume can hide a program."""
_INSIDE: Final = "namespace(request.namespace)"
_NAME: Final = "object.kind + ' ' + object.metadata.name"


def policy_spec() -> dict[str, Any]:
    """Return the spec of the policy."""
    return {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "resourceRules": [
                {
                    "apiGroups": [GROUP],
                    "apiVersions": ["*"],
                    "operations": ["CREATE", "UPDATE"],
                    "resources": resources(),
                }
            ]
        },
        "matchConditions": [
            user_or_tool(),
            {"name": "changed", "expression": f"{_EDITED} || {_RESTARTED} || {_REOWNED}"},
        ],
        "variables": [
            {"name": "edited", "expression": _EDITED},
            *places.variables(),
            _runs(),
            logins.variable(),
            *share.instead_of_pods(),
            *_secrets(),
            {"name": "policyNames", "expression": _policy_names()},
            {"name": "reowned", "expression": f"oldObject != null && {_REOWNED}"},
            {"name": "elevated", "expression": f"variables.edited && ({_elevated()})"},
            *created_kinds.variables(),
            *sharing.variables(),
            sharing.moving(),
        ],
        "validations": [
            _pods_check(),
            logins.check(),
            *_secret_checks(),
            _policy_secrets_check(),
            _config_map_check(),
            *created_kinds.checks(),
            sharing.check(),
            sharing.moving_check(),
            _owners_check(),
            _elevation_check(),
        ],
    }


def resources() -> list[str]:
    """Return the resources whose writes are checked: every kind, and its scale subresource."""
    scaled = (f"{kind.plural}/scale" for kind in KINDS if kind.model.SCALE)
    return sorted((*(kind.plural for kind in KINDS), *scaled))


def _restarted_at(side: str) -> str:
    """CEL: the value of the annotation that restarts a workload. `side` is object or oldObject."""
    annotations = f"{side}.metadata.annotations"
    return (
        f"({has_value(annotations)} && '{ANNOTATION_RESTARTED_AT}' in {annotations} ? "
        f"{annotations}['{ANNOTATION_RESTARTED_AT}'] : '')"
    )


def _owners(side: str) -> str:
    """CEL: the ownerReferences of an object, or an empty list. `side` is object or oldObject."""
    return f"(has({side}.metadata.ownerReferences) ? {side}.metadata.ownerReferences : [])"


_REOWNED: Final = f"{_owners('object')} != {_owners('oldObject')}"
_EDITED: Final = "oldObject == null || object.spec != oldObject.spec"
_RESTARTED: Final = f"{_restarted_at('object')} != {_restarted_at('oldObject')}"


def secret_paths() -> list[Path]:
    """Return every field below spec that names a Secret of the namespace; `[]` ends the name of a list."""
    return sorted({field.path for kind in KINDS for field in spec_fields(kind) if field.target == "Secret"})


def names(path: Path) -> str:
    """CEL: the list of names at one path of the spec, which contains at most one list."""
    lists = [number for number, step in enumerate(path) if step.endswith("[]")]
    if not lists:
        return f"({has_values('object.spec', path)} ? [object.spec.{'.'.join(path)}] : [])"
    (number,) = lists
    outer, inner = (*path[:number], path[number].removesuffix("[]")), path[number + 1 :]
    items, wanted = f"object.spec.{'.'.join(outer)}", has_values("i", inner)
    if outer[-1] == "imagePullSecrets":  # then the name is that of a Credential
        wanted += f" && !({has_value('i.userCredential')} && i.userCredential)"
    return f"({has_values('object.spec', outer)} ? {items}.filter(i, {wanted}).map(i, i.{'.'.join(inner)}) : [])"


_SECURITY: Final = (
    ("hostIpc", "{}"),
    ("hostNetwork", "{}"),
    ("allowPrivilegeEscalation", "{}"),
    ("seccompProfileType", "{} == 'Unconfined'"),
    ("capabilities", "{}.exists(c, c != 'NET_BIND_SERVICE')"),
)
"""Fields of `security`, and what makes each elevated."""
_CONTAINER: Final = (
    (("allowPrivilegeEscalation",), "{}"),
    (("seccompProfile",), "{}.type == 'Unconfined'"),
    (("capabilities", "add"), "{}.exists(a, a != 'NET_BIND_SERVICE')"),
)
_PROBES: Final = ("startupProbe", "readinessProbe", "livenessProbe")
_APPARMOR: Final = "container.apparmor.security.beta.kubernetes.io/"


def _any(conditions: Iterable[str]) -> str:
    return " || ".join(f"({condition})" for condition in conditions)


def _elevated() -> str:
    """CEL: whether the object itself, or the defaults of a policy, exceed Pod Security level restricted."""
    security = (_elevates("p", ("security", field), when) for field, when in _SECURITY)
    container = (
        *(_elevates("c", ("securityContext", *path), when) for path, when in _CONTAINER),
        *(has_values("c", (probe, "host")) for probe in _PROBES),
    )
    containers = f"{has_value('g.containers')} && g.containers.exists(c, {_any(container)})"
    return places.any_part(
        _any(
            (
                *security,
                has_value("p.hostPath"),
                places.any_item("storage.hostPath", "true"),
                f"{has_value('p.containerGroups')} && p.containerGroups.exists(g, {containers})",
                has_values("p", ("probes", "readiness", "handler", "httpGet", "host")),
                places.any_item("annotations", _UNCONFINED),
            )
        )
    )


# An annotation that switches AppArmor off.
_UNCONFINED: Final = (
    f"{has_value('i.name')} && i.name.startsWith('{_APPARMOR}') && {has_value('i.value')} && "
    "i.value != 'runtime/default'"
)


def _elevates(start: str, path: Path, when: str) -> str:
    """CEL: whether the field at a path below `start` has a value that is elevated."""
    return f"{has_values(start, path)} && {when.format('.'.join((start, *path)))}"


def _elevation_check() -> dict[str, Any]:
    return {
        "expression": "!variables.elevated || "
        f"authorizer.group('{GROUP}').resource(request.resource.resource).{_INSIDE}.check('{VERB}').allowed()",
        "reason": "Forbidden",
        "messageExpression": f"{_NAME} + ' exceeds Pod Security level restricted. You need the verb {VERB} on ' + "
        f"request.resource.resource + '.{GROUP} in namespace ' + request.namespace + '.'",
        "message": f"it is elevated: you need the verb {VERB}",
    }


def _can_name_secrets() -> list[str]:
    """Return the fields of any type of workload whose value, or an item of which, can name a Secret."""
    found = set()
    for name, sections in SECTIONS.items():
        for section, model in sections.items():
            secrets = (field.path for field in model_fields(model) if field.target == "Secret")
            named = tuple(f"{'.'.join(path)}.".replace(LIST, "") for path in secrets)
            found |= {
                path for path in policy_fields(name, section) if any(each.startswith(f"{path}.") for each in named)
            }
    return sorted(found)


def _policy_names() -> str:
    """CEL: whether the defaults of a WorkloadPolicy can name Secrets of its namespace."""
    named = _any(has_values("p", tuple(path.split("."))) for path in _can_name_secrets())
    return f"variables.edited && variables.isPolicy && {places.any_part(named)}"


def _policy_secrets_check() -> dict[str, Any]:
    need = "You need the verb get on all Secrets of the namespace."
    return {
        "expression": "!variables.policyNames || variables.readsAll",
        "reason": "Forbidden",
        "messageExpression": f"{_NAME} + ' sets defaults that can name Secrets. {need}'",
        "message": f"it sets defaults that can name Secrets. {need}",
    }


def _config_map_check() -> dict[str, Any]:
    """The content of a ConfigMap that is shared reaches other namespaces."""
    source = "object.spec.configMapVolume"
    given = f"({has_value('object.spec.scope')} && {has_value('object.spec.scope.type')})"
    # Without a scope, an object is shared with the cluster in the namespace of shared assets, and nowhere else.
    default = f"(request.namespace == '{SHARED_NAMESPACE}' ? 'cluster' : 'project')"
    shared = f"({given} ? object.spec.scope.type : {default})"
    named = f"{has_value(source)} && {has_value(f'{source}.configMap')}"
    return {
        "expression": "!variables.edited || request.resource.resource != 'datasources' || "
        f"!({named} && {shared} != 'project') || "
        f"authorizer.group('').resource('configmaps').{_INSIDE}.name({source}.configMap).check('get').allowed()",
        "reason": "Forbidden",
        "messageExpression": f"{_NAME} + ' shares ConfigMap ' + {source}.configMap + '. You need the verb get on it.'",
        "message": "it shares a ConfigMap that you may not read",
    }


def _owners_check() -> dict[str, Any]:
    """The garbage collector deletes an object whose owner does not exist."""
    need = "You need the verb delete on it, because the garbage collector deletes it with its owner."
    return {
        "expression": "!variables.reowned || authorizer"
        f".group('{GROUP}').resource(request.resource.resource).{_INSIDE}.name(object.metadata.name)"
        ".check('delete').allowed()",
        "reason": "Forbidden",
        "messageExpression": f"{_NAME} + ' gets other ownerReferences. {need}'",
        "message": f"it gets other ownerReferences. {need}",
    }


def _runs() -> dict[str, Any]:
    running = ", ".join(f"'{plural}'" for plural in RUNNING)
    return {"name": "runs", "expression": f"request.resource.resource in [{running}]"}


def _pods_check() -> dict[str, Any]:
    """The user may create pods; or share what has pods run in other namespaces only."""
    return {
        "expression": f"!variables.runs || authorizer.group('').resource('pods').{_INSIDE}.check('create').allowed() "
        "|| variables.mayShare",
        "reason": "Forbidden",
        "messageExpression": f"{_NAME} + ' runs pods, or decides what they run. You need the verb create on pods in "
        "namespace ' + request.namespace + (variables.elsewhere ? ', or ' + " + share.missing_right() + " : '') + '.'",
        "message": "it runs pods, or decides what they run: you need the verb create on pods",
    }


def _secrets() -> Iterator[dict[str, Any]]:
    """Variables: the Secrets that the object names, and whether the user may read all Secrets of the namespace."""
    paths = secret_paths()
    yield from ({"name": f"named{number}", "expression": names(path)} for number, path in enumerate(paths))
    listed = " + ".join(f"variables.named{number}" for number in range(len(paths)))
    yield {"name": "secrets", "expression": f"variables.edited ? {listed} : []"}
    yield {
        "name": "readsAll",
        "expression": f"authorizer.group('').resource('secrets').{_INSIDE}.check('get').allowed()",
    }


def _secret_checks() -> Iterator[dict[str, Any]]:
    right = f"authorizer.group('').resource('secrets').{_INSIDE}"
    for number in range(CHECKED_SECRETS):
        name = f"variables.secrets[{number}]"
        yield {
            "expression": f"variables.secrets.size() <= {number} || variables.readsAll || "
            f"{right}.name({name}).check('get').allowed()",
            "reason": "Forbidden",
            "messageExpression": f"{_NAME} + ' names Secret ' + {name} + '. You need the verb get on that Secret in "
            "namespace ' + request.namespace + '.'",
            "message": "it names a Secret that you may not read",
        }
    yield {
        "expression": f"variables.secrets.size() <= {CHECKED_SECRETS} || variables.readsAll",
        "reason": "Forbidden",
        "message": f"it names more than {CHECKED_SECRETS} Secrets: you need the verb get on all Secrets of the "
        "namespace",
    }
