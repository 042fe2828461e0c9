"""The table of rights, and the RBAC rules from it."""

from __future__ import annotations

from outfitter.children import CHILD_KINDS
from outfitter.cluster.access import cluster_rules, granted, namespaced_rules, role_rules, system_rules, table

REPLACED = ("ControllerRevision", "PersistentVolume")


def test_every_watch_and_every_child_is_granted() -> None:
    for kind in CHILD_KINDS:
        assert all(granted(kind.group, kind.plural, verb) for verb in ("list", "watch")), kind
    for kind in (kind for kind in CHILD_KINDS if kind.created):
        assert all(granted(kind.group, kind.plural, verb) for verb in ("get", "create", "delete")), kind
        assert granted(kind.group, kind.plural, "patch") is (kind.kind not in REPLACED), kind


def test_there_is_no_wildcard() -> None:
    assert all("*" not in (row.group, row.resource, *row.verbs) and row.why for row in table())
    assert not granted("outfitter.dev", "environments", "patch"), "the operator never writes a spec"
    assert not granted("", "secrets", "deletecollection")
    assert not granted("", "pods", "create")


def test_lent_rights_are_separate_and_not_used() -> None:
    """Rights for Roles come with the setting that creates those Roles, and the operator does not use them."""
    lent = [row for row in table() if row.lent]
    assert {(row.resource, row.scope) for row in lent} == {("artifacts", "roles"), ("artifactrepositories", "roles")}
    assert not any(granted(row.group, row.resource, verb) for row in lent for verb in row.verbs)
    for rules in (cluster_rules(), namespaced_rules()):
        assert "'share'" not in str(rules), "only if an admin turned it on"
        assert "rbac.authorization.k8s.io" not in str(rules), "only if an admin turned it on"
    assert "'share'" in str(role_rules())


def test_the_lease_is_in_the_system_namespace_only() -> None:
    assert "leases" not in str(cluster_rules())
    assert "leases" not in str(namespaced_rules())
    assert "'persistentvolumes'" not in f"{cluster_rules()} {namespaced_rules()}", "only if an admin named drivers"
    assert system_rules("other") == [
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "resourceNames": ["other"],
            "verbs": ["get", "update"],
        },
    ]


def test_with_watch_namespaces_a_namespace_is_read_by_its_own_path() -> None:
    def verbs(rules: list[dict[str, list[str]]]) -> list[str]:
        return next(rule["verbs"] for rule in rules if "namespaces" in rule["resources"])

    assert verbs(cluster_rules()) == ["list", "watch"]
    assert verbs(namespaced_rules()) == ["get", "watch"]
