"""The policies about data volumes: who shares one (`offers`), what keeps its claim (`origins`), who reads (`readers`).

To mount a claim of the own namespace, `create` on pods is enough, which `requester` asks for. To share it needs more.
"""

from __future__ import annotations

from typing import Any, Final

from outfitter.api.v1alpha1 import API_VERSION, GROUP
from outfitter.codegen.admission.exempt import OPERATOR_ACCOUNT, user_or_tool
from outfitter.codegen.admission.presence import has_values
from outfitter.codegen.admission.share import CLUSTERS, VERB
from outfitter.naming import ANNOTATION_FORCE_DELETE, READ_ONLY_CLAIM

PROJECTS: Final = "projects"
"""A virtual resource, like departments and clusters."""
CHECKED_SCOPES: Final = 8
"""Scopes that are checked by name; to share with more needs the right to share with the whole cluster."""
_SCOPES: Final = ("spec", "dataVolume", "sharedScopes")
_NAME: Final = "'DataSource ' + object.metadata.name"
_ASK: Final = "Ask an administrator for it."
_USED: Final = has_values("params", ("status", "usedBy", "total"))


def policy_spec() -> dict[str, Any]:
    """Return the spec of the policy `offers`."""
    return {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "resourceRules": [
                {
                    "apiGroups": [GROUP],
                    "apiVersions": ["*"],
                    "operations": ["CREATE", "UPDATE"],
                    "resources": ["datasources"],
                }
            ]
        },
        "matchConditions": [
            user_or_tool(),
            {"name": "shares-its-volume", "expression": f"{_list('object')}.size() > 0"},
        ],
        "variables": [
            {"name": "before", "expression": _list("oldObject")},
            {
                # Another mount path reaches the pods of those who use it, where it can hide a program. Labels reach
                # the claims in their namespaces, where other tools act on them.
                "name": "moved",
                "expression": f"oldObject == null || {_path('object')} != {_path('oldObject')} || "
                f"{_labels('object')} != {_labels('oldObject')}",
            },
            {
                "name": "scopes",
                "expression": f"{_list('object')}.filter(s, variables.moved || !(s in variables.before))",
            },
            {
                "name": "everywhere",
                "expression": f"authorizer.group('{GROUP}').resource('{CLUSTERS}').check('{VERB}').allowed()",
            },
        ],
        "validations": [*map(_check, range(CHECKED_SCOPES)), _check_of_many()],
    }


def origins_spec() -> dict[str, Any]:
    """Return the spec of the policy `origins`. The parameters are the DataSources in the namespace of the claim.

    It judges all claims of the cluster, so a missing CRD must not keep them from being deleted. The operator deletes
    what it made itself. All is one match condition: the API server evaluates match conditions, validations and messages
    for each DataSource, and converts its input each time, so nothing else may be left to do for those of other claims.
    """
    annotations = "oldObject.metadata.annotations"
    forced = f"has({annotations}) && '{ANNOTATION_FORCE_DELETE}' in {annotations}"
    conditions = (
        f"({_claim()}) == oldObject.metadata.name",
        f"({_USED}) && params.status.usedBy.total != 0",
        user_or_tool()["expression"],
        f"request.userInfo.username != '{OPERATOR_ACCOUNT}'",
        f"(!({forced}) || {annotations}['{ANNOTATION_FORCE_DELETE}'] != 'true')",
    )
    return {
        "failurePolicy": "Ignore",
        "paramKind": {"apiVersion": API_VERSION, "kind": "DataSource"},
        "matchConstraints": {
            "resourceRules": [
                {
                    "apiGroups": [""],
                    "apiVersions": ["v1"],
                    "operations": ["DELETE"],
                    "resources": ["persistentvolumeclaims"],
                }
            ]
        },
        "matchConditions": [{"name": "holds-the-data-of-one-in-use", "expression": " && ".join(conditions)}],
        "validations": [
            {
                "expression": "false",
                "reason": "Forbidden",
                "messageExpression": "'PersistentVolumeClaim ' + oldObject.metadata.name + ' holds the data of "
                "DataSource ' + params.metadata.name + ', which is in use. Change or delete its users first, or set "
                f"annotation {ANNOTATION_FORCE_DELETE}=true on the claim.'",
                "message": "it holds the data of a DataSource that is in use",
            }
        ],
    }


