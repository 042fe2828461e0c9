"""CustomResourceDefinitions of other projects, from their Go modules at pinned checksums.

`python -m foreign_crds` downloads the modules into Go's module cache. This repository has no copy of their files.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.go_parts import FLUX, JOBSET, MPI_OPERATOR

Object = dict[str, Any]
MPIJOBS = "mpijobs.kubeflow.org"
OFFLINE = "disabled by GOPROXY=off"  # in Go's message

SUMS = """\
github.com/fluxcd/source-controller v1.9.6 h1:nG534/bI6nVpyHra7ONAk6xDB3xPsVT+EOLHZHXPrrc=
github.com/fluxcd/source-controller v1.9.6/go.mod h1:SGPxf8kdmN3oKr9TsLzdcZgEW4CTsUuWJihXUJN974Q=
github.com/kubeflow/training-operator v1.9.3 h1:aaSHqskOtCY8Dn8sVd+l9p5XAczW6O0nYMPjVLAw/lc=
github.com/kubeflow/training-operator v1.9.3/go.mod h1:6zI0hgeCOheiW5Z12IcVkKBuSWm714fz8mUvYu4Fid4=
sigs.k8s.io/kueue v0.17.0 h1:7hzb38M4eKGzYW+CFv2s1L+swzzacUCHOCXxZmAV90I=
sigs.k8s.io/kueue v0.17.0/go.mod h1:GZCsUiO2BBScS2EnTQ2w3uobe8GY1FXjkZOvjrtV+5c=
"""
"""Lines of a go.sum: the versions, and the checksums that Go compares. Controllers that are built have their own."""


@dataclass(frozen=True)
class Module:
    """A Go module, and the glob of the CRDs in it."""

    path: str
    files: str


MODULES = {
    "jobset": Module(JOBSET.source, "config/components/crd/bases/*.yaml"),
    "kueue": Module("sigs.k8s.io/kueue", "config/components/crd/bases/*.yaml"),
    "training-operator": Module("github.com/kubeflow/training-operator", "manifests/base/crds/*.yaml"),
    "mpi-operator": Module(MPI_OPERATOR.source, "manifests/base/kubeflow.org_mpijobs.yaml"),
    "flux": Module(FLUX.source, "config/crd/bases/*.yaml"),
    "flux-sources": Module("github.com/fluxcd/source-controller", "config/crd/bases/*.yaml"),
}


_BUILT = (JOBSET, MPI_OPERATOR, FLUX)


def foreign_crds(*names: str, mpijobs: str = "") -> list[Object]:
    """The CRDs of the projects `names`, keys of `MODULES`.

    training-operator and mpi-operator both define MPIJob, under one name: `mpijobs` is the one whose definition counts
    where both are given. ValueError without it.
    """
    if not mpijobs and {"training-operator", "mpi-operator"} <= set(names):
        raise ValueError(f"training-operator and mpi-operator both define {MPIJOBS}. Choose one with `mpijobs`.")
    folders = download(online=True)
    return [
        crd
        for name in names
        for crd in _read(name, folders[name])
        if crd["metadata"]["name"] != MPIJOBS or mpijobs in ("", name)
    ]


def pod_group_crd() -> Object:
    """A CRD of KAI's PodGroup with the fields that Outfitter writes: its module cannot be downloaded everywhere."""
    fields: Object = {
        "minMember": {"type": "integer", "minimum": 1},
        "preemptibility": {"type": "string", "enum": ["preemptible", "semi-preemptible", "non-preemptible"]},
        **{name: {"type": "string"} for name in ("priorityClassName", "queue")},
    }
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": fields}}}
    version = {"name": "v2alpha2", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "podgroups.scheduling.run.ai"},
        "spec": {
            "group": "scheduling.run.ai",
            "names": {"kind": "PodGroup", "listKind": "PodGroupList", "plural": "podgroups", "singular": "podgroup"},
            "scope": "Namespaced",
            "versions": [version],
        },
    }


@cache
def download(*, online: bool) -> dict[str, Path]:
    """Folder of each module in Go's module cache; without `online` only of what is there.

    SandboxError where Go or a module is missing, or the checksum of a module differs.
    """
    if shutil.which("go") is None:
        raise SandboxError("Go, which downloads their modules, is not on the PATH: install it (https://go.dev/dl)")
    sums = SUMS + "".join((part.module / "go.sum").read_text() for part in _BUILT)
    versions = {path: version for path, version, _ in map(str.split, SUMS.splitlines()) if "/" not in version}
    versions |= {part.source: part.version() for part in _BUILT}
    wanted = [f"{module.path}@{versions[module.path]}" for module in MODULES.values()]
    environment = {**os.environ, "GOWORK": "off", "GOFLAGS": "", **({} if online else {"GOPROXY": "off"})}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "go.mod").write_text("module crds\n")
        Path(folder, "go.sum").write_text(sums)
        done = subprocess.run(
            ["go", "mod", "download", "-json", *wanted],
            cwd=folder, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
    answers = {answer["Path"]: answer for answer in _documents(done.stdout)}
    found: dict[str, Path] = {}
    for name, module in MODULES.items():
        answer = answers.get(module.path, {})
        if "Dir" not in answer:
            reason = answer.get("Error") or done.stderr.strip()[:600]
            absent = "not downloaded yet; next: make parts"
            raise SandboxError(f"CRDs of {name}: {absent if OFFLINE in reason else reason}")
        found[name] = Path(answer["Dir"])
    return found


def why_missing() -> str:
    """Why the modules are not in Go's module cache; nothing when they are."""
    try:
        download(online=False)
    except SandboxError as error:
        return str(error)
    return ""


def _read(name: str, folder: Path) -> Iterator[Object]:
    for path in sorted(folder.glob(MODULES[name].files)):
        for document in yaml.load_all(path.read_bytes(), yaml.CSafeLoader):
            if document and document["kind"] == "CustomResourceDefinition":
                yield document


def _documents(text: str) -> Iterator[Object]:
    """The JSON documents that follow each other in a text."""
    decoder, text = json.JSONDecoder(), text.strip()
    while text:
        document, end = decoder.raw_decode(text)
        yield document
        text = text[end:].strip()


if __name__ == "__main__":
    for _name, _folder in download(online=True).items():
        print(f"CRDs of {_name}: {len(list(_read(_name, _folder)))} kinds of {MODULES[_name].path}")
