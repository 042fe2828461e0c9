"""How children differ: whole objects before and after, as lines and as data. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from outfitter.canonical import covers, entries_by_key
from outfitter.cli.console import as_yaml
from outfitter.naming import ANNOTATION_DIGEST, LABEL_OWNER_KIND, LABEL_OWNER_NAME, LAST_APPLIED

Body = Mapping[str, Any]

_SERVER_META: Final = (
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)
_BOOKKEEPING: Final = (ANNOTATION_DIGEST, LAST_APPLIED)
_SECRET: Final = ("data", "stringData")
HIDDEN: Final = "(hidden)"
_OTHER: Final = "(hidden, another value)"
_POD_OWNERS: Final = ("StatefulSet", "Deployment", "JobSet", "MPIJob", "Job")


@dataclass(frozen=True)
class ChildChange:
    """One child that is created, changed, replaced by a new object of its name, or deleted."""

    action: str
    kind: str
    namespace: str
    name: str
    owner: str
    """Kind and name; "" for an object that no single one owns."""
    pods: str
    """What it means for the pods: start, restart, stop; "" for nothing."""
    lines: tuple[str, ...]

    @property
    def title(self) -> str:
        """Kind, namespace and name, for use in a sentence."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"

    def to_dict(self) -> dict[str, Any]:
        """Return the change as data."""
        found = {"action": self.action, "kind": self.kind, "namespace": self.namespace, "name": self.name}
        return {**found, "owner": self.owner, "pods": self.pods, "diff": "\n".join(self.lines)}


def child_change(before: Body | None, after: Body | None) -> ChildChange | None:
    """Compare a child before and after; None where nothing changes."""
    body = after or before
    if body is None:
        return None
    replaced = bool(before and after and before["metadata"].get("uid") != after["metadata"].get("uid"))
    if before and after:
        after = {"kind": before["kind"], **aligned(after, before)}
    old, new = _shown(before, None), _shown(after, before)
    if old == new and not replaced:
        return None
    action = "replace" if replaced else "create" if before is None else "delete" if after is None else "change"
    meta, labels = body["metadata"], body["metadata"].get("labels") or {}
    place = f"{body['kind']} {meta.get('namespace', '')}/{meta['name']}"
    lines = difflib.unified_diff(
        _lines(old), _lines(new), f"live {place}" if before else "absent", f"new {place}" if after else "absent",
        lineterm="",
    )  # fmt: skip
    owner = f"{labels.get(LABEL_OWNER_KIND, '')} {labels.get(LABEL_OWNER_NAME, '')}".strip()
    pods = _pods(before, after, replaced=replaced)
    return ChildChange(action, body["kind"], meta.get("namespace", ""), meta["name"], owner, pods, tuple(lines))


def aligned(after: Any, before: Any, field: str = "", *, atomic: bool = False) -> Any:
    """Return `after` as the API server would store it over `before`: equal quantities and defaults are those of before.

    `atomic`: inside a list that is replaced as a whole, whose items get their defaults again.
    """
    if isinstance(after, Mapping) and isinstance(before, Mapping):
        kept = {key: item for key, item in before.items() if key not in after} if atomic else {}
        # The name of the map tells whether its values are quantities.
        alike = {key for key, item in before.items() if key in after and covers({key: after[key]}, {key: item}, field)}
        plain = {key for key in alike if not isinstance(before[key], Mapping | list)}
        items = {
            key: before[key] if key in plain else aligned(item, before.get(key), key, atomic=atomic)
            for key, item in after.items()
        }
        return {**items, **kept}
    if isinstance(after, list) and isinstance(before, list):
        wanted, present = entries_by_key(field, after), entries_by_key(field, before)
        if wanted is not None and present is not None:
            return [aligned(entry, present.get(key), atomic=atomic) for key, entry in wanted.items()]
        if len(after) == len(before):
            return [aligned(one, other, atomic=True) for one, other in zip(after, before, strict=True)]
        return after
    return before if before is not None and not isinstance(after, Mapping) and covers(after, before, field) else after


def _shown(body: Body | None, before: Body | None) -> Body:
    """Return what a reader wants to see of an object; of a Secret only whether a value is another one."""
    if body is None:
        return {}
    found = {key: item for key, item in body.items() if key not in ("status", "metadata")}
    meta = {key: item for key, item in body["metadata"].items() if key not in _SERVER_META}
    notes = {key: item for key, item in (meta.pop("annotations", None) or {}).items() if key not in _BOOKKEEPING}
    found["metadata"] = {**meta, "annotations": notes} if notes else meta
    if body["kind"] == "Secret":
        for part in _SECRET:
            if body.get(part):
                old = ((before or {}).get(part) or {}) if before else None
                found[part] = {key: _masked(value, old, key) for key, value in body[part].items()}
    return found


def _masked(value: Any, old: Mapping[str, Any] | None, key: str) -> str:
    return HIDDEN if old is None or old.get(key) in (None, value) else _OTHER


def _lines(body: Body) -> list[str]:
    return as_yaml(_ordered(body)).splitlines() if body else []


def _ordered(node: Any) -> Any:
    """Sort the fields, so that their order is no difference."""
    if isinstance(node, Mapping):
        return {key: _ordered(node[key]) for key in sorted(node, key=lambda key: (key != "name", key))}
    return [_ordered(item) for item in node] if isinstance(node, list) else node


def _pods(before: Body | None, after: Body | None, *, replaced: bool) -> str:
    """Return what a change of a child means for its pods."""
    kind = (after or before or {}).get("kind")
    if kind not in _POD_OWNERS:
        return ""
    was, will = _runs(before), _runs(after)
    if not was:
        return "start" if will else ""
    if not will:
        return "stop"
    assert before is not None
    assert after is not None
    same = _programs(before) == _programs(after)
    if kind in ("StatefulSet", "Deployment"):
        return "" if same else "restart"
    return "restart" if replaced else ""


def _runs(body: Body | None) -> bool:
    spec = (body or {}).get("spec") or {}
    return body is not None and not spec.get("suspend") and spec.get("replicas", 1) != 0


def _programs(body: Body) -> Any:
    spec = body.get("spec") or {}
    return spec.get("template", spec.get("replicatedJobs", spec.get("mpiReplicaSpecs")))


def changed_fields(before: Body, after: Body) -> Iterator[str]:
    """Yield the path of each field that differs between two versions of an object."""
    yield from _fields(_shown(before, None), _shown({"kind": before["kind"], **aligned(after, before)}, before), "")


def _fields(before: Any, after: Any, path: str) -> Iterator[str]:
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            yield from _fields(before.get(key), after.get(key), f"{path}.{key}" if path else str(key))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _fields(one, other, f"{path}[{number}]")
    else:
        yield path
