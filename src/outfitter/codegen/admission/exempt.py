"""Accounts that the policies for users do not judge, each only for what it does."""

from __future__ import annotations

from typing import Any, Final

from outfitter import installed
from outfitter.api.v1alpha1 import KINDS
from outfitter.naming import LABEL_ON_DEMAND

OPERATOR_ACCOUNT: Final = installed.OPERATOR
"""Placeholder; the chart replaces it with the operator's ServiceAccount in its namespace."""

SHARED_NAMESPACE: Final = installed.SHARED_NAMESPACE
"""Placeholder; the chart replaces it with the namespace of assets that are shared."""

# They act for an owner or a whole namespace.
_CONTROLLERS: Final = (
    "system:kube-controller-manager",
    "system:serviceaccount:kube-system:generic-garbage-collector",
    "system:serviceaccount:kube-system:namespace-controller",
)
# Scales what somebody made an autoscaler for, as it does with a Deployment. It starts nothing that has no replicas.
_AUTOSCALER: Final = "system:serviceaccount:kube-system:horizontal-pod-autoscaler"


def user_or_tool() -> dict[str, Any]:
    """Return the match condition of a policy that is for users and their tools only."""
    controllers = ", ".join(f"'{account}'" for account in _CONTROLLERS)
    expression = (
        f"!(request.userInfo.username in [{controllers}]) && "
        f"!(request.userInfo.username == '{_AUTOSCALER}' && has(request.subResource) && "
        f"request.subResource == 'scale') && !({operator_on_demand()})"
    )
    return {"name": "a-person-or-tool", "expression": expression}


def operator_on_demand() -> str:
    """CEL: whether the operator creates or deletes an object on demand."""
    on_demand = ", ".join(f"'{kind.plural}'" for kind in KINDS if kind.on_demand)
    labelled = " || ".join(
        f"({side} != null && has({side}.metadata.labels) && '{LABEL_ON_DEMAND}' in {side}.metadata.labels)"
        for side in ("object", "oldObject")
    )
    return (
        f"request.userInfo.username == '{OPERATOR_ACCOUNT}' && request.operation in ['CREATE', 'DELETE'] && "
        f"request.resource.resource in [{on_demand}] && ({labelled})"
    )
