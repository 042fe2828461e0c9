"""`python -m docs.screens`, run in tests/: commands on a terminal of 100 columns, as pictures in docs/guide/screens.

A sandbox with a simulated node and the real operator has the objects of screens.yaml. The commands run on a
pseudo-terminal, and Rich draws their output as SVG. `make screens` calls this.
"""

from __future__ import annotations

import fcntl
import html
import io
import os
import pty
import struct
import subprocess
import tempfile
import termios
from pathlib import Path
from typing import Final

import yaml
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from integration.harness import rights
from integration.harness.client import Api, ready
from integration.harness.process import OUTFITTER, Operator
from outfitter_sandbox import Sandbox

from .pages import DOCS, ROOT

COLUMNS: Final = 100
FOLDER: Final = DOCS / "guide" / "screens"
SCENE: Final = Path(__file__).with_name("screens.yaml")
PROJECT: Final = "team-a"
COMMANDS: Final = {
    "status": f"outfitter status -n {PROJECT}",
    "trace": f"outfitter trace workspace/bob -n {PROJECT}",
    "explain": f"outfitter explain workspace/alice -n {PROJECT}",
}
"""Name of the picture -> command."""
_CHARACTER: Final = 0.602  # width of a character by its height, in most monospaced fonts
# As Rich draws a terminal, but with the font of the reader: its own format loads one from a host.
_FORMAT: Final = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img">
<title>TITLE</title>
<style>
.{unique_id}-matrix {{ font: {char_height}px/{line_height}px monospace }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
# Background, text, and the eight colours of a terminal; all readable on the background.
_THEME: Final = TerminalTheme(
    (30, 33, 39),
    (222, 225, 230),
    [
        (92, 99, 112),
        (255, 123, 114),
        (126, 200, 120),
        (229, 192, 90),
        (110, 170, 250),
        (210, 140, 230),
        (90, 200, 215),
        (222, 225, 230),
    ],
)


def main() -> None:
    """Write every picture."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, Sandbox.up(root=Path(folder)) as sandbox:
        sandbox.apply_crds(ROOT / "crds")
        api = Api(sandbox)
        rights.install(api)
        operator = Operator(sandbox.kubeconfig_for(rights.USER), Path(folder, "operator.log")).start()
        try:
            _build(api)
            for name, command in COMMANDS.items():
                output = run(command, sandbox.kubeconfig)
                (FOLDER / f"{name}.svg").write_text(picture(name, command, output), encoding="utf-8")
        finally:
            operator.stop()


def _build(api: Api) -> None:
    """Create the scene, wait until each object has its state, then edit the Environment that alice uses."""
    for item in yaml.safe_load_all(SCENE.read_text(encoding="utf-8")):
        api.create(item)
    for kind, name in (
        ("Workspace", "alice"),
        ("Training", "tune"),
        ("Inference", "scoring"),
        ("DataSource", "imagenet"),
    ):
        api.wait(kind, PROJECT, name, ready, 120)
    api.wait("Workspace", PROJECT, "bob", lambda item: (item.get("status") or {}).get("issues"), 120)
    api.patch("Environment", rights.SYSTEM, "torch", {"spec": {"image": "nvcr.io/nvidia/pytorch:26.10-py3"}})
    api.wait("Workspace", PROJECT, "alice", lambda item: item["status"].get("outdated"), 60)


def run(command: str, kubeconfig: Path) -> str:
    """Return everything that a command prints on a terminal, with its colours."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    hidden = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "COLORTERM")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment |= {"KUBECONFIG": str(kubeconfig), "TERM": "xterm-256color"}
    words = [str(OUTFITTER), *command.split()[1:]]
    process = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, close_fds=True)
    os.close(theirs)
    printed = b""
    try:
        while data := os.read(ours, 65536):
            printed += data
    except OSError:  # Linux reports the end of the other side so
        pass
    os.close(ours)
    process.wait()
    return printed.decode().replace("\r\n", "\n")


def picture(name: str, command: str, output: str) -> str:
    """Return the SVG of a prompt, a command and its output. Lines longer than the terminal wrap as on it."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.assemble(("$ ", "dim"), (command, "bold")))
    for line in map(Text.from_ansi, output.rstrip().split("\n")):
        for part in line.divide(range(COLUMNS, line.cell_len, COLUMNS)):
            console.print(part, no_wrap=True, crop=False)
    console.print()  # else the picture cuts the last line at its base
    svg = console.export_svg(
        title="",
        theme=_THEME,
        code_format=_FORMAT.replace("TITLE", html.escape(command)),
        font_aspect_ratio=_CHARACTER,
        unique_id=name,
    )
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


if __name__ == "__main__":
    main()
