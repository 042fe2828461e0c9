"""Run the commands of a page as a reader types them, and compare what they print with what the page shows.

A block ```sh is run. A block ```text right after it is its output. A block ```shell is for other clusters: it is not
run. One shell runs all blocks of a page, in a folder with the repository's `crds` and `deploy`.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from outfitter_sandbox.sandbox import remove

from .pages import ROOT

BLOCKS = re.compile(r"^```sh\n(.*?)^```\n(?:\n(?:[^\n`]*\n\n)?^```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)
STATE = "~/.local/state"
_END = "--- end of block"
# What differs from run to run, and how it is compared.
_VARIABLE = (
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z?"), "TIME"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "UID"),
    (re.compile(r"-[a-z0-9]{8,10}-[a-z0-9]{5}\b"), "-HASH"),
    (re.compile(r"-[0-9a-f]{8,32}(?:-[a-z0-9]{5})?\b"), "-HASH"),
    (re.compile(r"127\.0\.0\.1:\d+"), "ADDRESS"),
    (re.compile(r"\b10(?:\.\d+){3}\b"), "ADDRESS"),
    (re.compile(r"\b(?:\d+d)?(?:\d+h)?(?:\d+m)?\d+(?:\.\d+)? ?s\b"), "AGE"),
    (re.compile(r"\b\d+m\b"), "AGE"),
    (re.compile(r" deleted from \S+ namespace"), " deleted"),  # kubectl 1.34 and newer
    (re.compile(r" +$", re.MULTILINE), ""),
    (re.compile(r" {2,}"), "  "),
)


class Block(NamedTuple):
    """Commands, and the output that the page shows; None where it shows none."""

    commands: str
    shown: str | None
    place: slice  # of the output in the page


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page in their order."""
    found = BLOCKS.finditer(page.read_text(encoding="utf-8"))
    return [Block(match[1], match[2], slice(*match.span(2))) for match in found]


def comparable(output: str) -> str:
    """Replace ages, digests, addresses and widths of columns."""
    for pattern, name in _VARIABLE:
        output = pattern.sub(name, output)
    return output


def updated(page: Path, printed: list[str]) -> str:
    """Return the page with new outputs where the old ones are not comparable."""
    text = page.read_text(encoding="utf-8")
    for block, output in reversed(list(zip(blocks(page), printed, strict=True))):
        if block.shown is not None and comparable(block.shown) != comparable(output):
            text = text[: block.place.start] + output + text[block.place.stop :]
    return text


class Shell:
    """One bash process that runs a page's blocks one after the other."""

    def __init__(self, folder: Path) -> None:
        for name in ("crds", "deploy"):
            (folder / name).symlink_to(ROOT / name)
        self._state = folder / "state"
        environment = {
            key: value for key, value in os.environ.items() if not key.startswith(("OUTFITTER_", "KUBECONFIG"))
        }
        environment |= {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "XDG_STATE_HOME": str(self._state),
            "OUTFITTER_PROBE_PORT": "0",  # tests run side by side
            "NO_COLOR": "1",
            "COLUMNS": "98",
        }
        self._process = subprocess.Popen(
            ["bash", "--norc"], cwd=folder, env=environment, text=True, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self, commands: str) -> tuple[int, str]:
        """Return the exit code of the last command, and everything that was printed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f'{commands}\necho "{_END} $?"\n')
        self._process.stdin.flush()
        printed: list[str] = []
        for line in self._process.stdout:
            before, end, code = line.partition(_END)
            printed.append(before.rstrip() + "\n" if before.strip() or not end else "")
            if end:
                return int(code), "".join(printed).replace(str(self._state), STATE)
        raise AssertionError(f"the shell ended:\n{''.join(printed)}")

    def close(self) -> None:
        """End what the page started, if it did not."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        remove("default", self._state / "outfitter" / "sandboxes")


@contextmanager
def shell(folder: Path) -> Iterator[Shell]:
    """A shell that leaves nothing behind."""
    started = Shell(folder)
    try:
        yield started
    finally:
        started.close()
