"""A custom resource -> its row in the status table. Used by status, its live table and the demo."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from rich.cells import cell_len, set_cell_size
from rich.table import Table
from rich.text import Text

from outfitter.problems import printable
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
MESSAGE_WIDTH: Final = 60  # characters, at most; the whole text is below the table
_LEAST_MESSAGE: Final = 20  # on a terminal that is too narrow, lines break
_GAP: Final = 2


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


def table(
    rows: Iterable[Row],
    now: datetime | None = None,
    *,
    namespaces: bool = False,
    wide: bool = False,
    width: int = 0,
) -> Table:
    """Return the table of `outfitter status`. Only its messages are cut to fit `width`, 0 for any width."""
    now = now or datetime.now(UTC)
    heads = ["KIND", *(["NAMESPACE"] if namespaces else []), "NAME", "SYNC STATUS", "PHASE", "READY"]
    heads += ["REVISION", "USED BY", "CREATED BY", "UPDATED BY", "URL"] if wide else []
    heads += ["MESSAGE", "AGE"]
    lines, styles = [], []
    for item in rows:
        cells = [item.kind, *([item.namespace] if namespaces else []), item.name]
        cells += [item.sync, item.phase, item.ready]
        cells += [item.revision, item.used_by, item.created_by, item.updated_by, " ".join(item.urls)] if wide else []
        styles.append("red" if item.has_problem else _COLOURS.get(item.sync, ""))
        lines.append([*map(printable, cells), printable(item.message), age(item.created, now)])
    if not wide:
        _cut_messages(heads, lines, width)
    return _aligned(heads, lines, styles)


def _aligned(heads: Sequence[str], lines: Sequence[Sequence[str]], styles: Sequence[str]) -> Table:
    """Return a table that keeps the width of its content; each sync status in its style."""
    widths = _widths(heads, lines)
    result = Table(box=None, pad_edge=False, header_style="bold", width=sum(widths) + _GAP * (len(heads) - 1))
    for head, size in zip(heads, widths, strict=True):
        result.add_column(head, no_wrap=True, width=size)
    sync = heads.index("SYNC STATUS")
    for line, style in zip(lines, styles, strict=True):
        result.add_row(*(Text(text, style=style if index == sync else "") for index, text in enumerate(line)))
    return result


def _cut_messages(heads: Sequence[str], lines: Sequence[list[str]], width: int) -> None:
    """Shorten the messages so that a line fits the width, if the other columns leave room for them."""
    place = heads.index("MESSAGE")
    others = sum(size for index, size in enumerate(_widths(heads, lines)) if index != place) + _GAP * (len(heads) - 1)
    room = min(MESSAGE_WIDTH, max(_LEAST_MESSAGE, width - others)) if width else MESSAGE_WIDTH
    for line in lines:
        line[place] = _cut(line[place], room)


def _widths(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> list[int]:
    return [max(cell_len(line[index]) for line in (heads, *lines)) for index in range(len(heads))]


def _cut(text: str, room: int) -> str:
    if cell_len(text) <= room:
        return text
    return set_cell_size(text, room - 1).rstrip() + "…"


def details(rows: Iterable[Row]) -> list[tuple[str, str]]:
    """Return (style, line) for all that the table shortens or omits: whole issues, outdated assets and images."""
    lines: list[tuple[str, str]] = []
    for item in rows:
        style = "red" if item.has_problem else "yellow"
        lines += [(style, f"{item.title}: {text}") for text in item.issues]
        if item.outdated:
            lines += [("cyan", f"{item.title}: outdated: {text}") for text in item.outdated]
    return lines
