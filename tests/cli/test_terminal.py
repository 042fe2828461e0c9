"""Text of other people on the terminal: names, messages and values cannot control it."""

from __future__ import annotations

import io
import json
import re

import pytest
from rich.table import Table
from rich.text import Text

from outfitter.cli import console

NASTY = ["\x1b]0;title\x07", "\x1b[2J", "\x9b31m", "\u202egnp.exe", "a\rb", "\x00"]


@pytest.mark.parametrize("text", NASTY)
def test_nothing_reaches_the_terminal_raw(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("name")
    table.add_row(f"x{text}")
    table.add_row(Text(f"y{text}"))
    out = console.stdout_console()
    out.print(f"first{text}\nsecond")
    out.print(table)
    console.print_message(f"told {text}")
    seen = capsys.readouterr()
    for line in (seen.out + seen.err).split("\n"):
        assert line.isprintable(), repr(line)
    assert "second" in seen.out


@pytest.mark.parametrize("text", ["image: registry:x:1", "http://h/a:key:b", "[bold]", "a[/]", "10:on:20"])
def test_text_is_printed_as_it_is(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A diff, a URL and a message are neither markup nor names of pictures."""
    table = Table("name")
    table.add_row(text)
    console.stdout_console().print(text)
    console.stdout_console().print(table)
    console.print_message(text)
    seen = capsys.readouterr()
    assert (seen.out.count(text), seen.err.count(text)) == (2, 1)


@pytest.mark.parametrize("text", NASTY)
def test_data_is_escaped_and_stays_the_same(text: str) -> None:
    for printed in (console.as_json({"a": text}), console.as_yaml({"a": text})):
        assert all(line.isprintable() for line in printed.split("\n")), repr(printed)
    assert json.loads(console.as_json({"a": text})) == {"a": text}


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def progress_of(text: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a terminal gets, without the colours and cursor movements of the spinner."""
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("TERM", "xterm-256color")
    with console.progress(text) as tell:
        tell(f"Workspace team-a/box: {text}")
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())


@pytest.mark.parametrize("text", NASTY)
def test_progress_does_not_control_the_terminal(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = progress_of(text, monkeypatch)
    assert all(line.isprintable() for line in re.split("[\r\n]", seen)), repr(seen)


@pytest.mark.parametrize("text", ["spec.args[/x] is wrong", "[link=https://evil.example]a[/link]", "[bold]"])
def test_brackets_in_progress_are_text(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert f"Workspace team-a/box: {text}" in progress_of(text, monkeypatch)


SENTENCE = "Workspace team-a/bob: Pod bob-0 cannot pull its image. Check its name and tag."


@pytest.mark.parametrize("width", [20, 40, 60, 80])
def test_lines_break_between_words_and_lose_none(width: int) -> None:
    lines = console.wrapped(SENTENCE, width).split("\n")
    assert max(map(len, lines)) <= width
    assert " ".join(line.strip() for line in lines) == SENTENCE
    assert all(line.startswith("  ") for line in lines[1:])
    assert console.wrapped("", width) == ""


def test_what_users_copy_stays_in_one_piece() -> None:
    command = "outfitter restart workspace/alice -n team-a"
    assert console.wrapped(f"To apply the changes: {command}", 50) == f"To apply the changes:\n  {command}"
    url = f"https://registry.example.com/{'a' * 60}"
    assert url in console.wrapped(f"    hint: The address {url} does not answer.", 40).split()


def test_only_a_terminal_breaks_lines() -> None:
    for is_terminal, lines in ((True, 3), (False, 1)):
        out = console.SafeConsole(file=io.StringIO(), width=40, force_terminal=is_terminal, no_color=True)
        console.print_text(out, SENTENCE)
        assert isinstance(out.file, io.StringIO)
        assert out.file.getvalue().count("\n") == lines
