"""Inputs of `tests/integration/verdicts`, and what validate, kubectl and the operator make of each of them."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from typer.testing import CliRunner

from outfitter.cli.app import application

TABLES = Path(__file__).parents[1] / "verdicts"
NAMESPACE = "verdicts"
PARTS = 3
_MANIFEST = "apiVersion: outfitter.dev/v1alpha1\nkind: {kind}\nmetadata: {metadata}\n{text}"
_METADATA = "{name: NAME, namespace: NAMESPACE}"


@dataclass(frozen=True)
class Row:
    """One file of one object, and its verdict: accepted, or refused with the name of a field."""

    title: str
    name: str  # of the object; unique
    content: bytes
    accepted: bool
    field: str = ""
    lenient: frozenset[str] = frozenset()  # those that accept it all the same, whatever our schema is

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.name[:5]}.yaml"

    @property
    def id(self) -> str:
        """The title, as an id of a test."""
        return self.title.encode("unicode_escape").decode()


@dataclass(frozen=True)
class Verdict:
    """Whether one of the three accepts a row, and all that it said about it."""

    accepted: bool
    text: str


def rows() -> list[Row]:
    """Every row of both tables."""
    made = [*_of_fields(_load("fields.yaml")), *_of_files(_load("files.yaml"))]
    return [_named(make, number) for number, make in enumerate(made)]


def _load(name: str) -> Any:
    return yaml.load((TABLES / name).read_text(encoding="utf-8"), yaml.CSafeLoader)


def _of_fields(groups: Any) -> Iterator[Mapping[str, Any]]:
    for group in groups:
        for accepted, inputs in ((True, group.get("accepted", ())), (False, group.get("refused", ()))):
            for item in inputs:
                field = {"INPUT": item, "FIRST": item.split(":")[0]}.get(group.get("field", ""), group.get("field", ""))
                text = f"spec: {group['spec'].replace('INPUT', item)}\n"
                yield {
                    "title": f"{group['name']}: {item}" if item else group["name"],
                    "content": _MANIFEST.format(kind=group["kind"], metadata=_METADATA, text=text).encode(),
                    "accepted": accepted,
                    "field": field,
                    "lenient": frozenset(group.get("lenient", ())),
                }


def _of_files(files: Any) -> Iterator[Mapping[str, Any]]:
    for item in files:
        text = item.get("whole") or _MANIFEST.format(
            kind="Workspace",
            metadata=item.get("metadata", _METADATA),
            text=item.get("text", "spec: {image: 'a/b:1'}\n"),
        )
        for old, new in item.get("replace", {}).items():
            text = text.replace(old, new)
        yield {
            "title": item["name"],
            "content": text,
            "encoding": item.get("encoding", "utf-8"),
            "bytes": bytes.fromhex(item.get("bytes", "")),
            "pad": item.get("pad", 0),
            "accepted": not item.get("refused"),
            "field": item.get("field", ""),
            "lenient": frozenset(item.get("lenient", ())),
        }


def _named(given: Mapping[str, Any], number: int) -> Row:
    """Give a row its name, which is in its file and in all that is said about it."""
    name = f"v{number:04}".ljust(given.get("pad", 0), "x")
    content = given["content"]
    text = content.decode() if isinstance(content, bytes) else content
    text = text.replace("NAMESPACE", NAMESPACE).replace("NAME", name)
    encoded = given.get("bytes", b"") + text.encode(given.get("encoding", "utf-8"))
    return Row(given["title"], name, encoded, given["accepted"], given["field"], given["lenient"])


def write(folder: Path, table: list[Row]) -> None:
    """Write the file of each row."""
    for row in table:
        (folder / row.file).write_bytes(row.content)


def by_validate(folder: Path, table: list[Row]) -> dict[str, Verdict]:
    """Run `outfitter validate` once over all files."""
    result = CliRunner().invoke(application(), ["validate", "-f", str(folder), "-o", "json"])
    assert result.exit_code == 1, result.output
    said: dict[str, list[str]] = {}
    for error in json.loads(result.stdout)["errors"]:
        said.setdefault(Path(error["file"]).name, []).append(f"{error['field']}: {error['message']}")
    return {row.name: Verdict(row.file not in said, "\n".join(said.get(row.file, ()))) for row in table}


def by_kubectl(folder: Path, table: list[Row], kubeconfig: Path, *modes: tuple[str, ...]) -> list[dict[str, Verdict]]:
    """Run `kubectl apply` over all files in each mode, at the same time; nothing is stored."""
    with ThreadPoolExecutor() as pool:
        parts = {mode: [pool.submit(_apply, part, kubeconfig, mode) for part in _parts(folder)] for mode in modes}
    return [_verdicts(table, [part.result() for part in parts[mode]]) for mode in modes]


def _parts(folder: Path) -> list[list[Path]]:
    """The files of a folder in parts: one kubectl sends at most 50 requests a second, and two or three for a file."""
    files = sorted(folder.glob("*.yaml"))
    return [files[start::PARTS] for start in range(PARTS)]


def _apply(files: list[Path], kubeconfig: Path, mode: tuple[str, ...]) -> tuple[str, str]:
    named = [text for file in files for text in ("-f", str(file))]
    command = ["kubectl", "apply", "--dry-run=server", "-o", "name", *mode, *named]
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return result.stdout, result.stderr


def _verdicts(table: list[Row], outputs: list[tuple[str, str]]) -> dict[str, Verdict]:
    accepted = {line.partition("/")[2] for out, _ in outputs for line in out.splitlines()}
    # A message goes on in lines that begin with white space or a bullet.
    said = [text for _, errors in outputs for text in re.split(r"\n(?![ *\t.])", errors)]
    return {
        row.name: Verdict(
            row.name in accepted, "\n".join(text for text in said if row.file in text or row.name in text)
        )
        for row in table
    }
