"""The pictures of terminals: each is in the guide with a text, and names no host and no path of a machine."""

from __future__ import annotations

import re
import socket
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from .pages import DOCS, ROOT
from .screens import COLUMNS, COMMANDS, FOLDER, picture

PAGE = (DOCS / "guide" / "command-line.md").read_text(encoding="utf-8")
SVG = "http://www.w3.org/2000/svg"


def shown(svg: str) -> list[str]:
    """The lines of a picture: its texts by their height."""
    rows: dict[float, str] = {}
    for text in ET.fromstring(svg).iter(f"{{{SVG}}}text"):
        height = float(text.get("y") or 0)
        rows[height] = rows.get(height, "") + (text.text or "")
    return [rows[height].replace("\xa0", " ").rstrip("\n") for height in sorted(rows)]


def test_each_command_has_a_picture_and_no_other_is_there() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {f"{name}.svg" for name in COMMANDS}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_picture_is_in_the_guide_and_shows_its_command(name: str) -> None:
    assert re.search(rf"!\[[^]]{{40,}}\]\(screens/{name}\.svg\)", PAGE)
    svg = (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    lines = shown(svg)
    assert lines[0].strip() == f"$ {COMMANDS[name]}"
    assert max(map(len, lines)) <= COLUMNS
    assert "ImagePullBackOff" in svg or "outdated" in svg
    assert set(re.findall(r"\w+://[^\s\"<]+", svg)) == {SVG}
    machine = {socket.gethostname(), tempfile.gettempdir(), sys.prefix, str(ROOT), str(Path.home()), "127.0.0.1"}
    assert [text for text in machine if re.search(rf"(?<![\w.-]){re.escape(text)}(?![\w-])", svg)] == []


def test_long_lines_continue_and_colours_stay() -> None:
    svg = picture("wide", "outfitter version", f"\x1b[31m{'x' * (COLUMNS + 7)}\x1b[0m\nlast\n")
    assert shown(svg) == ["$ outfitter version", "x" * COLUMNS, "x" * 7, "last", ""]
    assert ".wide-r" in svg
    assert "#ff7b72" in svg
