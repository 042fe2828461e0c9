"""Runs the script of the container that builds an image, with the programs of this machine."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from fetching_pod import SHELLS

from outfitter.render import __file__ as render_package

SCRIPT = (Path(render_package).parent / "scripts" / "build.sh").read_text(encoding="utf-8")
DESTINATION = "registry.example.com/team/app:1"
SECONDS = 120


@dataclass
class BuildPod:
    """The folders of a container. `programs` come before those of this machine."""

    root: Path
    shell: str = "sh"
    variables: dict[str, str] = field(default_factory=dict)
    path: str = ""
    """Further folders of programs, with a colon after each."""

    def __post_init__(self) -> None:
        for name in ("source", "work", "programs"):
            (self.root / name).mkdir(parents=True, exist_ok=True)

    @property
    def source(self) -> Path:
        return self.root / "source"

    @property
    def first(self) -> str:
        """The first line of the message."""
        return self.message.partition("\n")[0]

    @property
    def log(self) -> str:
        """The rest of the message."""
        return self.message.partition("\n")[2]

    @property
    def message(self) -> str:
        return (self.root / "message").read_text(encoding="ascii")

    def files(self, **texts: str) -> None:
        """Files of the source."""
        for name, text in texts.items():
            (self.source / name).write_text(text)

    def program(self, name: str, text: str) -> None:
        file = self.root / "programs" / name
        file.write_text(f"#!/bin/sh\n{text}")
        file.chmod(0o755)

    def start(self, **variables: str) -> subprocess.Popen[bytes]:
        (self.root / "message").write_bytes(b"")
        given = {**_DEFAULTS, **self._places(), **self.variables, **variables}
        environment = {
            "PATH": f"{self.root / 'programs'}:{self.path}{os.environ['PATH']}",
            **{f"OUTFITTER_{name}": value for name, value in given.items()},
        }
        command = [*SHELLS[self.shell], "-ec", SCRIPT]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def run(self, **variables: str) -> int:
        """The exit code; `output` has what it printed."""
        process = self.start(**variables)
        self.output = process.communicate(timeout=SECONDS)[0].decode(errors="replace")
        return process.returncode

    def _places(self) -> dict[str, str]:
        return {
            "CONTEXT": str(self.source),
            "WORK": str(self.root / "work"),
            "MESSAGE": str(self.root / "message"),
            "BUILDKIT": str(self.root / "buildkit"),
        }


_DEFAULTS = {
    "BACKEND": "buildkit", "ADDRESS": "tcp://127.0.0.1:1", "CONFIG_MAP": "false", "DOCKERFILE": "Dockerfile",
    "DOCKERFILE_TEXT": "", "DESTINATION": DESTINATION, "CACHE": "", "INSECURE": "false", "SCOPE": "",
    "AUTHORITIES": "", "DOCKER": "", "SECONDS": "60", "PATIENCE": "0",
}  # fmt: skip
