"""A custom resource -> its row in the status table. Used by status, its live table and the demo."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from outfitter.status import is_ready, is_stalled

_COLOURS: Final = {
    "No issues found": "green",
    "Issues found": "yellow",
    "Failed": "bold red",
    "Creating": "cyan",
    "Updating": "cyan",
    "Deleting": "magenta",
}
_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
_DIGEST: Final = len("sha256:") + 12
MESSAGE_WIDTH: Final = 60  # characters; the whole text is below the table


@dataclass(frozen=True)
class Row:
    """State of one object. `issues` are whole sentences; `has_problem` means that a user must act or wait longer."""

    kind: str
    namespace: str
    name: str
    sync: str
    phase: str
    ready: str
    message: str
    created: str
    has_problem: bool
    issues: tuple[str, ...] = ()
    outdated: tuple[str, ...] = ()
    revision: str = ""
    used_by: str = ""
    urls: tuple[str, ...] = ()
    created_by: str = ""
    updated_by: str = ""

    @property
    def title(self) -> str:
        """Kind, namespace and name, for use in a sentence."""
        return f"{self.kind} {self.namespace}/{self.name}"


def row(body: Mapping[str, Any], kind: str = "") -> Row:
    """Return the Row of an object; `kind` is used where the body has none, as in a list."""
    meta, status = body["metadata"], body.get("status") or {}
    issues = tuple(str(item.get("message") or item.get("issue")) for item in status.get("issues") or ())
    outdated = tuple(_outdated(item) for item in status.get("outdated") or ())
    used = (status.get("usedBy") or {}).get("total")
    return Row(
        kind=kind or body["kind"],
        namespace=meta.get("namespace", ""),
        name=meta["name"],
        sync=status.get("syncStatus") or "No status",
        phase=_phase(status),
        ready=_ready(status),
        message=issues[0] if issues else str(status.get("message") or ("; ".join(outdated))),
        created=meta.get("creationTimestamp") or "",
        has_problem=has_problem(status),
        issues=issues,
        outdated=outdated,
        revision=status.get("revision") or "",
        used_by="" if used is None else str(used),
        created_by=status.get("createdBy") or "",
        updated_by=status.get("updatedBy") or "",
        urls=tuple(str(item["url"]) for item in (status, *(status.get("connections") or ())) if item.get("url")),
    )


def settled(body: Mapping[str, Any]) -> bool:
    """Whether the newest generation of an object is reconciled and Ready."""
    status = body.get("status") or {}
    return is_ready(status) and status.get("observedGeneration", 0) >= body["metadata"].get("generation", 0)


def has_problem(status: Mapping[str, Any]) -> bool:
    """Whether a status reports a problem that keeps the object from being Ready, not only a note."""
    if is_stalled(status):
        return True
    ready = next((item for item in status.get("conditions") or () if item.get("type") == "Ready"), None)
    reasons = {item.get("issue") for item in status.get("issues") or ()}
    return ready is not None and ready.get("status") != "True" and ready.get("reason") in reasons


def _phase(status: Mapping[str, Any]) -> str:
    """Return the phase, or the state of a build; for an artifact also version and run phase: `Locked 3, Running`."""
    numbered = f"{status.get('phase') or status.get('state') or ''} {status.get('version') or ''}".strip()
    return ", ".join(part for part in (numbered, status.get("runPhase")) if part)


def _ready(status: Mapping[str, Any]) -> str:
    if "replicas" in status:
        return f"{status.get('readyReplicas', 0)}/{status['replicas']}"
    if "targets" in status:
        return f"{status['targets'].get('synced', 0)}/{status['targets'].get('desired', 0)}"
    return "" if not status.get("conditions") else "yes" if is_ready(status) else "no"


def _outdated(item: Mapping[str, Any]) -> str:
    name = f"{item.get('kind')} {item.get('name')}"
    if item.get("reason") == "Edited":
        return (
            f"{name} was edited: generation {item.get('usedGeneration')} is in use, "
            f"generation {item.get('generation')} is the newest"
        )
    if item.get("reason") == "Moved":
        used, newest = (short_digest(item.get(key)) for key in ("usedDigest", "digest"))
        return f"{name} moved: pods run {used}, and the tag is {newest} now"
    return f"{name} was {str(item.get('reason', 'changed')).lower()}"


def short_digest(digest: Any) -> str:
    """Return the beginning of the digest of an image, which is enough to tell two apart."""
    return str(digest or "")[:_DIGEST]


def age(created: str, now: datetime) -> str:
    """Return an age such as `5m` or `3h`; "" where the time is not known."""
    try:
        seconds = int((now - datetime.fromisoformat(created)).total_seconds())
    except (ValueError, TypeError):
        return ""
    size, unit = next((pair for pair in _UNITS if seconds >= pair[0]), (1, "s"))
    return f"{max(seconds, 0) // size}{unit}"


def table(rows: Iterable[Row], now: datetime | None = None, *, namespaces: bool = False, wide: bool = False) -> Table:
    """Return the table of `outfitter status`."""
    now = now or datetime.now(UTC)
    result = Table(box=None, pad_edge=False, header_style="bold")
    heads = ["KIND", *(["NAMESPACE"] if namespaces else []), "NAME", "SYNC STATUS", "PHASE", "READY"]
    for head in heads:
        result.add_column(head, no_wrap=True)
    if wide:
        for head in ("REVISION", "USED BY", "CREATED BY", "UPDATED BY", "URL"):
            result.add_column(head, no_wrap=True)
    result.add_column("MESSAGE", overflow="ellipsis", no_wrap=True, ratio=None if wide else 1)
    result.add_column("AGE", no_wrap=True)
    for item in rows:
        cells: list[Text | str] = [item.kind, *([item.namespace] if namespaces else []), item.name]
        cells += [Text(item.sync, style=_COLOURS.get(item.sync, "")), item.phase, item.ready]
        cells += [item.revision, item.used_by, item.created_by, item.updated_by, " ".join(item.urls)] if wide else []
        cells += [item.message if wide else _cut(item.message), age(item.created, now)]
        result.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in cells))
    return result


def _cut(text: str) -> str:
    return text if len(text) <= MESSAGE_WIDTH else text[: MESSAGE_WIDTH - 1].rstrip() + "…"


def details(rows: Iterable[Row]) -> list[tuple[str, str]]:
    """Return (style, line) for all that the table shortens or omits: whole issues, outdated assets and images."""
    lines: list[tuple[str, str]] = []
    for item in rows:
        style = "red" if item.has_problem else "yellow"
        lines += [(style, f"{item.title}: {text}") for text in item.issues]
        if item.outdated:
            lines += [("cyan", f"{item.title}: outdated: {text}") for text in item.outdated]
    return lines
