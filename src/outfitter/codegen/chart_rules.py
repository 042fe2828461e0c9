"""deploy/chart/files/rules.yaml: RBAC rules of the operator and of the aggregated roles."""

from __future__ import annotations

from typing import Any, Final

from outfitter.api.v1alpha1 import DERIVED_KINDS, GROUP, KINDS
from outfitter.cluster.access import cluster_rules, namespaced_rules, role_rules, system_rules, volume_rules

LEASE_NAME: Final = "{{ .Values.settings.leaseName }}"
"""Filled in by the chart's template outfitter.rules."""

_READ: Final = ("get", "list", "watch")
_WRITE: Final = ("create", "delete", "deletecollection", "patch", "update")
_SCALE: Final = ("get", "patch", "update")
_OF_ADMINS: Final = ("workloadpolicies",)
"""Kinds that a user with the role edit cannot write: they decide what his workloads may be."""


def rules() -> dict[str, list[dict[str, Any]]]:
    """Return the rules by the role of the chart that holds them; the last four are for users."""
    return {
        "cluster": cluster_rules(),
        "volumes": volume_rules(),
        "roles": role_rules(),
        "namespaced": namespaced_rules(),
        "system": system_rules(LEASE_NAME),
        "view": [_rule([kind.plural for kind in (*KINDS, *DERIVED_KINDS)], _READ)],
        "edit": [
            _rule([kind.plural for kind in KINDS if kind.plural not in _OF_ADMINS], _WRITE),
            _rule([f"{kind.plural}/scale" for kind in KINDS if kind.model.SCALE], _SCALE),
        ],
        "admin": [_rule([*_OF_ADMINS], _WRITE)],
        "catalogue": [_rule([kind.plural for kind in KINDS if kind.asset], _READ)],
    }


def _rule(resources: list[str], verbs: tuple[str, ...]) -> dict[str, Any]:
    return {"apiGroups": [GROUP], "resources": sorted(resources), "verbs": sorted(verbs)}
