"""Read YAML as kubectl does: its encodings, its scalars, its idea of JSON."""

from __future__ import annotations

import base64
import codecs
import json
import math
import re
from typing import Any, Final

import yaml

from outfitter.errors import ConfigurationError

TAG: Final = "tag:yaml.org,2002:"
_MARKS: Final = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
"""Byte order marks, as editors on Windows write them."""
_INT: Final = re.compile(r"[-+]?(0b[01_]+|0x[0-9a-fA-F_]+|0o?[0-7_]*|[1-9][0-9_]*)$")
_FLOAT: Final = re.compile(
    r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9]*)?)([eE][-+]?[0-9]+)?$|[-+]?\.(inf|Inf|INF)$|\.(nan|NaN|NAN)$"
)
_LETTER: Final = re.compile(r"[yYnN]$")
_DIRECTIVE: Final = re.compile(r"^%[A-Z]+ .*$", re.MULTILINE)


class Loader(yaml.CSafeLoader):
    """Resolves scalars like kubectl: dates and 22:22 are text, 1e3 is a number, y is true; other tags are ignored."""


def _bool(_: Loader, node: yaml.ScalarNode) -> bool:
    return str(node.value).lower() in ("y", "yes", "true", "on")


def _float(loader: Loader, node: yaml.ScalarNode) -> float | str:
    """Construct a number; text where a number in digits is too large for one."""
    value = loader.construct_yaml_float(node)
    return str(node.value) if math.isinf(value) and "inf" not in str(node.value).lower() else value


def _binary(_: Loader, node: yaml.ScalarNode) -> str:
    return base64.b64decode(node.value).decode()


def _untagged(loader: Loader, node: yaml.Node) -> Any:
    """Construct the value of a node with an unknown tag as if it had none."""
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    assert isinstance(node, yaml.ScalarNode)
    return loader.construct_scalar(node)


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in rules if tag.removeprefix(TAG) not in ("int", "float", "timestamp")]
    for first, rules in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver(f"{TAG}int", _INT, list("-+0123456789"))
Loader.add_implicit_resolver(f"{TAG}float", _FLOAT, list("-+.0123456789"))
Loader.add_implicit_resolver(f"{TAG}bool", _LETTER, list("yYnN"))
Loader.add_constructor(f"{TAG}bool", _bool)
Loader.add_constructor(f"{TAG}float", _float)
Loader.add_constructor(f"{TAG}binary", _binary)
Loader.add_constructor(None, _untagged)


def decoded(source: str, content: bytes) -> str:
    """Return the text of a file in the encoding of its byte order mark, else UTF-8.

    Raises ConfigurationError for another encoding.
    """
    mark = next((mark for mark in _MARKS if content.startswith(mark)), b"")
    try:
        return content.removeprefix(mark).decode(_MARKS.get(mark, "utf-8"))
    except UnicodeDecodeError:
        raise ConfigurationError(f"{source} is not UTF-8 text, nor UTF-16 with a byte order mark.") from None


def unread_by_kubectl(text: str) -> tuple[int, int, str, str, str, str] | None:
    """Return the place of valid YAML that kubectl cannot read, as the last fields of a Finding; None for other text."""
    if directive := _DIRECTIVE.search(text):
        line = text.count("\n", 0, directive.start()) + 1
        return line, 1, "", "", f"kubectl cannot read the directive {directive[0]}. Remove the line.", ""
    if text.lstrip().startswith("{"):
        try:
            json.JSONDecoder().raw_decode(text.lstrip())
        except json.JSONDecodeError as error:
            message = f"kubectl reads a file that begins with {{ as JSON, and it is not valid JSON: {error.msg}."
            return error.lineno, error.colno, "", "", message, "begin the file with --- for YAML"
    return None
