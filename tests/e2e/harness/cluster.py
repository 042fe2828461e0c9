"""The cluster that the suite runs on: the one that OUTFITTER_E2E_KUBECONFIG names, else our own real node."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from outfitter_sandbox import Sandbox, nodes
from outfitter_sandbox.connection import Connection
from outfitter_sandbox.sharing import shared_sandbox

from . import helm, images

Progress = Callable[[str], None]

VARIABLE = "OUTFITTER_E2E_KUBECONFIG"


@dataclass(frozen=True)
class Cluster:
    """A Kubernetes where real pods run. `sandbox` is there only for our own node."""

    kubeconfig: Path
    admin: Connection
    sandbox: Sandbox | None = None

    def connection(self) -> Connection:
        """A blocking client with the admin's rights; as Sandbox has it."""
        return self.admin


def missing() -> list[str]:
    """Missing requirements of the suite, a sentence each; [] when it can run."""
    why = [] if given() else nodes.why_no_real_node()
    program, how = helm.find()
    return why if program else [*why, how]


def given() -> Path | None:
    """The kubeconfig of an existing cluster."""
    found = os.environ.get(VARIABLE, "")
    return Path(found) if found else None


@contextmanager
def running(folder: Path, progress: Progress) -> Iterator[Cluster]:
    """The cluster with all images. An existing one must have the images."""
    if (kubeconfig := given()) is not None:
        progress(f"Using the cluster of {kubeconfig}")
        yield Cluster(kubeconfig, Connection.from_kubeconfig(kubeconfig))
        return
    with shared_node(folder, progress) as sandbox:
        yield Cluster(sandbox.kubeconfig, sandbox.connection(), sandbox)


@contextmanager
def shared_node(folder: Path, progress: Progress) -> Iterator[Sandbox]:
    """A real node with GPUs and all images, the same one for every process with this `folder`."""

    def import_images(sandbox: Sandbox) -> None:
        for archive in images.write(folder, progress):
            sandbox.import_image(archive)
            archive.unlink()

    progress("Starting a real node")
    with shared_sandbox(
        "node", folder, node="real", prepare=import_images, gpus=8, mig={"1g.10gb": 4}, progress=progress
    ) as sandbox:
        yield sandbox
        progress("Taking the real node down")
