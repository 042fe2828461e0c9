"""The header WWW-Authenticate: which kind of login a registry asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

_MOST: Final = 4  # headers
_LONGEST: Final = 4096  # characters of all headers
# Possessive, because a header that nearly matches must not be tried in every division.
_SCHEME: Final = re.compile(r"[\s,]*+([A-Za-z][-A-Za-z0-9]*+)(?=[\s,]|$)")
_PARAMETER: Final = re.compile(r'[\s,]*+([A-Za-z][-A-Za-z0-9_]*+)\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"|([^\s,"]*+))')


@dataclass(frozen=True, slots=True)
class Challenge:
    """One scheme with its parameters, both in lower case."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def challenges(headers: Sequence[str]) -> list[Challenge]:
    """Return the challenges of the first headers, as far as they are short. Text that is no challenge ends a header."""
    found: list[Challenge] = []
    left = _LONGEST
    for text in headers[:_MOST]:
        left -= len(text)
        if left < 0:
            break
        found += _parsed(text)
    return found


def _parsed(text: str) -> Iterator[Challenge]:
    at = 0
    while match := _SCHEME.match(text, at):
        at = match.end()
        found: dict[str, str] = {}
        while parameter := _PARAMETER.match(text, at):
            at = parameter.end()
            quoted, bare = parameter[2], parameter[3]
            value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else bare
            found.setdefault(parameter[1].lower(), value)
        yield Challenge(match[1].lower(), found)
