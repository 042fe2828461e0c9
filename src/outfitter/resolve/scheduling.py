"""Queue, priority and preemptibility of a workload: what it sets, else its Namespace, else its type."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from outfitter.api.priorities import PRIORITIES
from outfitter.naming import LABEL_QUEUE
from outfitter.problems import Problem, stalled
from outfitter.reasons import Reason
from outfitter.resolve.references import Found
from outfitter.resolve.request import WorkloadRequest
from outfitter.settings import Settings
from outfitter.snapshot import Reader

KAI_QUEUE: Final = "default-queue"
"""The queue that KAI itself takes for a pod without a label."""
Allows = Callable[[str, str], bool]
"""Whether the policies of the project allow a value of a field."""


@dataclass(frozen=True)
class Scheduling:
    """How the pods of a workload are scheduled. `queue`, `priority_class`: "" for none.

    `given`: the names of the fields that the submission sets; the others are defaults.
    """

    queue: str = ""
    priority_class: str = ""
    preemptibility: str = ""
    given: frozenset[str] = frozenset()


NOT_SCHEDULED: Final = Scheduling()


@dataclass(frozen=True)
class _Default:
    """The priority of a type of workload. `of_kai`: the class that KAI ships for such pods."""

    word: str
    of_kai: str
    preemptibility: str


_INTERACTIVE: Final = _Default("high", "build", "non-preemptible")
_ENDING: Final = _Default("low", "train", "preemptible")
DEFAULTS: Final[Mapping[str, _Default]] = {
    "workspace": _INTERACTIVE,
    "training": _ENDING,
    "distributed": _ENDING,
    "inference": _Default("very-high", "inference", "non-preemptible"),
}
"""By type of workload."""
_WEAKEST: Final = "preemptible"


def scheduling(
    reader: Reader, request: WorkloadRequest, fields: Mapping[str, Any], allows: Allows, found: Found
) -> Scheduling:
    """Return how a merged submission is scheduled; what prevents that is added to `found`."""
    default = DEFAULTS[request.type]
    queue = queue_of(reader, request.namespace, fields.get("queue") or "")
    if isinstance(queue, Problem):
        found.problems.append(queue)
        queue = ""
    word = fields.get("priorityClass") or ""
    priority = priority_class(reader, word) if word else _default_class(reader, default, allows)
    if isinstance(priority, Problem):
        found.problems.append(priority)
        priority = ""
    own = default.preemptibility if allows("preemptibility", default.preemptibility) else _WEAKEST
    names = ("queue", "priorityClass", "preemptibility")
    given = frozenset(name for name in names if fields.get(name))
    return Scheduling(queue, priority, fields.get("preemptibility") or own, given)


def queue_of(reader: Reader, namespace: str, own: str = "") -> str | Problem:
    """Return the queue of a workload that names `own`, "" for none; of a download, that of its namespace."""
    settings = reader.settings
    if not settings.has_queues:
        return ""
    labelled = reader.labels(namespace).get(LABEL_QUEUE, "")
    if labelled and own not in ("", labelled) and settings.uses_kai:
        text = (
            f"Namespace {namespace} has queue {labelled}, and its workloads cannot use queue {own}. Remove the field, "
            f"or ask an administrator to change the label {LABEL_QUEUE}."
        )
        return stalled(Reason.QUEUE_FORBIDDEN, text, "spec.queue")
    return own or labelled or settings.default_queue or (KAI_QUEUE if settings.uses_kai else "")


def priority_class(reader: Reader, word: str) -> str | Problem:
    """Return the PriorityClass that a name or a word means: the class of this name, else that of the word."""
    mapped = reader.settings.class_names.get(word)
    exact = reader.has_priority_class(word)
    if exact is None:
        return mapped or word  # the API server rejects the pods if there is no such class
    if exact:
        return word
    if mapped is not None and reader.has_priority_class(mapped):
        return mapped
    return stalled(Reason.PRIORITY_UNKNOWN, _unknown(reader, word, mapped), "spec.priorityClass")


def _unknown(reader: Reader, word: str, mapped: str | None) -> str:
    there = ", ".join(_known_words(reader))
    missing = f"PriorityClass {word}" if mapped is None else f"PriorityClass {word} or {mapped}"
    if there:
        return f"The cluster has no {missing}. Use another class, or one of the words {there}."
    hint = "Ask an administrator to set priorityClasses.create of the chart."
    words = f" Its words are {', '.join(PRIORITIES)}." if mapped is None else ""
    return f"The cluster has no {missing}, and no class for any priority word. Use another class. {hint}{words}"


def _known_words(reader: Reader) -> Iterator[str]:
    """Yield the words whose class exists."""
    return (word for word, name in reader.settings.class_names.items() if reader.has_priority_class(name))


def _default_class(reader: Reader, default: _Default, allows: Allows) -> str:
    """Return the class of a type of workload, if the cluster has it and the policies of the project allow it."""
    if not allows("priorityClass", default.word):
        return ""
    names = [reader.settings.class_names[default.word], *_of_kai(reader.settings, default)]
    return next((name for name in names if reader.has_priority_class(name)), "")


def _of_kai(settings: Settings, default: _Default) -> list[str]:
    return [default.of_kai] if settings.uses_kai else []
