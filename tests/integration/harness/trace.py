"""What an operator told: the acts in its JSON log, and its Events in one namespace."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from .client import Object, eventually
from .process import Operator
from .space import Space

Line = dict[str, Any]
_SECONDS = 10.0


def short(line: Line) -> str:
    """A line as `action Kind/name Child/name`; the name of a revision is a digest."""
    child = line.get("child_kind", "")
    if child and child != "ControllerRevision":
        child = f"{child}/{line['child_name']}"
    return f"{line['action']} {line['kind']}/{line['name']} {child}".strip()


class Trace:
    """The acts and Events of one namespace, from now on."""

    def __init__(self, operator: Operator, space: Space) -> None:
        self.operator = operator
        self.space = space
        self._since = operator.position()
        self._seen: set[str] = set()

    def all_lines(self) -> list[Line]:
        """All complete lines."""
        return [json.loads(line) for line in self.operator.said(self._since).splitlines(True) if line.endswith("\n")]

    def lines(self) -> list[Line]:
        """What happened to objects of the namespace. A pod that takes a moment longer to end is no act."""
        found = (line for line in self.all_lines() if line.get("namespace") == self.space.name)
        return [line for line in found if line.get("reason") != "PodNotTerminated"]

    def expect(self, lines: Counter[str], before: int) -> list[Line]:
        """Wait for these lines after the first `before`. Returns what there is once the operator is at rest."""
        with suppress(AssertionError):  # the caller compares
            eventually(lambda: not lines - Counter(map(short, self.lines()[before:])), seconds=_SECONDS)
        self.operator.quiet()
        return self.lines()[before:]

    def events(self) -> list[Object]:
        """The Events of the operator that were not returned before."""
        found = [
            item
            for item in self.space.list("Event")
            if item["source"].get("component") == "outfitter" and item["metadata"]["name"] not in self._seen
        ]
        self._seen |= {item["metadata"]["name"] for item in found}
        return found

    def keep(self, folder: Path, script: list[str], events: list[Object]) -> None:
        """Write the log, the Events and the script, each to its file."""
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.operator.log, folder / "operator.jsonl")
        times = ("firstTimestamp", "type", "reason", "message")
        rows = [
            {"object": f"{item['involvedObject']['kind']}/{item['involvedObject']['name']}"}
            | {name: item[name] for name in times}
            for item in events
        ]
        (folder / "events.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (folder / "script.txt").write_text("".join(f"{number}. {text}\n" for number, text in enumerate(script, 1)))
