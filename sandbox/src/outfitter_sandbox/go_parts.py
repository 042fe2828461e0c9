"""Programs of other projects, optional parts for tests: cached, or built with Go from a module of their own.

`modules/NAME/go.mod` pins the version, `go.sum` the checksums of everything a program is built from.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.realnode.parts import Group

Progress = Callable[[str], None]


@dataclass(frozen=True)
class GoPart:
    """Programs of one Go module. `name` is that of our module, and an option of `outfitter sandbox build`.

    `source`: the Go module whose version counts. `packages`: program -> Go package, a folder of `source`, or of our
    module if it begins with `.`; by default, `source` is one program with the name of the part. `stamp`: the variable
    in `source` that holds the version, where a program needs it.
    """

    name: str
    title: str
    source: str
    packages: Mapping[str, str] = field(default_factory=dict)
    stamp: str = ""

    @property
    def module(self) -> Path:
        """The folder with `go.mod` and `go.sum`."""
        return Path(__file__).with_name("modules") / self.name

    @property
    def group(self) -> Group:
        """The programs, as they are built and cached."""
        packages = {program: self._package(folder) for program, folder in (self.packages or {self.name: ""}).items()}
        stamp = f"-X {self.source}/{self.stamp}={self.version()}" if self.stamp else ""
        return Group(self.name, self.module, packages, stamp=stamp)

    def version(self) -> str:
        """The version of its source, for instance v0.11.1."""
        text = (self.module / "go.mod").read_text()
        found = re.search(rf"^(?:require)?\s*{re.escape(self.source)} (v\S+)", text, re.MULTILINE)
        if found is None:
            raise SandboxError(f"{self.module / 'go.mod'} does not name {self.source}. Reinstall outfitter-sandbox.")
        return found[1]

    def find(
        self, progress: Progress | None, environment: Mapping[str, str] = os.environ
    ) -> tuple[dict[str, Path], str]:
        """Program -> path, or {} and a sentence with the way to get them.

        With `progress`, they are built if they are not cached; without, the call returns at once.
        """
        return self.group.find(progress, f"--{self.name}", environment)

    def get(self, progress: Progress) -> dict[str, Path]:
        """Program -> path, built where necessary.

        SandboxError with the way to get them.
        """
        found, missing = self.find(progress)
        if missing:
            raise SandboxError(f"{self.title} is missing:\n  {missing}")
        return found

    def _package(self, folder: str) -> str:
        return folder if folder.startswith(".") else f"{self.source}{folder}"


JOBSET: Final = GoPart("jobset", "The controller of JobSet", "sigs.k8s.io/jobset", stamp="pkg/version.GitVersion")
MPI_OPERATOR: Final = GoPart(
    "mpi-operator", "The MPI operator", "github.com/kubeflow/mpi-operator", {"mpi-operator": "/cmd/mpi-operator"}
)
CRANE: Final = GoPart(
    "crane", "Crane, which serves an image registry,", "github.com/google/go-containerregistry", {"crane": "/cmd/crane"}
)
BUILDCTL, BUILDKITD = "buildctl", "buildkitd"
BUILDKIT: Final = GoPart(
    "buildkit", "BuildKit, which builds images,", "github.com/moby/buildkit",
    {BUILDCTL: "/cmd/buildctl", BUILDKITD: "/cmd/buildkitd"}, stamp="version.Version",
)  # fmt: skip
REGISTRY: Final = GoPart(
    "registry", "The image registry of Distribution", "github.com/distribution/distribution/v3", {"registry": "."}
)
FLUX: Final = GoPart(
    "flux", "The kustomize-controller of Flux", "github.com/fluxcd/kustomize-controller", {"kustomize-controller": ""}
)
PARTS: Final = (JOBSET, MPI_OPERATOR, CRANE, BUILDKIT, REGISTRY, FLUX)
