"""The compliance of an asset with the policies of its projects, for its status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from outfitter.api.v1alpha1.asset import LISTED_REASONS, REASON_LIMIT
from outfitter.plan.used_by import supported_types
from outfitter.policy.beside import BesideItem
from outfitter.policy.compliance import UNSUPPORTED, Given, Row, report
from outfitter.policy.violation import Violation
from outfitter.snapshot import Reader, Resource


def compliance(
    reader: Reader,
    asset: Resource,
    fields: Mapping[str, Any],
    beside: Sequence[BesideItem] = (),
    of_master: Given | None = None,
) -> dict[str, Any]:
    """Return `status.compliance` and `status.imposed` of an asset, with the number of their rows; None without any.

    `fields`: what it gives to a submission. `beside`: its volumes that are no fields. `of_master`: both for the master
    of a distributed workload, where they differ.
    """
    if reader.references_only:
        return {}
    found = report(reader, asset, (fields, beside), supported_types(asset), of_master)
    return {
        "compliance": _rows(found.compliance),
        "complianceTotal": len(found.compliance) or None,
        "imposed": _rows(found.imposed),
        "imposedTotal": len(found.imposed) or None,
    }


def _rows(rows: Sequence[Row]) -> list[dict[str, Any]] | None:
    return [_given(_row(row)) for row in rows] or None


def _row(row: Row) -> dict[str, Any]:
    return {
        "scope": row.where.type,
        "name": row.where.name,
        "workloadType": row.workload_type,
        "replicaType": row.replica_type,
        "reasons": [_given(_reason(item)) for item in row.reasons[:LISTED_REASONS]],
    }


def _reason(item: Violation) -> dict[str, Any]:
    return {
        "field": _short(item.field),
        "rule": item.rule if item.rule != UNSUPPORTED else "",
        "policy": item.source.policy if item.source else "",
        "message": _short(item.message),
    }


def _short(text: str) -> str:
    """Cut a text that holds what users wrote, such as a list of images."""
    return text if len(text) <= REASON_LIMIT else text[: REASON_LIMIT - 1] + "…"


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value}
