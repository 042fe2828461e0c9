"""Who wrote an object: what of the stamps of the API server, and of its former status, can be believed.

A stamp counts if the policy that sets it was there all the time: since before the object was created, or since before
the operator last wrote its status. All others may be forged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any, Final

from outfitter.naming import (
    ANNOTATION_CREATED_BY,
    ANNOTATION_RUN_AS,
    ANNOTATION_UPDATED_BY,
    ANNOTATION_UPDATED_GENERATION,
    short_hash,
)
from outfitter.problems import Problem, printable, stalled
from outfitter.reasons import Reason
from outfitter.snapshot import CachedObject, Reader

POLICY: Final = "MutatingAdmissionPolicy"
BINDING: Final = "MutatingAdmissionPolicyBinding"
_RFC_3339: Final = "%Y-%m-%dT%H:%M:%SZ"
SHOWN: Final = 253
"""Characters of a user name that a status shows."""


@dataclass(frozen=True)
class Author:
    """Who wrote the spec of an object last, but for its scale. "": not known."""

    name: str = ""
    run_as: Mapping[str, str] = field(default_factory=dict)
    """The ids of the login: uid, gid, groups, those that the login has."""


@dataclass(frozen=True)
class _Policy:
    uid: str
    since: str  # RFC 3339


def needs_identity(reader: Reader, field: str) -> Problem | None:
    """Return the problem of a field that needs to know who wrote its object, where the API server does not say it."""
    if _policy(reader) is not None:
        return None
    if reader.settings.watch_namespaces:
        why = "An operator of single namespaces cannot see whether the API server says that. Remove the field."
    elif not reader.serves(POLICY):
        why = (
            "The API server says that from Kubernetes 1.36 on, with the kind MutatingAdmissionPolicy. Remove the field."
        )
    else:
        why = (
            f"Ask an administrator to install {POLICY} {reader.settings.identity_policy} with its binding "
            "(identity.enabled of the chart, or deploy/identity.yaml), or remove the field."
        )
    return stalled(Reason.NEEDS_IDENTITY, f"The field needs to know who wrote this object. {why}", field)


def author(reader: Reader, live: CachedObject) -> Author:
    """Return the author of the spec of an object. A change of its scale keeps the author of the rest."""
    return _author(_policy(reader), live.body)


def _author(policy: _Policy | None, body: Mapping[str, Any]) -> Author:
    if policy is None or not _believed(policy, body):
        return Author()
    annotations = _annotations(body)
    ids = {name: annotations[key] for name, key in ANNOTATION_RUN_AS.items() if key in annotations}
    return Author(annotations.get(ANNOTATION_UPDATED_BY, ""), ids)


def owner(reader: Reader, live: CachedObject) -> str:
    """Return the creator of an object, "" if not known."""
    return _owner(_policy(reader), live.body)


def _owner(policy: _Policy | None, body: Mapping[str, Any]) -> str:
    born = policy is not None and _born(policy, body)
    return _annotations(body).get(ANNOTATION_CREATED_BY, "") if born else ""


def identity_facts(reader: Reader, live: CachedObject, body: Mapping[str, Any]) -> dict[str, str]:
    """Return the fields of the status that say who wrote the object, and when. `body`: that of the object."""
    policy = _policy(reader)
    meta, before = body["metadata"], body.get("status") or {}
    born = policy is not None and _born(policy, body)
    same = before.get("observedGeneration") == live.generation
    if _stamps_newest(body) and (known := _author(policy, body).name):
        updater = shown(known)
    else:
        updater = before.get("updatedBy", "") if same else ""
    if same:
        time = before.get("updatedAt", "")
    elif live.generation == 1:
        time = meta.get("creationTimestamp", "")
    else:  # the API server records no time for a write through scale
        time = (live.edited if _stamps_newest(body) else "") or reader.now.astimezone(UTC).strftime(_RFC_3339)
    facts = {
        "createdBy": shown(_owner(policy, body)) if born else before.get("createdBy", ""),
        "updatedBy": updater,
        "updatedAt": time,
        "identityPolicy": policy.uid if policy else "",
    }
    return {name: value for name, value in facts.items() if value}


def shown(user: str) -> str:
    """Return the name of a user as a status shows it: printable, and cut."""
    text = printable(user)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 10]}-{short_hash(user, 9)}"


def _policy(reader: Reader) -> _Policy | None:
    """Return the policy that stamps, with its binding; None if the API server has no such kinds, or one is missing."""
    name = reader.settings.identity_policy
    policy, binding = (reader.get(kind, "", name) for kind in (POLICY, BINDING))
    if policy is None or binding is None:
        return None
    since = max(each.body["metadata"].get("creationTimestamp", "") for each in (policy, binding))
    return _Policy(short_hash(f"{policy.uid}/{binding.uid}", 16), since)


def _born(policy: _Policy, body: Mapping[str, Any]) -> bool:
    """Return whether an object was created after the policy. Times are whole seconds."""
    return bool(body["metadata"].get("creationTimestamp", "") > policy.since)


def _believed(policy: _Policy, body: Mapping[str, Any]) -> bool:
    """Return whether the policy set the stamps: it was there when the object was created, or its spec last written."""
    if _born(policy, body):
        return True
    status = body.get("status") or {}
    same = status.get("observedGeneration") == body["metadata"].get("generation")
    written_since = not same or "updatedBy" in status
    return status.get("identityPolicy") == policy.uid and written_since and _stamps_newest(body)


def _stamps_newest(body: Mapping[str, Any]) -> bool:
    """Return whether the stamps are about the newest spec: a write through scale leaves them as they were."""
    return _annotations(body).get(ANNOTATION_UPDATED_GENERATION) == str(body["metadata"].get("generation"))


def _annotations(body: Mapping[str, Any]) -> Mapping[str, str]:
    found: Mapping[str, str] = body["metadata"].get("annotations") or {}
    return found
