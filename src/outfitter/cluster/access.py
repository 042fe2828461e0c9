"""What Outfitter may do on the API server, and why: the chart's roles are generated from this table.

Two things that are missing on purpose. `update` on <kind>/finalizers: only blockOwnerDeletion would need it (where the
admission plugin OwnerReferencesPermissionEnforcement is on), and our ownerReferences do not set it. Anything on
CustomResourceDefinitions: kopf's scanning is off, and its discovery is open to every authenticated user.

Some rows are `lent`: rights that the operator holds only because the API server lets nobody write a Role with rights
that he does not have. They stand in Roles that it writes, and it makes no use of them itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from outfitter.api.v1alpha1 import GROUP, KINDS

Scope = Literal["everywhere", "cluster", "volumes", "roles", "namespace-object", "system"]


@dataclass(frozen=True, slots=True)
class Row:
    """Verbs on one resource. `names` limits them to objects of these names. `lent`: held only to be handed out."""

    group: str
    resource: str
    verbs: tuple[str, ...]
    why: str
    scope: Scope = "everywhere"
    names: tuple[str, ...] = ()
    lent: bool = False


_RBAC: Final = "rbac.authorization.k8s.io"
_CHILD: Final = ("create", "delete", "get", "list", "patch", "watch")
_MADE_ANEW: Final = ("create", "delete", "get", "list", "watch")
_WITHOUT_CHILDREN: Final = frozenset({"ComputeResource"})


def table(lease_name: str = "outfitter") -> tuple[Row, ...]:
    """Every row."""
    return (
        *_ours(),
        Row("apps", "statefulsets", _CHILD, "runs workloads; get: managedFields are read before a change"),
        Row("apps", "deployments", _CHILD, "runs inferences; get: managedFields are read before a change"),
        Row("batch", "jobs", _CHILD, "downloads of models; get: managedFields are read before a change"),
        Row("autoscaling", "horizontalpodautoscalers", _CHILD, "scales inferences by load"),
        Row("policy", "poddisruptionbudgets", _CHILD, "keeps inferences up while nodes are drained"),
        Row("apps", "controllerrevisions", _MADE_ANEW, "pins of workloads, which cannot be changed"),
        Row("", "services", _CHILD, "connections of workloads"),
        Row("networking.k8s.io", "ingresses", _CHILD, "connection URLs"),
        Row(
            "",
            "persistentvolumeclaims",
            _CHILD,
            "volumes of data sources and workloads; claims that a data source names",
        ),
        Row(
            "", "secrets", _CHILD, "copies of credentials; get: a copy needs the source's data, lists are metadata only"
        ),
        Row("", "configmaps", _CHILD, "copies of data sources; get: which keys a referenced ConfigMap has"),
        Row(
            "", "pods", ("delete", "list", "watch"), "state; a pod of an old revision that is stuck blocks the rollout"
        ),
        Row("", "events", ("create", "list", "watch"), "own Events; pods that quota or Pod Security refused"),
        Row("", "namespaces", ("list", "watch"), "labels of projects and departments", scope="cluster"),
        Row(
            "storage.k8s.io",
            "storageclasses",
            ("list", "watch"),
            "whether a claim binds only with its first pod",
            scope="cluster",
        ),
        Row(
            "",
            "persistentvolumes",
            _MADE_ANEW,
            "read-only copies of the volume of a shared model cache; which driver and volume a claim has",
            scope="volumes",
        ),
        *_shared(),
        Row(
            "",
            "namespaces",
            ("get", "watch"),
            "the same where only some namespaces are served",
            scope="namespace-object",
        ),
        Row("coordination.k8s.io", "leases", ("create",), "election; create cannot be limited by name", scope="system"),
        Row("coordination.k8s.io", "leases", ("get", "update"), "election", scope="system", names=(lease_name,)),
    )


def _ours() -> Iterator[Row]:
    for kind in KINDS:
        if kind.name in _WITHOUT_CHILDREN:
            yield Row(GROUP, kind.plural, ("list", "watch"), "what users declare; never changed")
        else:
            why = "what users declare; never changed. get: is it still there, before its children are made again?"
            yield Row(GROUP, kind.plural, ("get", "list", "watch"), why)
        if kind.on_demand:
            why = "made where something needs it, removed when nothing does any more"
            yield Row(GROUP, kind.plural, ("create", "delete"), why)
        yield Row(GROUP, f"{kind.plural}/status", ("patch",), "what came of it")


def _shared() -> Iterator[Row]:
    """What it takes to share artifacts, where an admin turned that on."""
    for plural in ("roles", "rolebindings"):
        yield Row(_RBAC, plural, _CHILD, "roles over the artifacts of a repository that is shared", scope="roles")
    why = "held to be handed out in those roles, and never used"
    yield Row(GROUP, "artifacts", ("delete", "patch", "update"), why, scope="roles", lent=True)
    yield Row(GROUP, "artifactrepositories", ("patch", "share", "update"), why, scope="roles", lent=True)


def cluster_rules() -> list[dict[str, Any]]:
    """Rules of the ClusterRole where all namespaces are served."""
    return _rules(row for row in table() if row.scope in ("everywhere", "cluster"))


def volume_rules() -> list[dict[str, Any]]:
    """What the ClusterRole has besides where an admin named drivers whose volumes may be shared."""
    return _rules(row for row in table() if row.scope == "volumes")


def role_rules() -> list[dict[str, Any]]:
    """What ClusterRole or Roles have besides where an admin turned on sharing of artifacts."""
    return _rules(row for row in table() if row.scope == "roles")


def namespaced_rules() -> list[dict[str, Any]]:
    """Rules of the Role in each served namespace where `watchNamespaces` is set; no ClusterRole is needed then."""
    return _rules(row for row in table() if row.scope in ("everywhere", "namespace-object"))


def system_rules(lease_name: str = "outfitter") -> list[dict[str, Any]]:
    """Rules of the Role in the system namespace, needed in both cases."""
    return _rules(row for row in table(lease_name) if row.scope == "system")


def granted(group: str, resource: str, verb: str) -> bool:
    """Whether some row allows `verb` on `resource` ("pods", "workspaces/status") for our own use."""
    return verb in _VERBS.get((group, resource), frozenset())


def _rules(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """RBAC rules: resources of one group with equal verbs and names share one, in a stable order."""
    joined: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for row in rows:
        joined.setdefault((row.group, tuple(sorted(row.verbs)), row.names), []).append(row.resource)
    return [
        {
            "apiGroups": [group],
            "resources": sorted(resources),
            **({"resourceNames": list(names)} if names else {}),
            "verbs": list(verbs),
        }
        for (group, verbs, names), resources in sorted(joined.items())
    ]


def _granted_verbs() -> dict[tuple[str, str], frozenset[str]]:
    verbs: dict[tuple[str, str], frozenset[str]] = {}
    for row in table():
        if row.lent:
            continue
        place = (row.group, row.resource)
        verbs[place] = verbs.get(place, frozenset()) | frozenset(row.verbs)
    return verbs


_VERBS: Final = _granted_verbs()
