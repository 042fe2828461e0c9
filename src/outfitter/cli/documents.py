"""Read YAML files into documents with line numbers, by kubectl's rules; duplicate keys are errors."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from outfitter.api.shape import Path as FieldPath
from outfitter.cli.console import count, print_message
from outfitter.cli.yaml_loader import TAG, Loader, decoded, unread_by_kubectl
from outfitter.errors import ConfigurationError

_SUFFIXES: Final = (".yaml", ".yml", ".json")
_CHART: Final = "Chart.yaml"
_TEMPLATE_HINT: Final = "it is a template: check the output of helm template, with -f -"
_ACTION: Final = re.compile(r"\{\{-?\s*[.$\w(\"]")


@dataclass(frozen=True)
class Finding:
    """One error at one position of a file; `line` and `column` count from 1."""

    file: str
    line: int
    column: int
    object: str
    field: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        where = " ".join(part for part in (self.object, self.field) if part)
        return f"{self.file}:{self.line}:{self.column}: {where + ': ' if where else ''}{self.message}"


@dataclass(frozen=True)
class Document:
    """One object of a file, with the positions of all its fields."""

    file: str
    body: Mapping[str, Any]
    node: yaml.Node = field(repr=False, compare=False)

    @property
    def title(self) -> str:
        """Kind, namespace and name, as far as the object has them."""
        meta = self.body.get("metadata")
        meta = meta if isinstance(meta, Mapping) else {}
        name = "/".join(str(meta[key]) for key in ("namespace", "name") if meta.get(key))
        return f"{self.body.get('kind') or 'object'} {name}".strip()

    def finding(self, path: FieldPath, message: str, hint: str = "") -> Finding:
        """Return a Finding at the field `path`, or at its innermost part that exists."""
        line, column = position(self.node, path)
        return Finding(self.file, line, column, self.title, dotted(path), message, hint)


def dotted(path: FieldPath) -> str:
    """Return a path as text: `spec.connections[0].name`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def position(node: yaml.Node, path: FieldPath) -> tuple[int, int]:
    """Return line and column of a field's key, or of the innermost part of the path that exists."""
    mark = node.start_mark
    for part in path:
        if isinstance(node, yaml.MappingNode):
            pair = next((pair for pair in reversed(node.value) if pair[0].value == part), None)
            if pair is None:
                break
            mark, node = pair[0].start_mark, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            mark = node.start_mark
        else:
            break
    return mark.line + 1, mark.column + 1


def read(sources: Iterable[str], *, recursive: bool = False) -> tuple[list[Document], list[Finding]]:
    """Read all documents of files, folders and `-`, with findings for invalid YAML.

    Raises ConfigurationError where a source cannot be read.
    """
    documents: list[Document] = []
    findings: list[Finding] = []
    for name, text in _texts(sources, recursive):
        if unread := unread_by_kubectl(text):
            unread = (*unread[:-1], _TEMPLATE_HINT) if _ACTION.search(text) else unread
            findings.append(Finding(name, *unread))
            continue
        try:
            for errors, body, node in _parse(name, text):
                findings += errors
                documents += () if errors else _objects(name, body, node, findings)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            detail = " ".join(part for part in (error.context, error.problem) if part)
            hint = _TEMPLATE_HINT if _ACTION.search(text) else "check quotes and indentation"
            findings.append(Finding(name, line, column, "", "", f"The file is not valid YAML: {detail}.", hint))
        except (yaml.YAMLError, RecursionError, ValueError) as error:
            findings.append(Finding(name, 1, 1, "", "", f"The file is not valid YAML: {error}."))
    return documents, findings


