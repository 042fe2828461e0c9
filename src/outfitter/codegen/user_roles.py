"""The rules of the chart's ready roles for users. No user is bound to them by default."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from outfitter.api.v1alpha1 import ALL_KINDS, GROUP, KINDS
from outfitter.children import CHILD_KINDS
from outfitter.codegen.admission import namespace_labels, offers, requester_rights, share
from outfitter.render.artifactrepository import SHARE

Rule = dict[str, Any]
READ: Final = ("get", "list", "watch")
OF_ADMINS: Final = ("workloadpolicies",)
"""Kinds that a user with the role edit cannot write: they decide what his workloads may be."""
DEPARTMENT: Final = "NAME-OF-DEPARTMENT"
"""Placeholder; the chart replaces it with each name in `rbac.departments`."""
_WRITE: Final = ("create", "delete", "patch", "update")
_SCALE: Final = ("get", "patch", "update")
_HIDDEN: Final = frozenset({"Secret", "ConfigMap", "Role", "RoleBinding"})
"""Kinds of children that may hold secrets, or rights, of others."""
_OF_OTHERS: Final = ("jobset.x-k8s.io", "kubeflow.org", "scheduling.run.ai")
"""Groups of other projects: ClusterRole `admin` may lack rights on them, and then could not bind a role with them."""
_NOTHING_RUNS_THERE: Final = frozenset(share.scoped_kinds()) - frozenset(share.RUNS_THERE)
_NETWORKING: Final = "networking.k8s.io"


def ready_roles() -> dict[str, list[Rule]]:
    """Return the rules of each ClusterRole by the end of its name."""
    return {
        "member": _member(),
        "creator": _creator(),
        "gitops": _gitops(),
        "department-lead": [
            rule([GROUP], share.scoped_kinds(), READ),
            rule([GROUP], _NOTHING_RUNS_THERE, _WRITE),
        ],
        "platform-admin": _platform_admin(),
    }


def department_rules(name: str = DEPARTMENT) -> list[Rule]:
    """Return the rules of the lead of one department, for the whole cluster."""
    verbs = (share.VERB, namespace_labels.VERB)
    return [{**rule([GROUP], [namespace_labels.RESOURCE], verbs), "resourceNames": [name]}]


def shared_namespace_rules() -> list[Rule]:
    """Return the rules of a platform administrator in the namespace of shared assets: what `requester` asks for."""
    return [
        rule([""], ["configmaps", "secrets"], ("get",)),
        rule([""], ["pods", "services"], ("create",)),
        rule([""], ["persistentvolumeclaims"], ("create", "delete")),
        rule([_NETWORKING], ["ingresses"], ("create",)),
    ]


def rule(groups: Iterable[str], resources: Iterable[str], verbs: Iterable[str]) -> Rule:
    """Return one rule, in the order of its words."""
    return {"apiGroups": sorted(groups), "resources": sorted(resources), "verbs": sorted(verbs)}


def _member() -> list[Rule]:
    """Reads the objects of a project and what they run as, without Secrets and ConfigMaps."""
    children = [
        kind
        for kind in CHILD_KINDS
        if kind.namespaced and kind.group not in (GROUP, *_OF_OTHERS) and kind.kind not in _HIDDEN
    ]
    return [
        *(
            rule([group], [kind.plural for kind in children if kind.group == group], READ)
            for group in sorted({kind.group for kind in children})
        ),
        rule([""], ["pods/log"], ("get",)),
        rule([GROUP], [kind.plural for kind in ALL_KINDS], READ),
    ]


def _writes() -> list[Rule]:
    """Writes every kind of a project but policies, with the rights on created objects that `requester` asks for."""
    return [
        rule([GROUP], [kind.plural for kind in KINDS if kind.plural not in OF_ADMINS], _WRITE),
        rule([""], ["persistentvolumeclaims", "pods", "services"], ("create",)),
        rule([_NETWORKING], ["ingresses"], ("create",)),
    ]


def _scales() -> Rule:
    return rule([GROUP], [f"{kind.plural}/scale" for kind in KINDS if kind.model.SCALE], _SCALE)


def _creator() -> list[Rule]:
    """A pod can mount any Secret of its namespace whose name is known: `get` adds nothing to that, `list` would.

    A WebSocket is a GET request, and newer API servers also ask for `create` on what enters a pod.
    """
    return [
        *_member(),
        *_writes(),
        _scales(),
        rule([""], ["pods/exec", "pods/portforward"], ("create", "get")),
        rule([""], ["configmaps", "secrets"], ("create", "get")),
    ]


def _gitops() -> list[Rule]:
    """Applies and prunes by name what a folder in Git holds, and never lists Secrets."""
    return [
        rule([GROUP], [kind.plural for kind in KINDS], READ),
        *_writes(),
        rule([""], ["configmaps", "secrets"], ("get", *_WRITE)),
    ]


def _platform_admin() -> list[Rule]:
    plurals = [kind.plural for kind in KINDS]
    return [
        rule([GROUP], [kind.plural for kind in ALL_KINDS], READ),
        rule([GROUP], plurals, (*_WRITE, "deletecollection", requester_rights.VERB)),
        _scales(),
        rule([GROUP], ["artifactrepositories"], (SHARE,)),
        rule([GROUP], [share.CLUSTERS, offers.PROJECTS], (share.VERB,)),
        rule([GROUP], [namespace_labels.RESOURCE], (share.VERB, namespace_labels.VERB)),
    ]
