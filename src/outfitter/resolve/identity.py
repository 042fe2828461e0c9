"""Who wrote an object: what of the stamps of the API server, and of its former status, can be believed.

A stamp has the uid of the binding of the policy that set it. With the uid of the present binding it is true, because
the API server overwrites all others. With another one it is from before that binding, or forged: then it counts only if
the operator believed the very same stamps before, and the spec has not changed since.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any, Final, NamedTuple

from outfitter.naming import (
    ANNOTATION_AUTHORED_BY,
    ANNOTATION_AUTHORED_UNDER,
    ANNOTATION_CREATED_BY,
    ANNOTATION_CREATED_UNDER,
    ANNOTATION_RUN_AS,
    ANNOTATION_UPDATED_BY,
    ANNOTATION_UPDATED_UNDER,
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
_CREATED: Final = (ANNOTATION_CREATED_BY, ANNOTATION_CREATED_UNDER)
_UPDATED: Final = (ANNOTATION_UPDATED_BY, ANNOTATION_UPDATED_UNDER)
_AUTHORED: Final = (ANNOTATION_AUTHORED_BY, ANNOTATION_AUTHORED_UNDER, *ANNOTATION_RUN_AS.values())


@dataclass(frozen=True)
class Author:
    """Who last changed what a workload runs. "": not known."""

    name: str = ""
    run_as: Mapping[str, str] = field(default_factory=dict)
    """The ids of the login: uid, gid, groups, those that the login has."""


def needs_identity(reader: Reader, field: str) -> Problem | None:
    """Return the problem of a field that needs to know who wrote its object, where the API server does not say it."""
    if reader.settings.watch_namespaces:
        why = "An operator of single namespaces cannot see whether the API server says that. Remove the field."
    elif not reader.serves(POLICY):
        why = (
            f"The API server says that from Kubernetes 1.36 on, with the kind {POLICY}, which the operator must be "
            "allowed to read. Remove the field, or ask an administrator."
        )
    elif (problem := _not_in_force(reader)) is not None:
        why = f"Ask an administrator to {problem}, or remove the field."
    else:
        return None
    return stalled(Reason.NEEDS_IDENTITY, f"The field needs to know who wrote this object. {why}", field)


def author(reader: Reader, live: CachedObject) -> Author:
    """Return who last changed what a workload runs: not who describes, scales, stops or restarts it."""
    if not _binding(reader) or not _believed(reader, live.body).authored:
        return Author()
    annotations = _annotations(live.body)
    ids = {name: annotations[key] for name, key in ANNOTATION_RUN_AS.items() if annotations.get(key)}
    return Author(annotations[ANNOTATION_AUTHORED_BY], ids)


def shown_author(reader: Reader, live: CachedObject) -> str | None:
    """Return the author as a status shows him, also while the policy is away; None if not known."""
    known = _believed(reader, live.body).authored
    return shown(_annotations(live.body)[ANNOTATION_AUTHORED_BY]) if known else None


def owner(reader: Reader, live: CachedObject) -> str:
    """Return the creator of an object, "" if not known."""
    known = _binding(reader) and _believed(reader, live.body).created
    return _annotations(live.body).get(ANNOTATION_CREATED_BY, "") if known else ""


def identity_facts(reader: Reader, live: CachedObject, body: Mapping[str, Any]) -> dict[str, str]:
    """Return the fields of the status that say who wrote the object, and when. `body`: that of the object."""
    meta, before, annotations = body["metadata"], body.get("status") or {}, _annotations(body)
    stamps = _believed(reader, body)
    same = before.get("observedGeneration") == live.generation
    newest = _generation(annotations) == str(live.generation)
    if stamps.updated and newest:
        updater = shown(annotations[ANNOTATION_UPDATED_BY])
    else:
        updater = before.get("updatedBy", "") if same else ""
    if same:
        time = before.get("updatedAt", "")
    elif live.generation == 1:
        time = meta.get("creationTimestamp", "")
    else:  # the API server records no time for a write through scale, and users can write managedFields
        now = reader.now.astimezone(UTC).strftime(_RFC_3339)
        time = min(live.edited, now) if live.edited and newest else now
    facts = {
        "createdBy": shown(annotations[ANNOTATION_CREATED_BY]) if stamps.created else before.get("createdBy", ""),
        "updatedBy": updater,
        "updatedAt": time,
        "stamps": "/".join(stamps) if any(stamps) else "",
    }
    return {name: value for name, value in facts.items() if value}


def shown(user: str) -> str:
    """Return the name of a user as a status shows it: printable, and cut."""
    text = printable(user)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 10]}-{short_hash(user, 9)}"


def _binding(reader: Reader) -> str:
    """Return the uid of the binding of the policy that stamps; "" if the policy is not in force."""
    binding = reader.get(BINDING, "", reader.settings.identity_policy)
    return binding.uid if binding is not None and _not_in_force(reader) is None else ""


def _not_in_force(reader: Reader) -> str | None:
    """Return what an administrator has to do before stamps can be believed; None if they can.

    A user who has seen the uid of the binding can forge stamps while the binding selects less, or the policy is gone.
    """
    name = reader.settings.identity_policy
    policy, binding = (reader.get(kind, "", name) for kind in (POLICY, BINDING))
    if policy is None or binding is None:
        return f"install {POLICY} {name} with its binding (identity.enabled of the chart, or deploy/identity.yaml)"
    since, bound = (each.body["metadata"].get("creationTimestamp", "") for each in (policy, binding))
    if binding.generation > 1 or since > bound:
        return f"delete {BINDING} {name} and create it again: it was edited, or is older than its policy"
    return None


class _Stamps(NamedTuple):
    """Digests of the stamps about creation, the newest write of the spec, and what runs; "" for disbelieved ones."""

    created: str
    updated: str
    authored: str


def _believed(reader: Reader, body: Mapping[str, Any]) -> _Stamps:
    """Return which stamps are true. Without a policy in force these are what was known before, for the status alone."""
    annotations, status, binding = _annotations(body), body.get("status") or {}, _binding(reader)
    former = (*str(status.get("stamps", "")).split("/"), "", "")
    same = status.get("observedGeneration") == body["metadata"].get("generation")
    found = []
    for names, before in zip((_CREATED, _UPDATED, _AUTHORED), former, strict=False):
        under = annotations.get(names[1], "").partition("/")[0]
        digest = _digest(annotations, names)
        # A spec that changed without a stamp has another author. An object is created only once.
        kept = digest == before and (same or names is _CREATED)
        found.append(digest if kept or (binding and under == binding) else "")
    return _Stamps(*found)


def _digest(annotations: Mapping[str, str], names: tuple[str, ...]) -> str:
    """Return a digest of some stamps; "" where the first one, the name of the user, is absent."""
    if not annotations.get(names[0]):
        return ""
    return short_hash(repr([annotations.get(name, "") for name in names]), 16)


def _generation(annotations: Mapping[str, str]) -> str:
    """Return the generation that the stamps are about: a write through scale leaves them as they were."""
    return annotations.get(ANNOTATION_UPDATED_UNDER, "").partition("/")[2]


def _annotations(body: Mapping[str, Any]) -> Mapping[str, str]:
    found: Mapping[str, str] = body["metadata"].get("annotations") or {}
    return found
