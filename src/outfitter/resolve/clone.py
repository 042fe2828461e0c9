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


def tags(resource: Resource, taken: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    """Return the tags of an artifact: its own, or those that it copied. An empty list of its own is no tags."""
    own = (resource.body.get("spec") or {}).get("tags")
    return list((own if own is not None or taken is None else taken["spec"].get("tags")) or ())


def shown_copy(resource: Resource, taken: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return what describes a clone and its spec does not show, for its status."""
    own = resource.body.get("spec") or {}
    spec = taken["spec"] if taken else {}
    return {name: spec[name] for name in _DESCRIBING if spec.get(name) and own.get(name) is None} or None
