"""Runs the scripts of the containers that fetch data, with the programs of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from outfitter.render.fetch import GIT_SCRIPT, S3_SCRIPT

_SHELLS = {"sh": ["sh"], "dash": ["dash"], "busybox": ["busybox", "sh"], "bash": ["bash", "--posix"]}
SHELLS = {name: command for name, command in _SHELLS.items() if shutil.which(command[0])}
"""The shells of this machine, by name: `sh` is everywhere."""


@dataclass
class Pod:
    """The folders of a container. `programs` come before those of this machine."""

    root: Path
    shell: str = "sh"
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("data", "work", "login", "programs"):
            (self.root / name).mkdir(parents=True, exist_ok=True)

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def message(self) -> str:
        file = self.root / "message"
        return file.read_text() if file.exists() else ""

    def login(self, **files: str) -> None:
        for name, text in files.items():
            (self.root / "login" / name).write_text(text)

    def program(self, name: str, text: str) -> None:
        file = self.root / "programs" / name
        file.write_text(f"#!/bin/sh\n{text}")
        file.chmod(0o755)

    def run(self, script: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
        (self.root / "message").write_bytes(b"")
        given = {**_DEFAULTS, **self._places(), **self.variables, **variables}
        environment = {
            "PATH": f"{self.root / 'programs'}:{os.environ['PATH']}",
            "GIT_ALLOW_PROTOCOL": "file:http:ssh",
            **{f"OUTFITTER_{name}": value for name, value in given.items()},
        }
        command = [*SHELLS[self.shell], "-ec", script]
        return subprocess.run(command, env=environment, capture_output=True, check=False, timeout=60)

    def git(self, repository: object, **variables: str) -> subprocess.CompletedProcess[bytes]:
        return self.run(GIT_SCRIPT, REPOSITORY=str(repository), **variables)

    def s3(self, **variables: str) -> subprocess.CompletedProcess[bytes]:
        return self.run(S3_SCRIPT, **variables)

    def _places(self) -> Mapping[str, str]:
        return {
            "TARGET": str(self.data),
            "WORK": str(self.root / "work"),
            "CREDENTIAL": str(self.root / "login"),
            "MESSAGE": str(self.root / "message"),
        }


_DEFAULTS = {
    "UMASK": "0022", "SECONDS": "30", "SIZE_LIMIT": "100000000", "REVISION": "", "BRANCH": "", "AUTHORITIES": "",
    "KNOWN_HOSTS": "", "LOGIN": "", "SUBMODULES": "false", "PATIENCE": "0", "BUCKET": "data", "URL": "",
}  # fmt: skip


def git(folder: Path, *command: str) -> str:
    """Run git in a repository and return what it prints."""
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "protocol.file.allow=always"]
    answer = subprocess.run(["git", "-C", str(folder), *identity, *command], capture_output=True, check=True)
    return answer.stdout.decode(errors="surrogateescape").strip()
