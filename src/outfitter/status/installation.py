"""The mark in a status of the installation that manages an object, where several serve the same namespaces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def marked(status: Mapping[str, Any], body: Mapping[str, Any], installation: str) -> dict[str, Any]:
    """Return the new status of the object `body` with the mark of an installation.

    An object that an earlier version reconciled has none until its next edit, so that an upgrade writes nothing.
    """
    previous = body.get("status") or {}
    if "installation" in previous or previous.get("observedGeneration") != status.get("observedGeneration"):
        return {**status, "installation": installation}
    return dict(status)


def marks_first(status: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    """Return whether a new status claims the object `body` for another installation than before."""
    return manager_of(body) != str(status.get("installation", ""))


def manager_of(body: Mapping[str, Any]) -> str:
    """Return the installation that manages an object, "" where its status does not name one."""
    return str((body.get("status") or {}).get("installation") or "")
