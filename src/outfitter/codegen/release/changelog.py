"""The entries of one version in CHANGELOG.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from outfitter.errors import ConfigurationError

KINDS: Final = ("added", "changed", "deprecated", "removed", "fixed", "security")
"""Headings of a version, as in Keep a Changelog and Artifact Hub."""
_SECTION: Final = re.compile(r"^## ", re.MULTILINE)
_HEADING: Final = re.compile(r"^### ", re.MULTILINE)
_ENTRY: Final = re.compile(r"^- ((?:.|\n(?=  ))*)", re.MULTILINE)
_LINK_ALONE: Final = re.compile(r"\s*\(\[[^]]*\]\([^)]*\)\)")
_LINK: Final = re.compile(r"\[([^]]*)\]\([^)]*\)")
_NESTED: Final = re.compile(r"\n\s+- ")
_END_OF_SENTENCE: Final = re.compile(r"(?<=[.!?])\s+(?=[A-Z`])")


class Change(NamedTuple):
    """One entry."""

    kind: str
    """One of KINDS."""
    summary: str
    """Its first sentence, without links: their targets are files of the repository."""


def changes(changelog: str, version: str) -> list[Change]:
    """Return the entries of a version, or those of Unreleased where the version has no section yet.

    Raises ConfigurationError where a heading is none of KINDS.
    """
    return list(_entries(_section(changelog, version)))


def _section(changelog: str, version: str) -> str:
    sections = {_name(part): part for part in _SECTION.split(changelog)[1:]}
    return sections.get(version, sections.get("Unreleased", ""))


def _name(section: str) -> str:
    """Return the number of a section, or its only word."""
    return section.split(maxsplit=1)[0].strip("[]").removeprefix("v")


def _entries(section: str) -> Iterator[Change]:
    for part in _HEADING.split(section)[1:]:
        heading, _, text = part.partition("\n")
        kind = heading.strip().lower()
        if kind not in KINDS:
            known = ", ".join(known.capitalize() for known in KINDS)
            raise ConfigurationError(
                f"CHANGELOG.md: {heading.strip()!r} is no heading of a version. Use one of: {known}."
            )
        yield from (Change(kind, _summary(entry)) for entry in _ENTRY.findall(text))


def _summary(entry: str) -> str:
    first = _NESTED.split(entry)[0]
    plain = " ".join(_LINK.sub(r"\1", _LINK_ALONE.sub("", first)).split())
    return _END_OF_SENTENCE.split(plain)[0]
