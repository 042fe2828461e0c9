"""docs/reference/rbac.md: every right of the operator with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from outfitter.cluster.access import Row, table

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
    "volumes": "the whole cluster, only with `settings.staticPvDrivers` and without `watchNamespaces`",
    "roles": "every served namespace, only with `settings.sharedRoles`",
    "namespace-object": "each served namespace, only with `watchNamespaces`",
    "system": "the system namespace",
}
"""Scope of a row -> its text."""


def rights_page() -> str:
    """Return the page."""
    return _HEAD + "".join(map(_row, table()))


def _row(row: Row) -> str:
    resource = f"`{row.resource}`" + (f" named `{', '.join(row.names)}`" if row.names else "")
    verbs = ", ".join(sorted(row.verbs))
    return f"| {row.group or 'core'} | {resource} | {verbs} | {_WHERE[row.scope]} | {row.why} |\n"
