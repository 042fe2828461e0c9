"""Which fields a clone copies from its source, and what describes an artifact in the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from outfitter.canonical import content_digest
from outfitter.snapshot import Resource

_RUNNING: Final = ("type", "repositoryRef", "containerGroups", "storage", "templateId")
_DESCRIBING: Final = ("description", "tags")
"""Not `displayName`: it is the name of the artifact, and a clone has its own."""


def copied(
    given: Mapping[str, Any], repository: str, origin: Mapping[str, Any], known: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return what a clone copies. `given`: the fields of its source. `origin`: name, uid and generation of the source.

    `known`: `status.clonedFrom`. A snapshot that is taken again from the same source has the same content, also if an
    older version of Outfitter took it, which copied neither description nor tags.
    """
    spec = {key: given[key] for key in (*_RUNNING, *_DESCRIBING) if key in given}
    spec["repositoryRef"] = {"name": repository}
    former = {key: value for key, value in spec.items() if key not in _DESCRIBING}
    as_before = known is not None and {**origin, "digest": content_digest(former)} == known
    return former if as_before else spec


def description(resource: Resource, taken: Mapping[str, Any] | None) -> str:
    """Return the description of an artifact: its own, or the one that it copied. `taken`: the snapshot of a clone."""
    return str(_own_or_copied("description", resource, taken) or "")


def tags(resource: Resource, taken: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    """Return the tags of an artifact: its own, or those that it copied. An empty list of its own is no tags."""
    return list(_own_or_copied("tags", resource, taken) or ())


def copied_facts(resource: Resource, taken: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the status fields with what an artifact copied and its spec does not show."""
    own = resource.body.get("spec") or {}
    spec = taken["spec"] if taken else {}
    return {name: spec[name] for name in _DESCRIBING if spec.get(name) and own.get(name) is None}


def _own_or_copied(name: str, resource: Resource, taken: Mapping[str, Any] | None) -> Any:
    own = (resource.body.get("spec") or {}).get(name)
    return own if own is not None or taken is None else taken["spec"].get(name)