def readers_spec() -> dict[str, Any]:
    """Return the spec of the policy `readers`, for all pods: who reads a shared volume does not write it.

    An access mode does not keep a container from writing. The kubelet makes its mount read-only if the pod asks for it.
    """
    claim = "v.persistentVolumeClaim"
    named = f"has({claim}) && {claim}.claimName.startsWith('{READ_ONLY_CLAIM}')"
    volumes = "(has(object.spec.volumes) ? object.spec.volumes : [])"
    return {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
            ]
        },
        "matchConditions": [{"name": "reads-a-shared-volume", "expression": f"{volumes}.exists(v, {named})"}],
        "validations": [
            {
                "expression": f"{volumes}.all(v, !({named}) || (has({claim}.readOnly) && {claim}.readOnly))",
                "reason": "Forbidden",
                "messageExpression": f"'A claim whose name begins with {READ_ONLY_CLAIM} is a data volume of another "
                "project. Set readOnly: true on persistentVolumeClaim in the volumes of the pod.'",
                "message": "it mounts a data volume of another project without readOnly: true",
            }
        ],
    }


def _list(side: str) -> str:
    """CEL: the scopes that a DataSource shares its volume with. `side` is object or oldObject."""
    return f"({side} != null && {has_values(side, _SCOPES)} ? {side}.{'.'.join(_SCOPES)} : [])"


def _path(side: str) -> str:
    path = ("spec", "dataVolume", "mountPath")
    return f"({side} != null && {has_values(side, path)} ? {side}.{'.'.join(path)} : '')"


def _labels(side: str) -> str:
    path = ("spec", "labels")
    return f"({side} != null && {has_values(side, path)} ? {side}.{'.'.join(path)} : [])"


def _check(number: int) -> dict[str, Any]:
    scope = f"variables.scopes[{number}]"
    named = (
        f"({scope}.type in ['department', 'project'] && has({scope}.name) && authorizer.group('{GROUP}')"
        f".resource({scope}.type + 's').name({scope}.name).check('{VERB}').allowed())"
    )
    return {
        "expression": f"variables.scopes.size() <= {number} || variables.everywhere || {named}",
        "reason": "Forbidden",
        "messageExpression": f"{_NAME} + ' would share its volume with ' + ({scope}.type == 'cluster' ? 'the whole "
        f"cluster. You need the verb {VERB} on {CLUSTERS}.{GROUP}' : {scope}.type + ' ' + {scope}.name + '. You need "
        f"the verb {VERB} on ' + {scope}.type + 's.{GROUP} named ' + {scope}.name) + '. {_ASK}'",
        "message": f"it would share its volume: you need the verb {VERB} on that scope",
    }


def _check_of_many() -> dict[str, Any]:
    need = f"You need the verb {VERB} on {CLUSTERS}.{GROUP} for that. {_ASK}"
    return {
        "expression": f"variables.scopes.size() <= {CHECKED_SCOPES} || variables.everywhere",
        "reason": "Forbidden",
        "messageExpression": f"{_NAME} + ' would share its volume with more than {CHECKED_SCOPES} more scopes. {need}'",
        "message": f"it would share its volume with more than {CHECKED_SCOPES} more scopes. {need}",
    }


def _claim() -> str:
    """CEL: the claim with the data that a DataSource shares, or "" for any other DataSource."""
    origin = ("spec", "dataVolume", "originPvcName")
    sharing = ("spec", "pvc", "dataSharing")
    named = ("status", "sharedClaimName")
    return (
        f"{has_values('params', origin)} ? params.{'.'.join(origin)} : "
        f"{has_values('params', sharing)} && {has_values('params', named)} && "
        f"{has_values('params', ('status', 'claimName'))} ? params.status.claimName : ''"
    )
