"""How the controllers of a workload whose pods have ranks change: all of them, or none.

A group starts as one, because each pod knows the number and the addresses of the others. So what runs is never mixed
with what is to run. The status first says that a start of all pods is to come, then the old controllers go, and the new
ones come once no pod of the old ones is left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeGuard

from outfitter.api.version import GROUP
from outfitter.backends import Run, controller_kinds
from outfitter.children import child_kind, groups, jobs
from outfitter.naming import (
    ANNOTATION_ATTEMPT,
    ANNOTATION_DIGEST,
    ANNOTATION_GROUP,
    ANNOTATION_RESTARTED_AT,
    ANNOTATION_STOPPED_REVISION,
)
from outfitter.observe import phase
from outfitter.observe.groups import counts
from outfitter.plan.diff import Diff
from outfitter.plan.workload.ending import Ending, restart
from outfitter.plan.workload.observed import ObservedState, has_started
from outfitter.plan.writes import Create, Delete, Write
from outfitter.problems import Problem, note
from outfitter.reasons import Reason
from outfitter.snapshot import CachedObject, Reader

Manifest = Mapping[str, Any]
_ENDED: Final = ("Complete", "Failed")


@dataclass(frozen=True)
class GroupChange:
    """The children to compare with what there is, the controllers to delete, and whether the record is to say so first.

    `kept`: controllers that stay although they are not among the children. `waits`: pods of the old start are left.
    `unserved`: their kind, where the API server does not serve it any more.
    """

    wanted: Sequence[Manifest]
    deletions: tuple[Delete, ...] = ()
    kept: tuple[CachedObject, ...] = ()
    announce: bool = False
    waits: bool = False
    unserved: str = ""

    @property
    def moves(self) -> bool:
        """Return whether what is asked for is not there yet, because something else has to go before."""
        return self.announce or self.waits or bool(self.deletions)

    def stays(self) -> list[Manifest]:
        """Return the controllers that are not to be deleted as unwanted: those that stay, and those that go anyway."""
        found = (*self.kept, *(write.live for write in self.deletions))
        return [{"kind": live.kind, "metadata": live.body["metadata"]} for live in found]


def change(
    reader: Reader, run: Run, made: Sequence[Manifest], observed: ObservedState, ending: Ending | None
) -> GroupChange:
    """Return what is to happen with the controllers of a group. `made`: all children as they are to be."""
    kinds = controller_kinds()
    asked = [item for item in made if item["kind"] in kinds]
    rest = [item for item in made if item["kind"] not in kinds]
    live = [each for each in observed.controllers if not each.deleting]
    if not asked:
        return GroupChange(made)
    unserved = {item["kind"] for item in asked if _optional(item["kind"]) and not reader.serves(item["kind"])}
    if unserved:
        return GroupChange(rest, kept=tuple(live), unserved=min(unserved))
    mark = _annotation(asked[0], ANNOTATION_GROUP)
    other = [each for each in live if _annotation(each.body, ANNOTATION_GROUP) != mark]
    if not live:
        return GroupChange(rest, waits=True) if _pods_left(observed) else GroupChange(made)
    if not other and not _starts_again(asked[0], live):
        missing = len(live) < len(asked)
        return GroupChange(_existing(made, live, kinds) if missing and _pods_left(observed) else made)
    if len(other) < len(live) and not _starts_again(asked[0], live):
        # What is asked for is there, and something of a former start has come back.
        idle = [each for each in other if _stopped(each) or not _has_run(each)]
        return GroupChange(made, _delete(idle), tuple(each for each in other if each not in idle))
    attempts = [_annotation(body, ANNOTATION_ATTEMPT) for body in (asked[0], live[0].body)]
    again = all(attempts) and attempts[0] != attempts[1]
    again = again or run.request.restarted_at != _restarted(live[0])
    running = any(not _stopped(each) for each in live)
    has_run = any(map(_has_run, live)) or any(map(has_started, observed.pods))
    if not again and (run.request.stopped or (running and has_run)):
        return GroupChange([*rest, *_stopping(run, live)], kept=tuple(live))
    if not running and not all(map(_settled, live)):
        return GroupChange(rest, kept=tuple(live), waits=True)
    if ending is not None and ending.written.get("uid") and not again:
        return GroupChange(rest, kept=tuple(live), announce=True)
    return GroupChange(rest, _delete(live))


@dataclass(frozen=True)
class GroupWrites:
    """The writes of a group, and the deletions that replace its creations where a name turns out to be taken."""

    writes: list[Write]
    otherwise: tuple[Delete, ...] = ()


def all_or_none(
    writes: Sequence[Write], wanted: Sequence[Manifest], diff: Diff, controllers: Sequence[CachedObject]
) -> GroupWrites:
    """Return the writes of a group that starts as a whole or not at all.

    As long as a controller is missing, the others only wait for its pods. So none stays where another object has a name
    that the group needs.
    """
    needed = {_key(item): item for item in wanted if _is_needed(item)}
    live = {(kind, name) for kind, _, name in diff.live}
    kinds = controller_kinds()
    if all(key in live for key in needed if key[0] in kinds):
        return GroupWrites(list(writes))
    there = _delete([each for each in controllers if not each.deleting and (each.kind, each.name) in needed])
    created = {_key(write.manifest) for write in writes if isinstance(write, Create)}
    if needed.keys() <= live | created:
        marked = (replace(write, together=True) if _creates(write, needed) else write for write in writes)
        return GroupWrites(list(marked), there)
    left = [write for write in writes if not _creates(write, needed) and write.kind not in kinds]
    taken = any(problem.reason is Reason.NAME_TAKEN for problem in diff.problems)
    return GroupWrites([*left, *(there if taken else ())])


def _key(manifest: Manifest) -> tuple[str, str]:
    return manifest["kind"], manifest["metadata"]["name"]


def _is_needed(manifest: Manifest) -> bool:
    """Return whether the pods of a group need an object: all but the addresses for users."""
    if manifest["kind"] == "Service":
        return bool(manifest["spec"].get("clusterIP") == "None")
    return bool(manifest["kind"] != "Ingress")


def _creates(write: Write, needed: Mapping[tuple[str, str], Manifest]) -> TypeGuard[Create]:
    return isinstance(write, Create) and _key(write.manifest) in needed


def remarks(changed: GroupChange, run: Run) -> Iterator[Problem]:
    """Yield the note that what runs is older than what is asked for."""
    if changed.unserved:
        text = (
            f"The cluster does not serve {changed.unserved} any more, so that the state of the pods is not known. Ask "
            "an administrator to install it again, or start the training again with another backend: "
        )
        yield Problem(Reason.CONTROLLER_MISSING, text + restart(run.request), Reason.CONTROLLER_MISSING.level)
    elif changed.kept and not changed.moves and not run.request.stopped:
        text = "The pods keep running as they started, because all of them change together, or none. "
        yield note(Reason.RESTART_REQUIRED, f"{text}To start them again: {restart(run.request)}")


def _optional(kind: str) -> bool:
    row = child_kind(kind)
    return row is not None and row.optional


def _delete(controllers: Sequence[CachedObject]) -> tuple[Delete, ...]:
    return tuple(Delete(each) for each in controllers)


def _existing(made: Sequence[Manifest], live: Sequence[CachedObject], kinds: Sequence[str]) -> list[Manifest]:
    names = {each.name for each in live}
    return [item for item in made if item["kind"] not in kinds or item["metadata"]["name"] in names]


def _pods_left(observed: ObservedState) -> bool:
    """Return whether a pod of a controller that is gone has not ended: the new pods have the same names."""
    uids = {each.uid for each in observed.controllers if not each.deleting}
    kinds = controller_kinds()  # a pod of a user, with labels copied from ours, has none of them
    pods = (pod for pod in observed.pods if phase(pod) not in ("Failed", "Succeeded"))
    owners = (ref for pod in pods for ref in pod.body["metadata"].get("ownerReferences") or ())
    return any(ref.get("controller") and ref["kind"] in kinds and ref["uid"] not in uids for ref in owners)


def _annotation(body: Mapping[str, Any], name: str) -> str:
    return str((body["metadata"].get("annotations") or {}).get(name, ""))


def _restarted(live: CachedObject) -> str:
    if live.kind != "Job":
        return _annotation(live.body, ANNOTATION_RESTARTED_AT)
    annotations = (live.body["spec"]["template"].get("metadata") or {}).get("annotations") or {}
    return str(annotations.get(ANNOTATION_RESTARTED_AT, ""))


def _stopped(live: CachedObject) -> bool:
    return ANNOTATION_STOPPED_REVISION in (live.body["metadata"].get("annotations") or {})


def _starts_again(asked: Manifest, live: Sequence[CachedObject]) -> bool:
    """Return whether a stopped group starts of which a pod has ended: the others would wait for it."""
    starts = ANNOTATION_STOPPED_REVISION not in (asked["metadata"].get("annotations") or {})
    return starts and all(map(_stopped, live)) and any(map(_has_ended_pods, live))


def _has_ended_pods(live: CachedObject) -> bool:
    status = live.body.get("status") or {}
    found = status if live.kind == "Job" else counts(live.body)
    return bool(found.get("succeeded") or found.get("failed"))


def _has_run(live: CachedObject) -> bool:
    return jobs.has_run(live.body) if live.kind == "Job" else groups.has_run(live.body)


def _settled(live: CachedObject) -> bool:
    """Return whether no pod of a stopped controller is left."""
    if live.kind != "Job":
        return groups.settled(live.body)
    status = live.body.get("status") or {}
    if any(item["type"] in _ENDED and item.get("status") == "True" for item in status.get("conditions") or ()):
        return True
    return bool(live.body["spec"].get("suspend")) and not (status.get("active") or status.get("startTime"))


def _stopping(run: Run, controllers: Sequence[CachedObject]) -> list[dict[str, Any]]:
    """Return the controllers that are to be stopped, as they are otherwise."""
    return [_stop(run, each) for each in controllers if run.request.stopped and not _stopped(each)]


def _stop(run: Run, live: CachedObject) -> dict[str, Any]:
    meta, spec = live.body["metadata"], live.body["spec"]
    annotations = {
        name: value for name, value in (meta.get("annotations") or {}).items() if name.startswith(f"{GROUP}/")
    }
    annotations = {**annotations, ANNOTATION_STOPPED_REVISION: run.revision}
    annotations.pop(ANNOTATION_DIGEST, None)
    stop = {"suspend": True}
    row = child_kind(live.kind)
    assert row is not None
    return {
        "apiVersion": row.api_version,
        "kind": live.kind,
        "metadata": {
            **{name: meta[name] for name in ("name", "namespace", "labels", "ownerReferences") if name in meta},
            "annotations": annotations,
        },
        "spec": groups.with_suspend(spec, {"runPolicy": stop} if "runPolicy" in spec else stop),
    }
