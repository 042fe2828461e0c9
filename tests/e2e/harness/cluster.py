"""The cluster that the suite runs on: the one that OUTFITTER_E2E_KUBECONFIG names, else our own real node."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from outfitter_sandbox import Sandbox, nodes
from outfitter_sandbox.connection import Connection

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
    """What the suite lacks on this machine, a sentence each; [] when it can run."""
    why = [] if given() else nodes.why_no_real_node()
    program, how = helm.find()
    return why if program else [*why, how]


def given() -> Path | None:
    """The kubeconfig of a cluster that somebody else started."""
    found = os.environ.get(VARIABLE, "")
    return Path(found) if found else None


@contextmanager
def running(folder: Path, progress: Progress) -> Iterator[Cluster]:
    """The cluster with all images on it. A given one is used as it is: its images are loaded by who starts it."""
    if (kubeconfig := given()) is not None:
        progress(f"Using the cluster of {kubeconfig}")
        yield Cluster(kubeconfig, connection(kubeconfig, folder))
        return
    progress("Starting a real node")
    with Sandbox.up(root=folder, node="real", gpus=8, mig={"1g.10gb": 4}, progress=progress) as sandbox:
        for archive in images.write(folder, progress):
            sandbox.import_image(archive)
            archive.unlink()
        yield Cluster(sandbox.kubeconfig, sandbox.connection(), sandbox)


def connection(kubeconfig: Path, folder: Path) -> Connection:
    """A client for the current context, which has to hold a client certificate (kind's and kubeadm's do)."""
    config = yaml.safe_load(kubeconfig.read_text())
    context = _named(config["contexts"], config["current-context"])["context"]
    cluster = _named(config["clusters"], context["cluster"])["cluster"]
    user = _named(config["users"], context["user"])["user"]
    if not {"client-certificate", "client-certificate-data"} & set(user):
        raise SystemExit(f"{kubeconfig}: the suite needs a user with a client certificate, {context['user']} has none.")
    return Connection(
        cluster["server"],
        authority=_file(cluster, "certificate-authority", folder),
        certificate=_file(user, "client-certificate", folder),
        key=_file(user, "client-key", folder),
    )


def _named(items: list[Any], name: str) -> Any:
    return next(each for each in items if each["name"] == name)


def _file(holder: dict[str, str], key: str, folder: Path) -> Path:
    if key in holder:
        return Path(holder[key])
    path = folder / f"{key}.pem"
    path.touch(mode=0o600)
    path.write_bytes(base64.b64decode(holder[f"{key}-data"]))
    return path
