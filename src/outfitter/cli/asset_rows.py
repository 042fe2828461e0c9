"""The assets that a project can use, as rows: where they come from, whether they comply, when they were used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from outfitter.api.v1alpha1.policyfields import SECTIONS
from outfitter.status import is_ready

Body = Mapping[str, Any]


@dataclass(frozen=True)
class TypeRow:
    """What the policies of the project say about an asset in one type of workload."""

    workload_type: str
    replica_type: str
    """worker or master of a distributed workload, otherwise empty."""
    reasons: tuple[str, ...] = ()
    """Why the asset does not comply; none if it complies."""
    imposed: bool = False
    """A policy mounts it into every workload."""


@dataclass(frozen=True)
class AssetRow:
    """One asset."""

    kind: str
    namespace: str
    name: str
    scope: str
    """`project`, `department research`, `cluster`, `tenant`."""
    ready: bool
    last_used: str = ""
    """Time of the last use in the project; empty if it was not used."""
    types: tuple[TypeRow, ...] = field(default=())
    """The types of workloads that may use it."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return why it does not comply, each reason once."""
        return tuple(dict.fromkeys(text for item in self.types for text in item.reasons))

    def to_dict(self) -> dict[str, Any]:
        """Return the row as data."""
        return {
            "kind": self.kind,
            "namespace": self.namespace,
            "name": self.name,
            "scope": self.scope,
            "ready": self.ready,
            "lastUsed": self.last_used or None,
            "types": [
                {
                    "workloadType": item.workload_type,
                    **({"replicaType": item.replica_type} if item.replica_type else {}),
                    "complies": not item.reasons,
                    "reasons": [*item.reasons],
                    "imposed": item.imposed,
                }
                for item in self.types
            ],
        }


def asset_rows(
    objects: Iterable[Body], project: str, department: str, workload_type: str = "", replica: str = ""
) -> list[AssetRow]:
    """Return the assets that a project can use, by kind and name; its own asset replaces a shared one of its name.

    `objects`: assets of the project and of the system namespace, with their statuses. `workload_type` and `replica`:
    only what is about them.
    """
    found: dict[tuple[str, str], AssetRow] = {}
    for body in sorted(objects, key=lambda body: body["metadata"]["namespace"] != project):
        row = _row(body, project, department, workload_type, replica)
        if row is not None:
            found.setdefault((row.kind, row.name), row)
    return [found[key] for key in sorted(found)]


def _row(body: Body, project: str, department: str, workload_type: str, replica: str) -> AssetRow | None:
    meta, status = body["metadata"], body.get("status") or {}
    scope, name = status.get("scope", ""), status.get("department", "")
    shared = meta["namespace"] != project
    if shared and (scope not in ("cluster", "tenant") and (scope != "department" or name != department)):
        return None
    types = [item for item in _types(body) if not workload_type or item[0] == workload_type]
    if not types and workload_type:
        return None
    used = [
        item["time"]
        for item in (status.get("usage") or {}).get("lastUsed") or ()
        if item["namespace"] == project and workload_type in ("", item["workloadType"])
    ]
    return AssetRow(
        body["kind"],
        meta["namespace"],
        meta["name"],
        f"{scope} {name}" if scope == "department" else scope or "project",
        is_ready(status),
        max(used, default=""),
        tuple(
            _judged(status, project, department, kind, part) for kind, part in types if not replica or part == replica
        ),
    )


def _types(body: Body) -> Iterator[tuple[str, str]]:
    """Yield each type of workload that may use an asset; a distributed one once for each type of replica."""
    spec = body["spec"]
    if body["kind"] == "Registry":  # workloads do not use it: it shows the images to choose from
        return
    supported = (body.get("status") or {}).get("supports")
    own = [spec["workloadType"]] if "workloadType" in spec else spec.get("supportedTypes") or tuple(SECTIONS)
    for workload_type, sections in SECTIONS.items():
        if supported[workload_type] if supported else workload_type in own:
            yield from ((workload_type, section) for section in sections)


def _judged(status: Body, project: str, department: str, workload_type: str, replica: str) -> TypeRow:
    def about(rows: Iterable[Body] | None) -> list[Body]:
        units = (("project", project), ("department", department), ("cluster", ""))
        return [
            row
            for row in rows or ()
            if (row["scope"], row.get("name", "")) in units
            and (row["workloadType"], row.get("replicaType", "")) == (workload_type, replica)
        ]

    reasons = [
        f"{reason['field']}: {reason['message']}"
        for row in about(status.get("compliance"))
        for reason in row["reasons"]
    ]
    return TypeRow(workload_type, replica, tuple(reasons), bool(about(status.get("imposed"))))
