"""`uidGidSource: fromIdpToken`: the ids of the login of a workload's author become those of its pods."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from copy import deepcopy
from typing import Any, Final

from outfitter.api.v1alpha1.policyfields import IDS, SOURCE_OF_IDS
from outfitter.problems import Problem, foreign_name, note, stalled
from outfitter.reasons import Reason
from outfitter.resolve.identity import Author, needs_identity, shown
from outfitter.resolve.merge import Merged
from outfitter.resolve.references import Found
from outfitter.resolve.request import WorkloadRequest
from outfitter.settings import Settings
from outfitter.snapshot import Reader

_FROM_LOGIN: Final = ("fromIdpToken", "idpToken")
_LARGEST: Final = 2**31 - 1
_LONGEST: Final = 1024
_FIELDS: Final = dict(zip(("uid", "gid", "groups"), IDS, strict=True))


def uses_login(fields: Mapping[str, Any]) -> bool:
    """Return whether merged fields take the ids of the login."""
    return (fields.get("security") or {}).get("uidGidSource") in _FROM_LOGIN


def as_login(merged: Merged) -> Merged:
    """Return a container with the source of the ids that its pod has, unless it sets ids of its own."""
    security = merged.fields.get("security") or {}
    if security.get("uidGidSource") is not None or any(security.get(name) is not None for name in IDS):
        return merged
    return Merged({**merged.fields, "security": {**security, "uidGidSource": _FROM_LOGIN[0]}}, merged.origins)


def with_login(reader: Reader, request: WorkloadRequest, merged: Merged, found: Found, prefix: str = "spec") -> Merged:
    """Return the submission with the ids of the login as `custom` ones; what prevents that is added to `found`.

    `prefix`: the field of the workload or container that the submission is of.
    """
    if not uses_login(merged.fields):
        return merged
    field = f"{prefix}.{SOURCE_OF_IDS}"
    missing = needs_identity(reader, field)
    if missing is not None:
        found.problems.append(missing)
        return _with_ids(merged, Author())
    writer = request.author
    found.problems += _without_effect(merged)
    keys = login_keys(reader.settings)
    problems = [*_given(request), *_defects(keys, writer, field)]
    found.problems += problems
    return _with_ids(merged, Author() if problems else writer, [name for name, key in keys.items() if key])


def _with_ids(merged: Merged, writer: Author, keys: Collection[str] = ()) -> Merged:
    """Return the submission with the ids whose keys are configured: others are from a former configuration."""
    fields, origins = deepcopy(merged.fields), dict(merged.origins)
    # Those of an asset or policy are for the source `custom`.
    security = {name: value for name, value in fields["security"].items() if name not in IDS}
    ids: dict[str, Any] = {
        _FIELDS[name]: value if name == "groups" else int(value)
        for name, value in writer.run_as.items()
        if name in keys
    }
    fields["security"] = {**security, **ids, "uidGidSource": "custom"}
    for name in IDS:
        origins.pop(f"security.{name}", None)
    return Merged(fields, {**origins, **{f"security.{name}": f"login of {shown(writer.name)}" for name in ids}})


def _given(request: WorkloadRequest) -> Iterator[Problem]:
    """Yield the ids that the workload sets itself."""
    for layer, place in ((request.from_template, "spec.template"), (request.inline, "")):
        for name in IDS:
            if (layer.get("security") or {}).get(name) is not None:
                text = "With uidGidSource fromIdpToken the ids come from the login. Remove the field."
                yield stalled(Reason.INVALID_SPEC, text, place or f"spec.security.{name}")


def _without_effect(merged: Merged) -> Iterator[Problem]:
    """Yield the notes about ids that an asset gives. Those of a policy are for workloads with the source `custom`."""
    for name in IDS:
        origin = merged.origins.get(f"security.{name}", "")
        if origin.startswith("Environment "):
            text = f"The id of {origin} has no effect, because uidGidSource fromIdpToken takes that of the login."
            yield note(Reason.NOT_ENFORCED, text, f"spec.security.{name}")


def login_keys(settings: Settings) -> dict[str, str]:
    """Return the keys of a login that hold each id, "" for none."""
    return {"uid": settings.identity_uid_key, "gid": settings.identity_gid_key, "groups": settings.identity_groups_key}


def _defects(keys: Mapping[str, str], writer: Author, field: str) -> Iterator[Problem]:
    """Yield what is missing or wrong in the login."""
    if not writer.name:
        text = (
            "It is not known who wrote this object, because it is older than the policy that says so, or was changed "
            "without it. Change what it runs, such as its arguments, or create the object again."
        )
        yield stalled(Reason.IDENTITY_MISSING, text, field)
        return
    user = foreign_name(shown(writer.name))
    if not keys["uid"]:
        text = (
            "No field of a login is known that holds the user id. Ask an administrator to set identity.extraKeys.uid "
            "of the chart, or set uidGidSource to custom."
        )
        yield stalled(Reason.NEEDS_IDENTITY, text, field)
        return
    for name, key in keys.items():
        value = writer.run_as.get(name, "")
        if not value and key and name != "groups":  # a user can be in no group
            text = f"The login of {user} has no extra field {key}. Ask an administrator of the logins to add it."
            yield stalled(Reason.IDENTITY_MISSING, text, field)
        elif value and key and not _ids(value, several=name == "groups"):
            what = f"numbers from 0 to {_LARGEST} in at most {_LONGEST} characters"
            text = (
                f"Extra field {key} of the login of {user} is {foreign_name(value)}. It must be "
                f"{what if name == 'groups' else f'one number from 0 to {_LARGEST}'}. Ask an administrator of the "
                "logins to correct it."
            )
            yield stalled(Reason.IDENTITY_INVALID, text, field)


def _ids(value: str, *, several: bool) -> bool:
    parts = value.split(",")
    plain = all(re.fullmatch("0|[1-9][0-9]{0,9}", part) and int(part) <= _LARGEST for part in parts)
    return plain and (several or len(parts) == 1) and len(value) <= _LONGEST
