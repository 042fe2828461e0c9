"""docs/reference/rbac.md: every right of the operator with its reason, and the roles for users."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from outfitter.cluster.access import Row, table
from outfitter.codegen.chart_rules import rules
from outfitter.codegen.role_lines import READY_ROLES, ReadyRole

_HEAD = """\
# Rights of the operator

Generated from `src/outfitter/children/kinds.py` and `src/outfitter/cluster/access.py`, as are the
roles of the chart and of `deploy/install.yaml`. There is no wildcard, and no `escalate`, `bind` or
`impersonate`. The operator has no right on nodes, webhooks or CustomResourceDefinitions, and none
on roles unless an administrator enables `sharedRoles`.

| group | resource | verbs | where | why |
|---|---|---|---|---|
"""
_WHERE: Final[Mapping[str, str]] = {
    "everywhere": "every served namespace",
    "cluster": "the whole cluster, only without `watchNamespaces`",
    "volumes": "the whole cluster, only with `settings.staticPvDrivers` or `settings.s3Backend: csi`, and without "
    "`watchNamespaces`",
    "roles": "every served namespace, only with `settings.sharedRoles`",
    "devices": "every served namespace, only with `settings.gpuBackend: dra`",
    "namespace-object": "each served namespace, only with `watchNamespaces`",
    "system": "the system namespace",
}
"""Scope of a row -> its text."""


_USERS: Final = """
## Roles for users

The chart adds rules to the built-in roles (`rbac.aggregate`), and gives the groups of
`rbac.catalogue` a role in the namespace of shared assets. None of these includes Secrets.

| role | resources of outfitter.dev | verbs |
|---|---|---|
"""
_ROLES: Final[Mapping[str, str]] = {
    "view": "`view`, and with it `edit` and `admin`",
    "edit": "`edit` and `admin`",
    "admin": "`admin`",
    "catalogue": "groups of `rbac.catalogue`",
}
"""Role of the chart -> who has it."""
_READY: Final = """
## Ready roles

With `rbac.roles`, which is the default, the chart also creates these ClusterRoles. No user is bound
to them. The names begin with `outfitter-` in namespace `outfitter-system`, and with the namespace
of the release elsewhere. With `rbac.departments: [research]` there is a ClusterRole
`outfitter-department-research` for the lead of that department, with verbs `share` and `assign`.
Their rules are in [rules.yaml](../../deploy/chart/files/rules.yaml). The tables hold with the
admission policies of the chart. Each line is a test by impersonation: `tests/chart/test_roles.py`.
[Identity and sharing](../guide/identity.md) shows who binds them.
"""


def rights_page() -> str:
    """Return the page."""
    users = (_user_row(who, rule) for role, who in _ROLES.items() for rule in rules()[role])
    ready = "".join(map(_ready_role, READY_ROLES))
    return _HEAD + "".join(map(_row, table())) + _USERS + "".join(users) + _READY + ready


def _ready_role(role: ReadyRole) -> str:
    """The commands that bind a role, and a table of what it may do."""
    commands = "".join(f"{command}\n" for command in role.bind)
    lines = "".join(f"| {line.text} | {'yes' if line.may else 'no'} |\n" for line in role.lines)
    head = f"\n### outfitter-{role.name}\n\nFor {role.who}.\n\n```sh\n{commands}```\n\n"
    return f"{head}| to ... | allowed |\n|---|---|\n{lines}"


def _user_row(who: str, rule: Mapping[str, list[str]]) -> str:
    resources = ", ".join(f"`{resource}`" for resource in rule["resources"])
    return f"| {who} | {resources} | {', '.join(rule['verbs'])} |\n"


def _row(row: Row) -> str:
    resource = f"`{row.resource}`" + (f" named `{', '.join(row.names)}`" if row.names else "")
    verbs = ", ".join(sorted(row.verbs))
    return f"| {row.group or 'core'} | {resource} | {verbs} | {_WHERE[row.scope]} | {row.why} |\n"
