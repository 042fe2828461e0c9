"""Acts in words: the sentence of a log line, and the message of an Event."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from outfitter.actions import Action
from outfitter.cluster.events import EVENT_LIMIT
from outfitter.problems import foreign_name, printable
from outfitter.reconcile.acts import DELETED, REPLACED, SPEC_CHANGED, UNWANTED, Act, Place
from outfitter.snapshot import Key

_LISTED: Final = 8  # fields in one sentence
_UNKNOWN: Final = "A writer that left no name"
_DECISIONS: Final = frozenset({Action.START, Action.STOP, Action.RESTART})
_REVISION: Final = "ControllerRevision"


def sentence(key: Key, act: Act, author: str) -> str:
    """Return one act as a sentence, without the object that it is about."""
    child = named(act.child, key)
    text = _SENTENCES[act.action](act, child, author) if act.action in _SENTENCES else act.message
    return printable(text).removeprefix(f"{key} ")


def named(child: Place | None, key: Key) -> str:
    """Return the name of a child, with its namespace if that is another one."""
    if child is None:
        return ""
    kind, namespace, name = child
    return f"{kind} {name}" if namespace in ("", key.namespace) else f"{kind} {namespace}/{name}"


def listed(fields: Sequence[str]) -> str:
    """Return field paths, the first few of many."""
    more = len(fields) - _LISTED
    return ", ".join(fields[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def _by(author: str) -> str:
    return f" by {foreign_name(author)}" if author else ""


def _others(manager: str) -> str:
    """Return who changed a field: managedFields do not name who removed one."""
    return ", ".join(foreign_name(name) for name in manager.split(", ")) if manager else _UNKNOWN


def _changed(act: Act, _child: str, author: str) -> str:
    what = "new object" if act.message == "1" else "changed spec"
    return f"{what}{_by(author)}, generation {act.message}" + (f": {listed(act.fields)}" if act.fields else "")


def _updated(act: Act, child: str, author: str) -> str:
    cause = f" after a change of the spec{_by(author)}" if act.reason == SPEC_CHANGED else ""
    return f"updated {child}{cause}: {listed(act.fields) or 'removed fields'}"


def _repaired(act: Act, child: str, _author: str) -> str:
    return f"repaired {child}: {_others(act.manager)} had changed {listed(act.fields) or 'it'}"


def _recreated(act: Act, child: str, _author: str) -> str:
    why = "it had been deleted" if act.reason == DELETED else "a field changed that cannot change"
    return f"created {child} again, because {why}"


def _deleted(act: Act, child: str, _author: str) -> str:
    return f"deleted {child}" + (", which is not needed any more" if act.reason == UNWANTED else " to create it again")


def _backed_off(act: Act, child: str, _author: str) -> str:
    return (
        f"{_others(act.manager)} changes {listed(act.fields)} of {child} after each write. The next write is in "
        f"{act.seconds or 0:.0f} s"
    )


def _retried(act: Act, _child: str, _author: str) -> str:
    return f"failed and is retried in {act.seconds or 0:.1f} s: {act.message}"


def _stopped(act: Act, _child: str, author: str) -> str:
    return f"stopped by Outfitter, {act.reason}: {act.message}" if act.reason else f"stopped{_by(author)}"


_SENTENCES: Final[Mapping[Action, Callable[[Act, str, str], str]]] = {
    Action.CHANGE: _changed,
    Action.REMOVE: lambda act, child, author: "deleted",
    Action.CREATE: lambda act, child, author: f"created {child}",
    Action.UPDATE: _updated,
    Action.REPAIR: _repaired,
    Action.RECREATE: _recreated,
    Action.DELETE: _deleted,
    Action.COLLECT: lambda act, child, author: f"deleted {child}, because its owner does not exist",
    Action.START: lambda act, child, author: f"started{_by(author)}",
    Action.STOP: _stopped,
    Action.RESTART: lambda act, child, author: f"restarted{_by(author)}, because annotation restartedAt changed",
    Action.LOCK: lambda act, child, author: f"locked{_by(author)}, {act.message}".rstrip(", "),
    Action.DOWNLOAD: lambda act, child, author: "the model is downloaded",
    Action.VIOLATE: lambda act, child, author: f"violates policy {act.manager}: {listed(act.fields)}: {act.message}",
    Action.BACK_OFF: _backed_off,
    Action.RETRY: _retried,
    Action.FAIL: lambda act, child, author: f"the reconciliation failed: {act.message}",
    Action.STALL: lambda act, child, author: f"is Stalled, {act.reason}: {act.message}",
    Action.WAIT: lambda act, child, author: f"waits, {act.reason}: {act.message}",
}


def events(key: Key, acts: Sequence[Act], author: str) -> Iterator[tuple[str, str]]:
    """Yield reason and message of one Event for each kind of act of a reconciliation.

    A decision to stop or restart explains the writes that follow from it. Revisions are records for Outfitter.
    """
    told: dict[str, list[Act]] = {}
    for act in sorted(acts, key=lambda act: act.action not in _DECISIONS):
        reason = Action.UPDATE.event if act.reason == REPLACED else act.action.event
        if reason and not (act.child and act.child[0] == _REVISION):
            told.setdefault(reason, []).append(act)
    if {Action.STOP.event, Action.RESTART.event} & told.keys():
        told.pop(Action.UPDATE.event, None)
        told.pop(Action.CREATE.event, None)
    for reason, same in told.items():
        yield reason, _message(key, same, author)


def _message(key: Key, acts: Sequence[Act], author: str) -> str:
    """Return sentences, the children that were only created or deleted in one, cut at the limit of an Event."""
    sentences = []
    for action, verb in ((Action.CREATE, "created"), (Action.DELETE, "deleted")):
        if names := [named(act.child, key) for act in acts if act.action is action]:
            sentences.append(f"{verb} {', '.join(names)}")
    sentences += [sentence(key, act, author) for act in acts if act.action not in (Action.CREATE, Action.DELETE)]
    text = ". ".join(each[:1].upper() + each[1:] for each in sentences).rstrip(".") + "."
    return text if len(text) <= EVENT_LIMIT else f"{text[: EVENT_LIMIT - 4]} ..."
