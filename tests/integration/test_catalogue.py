"""The guide to the catalogue: its examples are applied, and each answer in its tables finds what the table says."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from .conftest import Stack
from .harness.client import Object

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "catalogue.md"
TEXT = PAGE.read_text(encoding="utf-8")
OBJECTS: list[Object] = list(yaml.safe_load_all(re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.M | re.S)[0]))
NAMES = {item["metadata"]["name"] for item in OBJECTS if item["kind"] != "Namespace"}


class Row(NamedTuple):
    """One row of a table of the page."""

    command: str
    finds: frozenset[str]


def rows() -> Iterator[Row]:
    for line in TEXT.splitlines():
        found = re.fullmatch(r"\| .* \| `(kubectl .*)` \|(.*)\|", line)
        if found:
            finds = (word.strip() for word in found[2].split(","))
            yield Row(found[1].replace("\\|", "|"), frozenset(filter(None, finds)))


ROWS = list(rows())


class Shell:
    """A shell whose kubectl reaches the API server of the tests."""

    def __init__(self, stack: Stack) -> None:
        self._environment = {**os.environ, "KUBECONFIG": str(stack.sandbox.kubeconfig)}

    def run(self, command: str, given: str = "") -> str:
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            input=given,
            capture_output=True,
            text=True,
            env=self._environment,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def shell(stack: Stack) -> Iterator[Shell]:
    """The examples of the page, settled."""
    shell, text = Shell(stack), yaml.safe_dump_all(OBJECTS)
    shell.run("kubectl apply -f -", text)
    for wait in (
        "workspace/alice -n vision --for=jsonpath='{.status.phase}'=Running",
        "environment/torch -n outfitter-system --for=jsonpath='{.status.usedBy.workspaces[0].phase}'=Running",
        "environment/torch -n outfitter-system --for=jsonpath='{.status.usage.lastUsed[0].namespace}'=vision",
        "computeresource/four-gpus -n vision --for=jsonpath='{.status.complianceTotal}'=1",
        "datasource/imagenet -n vision --for=jsonpath='{.status.imposedTotal}'=1",
        "artifact/ranker -n speech --for=condition=Ready",
        "artifact/ranker-1 -n speech --for=jsonpath='{.status.version}'=1",
        "artifact/ranker-copy -n speech --for=jsonpath='{.status.copied.description}'='Ranks answers'",
        "artifactrepository/rankers -n speech --for=jsonpath='{.status.keptBy[0]}'=ranker",
        "artifactrepository/rankers -n speech --for=jsonpath='{.status.numArtifacts}'=3",
        "environment/server -n speech --for=jsonpath='{.status.issues[0].issue}'=ReferenceNotFound",
    ):
        shell.run(f"kubectl wait --timeout=60s {wait}")
    yield shell
    shell.run("kubectl delete --wait=false -f -", yaml.safe_dump_all(reversed(OBJECTS)))


@pytest.mark.kubectl
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.command)
def test_each_answer_finds_what_the_page_says(shell: Shell, row: Row) -> None:
    output = shell.run(row.command)
    # Of `kubectl get` without -o, exactly these of the examples; other tests have objects too. The name is the first
    # column, or the one after the namespace.
    words = {word for line in output.splitlines() for word in line.split()[:2]}
    if "-o " not in row.command and " get " in row.command:
        assert NAMES & {word.rpartition("/")[2] for word in words} == row.finds
    for found in row.finds:
        assert found in output, output


def test_every_question_has_an_answer() -> None:
    questions = [line for line in TEXT.splitlines() if re.match(r"\| [^|]*(\?|:|\.\.\.)[^|]* \|", line)]
    assert len(questions) == len(ROWS) >= 30
