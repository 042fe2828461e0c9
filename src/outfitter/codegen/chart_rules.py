"""deploy/chart/files/rules.yaml: RBAC rules of the operator, of the aggregated roles, and of the ready roles."""

from __future__ import annotations

from typing import Any, Final

from outfitter.api.v1alpha1 import DERIVED_KINDS, GROUP, KINDS
from outfitter.cluster.access import (
    cluster_rules,
    device_rules,
    namespaced_rules,
    role_rules,
    system_rules,
    volume_rules,
)
from outfitter.codegen.user_roles import (
    OF_ADMINS,
    READ,
    department_rules,
    ready_roles,
    rule,
    shared_namespace_rules,
)

LEASE_NAME: Final = "{{ .Values.settings.leaseName }}"
"""Filled in by the chart's template outfitter.rules."""

_WRITE: Final = ("create", "delete", "deletecollection", "patch", "update")
_SCALE: Final = ("get", "patch", "update")


def rules() -> dict[str, list[dict[str, Any]]]:
    """Return the rules by the role of the chart that holds them; those from `view` on are for users."""
    return {
        "cluster": cluster_rules(),
        "volumes": volume_rules(),
        "roles": role_rules(),
        "devices": device_rules(),
        "namespaced": namespaced_rules(),
        "system": system_rules(LEASE_NAME),
        "view": [rule([GROUP], [kind.plural for kind in (*KINDS, *DERIVED_KINDS)], READ)],
        "edit": [
            rule([GROUP], [kind.plural for kind in KINDS if kind.plural not in OF_ADMINS], _WRITE),
            rule([GROUP], [f"{kind.plural}/scale" for kind in KINDS if kind.model.SCALE], _SCALE),
        ],
        "admin": [rule([GROUP], OF_ADMINS, _WRITE)],
        "catalogue": [rule([GROUP], [kind.plural for kind in KINDS if kind.asset], READ)],
        **ready_roles(),
        "shared-assets": shared_namespace_rules(),
        "department": department_rules(),
    }
