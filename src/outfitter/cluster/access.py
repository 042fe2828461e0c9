"""The rights of the operator, each with its reason. The roles of the chart are generated from this table.

Two rights are absent for a reason. `update` on <kind>/finalizers: only blockOwnerDeletion would need it (under the
admission plugin OwnerReferencesPermissionEnforcement), and our ownerReferences do not set it. Any right on
CustomResourceDefinitions: optional kinds are found by discovery, which every authenticated user may read.

Some rows are `lent`: the operator holds these rights only because the API server rejects a Role that gives more than
its writer has. The operator puts them into Roles, and does not use them itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from outfitter.api.v1alpha1 import GROUP, KINDS
from outfitter.children import CHILD_KINDS, ChildKind

Scope = Literal["everywhere", "cluster", "volumes", "roles", "devices", "namespace-object", "system"]


@dataclass(frozen=True, slots=True)
class Row:
    """Verbs on one resource. `names` limits them to objects of these names. `lent`: only to be put into Roles."""

    group: str
    resource: str
    verbs: tuple[str, ...]
    why: str
    scope: Scope = "everywhere"
    names: tuple[str, ...] = ()
    lent: bool = False


_WITHOUT_CHILDREN: Final = frozenset(
    {"ComputeResource", "ImageQuery", "Registry", "WorkloadPolicy", "WorkloadTemplate"}
)
_SCOPES: Final[Mapping[str, Scope]] = {  # by setting
    "creates_volumes": "volumes",
    "shared_roles": "roles",
    "gpu_backend": "devices",
}


def table(lease_name: str = "outfitter") -> tuple[Row, ...]:
    """All rows."""
    return (
        *_custom_resources(),
        *(Row(kind.group, kind.plural, kind.verbs, kind.why, _scope(kind)) for kind in CHILD_KINDS),
        *_lent(),
        Row("", "namespaces", ("get", "watch"), "the same with `watchNamespaces`", scope="namespace-object"),
        Row("coordination.k8s.io", "leases", ("create",), "election; create cannot be limited by name", scope="system"),
        Row("coordination.k8s.io", "leases", ("get", "update"), "election", scope="system", names=(lease_name,)),
    )


def _scope(kind: ChildKind) -> Scope:
    if kind.setting:
        return _SCOPES[kind.setting]
    return "everywhere" if kind.namespaced else "cluster"


def _custom_resources() -> Iterator[Row]:
    for kind in KINDS:
        if kind.name in _WITHOUT_CHILDREN:
            yield Row(GROUP, kind.plural, ("list", "watch"), "what users declare; never changed")
        else:
            why = "what users declare; never changed. get: whether an object exists, before its children are created"
            yield Row(GROUP, kind.plural, ("get", "list", "watch"), why)
        if kind.on_demand:
            why = "created when a workload needs it, removed when no workload does"
            yield Row(GROUP, kind.plural, ("create", "delete"), why)
        if kind.expires:
            yield Row(GROUP, kind.plural, ("delete",), "deleted after its time")
        if kind.cascades:
            yield Row(GROUP, kind.plural, ("delete",), "deleted with its ArtifactRepository, if nothing keeps it")
        yield Row(GROUP, f"{kind.plural}/status", ("patch",), "state of the object")


def _lent() -> Iterator[Row]:
    """The rights in the Roles of shared repositories, if an admin turned sharing on."""
    why = "held only to be given in those roles, and never used"
    yield Row(GROUP, "artifacts", ("patch", "update"), why, scope="roles", lent=True)
    yield Row(GROUP, "artifactrepositories", ("patch", "share", "update"), why, scope="roles", lent=True)


def cluster_rules() -> list[dict[str, Any]]:
    """Rules of the ClusterRole if the operator serves all namespaces."""
    return _rules(row for row in table() if row.scope in ("everywhere", "cluster"))


def volume_rules() -> list[dict[str, Any]]:
    """Further rules of the ClusterRole if an admin named CSI drivers that share volumes or mount buckets."""
    return _rules(row for row in table() if row.scope == "volumes")


def role_rules() -> list[dict[str, Any]]:
    """Further rules of ClusterRole or Roles if an admin turned on sharing of artifacts."""
    return _rules(row for row in table() if row.scope == "roles")


def device_rules() -> list[dict[str, Any]]:
    """Further rules of ClusterRole or Roles if GPUs are given by dynamic resource allocation."""
    return _rules(row for row in table() if row.scope == "devices")


def namespaced_rules() -> list[dict[str, Any]]:
    """Rules of the Role in each served namespace with `watchNamespaces`, which needs no ClusterRole."""
    return _rules(row for row in table() if row.scope in ("everywhere", "namespace-object"))


def system_rules(lease_name: str = "outfitter") -> list[dict[str, Any]]:
    """Rules of the Role in the system namespace, needed with and without `watchNamespaces`."""
    return _rules(row for row in table(lease_name) if row.scope == "system")


def granted(group: str, resource: str, verb: str) -> bool:
    """Whether the operator may use `verb` on `resource` ("pods", "workspaces/status")."""
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
