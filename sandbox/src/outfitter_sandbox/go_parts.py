"""Programs of other projects, optional parts for tests: cached, or built with Go from a module of their own.

`modules/NAME/go.mod` pins the version, `go.sum` the checksums of everything a program is built from.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.realnode.parts import Group

Progress = Callable[[str], None]


@dataclass(frozen=True)
class GoPart:
    """One program. `name` is its own, that of its module, and an option of `outfitter sandbox build`.

    `source`: the Go module whose version counts. `main`: the folder of the program there. `stamp`: the variable there
    that holds the version, where the program needs it.
    """

    name: str
    title: str
    source: str
    main: str = ""
    stamp: str = ""

    @property
    def module(self) -> Path:
        """The folder with `go.mod` and `go.sum`."""
        return Path(__file__).with_name("modules") / self.name

    def version(self) -> str:
        """The version of its source, for instance v0.11.1."""
        found = re.search(rf"^\s*{re.escape(self.source)} (v\S+)", (self.module / "go.mod").read_text(), re.MULTILINE)
        if found is None:
            raise SandboxError(f"{self.module / 'go.mod'} does not name {self.source}. Reinstall outfitter-sandbox.")
        return found[1]

    def find(self, progress: Progress | None, environment: Mapping[str, str] = os.environ) -> tuple[Path | None, str]:
        """Path of the program, or None and a sentence with the way to get it.

        With `progress`, it is built if it is not cached; without, the call returns at once.
        """
        stamp = f"-X {self.source}/{self.stamp}={self.version()}" if self.stamp else ""
        group = Group(self.name, self.module, {self.name: f"{self.source}{self.main}"}, stamp=stamp)
        found, missing = group.find(progress, f"--{self.name}", environment)
        return found.get(self.name), missing

    def get(self, progress: Progress) -> dict[str, Path]:
        """The program by its name, built where necessary.

        SandboxError with the way to get it.
        """
        path, missing = self.find(progress)
        if path is None:
            raise SandboxError(f"{self.title} is missing:\n  {missing}")
        return {self.name: path}


JOBSET: Final = GoPart("jobset", "The controller of JobSet", "sigs.k8s.io/jobset", stamp="pkg/version.GitVersion")
MPI_OPERATOR: Final = GoPart(
    "mpi-operator", "The MPI operator", "github.com/kubeflow/mpi-operator", main="/cmd/mpi-operator"
)
CRANE: Final = GoPart(
    "crane", "Crane, which serves an image registry,", "github.com/google/go-containerregistry", main="/cmd/crane"
)