def _texts(sources: Iterable[str], recursive: bool) -> Iterator[tuple[str, str]]:
    for source in sources:
        if source == "-":
            yield "stdin", decoded("Standard input", sys.stdin.buffer.read())
            continue
        path = Path(source)
        if path.is_dir():
            files = path.rglob("*") if recursive else path.iterdir()
            found = sorted(file for file in files if file.suffix in _SUFFIXES and file.is_file())
            chosen = [file for file in found if not _of_chart(file)]
            if len(chosen) < len(found):
                text = f"Skipped {count(len(found) - len(chosen), 'file')} of Helm charts in {source}."
                print_message(f"{text} To check a chart: helm template CHART | outfitter validate -f -")
            if not found:
                raise ConfigurationError(f"{source} contains no .yaml, .yml or .json file.")
        else:
            chosen = [path]
        for file in chosen:
            try:
                yield str(file), decoded(str(file), file.read_bytes())
            except OSError as error:
                raise ConfigurationError(f"{file} cannot be read: {error.strerror}.") from None


def _of_chart(file: Path) -> bool:
    """Return whether a file is a template or another part of a Helm chart, and no object."""
    folders = [folder.parent for folder in file.parents if folder.name == "templates"]
    return any((folder / _CHART).is_file() for folder in (file.parent, *folders))


def _parse(name: str, text: str) -> Iterator[tuple[list[Finding], Any, yaml.Node]]:
    loader = Loader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            if node is None:
                break
            errors = _key_findings(name, node)  # before construction, which writes merged keys into the nodes
            yield errors, None if errors else loader.construct_document(node), node
    finally:
        loader.dispose()


def _key_findings(file: str, root: yaml.Node) -> list[Finding]:
    """Duplicate keys (YAML would silently use the last), keys that are not text, and recursive anchors."""
    findings: list[Finding] = []
    visited: set[int] = set()

    def visit(node: yaml.Node, path: FieldPath, above: frozenset[int]) -> None:
        mark = node.start_mark
        if id(node) in above:
            findings.append(
                Finding(
                    file,
                    mark.line + 1,
                    mark.column + 1,
                    "",
                    dotted(path),
                    "The value contains itself by an alias. Remove the alias.",
                )
            )
        if id(node) in visited or id(node) in above:
            return
        inside = above | {id(node)}
        if isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                visit(item, (*path, index), inside)
        elif isinstance(node, yaml.MappingNode):
            seen: dict[str, int] = {}
            for key, value in node.value:
                at = key.start_mark
                here = (*path, str(key.value) if isinstance(key, yaml.ScalarNode) else "?")
                if key.tag not in (f"{TAG}str", f"{TAG}merge"):
                    message = f"The key {here[-1]} is not text. Put the key in quotes."
                    findings.append(Finding(file, at.line + 1, at.column + 1, "", dotted(here), message))
                elif key.value in seen:
                    message = f"The key {key.value} occurs twice, first in line {seen[key.value]}."
                    findings.append(
                        Finding(file, at.line + 1, at.column + 1, "", dotted(here), message, "keep one of them")
                    )
                seen.setdefault(str(key.value), at.line + 1)
                visit(value, here, inside)
        visited.add(id(node))

    visit(root, (), frozenset())
    return findings


def _objects(file: str, body: Any, node: yaml.Node, findings: list[Finding]) -> Iterator[Document]:
    """Yield the object of a document, or the items of a List; nothing for an empty document."""
    if body is None:
        return
    if not isinstance(body, dict):
        mark = node.start_mark
        findings.append(
            Finding(
                file,
                mark.line + 1,
                mark.column + 1,
                "",
                "",
                "The document is not an object. Set apiVersion, kind and metadata.",
            )
        )
    elif body.get("kind") == "List" and body.get("apiVersion") == "v1" and isinstance(node, yaml.MappingNode):
        items = next((value for key, value in node.value if key.value == "items"), None)
        pairs = zip(body.get("items") or (), items.value, strict=True) if isinstance(items, yaml.SequenceNode) else ()
        for item, inner in pairs:
            yield from _objects(file, item, inner, findings)
    else:
        yield Document(file, body, node)
