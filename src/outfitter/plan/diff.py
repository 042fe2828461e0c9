"""Compare wanted manifests with the cached objects: the writes that make them equal, and the obstacles.

One module: each obstacle belongs to one step of the comparison.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from outfitter.api.quantities import parse_quantity
from outfitter.canonical import covers, differences, fingerprint, path_text, stamp
from outfitter.children import child_kind
from outfitter.errors import ApiError, Forbidden, Invalid, NotFound, TooLarge
from outfitter.naming import (
    ANNOTATION_DIGEST,
    ANNOTATION_FIXED,
    LABEL_OWNER_KIND,
    LABEL_OWNER_NAME,
    LABEL_RETAINED,
    keeps_data,
)
from outfitter.plan.job_change import group_change, job_change
from outfitter.plan.writes import Apply, Create, Delete, Write, WritePhase
from outfitter.problems import Problem, foreign_name, note, stalled, waiting
from outfitter.reasons import Reason
from outfitter.snapshot import CachedObject, Reader, Resource

_POLICY: Final = re.compile(r"""ValidatingAdmissionPolicy '([^']+)'|admission webhook "([^"]+)\"""")

_LIMIT_RANGE: Final = re.compile(r"(?:minimum|maximum) \S+ usage per \w+ is \S+?, but (?:request|limit) is [^\s,.\]]+")


@dataclass
class Diff:
    """The writes that make the live objects equal to the wanted ones, and the problems that prevent some."""

    writes: list[Write] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    live: dict[tuple[str, str, str], CachedObject] = field(default_factory=dict)


def diff(reader: Reader, owner: Resource, wanted: Iterable[Mapping[str, Any]]) -> Diff:
    """Compare manifests with the caches: create missing objects, apply different ones, leave unmanaged ones alone."""
    result = Diff()
    for given in wanted:
        meta = given["metadata"]
        found = reader.get_untracked(given["kind"], meta.get("namespace", ""), meta["name"])
        if found is None:
            result.writes.append(Create(stamp(dict(given))))
            continue
        manifest = _with_older_data(given, found, owner)
        want = stamp(dict(manifest))
        verdict = check_ownership(reader, found, owner)
        if isinstance(verdict, Problem):
            result.problems.append(verdict)
            reader.track(found.kind, found.namespace, found.name)
            continue
        result.live[found.kind, found.namespace, found.name] = found
        result.problems += _size_kept(want, found)
        change = _change(manifest, want, found)
        if change is None:
            continue
        futile = overridden(reader, want, found)
        if futile is None:
            result.writes.append(change)
        else:
            result.problems.append(futile)
    return result


def _with_older_data(manifest: Mapping[str, Any], found: CachedObject, owner: Resource) -> Mapping[str, Any]:
    """Keep data that is older than its owner: to take up a retained claim is no way to delete it."""
    labels = manifest["metadata"].get("labels") or {}
    if found.kind != "PersistentVolumeClaim" or labels.get(LABEL_RETAINED) != "false":
        return manifest
    claim, since = found.body["metadata"], owner.body["metadata"].get("creationTimestamp", "")
    older = claim.get("creationTimestamp", "") < since
    # A DataSource and a NimCache say what happens to their data. `ephemeral` of a workload is for new claims.
    older = older or owner.live.kind not in ("DataSource", "NimCache")
    if not older or not keeps_data(found.kind, claim.get("labels") or {}):
        return manifest
    meta = {key: value for key, value in manifest["metadata"].items() if key != "ownerReferences"}
    return {**manifest, "metadata": {**meta, "labels": {**labels, LABEL_RETAINED: "true"}}}


def check_ownership(reader: Reader, found: CachedObject, owner: Resource) -> Problem | None:
    """Return None if the owner may write a live object, else the problem that says why not."""
    where = place(found.kind, found.namespace, found.name)
    if owner.live.uid in (found.owner, found.controller):
        return (
            waiting(
                Reason.REPLACING,
                f"{where} is being deleted. Outfitter then creates it again.",
                namespace=found.namespace,
            )
            if found.deleting
            else None
        )
    labels = found.body["metadata"].get("labels") or {}
    former = (labels.get(LABEL_OWNER_KIND), labels.get(LABEL_OWNER_NAME)) == (owner.live.kind, owner.live.name)
    former = former and reader.owner(found.owner) is None  # its owner exists in another namespace and keeps it
    if former and keeps_data(found.kind, labels) and not found.deleting:
        return None  # retained data of a former owner is taken over
    if former:
        return waiting(
            Reason.REPLACING,
            f"{where} belongs to a deleted {owner.live.kind} of this name. Outfitter continues when it is gone.",
            namespace=found.namespace,
        )
    return name_conflict(found.kind, found.namespace, found.name, labels)


