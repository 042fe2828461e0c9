"""Tags of an Artifact or ArtifactRepository, as labels of child objects and as one text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from outfitter.api.patterns import LABEL_VALUE_PATTERN, matches
from outfitter.api.v1alpha1.artifactspec import TAGGED_LIMIT
from outfitter.naming import LABEL_LIMIT, TAG_PREFIX
from outfitter.problems import Problem, note
from outfitter.reasons import Reason

_SHOWN: Final = 3

Tags = Iterable[Mapping[str, Any]]


def tag_labels(tags: Tags) -> dict[str, str]:
    """Return the label of each tag whose name and value a label can have."""
    return {f"{TAG_PREFIX}{tag['name']}": tag["value"] for tag in tags if _fits(tag)}


def without_label(tags: Tags) -> list[Problem]:
    """Return a note about the tags that cannot be labels; none if all can."""
    names = [str(tag["name"])[:LABEL_LIMIT] for tag in tags if not _fits(tag)]
    if not names:
        return []
    more = " and others" if len(names) > _SHOWN else ""
    text = (
        f"The child objects have no label for tags {', '.join(names[:_SHOWN])}{more}. Use names and values with at "
        "most 63 letters, digits, hyphens, underscores and dots."
    )
    return [note(Reason.NOT_ENFORCED, text, "spec.tags")]


def tagged(tags: Tags) -> str | None:
    """Return the tags as one text by name, for tables and field selectors; None without tags."""
    text = ",".join(sorted(f"{tag['name']}={tag['value']}" for tag in tags))
    return (text if len(text) <= TAGGED_LIMIT else f"{text[: TAGGED_LIMIT - 1]}…") or None


def _fits(tag: Mapping[str, Any]) -> bool:
    name, value = str(tag["name"]), str(tag["value"])
    return bool(name) and all(len(text) <= LABEL_LIMIT and matches(LABEL_VALUE_PATTERN, text) for text in (name, value))
