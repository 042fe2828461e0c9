"""What the simulations say: the children that change, those that wait for a restart, and what is refused. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from outfitter.api.v1alpha1 import kind_of
from outfitter.api.validation import strict_errors
from outfitter.children import child_kind
from outfitter.cli.diff.compare import ChildChange, changed_fields, child_change
from outfitter.cli.diff.live import Body, Live, Place
from outfitter.cli.diff.simulate import Outcomes
from outfitter.cli.table import row
from outfitter.naming import LABEL_ON_DEMAND, LABEL_OWNER_UID
from outfitter.plan.policy import EFFECTIVE
from outfitter.resolve.workload import field_text
from outfitter.simulator.caches import OUR_KINDS
from outfitter.simulator.manifests import place_of
from outfitter.snapshot import Key

REVISION: Final = "ControllerRevision"
_WAITS: Final = ("Secret", "ConfigMap")


@dataclass(frozen=True)
class Difference:
    """What the files change."""

    changes: tuple[ChildChange, ...]
    unchanged: tuple[str, ...]
    waiting: Mapping[str, tuple[str, ...]]
    """Workload -> what it uses only after a restart."""
    refused: tuple[tuple[str, str], ...]
    """Object, and why it cannot be what the file says."""
    notes: tuple[tuple[str, str], ...]
    """Object, and an issue that does not keep it from its children."""
    repairs: Mapping[str, tuple[str, ...]]
    """Child -> the fields that Outfitter would change without the files too."""
    hidden: tuple[str, ...]
    """Kinds of children that the user may not list."""

    @property
    def found(self) -> bool:
        """Return whether there is anything that a user should see before the files are applied."""
        return bool(self.changes or self.refused)

    def to_dict(self) -> dict[str, Any]:
        """Return the difference as data."""
        return {
            "changes": [change.to_dict() for change in self.changes],
            "unchanged": list(self.unchanged),
            "waitingForRestart": [{"object": name, "reasons": list(why)} for name, why in self.waiting.items()],
            "refused": [{"object": name, "message": text} for name, text in self.refused],
            "notes": [{"object": name, "message": text} for name, text in self.notes],
            "repairs": [{"object": name, "fields": list(fields)} for name, fields in self.repairs.items()],
            "hiddenKinds": list(self.hidden),
        }


def difference(found: Outcomes, live: Live, given: Sequence[Body]) -> Difference:
    """Compare the simulations. `given`: the objects of the files."""
    places = [
        place
        for place in dict.fromkeys((*found.before.written(), *found.after.written()))
        if _is_child(found, place) and not live.hides(place[0], place[1])
    ]
    pairs = {place: (_before(found, place), found.after.find(place)) for place in places}
    changes = {place: change for place, pair in pairs.items() if (change := child_change(*pair))}
    shown = tuple(change for place, change in changes.items() if place[0] != REVISION)
    issues = list(_issues(found, given))
    return Difference(
        shown,
        tuple(_unchanged(found, changes)),
        dict(_waiting(found)),
        (*_rejected(found, given), *((name, text) for name, text, bad in issues if bad)),
        tuple((name, text) for name, text, bad in issues if not bad),
        dict(_repairs(found, places)),
        tuple(_hidden(live, given)),
    )


def _is_child(found: Outcomes, place: Place) -> bool:
    """Return whether an object is one that Outfitter creates."""
    bodies = (found.original(place), found.before.find(place), found.after.find(place))
    labels = [(body["metadata"].get("labels") or {}) for body in bodies if body]
    return place[0] == EFFECTIVE or any(LABEL_OWNER_UID in item or LABEL_ON_DEMAND in item for item in labels)


def _before(found: Outcomes, place: Place) -> Body | None:
    """Return a child as it is without the files, with the content that was read of it."""
    body = found.before.find(place)
    if body is not None and "data" not in body and place in found.content:
        return {**body, **found.content[place]}
    return body


def _unchanged(found: Outcomes, changes: Mapping[Place, ChildChange]) -> Iterator[str]:
    """Yield the children of the objects that were reconciled, as far as nothing changes."""
    uids = {
        body["metadata"]["uid"]
        for key in found.after.reconciled
        if (body := found.live.cluster.find(key.kind, key.namespace, key.name))
    }
    for body in found.live.cluster.objects():
        owner = (body["metadata"].get("labels") or {}).get(LABEL_OWNER_UID)
        if owner in uids and body["kind"] != REVISION and place_of(body) not in changes:
            yield _title(place_of(body))


def _waiting(found: Outcomes) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the workloads that use an edit only after a restart, with what was edited."""
    for key in found.after.reconciled:
        if kind_of(key.kind).runs is None:
            continue
        old = {_identity(item) for item in found.before.status(key).get("outdated") or ()}
        new = [item for item in found.after.status(key).get("outdated") or () if _identity(item) not in old]
        if new:
            body = {"metadata": {"name": key.name, "namespace": key.namespace}, "status": {"outdated": new}}
            yield str(key), row(body, key.kind).outdated


def _identity(item: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, str(value)) for name, value in item.items()))


def _issues(found: Outcomes, given: Iterable[Body]) -> Iterator[tuple[str, str, bool]]:
    """Yield object, issue, and whether it is a problem: of the files all, of other objects those that are new."""
    own = {place_of(body) for body in given}
    for key in found.after.reconciled:
        place = (key.kind, key.namespace, key.name)
        after, before = found.after.find(place), found.before.find(place)
        if after is None:
            continue
        known = set(row(before, key.kind).issues) if before is not None else set()
        is_now = row(after, key.kind)
        for text in is_now.issues:
            if text not in known or (place in own and is_now.has_problem):
                yield str(key), text, is_now.has_problem
    for text in found.after.errors:
        yield "", text, True


def _rejected(found: Outcomes, given: Iterable[Body]) -> Iterator[tuple[str, str]]:
    """Yield the fields of files that cannot change."""
    for body in given:
        stored = found.live.cluster.find(*place_of(body))
        if stored is None or body["kind"] not in OUR_KINDS:
            continue
        changed = found.after.find(place_of(body)) or {}
        for error in strict_errors(_user_part(changed), _user_part(stored)):
            yield _title(place_of(body)), f"{field_text(error.path, '')}: {error.message}"


def _user_part(body: Body) -> Body:
    meta = {key: item for key, item in body["metadata"].items() if key in ("name", "namespace")}
    return {**{key: item for key, item in body.items() if key != "status"}, "metadata": meta}


def _repairs(found: Outcomes, places: Iterable[Place]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the children that Outfitter changes although no file does."""
    for place in places:
        if place[0] == REVISION or place[0] in _WAITS:
            continue
        live, before = found.original(place), found.before.find(place)
        if live is not None and before is not None:
            fields = tuple(changed_fields(live, before))
            if fields:
                yield _title(place), fields
        elif live is not None or before is not None:
            yield _title(place), ("deleted" if before is None else "created",)


def _hidden(live: Live, given: Iterable[Body]) -> Iterator[str]:
    """Yield the kinds of children of which the user sees nothing in a namespace of the files."""
    spaces = {body["metadata"].get("namespace", "") for body in given} | {""}
    for kind, namespace in sorted(live.hidden):
        child = child_kind(kind)
        if namespace in spaces and child is not None and child.created:
            yield kind


def _title(place: Place) -> str:
    return str(Key(*place)) if place[1] else f"{place[0]} {place[2]}"
