"""Who wrote an object: what of the stamps of the API server, and of its former status, can be believed.

A stamp has the uid of the binding of the policy that set it. With the uid of the present binding it is true, because
the API server overwrites all others. With another one it is from before that binding, or forged: then it counts only if
the operator believed the very same stamps before, and the spec has not changed since.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any, Final

from outfitter.naming import (
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
_UPDATED: Final = (ANNOTATION_UPDATED_BY, ANNOTATION_UPDATED_UNDER, *ANNOTATION_RUN_AS.values())


@dataclass(frozen=True)
class Author:
    """Who wrote the spec of an object last, but for its scale. "": not known."""

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
    """Return the author of the spec of an object. A change of its scale keeps the author of the rest."""
    return _author(live.body) if _binding(reader) and _believed(reader, live.body)[1] else Author()


def _author(body: Mapping[str, Any]) -> Author:
    annotations = _annotations(body)
    ids = {name: annotations[key] for name, key in ANNOTATION_RUN_AS.items() if annotations.get(key)}
    return Author(annotations.get(ANNOTATION_UPDATED_BY, ""), ids)


def owner(reader: Reader, live: CachedObject) -> str:
    """Return the creator of an object, "" if not known."""
    known = _binding(reader) and _believed(reader, live.body)[0]
    return _annotations(live.body).get(ANNOTATION_CREATED_BY, "") if known else ""


def identity_facts(reader: Reader, live: CachedObject, body: Mapping[str, Any]) -> dict[str, str]:
    """Return the fields of the status that say who wrote the object, and when. `body`: that of the object."""
    meta, before, annotations = body["metadata"], body.get("status") or {}, _annotations(body)
    created, updated = _believed(reader, body)
    same = before.get("observedGeneration") == live.generation
    newest = _generation(annotations) == str(live.generation)
    if updated and newest:
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
        "createdBy": shown(annotations[ANNOTATION_CREATED_BY]) if created else before.get("createdBy", ""),
        "updatedBy": updater,
        "updatedAt": time,
        "stamps": "/".join([created, updated]) if created or updated else "",
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


def _believed(reader: Reader, body: Mapping[str, Any]) -> tuple[str, str]:
    """Return the digests of the stamps about creation and about the newest write of the spec; "" for disbelieved ones.

    Without a policy in force they keep what was known before, for the status alone.
    """
    annotations, status, binding = _annotations(body), body.get("status") or {}, _binding(reader)
    created, updated = (_digest(annotations, names) for names in (_CREATED, _UPDATED))
    former_created, _, former_updated = str(status.get("stamps", "")).partition("/")
    same = status.get("observedGeneration") == body["metadata"].get("generation")
    if not (binding and annotations.get(ANNOTATION_CREATED_UNDER) == binding) and created != former_created:
        created = ""
    stamped = binding and annotations.get(ANNOTATION_UPDATED_UNDER, "").partition("/")[0] == binding
    if not stamped and not (updated == former_updated and same):
        updated = ""
    return created, updated


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