def overridden(reader: Reader, want: Mapping[str, Any], found: CachedObject) -> Problem | None:
    """Return the note that another writer keeps changing a child back, while it is no use to write it again."""
    known = reader.override(found.kind, found.namespace, found.name)
    if known is None or known.fingerprint != fingerprint(want):
        return None
    if found.kind not in ("Secret", "ConfigMap") and not known.fields.issuperset(differences(want, found.body)):
        return None  # something else changed too
    fields = ", ".join(sorted(path_text(path) for path in known.fields)) or "keys"
    who = " and ".join(map(foreign_name, known.managers)) or "Another writer, such as an admission policy,"
    text = (
        f"{who} changes {fields} of {place(found.kind, found.namespace, found.name)} after each write. "
        "Outfitter keeps the change, and tries again later. Change that writer, or set the same value here."
    )
    return note(Reason.FIELD_OVERRIDDEN, text, namespace=found.namespace)


def place(kind: str, namespace: str, name: str) -> str:
    """Return the name of an object for messages."""
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"


def name_conflict(kind: str, namespace: str, name: str, labels: Mapping[str, str]) -> Problem:
    """Return the problem of a name that an unmanaged object holds. `labels`: those of that object."""
    where = place(kind, namespace, name)
    if LABEL_OWNER_KIND in labels and LABEL_OWNER_NAME in labels:
        text = (
            f"{where} belongs to {labels[LABEL_OWNER_KIND]} {labels[LABEL_OWNER_NAME]}. Choose another name for "
            "your object."
        )
    else:
        text = (
            f"{where} exists, and Outfitter does not manage it. Delete or rename it, or choose another name for "
            "your object."
        )
    return stalled(Reason.NAME_TAKEN, text, namespace=namespace)


def _change(manifest: Mapping[str, Any], want: dict[str, Any], found: CachedObject) -> Write | None:
    live = found.body
    if found.kind == "ControllerRevision":
        # Its name is a digest of its content. A return to former content needs a new object with the newest number.
        return Delete(found) if want["revision"] > live["revision"] else None
    if found.kind == "PersistentVolumeClaim":
        return _claim(manifest, want, found)
    if ANNOTATION_FIXED in want["metadata"]["annotations"]:
        return (job_change if found.kind == "Job" else group_change)(want, found)
    same = (live["metadata"].get("annotations") or {}).get(ANNOTATION_DIGEST) == want["metadata"]["annotations"][
        ANNOTATION_DIGEST
    ]
    # Items of a list have neither apiVersion nor kind.
    if same and covers({key: item for key, item in want.items() if key not in ("apiVersion", "kind")}, live):
        return None
    child = child_kind(found.kind)
    asked, has = want.get("spec", want), live.get("spec", live)
    if child is not None and child.immutable is not None:
        for name in child.immutable.fields:
            if not covers(asked.get(name), has.get(name), name) and asked.get(name) is not None:
                return Delete(found, orphan=child.immutable.way == "orphan")
    if found.kind == "Service" and (want["spec"].get("clusterIP") == "None") != (
        live["spec"].get("clusterIP") == "None"
    ):
        return Delete(found)
    return Apply(want, found.uid)


_FIXED_AT_CREATION: Final = ("accessModes", "storageClassName", "volumeMode")


def _claim(manifest: Mapping[str, Any], want: dict[str, Any], found: CachedObject) -> Write | None:
    """Return the write that takes over a claim, repairs its labels or changes its size.

    A volume never shrinks. Our own growth that has not happened yet can be taken back, and a claim that was never bound
    holds no data, so it is created again with its new size, class and access modes. A growth by somebody else is kept.
    """
    live = found.body
    requested, has = want["spec"]["resources"]["requests"], live["spec"]["resources"]["requests"]
    status = live.get("status") or {}
    wanted, current = parse_quantity(requested["storage"]), parse_quantity(has["storage"])
    unlike = wanted != current or any(want["spec"].get(name, value) != value for name, value in _immutable(live))
    if unlike and status.get("phase") == "Pending" and not live["spec"].get("volumeName"):
        return Delete(found)
    capacity = (status.get("capacity") or {}).get("storage")
    smallest = parse_quantity(capacity) if capacity and _size_is_ours(manifest, live) else current
    if wanted <= current and (wanted < smallest or wanted == current):
        requested["storage"] = has["storage"]
        labels, owners = live["metadata"].get("labels") or {}, live["metadata"].get("ownerReferences") or []
        if covers(want["metadata"]["labels"], labels) and covers(
            want["metadata"].get("ownerReferences", []), owners, "ownerReferences"
        ):
            return None
    # Immutable fields are sent as they are; else the API server would reject the growth as well.
    want["spec"].update(_immutable(live))
    return Apply(want, found.uid)


