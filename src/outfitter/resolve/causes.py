"""The first cause in the status of another object: a workload that waits for an asset says why the asset waits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from outfitter.reasons import Level, Reason
from outfitter.snapshot import Resource

_LEVELS: Final = {str(reason): reason.level for reason in Reason}


def first_cause(resource: Resource, namespace: str, otherwise: str = "") -> str:
    """Return the first serious issue of an object that concerns a namespace, else the message of its status.

    The issue about the namespace comes before one about the object's own. Of other namespaces nothing is told.
    """
    status = resource.body.get("status") or {}
    found = [issue for issue in status.get("issues") or () if serious_issue(issue)]
    for place in (namespace, resource.live.namespace):
        for issue in found:
            if issue.get("scopeId") == place:
                return str(issue["message"])
    return otherwise if found else str(status.get("message") or otherwise)


def serious_issue(issue: Mapping[str, Any]) -> bool:
    """Return whether an issue is more than a note."""
    return _LEVELS.get(issue.get("issue", "")) is not Level.NOTE
