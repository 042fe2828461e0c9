"""Accounts that the policies do not judge."""

from __future__ import annotations

from typing import Any, Final

OPERATOR_ACCOUNT: Final = "system:serviceaccount:OPERATOR"
"""Placeholder; the chart replaces it with the operator's ServiceAccount in its namespace."""

# They act for an owner or a whole namespace. The operator deletes what it created on demand.
_ACCOUNTS: Final = (
    "system:kube-controller-manager",
    "system:serviceaccount:kube-system:generic-garbage-collector",
    "system:serviceaccount:kube-system:namespace-controller",
    OPERATOR_ACCOUNT,
)


def user_or_tool() -> dict[str, Any]:
    """Return the match condition of a policy that is for users and their tools only."""
    accounts = ", ".join(f"'{account}'" for account in _ACCOUNTS)
    return {"name": "a-person-or-tool", "expression": f"!(request.userInfo.username in [{accounts}])"}