def _immutable(claim: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the fields of a claim that cannot change."""
    return [(name, value) for name, value in claim["spec"].items() if name in _FIXED_AT_CREATION]


def _size_is_ours(manifest: Mapping[str, Any], live: Mapping[str, Any]) -> bool:
    """Return whether the current size of a claim is the one that we applied: the digest of that manifest fits."""
    requests = {"requests": live["spec"]["resources"]["requests"]}
    applied = stamp({**manifest, "spec": {**manifest["spec"], "resources": requests}})
    digest = applied["metadata"]["annotations"][ANNOTATION_DIGEST]
    return bool((live["metadata"].get("annotations") or {}).get(ANNOTATION_DIGEST) == digest)


def _size_kept(want: Mapping[str, Any], found: CachedObject) -> Iterator[Problem]:
    """Yield the note that a claim stays larger than what is asked for."""
    if found.kind != "PersistentVolumeClaim":
        return
    asked = want["spec"]["resources"]["requests"]["storage"]
    capacity = ((found.body.get("status") or {}).get("capacity") or {}).get("storage")
    has = found.body["spec"]["resources"]["requests"]["storage"]
    if capacity and parse_quantity(asked) < min(parse_quantity(capacity), parse_quantity(has)):
        where = place(found.kind, found.namespace, found.name)
        text = (
            f"{where} keeps its size of {has}, because a volume cannot shrink to {asked}. Set {has}, or create another."
        )
        yield note(Reason.SIZE_KEPT, text, namespace=found.namespace)


def prune(reader: Reader, owner: Resource, kinds: Sequence[str], wanted: Iterable[Mapping[str, Any]]) -> list[Delete]:
    """Return the deletions of children that are not wanted any more; volumes with user data stay.

    So do children of a kind that a setting turned off: the operator has no rights on them any more.
    """
    keep = {(item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"]) for item in wanted}
    return [
        Delete(child, phase=WritePhase.CLEANUP)
        for child in reader.children(owner.live)
        if child.kind in kinds
        and _enabled(reader, child.kind)
        and (child.kind, child.namespace, child.name) not in keep
        and not child.deleting
        and child.controller in ("", owner.live.uid)
        and not keeps_data(child.kind, child.body["metadata"].get("labels") or {})
    ]


def _enabled(reader: Reader, kind: str) -> bool:
    row = child_kind(kind)
    return row is None or row.enabled(reader.settings)


def too_large(manifest: Mapping[str, Any]) -> str:
    """Return the message that the API server does not store an object of this size."""
    meta = manifest["metadata"]
    size = len(json.dumps(manifest, separators=(",", ":"), ensure_ascii=False, default=str).encode()) / 2**20
    return (
        f"{place(manifest['kind'], meta.get('namespace', ''), meta['name'])} is too large: it has {size:.1f} MiB, and "
        "the API server usually stores at most 1.5 MiB. Make the spec smaller, for example by moving long texts to a "
        "ConfigMap or a volume."
    )


def refused(write: Write, error: ApiError) -> Problem:
    """Return the problem of a rejected write: the answer of the API server and the remedy."""
    if isinstance(write, Delete):
        kind, namespace, name, change = write.live.kind, write.live.namespace, write.live.name, "deletion"
    else:
        meta = write.manifest["metadata"]
        kind, namespace, name = write.manifest["kind"], meta.get("namespace", ""), meta["name"]
        change = "creation" if isinstance(write, Create) else "change"
    where, answer = place(kind, namespace, name), error.message.rstrip(".")
    if isinstance(error, TooLarge) and not isinstance(write, Delete):
        return stalled(Reason.REFUSED, too_large(write.manifest), namespace=namespace)
    text = f"The API server rejected the {change} of {where}: {answer}."
    if isinstance(error, NotFound):
        return waiting(Reason.NOT_CREATED, f"{where} cannot be created: {answer}.", namespace=namespace)
    policy = _POLICY.search(error.message)
    if policy is not None:
        who = policy[1] or policy[2]
        text = (
            f"The admission policy {who} rejected the {change} of {where}: {answer}. "
            "Follow the policy's text, or ask its owner. Outfitter retries every minute."
        )
        return stalled(Reason.FORBIDDEN, text, namespace=namespace)
    if isinstance(error, Forbidden) and "exceeded quota" in error.message:
        return waiting(
            Reason.QUOTA_EXCEEDED,
            f"{text} Free some of the quota, or ask an administrator to raise the quota.",
            namespace=namespace,
        )
    bound = _LIMIT_RANGE.search(error.message) if isinstance(error, Forbidden) else None
    if bound is not None:
        text = (
            f"A LimitRange of namespace {namespace} rejects the {change} of {where}: {bound[0]}. Set a size within "
            "it, or ask an administrator to change the LimitRange."
        )
        return stalled(Reason.LIMIT_RANGE_VIOLATION, text, namespace=namespace)
    if isinstance(error, Forbidden) and "being terminated" in error.message:
        return waiting(Reason.NAMESPACE_TERMINATING, f"Namespace {namespace} is being deleted.", namespace=namespace)
    if isinstance(error, Forbidden):
        return stalled(Reason.FORBIDDEN, f"{text} Ask an administrator to permit the request.", namespace=namespace)
    if isinstance(error, Invalid):
        return stalled(Reason.REFUSED, f"{text} Correct the field that the API server names.", namespace=namespace)
    return waiting(Reason.UNAVAILABLE, f"{text} Outfitter retries.", namespace=namespace)
