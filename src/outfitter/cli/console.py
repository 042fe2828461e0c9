"""Shared by all commands: exit codes, output streams, output formats and error handling."""

from __future__ import annotations

import contextlib
import inspect
import json
import re
import signal
import sys
import textwrap
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Annotated, Any, Final, Literal

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from outfitter.cli.completion import namespaces, objects
from outfitter.errors import ConfigurationError, OutfitterError
from outfitter.problems import printable

PROBLEMS: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130
EXIT_CODES: Final = "Exit codes: 0 success, 1 problems were found, 2 the command line or a setting is wrong."

# Beyond what JSON escapes: further control characters, and marks of writing direction.
_UNPRINTABLE: Final = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
# A command at the end of a message, which users copy: it stays in one piece.
_COMMAND: Final = re.compile(r"(?<=: )(?:outfitter|kubectl|helm) [^:]*$")
_FIXED_SPACE: Final = "\xa0"  # no place to break a line
_PIPE_WIDTH: Final = 240  # characters; wide enough that a script reads whole cells

Data = Literal["json", "yaml"]
Format = Literal["table", "json", "yaml"]
ListFormat = Literal["table", "wide", "name", "json", "yaml"]

Files = Annotated[
    list[str] | None,
    typer.Option("--file", "-f", metavar="FILE|DIR|-", help="A file, a folder, or - for standard input; repeatable."),
]
Recursive = Annotated[bool, typer.Option("--recursive", "-R", help="Also read the folders inside a folder.")]
Author = Annotated[str, typer.Option("--as", metavar="USER", help="With -f: the user who wrote the objects.")]
Extra = Annotated[
    list[str] | None,
    typer.Option("--as-user-extra", metavar="KEY=VALUE", help="An extra field of the login of --as; repeatable."),
]
Objects = Annotated[
    list[str],
    typer.Argument(
        metavar="KIND/NAME", help="The objects; also KIND NAME... Short kinds work too.", autocompletion=objects
    ),
]
OneObject = Annotated[
    list[str], typer.Argument(metavar="KIND/NAME", help="The object; also KIND NAME.", autocompletion=objects)
]
Namespace = Annotated[
    str,
    typer.Option(
        "--namespace",
        "-n",
        help="The project. Default: the namespace of the current context.",
        autocompletion=namespaces,
    ),
]
Selector = Annotated[str, typer.Option("--selector", "-l", metavar="LABELS", help="Only objects with these labels.")]
Kubeconfig = Annotated[
    str, typer.Option("--kubeconfig", metavar="FILE", help="Default: $KUBECONFIG, else ~/.kube/config.")
]


def help_of(command: Callable[..., None]) -> str:
    """Help text of a command: its docstring, with the lines of each paragraph joined."""
    paragraphs = inspect.cleandoc(command.__doc__ or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split("\n")) for paragraph in paragraphs)


class SafeConsole(Console):
    """A console on which text of other people moves no cursor and changes no title: control characters are spaces."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """See Console.render."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(_lines(segment.text), segment.style)


def _lines(text: str) -> str:
    return text if text.isprintable() else "\n".join(map(printable, text.split("\n")))


def stdout_console() -> Console:
    """Standard output: results only. Colours only on a terminal, and never with NO_COLOR."""
    return SafeConsole(width=None if sys.stdout.isatty() else _PIPE_WIDTH, highlight=False, markup=False, emoji=False)


def stderr_console() -> Console:
    """Standard error: progress, notes and problems."""
    return SafeConsole(
        stderr=True, width=None if sys.stderr.isatty() else _PIPE_WIDTH, highlight=False, markup=False, emoji=False
    )


def print_message(text: str, style: str = "") -> None:
    """Print one message for the user on standard error."""
    print_text(stderr_console(), text, style)


def print_text(out: Console, text: str, style: str = "") -> None:
    """Print sentences: on a terminal, lines break between words; elsewhere, each stays one line."""
    shown = "\n".join(wrapped(line, out.width) for line in text.split("\n")) if out.is_terminal else text
    out.print(shown, style=style or None, soft_wrap=True)


def wrapped(line: str, width: int) -> str:
    """Break a line between words, and indent what follows. A longer word, and a command at the end, stay whole."""
    fixed = _COMMAND.sub(lambda match: match[0].replace(" ", _FIXED_SPACE), line)
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    lines = textwrap.wrap(
        fixed, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False, expand_tabs=False
    )
    return "\n".join(lines).replace(_FIXED_SPACE, " ")


def count(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun: `1 object`, `2 objects`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def as_json(data: Any) -> str:
    """Return indented JSON with a final newline."""
    return _escaped(json.dumps(data, indent=2, ensure_ascii=False, default=str) + "\n")


def _escaped(text: str) -> str:
    """Escape what the terminal would obey; JSON and quoted YAML read it back."""
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def as_yaml(data: Any) -> str:
    """Return one YAML document without anchors, keys in their order, long texts as blocks."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:
            return True

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        style = "|" if "\n" in value else None
        if _UNPRINTABLE.search(value):
            style = '"'
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    return _escaped(yaml.dump(data, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=120))


def emit(data: Any, form: Data) -> None:
    """Write data to standard output."""
    sys.stdout.write(as_json(data) if form == "json" else as_yaml(data))


@contextlib.contextmanager
def error_exit(prefix: str = "") -> Iterator[None]:
    """End the command with one message and an exit code on an OutfitterError; without a message on Ctrl-C.

    `prefix`: text before the message.
    """
    try:
        yield
    except ConfigurationError as error:
        print_message(f"{prefix}{error}", "red")
        raise typer.Exit(USAGE) from error
    except OutfitterError as error:
        print_message(f"{prefix}{error}", "red")
        raise typer.Exit(PROBLEMS) from error
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


@contextlib.contextmanager
def interrupt_on_signals() -> Iterator[None]:
    """Treat SIGTERM and a closed terminal like Ctrl-C, so that the command cleans up."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        signal.raise_signal(signal.SIGINT)  # asyncio's own handler of SIGINT cancels the main task and awaits it

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    # A shell starts background jobs with SIGINT ignored, which would also ignore the two signals above.
    before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def progress(text: str = "Starting") -> Iterator[Callable[[str], None]]:
    """Show progress on standard error: one updated line on a terminal, plain lines elsewhere."""
    console = stderr_console()
    if not console.is_terminal:
        yield print_message
        return
    with console.status(Text(text)) as line:
        # Text, because a str is parsed as markup: messages quote field paths in brackets, and other people's words.
        yield lambda news: line.update(Text(news))
