"""The controller of JobSet, an optional part for tests: cached, or built with Go from its module.

`modules/jobset/go.mod` pins its version, `go.sum` the checksums of everything it is built from.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.realnode.parts import Group

Progress = Callable[[str], None]
MODULE = Path(__file__).with_name("modules") / "jobset"
PACKAGE = "sigs.k8s.io/jobset"
PROGRAM = "jobset"


def version() -> str:
    """The version of JobSet, for instance v0.11.1."""
    found = re.search(rf"^\s*{re.escape(PACKAGE)} (v\S+)", (MODULE / "go.mod").read_text(), re.MULTILINE)
    if found is None:
        raise SandboxError(f"{MODULE / 'go.mod'} does not name {PACKAGE}. Reinstall outfitter-sandbox.")
    return found[1]


def find(progress: Progress | None, environment: Mapping[str, str] = os.environ) -> tuple[Path | None, str]:
    """Path of the controller, or None and a sentence with the way to get it.

    With `progress`, it is built if it is not cached; without, the call returns at once.
    """
    stamp = f"-X {PACKAGE}/pkg/version.GitVersion={version()}"
    found, missing = Group(PROGRAM, MODULE, {PROGRAM: PACKAGE}, stamp=stamp).find(progress, "--jobset", environment)
    return found.get(PROGRAM), missing


def get(progress: Progress) -> dict[str, Path]:
    """The controller by its name, built where necessary.

    SandboxError with the way to get it.
    """
    path, missing = find(progress)
    if path is None:
        raise SandboxError(f"The controller of JobSet is missing:\n  {missing}")
    return {PROGRAM: path}
