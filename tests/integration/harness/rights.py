"""The operator's rights: installed from what users install, and compared with what the audit log saw used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import yaml

from outfitter.cluster import access
from outfitter_sandbox.audit import AuditEntry

from .client import Api

SYSTEM = "outfitter-system"
ACCOUNT = "outfitter"
USER = f"system:serviceaccount:{SYSTEM}:{ACCOUNT}"
INSTALL = Path(__file__).parents[3] / "deploy" / "install.yaml"
_INSTALLED = ("ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
_POLICIES = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
_OPEN = ("/api", "/apis", "/version", "/healthz", "/livez", "/readyz", "/openapi")
Object = dict[str, Any]


class Right(NamedTuple):
    """One verb on one resource ("pods", "workspaces/status"), everywhere ("") or in one namespace."""

    verb: str
    group: str
    resource: str
    namespace: str = ""


def manifests(path: Path = INSTALL) -> list[Object]:
    """ServiceAccount, roles, bindings and the policy on this account, as in deploy/install.yaml.

    With the rights that the chart adds where an admin names drivers whose volumes may be shared, has artifacts shared,
    and has GPUs given by device claims.
    """
    with path.open() as file:
        items = [item for item in yaml.safe_load_all(file) if item]
    found = [item for item in items if item["kind"] in _INSTALLED]
    found += [item for item in items if item["kind"] in _POLICIES and item["metadata"]["name"] == f"{ACCOUNT}-operator"]
    role = next(item for item in found if (item["kind"], item["metadata"]["name"]) == ("ClusterRole", ACCOUNT))
    role["rules"] += access.volume_rules() + access.role_rules() + access.device_rules()
    return found


def install(api: Api, path: Path = INSTALL) -> list[Object]:
    """Create the namespace and what `manifests` holds."""
    api.create({"kind": "Namespace", "metadata": {"name": SYSTEM}})
    found = manifests(path)
    for item in found:
        api.apply(item)
    return found


def granted(installed: Iterable[Object], account: str = ACCOUNT) -> set[Right]:
    """Every right that the roles bound to the account give it."""
    objects = list(installed)
    bound = {
        (item["roleRef"]["kind"], item["metadata"].get("namespace", ""), item["roleRef"]["name"])
        for item in objects
        if item["kind"] in ("RoleBinding", "ClusterRoleBinding")
        and any(each["name"] == account for each in item["subjects"])
    }
    return {
        right._replace(namespace=role["metadata"].get("namespace", ""))
        for role in objects
        if (role["kind"], role["metadata"].get("namespace", ""), role["metadata"]["name"]) in bound
        for right in inside([role])
    }


def inside(roles: Iterable[Object]) -> set[Right]:
    """What stands in these roles, wherever they are."""
    return {
        Right(verb, group, resource)
        for role in roles
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def lent() -> set[Right]:
    """What the operator holds only to hand it out."""
    return {Right(verb, row.group, row.resource) for row in access.table() if row.lent for verb in row.verbs}


def used(entries: Iterable[AuditEntry], user: str = USER) -> Iterator[tuple[Right, AuditEntry]]:
    """What the user's requests needed; discovery, which is open to everybody, excepted."""
    for entry in entries:
        if entry.user != user or (not entry.resource and entry.uri.split("?")[0].startswith(_OPEN)):
            continue
        resource = f"{entry.resource}/{entry.subresource}" if entry.subresource else entry.resource
        yield Right(entry.verb, entry.api_group, resource, entry.namespace), entry


def forbidden(log: Path, outages: Iterable[tuple[int, int]] = (), user: str = USER) -> list[str]:
    """Requests of the user that RBAC refused. Quota, Pod Security and dying namespaces answer 403 too, but later."""
    found, offset, except_for = [], 0, tuple(outages)
    for line in log.read_bytes().splitlines(keepends=True):
        entry = orjson.loads(line)
        decision = (entry.get("annotations") or {}).get("authorization.k8s.io/decision")
        down = any(since <= offset < until for since, until in except_for)
        if entry["user"].get("username") == user and decision == "forbid" and not down:
            found.append(f"{entry['verb']} {entry['requestURI']}")
        offset += len(line)
    return found


def needed(right: Right, rights: set[Right]) -> Right | None:
    """The granted right that allows `right`, or None."""
    for namespace in ("", right.namespace):
        found = right._replace(namespace=namespace)
        if found in rights:
            return found
    return None


def install_in(api: Api, account: str, system: str, namespaces: Iterable[str]) -> list[Object]:
    """The same for `watchNamespaces`: Roles only, from the table that the chart is made of."""
    subject = {"kind": "ServiceAccount", "name": account, "namespace": system}
    found: list[Object] = [{"kind": "ServiceAccount", "metadata": {"name": account, "namespace": system}}]
    work = access.namespaced_rules() + access.role_rules()
    rules = [(f"{account}-work", space, work) for space in (*namespaces, system)]
    rules.append((f"{account}-lease", system, access.system_rules()))
    for name, space, given in rules:
        meta = {"name": name, "namespace": space}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        found += [
            {"kind": "Role", "metadata": meta, "rules": given},
            {"kind": "RoleBinding", "metadata": meta, "roleRef": reference, "subjects": [subject]},
        ]
    for item in found:
        api.create(item)
    return found
