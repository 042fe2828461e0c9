"""The real controller of JobSet beside a control plane, without its webhooks."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from foreign_crds import foreign_crds
from outfitter_sandbox import Sandbox, certificates, crds
from outfitter_sandbox.go_parts import JOBSET
from outfitter_sandbox.processes import bound_command, free_ports, last_lines
from outfitter_sandbox.readiness import succeeds

from .client import Api, Object, eventually

USER = "jobset-controller"
DISCOVERY = "/apis/jobset.x-k8s.io/v1alpha2"
SECONDS = 60.0


def install_crds(api: Api, *names: str, mpijobs: str = "") -> list[str]:
    """Apply the CRDs of other projects, server-side; their names, once all are served."""
    return apply_crds(api, foreign_crds(*names, mpijobs=mpijobs))


def apply_crds(api: Api, definitions: Sequence[Object]) -> list[str]:
    """Apply CRDs; their names, once all are served."""
    for definition in definitions:
        api.apply(definition)
    for definition in definitions:
        name = definition["metadata"]["name"]
        eventually(partial(crds.served, api.connection, definition), what=f"the CRD {name} is not served")
    return [definition["metadata"]["name"] for definition in definitions]


class JobSetController:
    """A process of the controller, which ends with this process; its log is a file of the sandbox."""

    def __init__(self, sandbox: Sandbox, program: Path) -> None:
        self.log = sandbox.layout.log("jobset")
        self._folder = sandbox.directory / "jobset"
        self._folder.mkdir(exist_ok=True)
        certificates.create_authority(self._folder, "tls")
        self._port, webhook = free_ports(2)
        config = self._folder / "config.json"
        config.write_text(json.dumps(_configuration(self._folder, self._port, webhook)))
        kubeconfig = sandbox.kubeconfig_for(USER, ["system:masters"])
        self._command = [str(program), f"--config={config}", f"--kubeconfig={kubeconfig}"]
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    @contextmanager
    def start(cls, sandbox: Sandbox) -> Iterator[JobSetController]:
        """Run it on a sandbox that serves JobSets, from its readiness to the end of the block."""
        found, missing = JOBSET.find(None)
        assert not missing
        assert succeeds(sandbox.connection(), DISCOVERY), "JobSets are not served: call install_crds first"
        controller = cls(sandbox, found["jobset"])
        try:
            controller.launch()
            yield controller
        finally:
            controller.stop()

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def launch(self) -> None:
        """Start it, also again after a stop; returns when it is ready."""
        assert not self.running
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                bound_command(self._command, os.getpid()), stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        eventually(self._ready, seconds=SECONDS, what="the controller of JobSet is not ready")

    def stop(self) -> None:
        """SIGTERM, and SIGKILL where that does not end it."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def said(self) -> str:
        """The end of its log."""
        return last_lines(self.log, 40)

    def _ready(self) -> bool:
        assert self.running, f"the controller of JobSet ended:\n{self.said()}"
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self._port}/readyz") as answer:
            return bool(answer.status == 200)
        return False


def _configuration(folder: Path, health: int, webhook: int) -> dict[str, Any]:
    """The webhook server must run for the controller to be ready, although the API server does not call it."""
    return {
        "apiVersion": "config.jobset.x-k8s.io/v1alpha1",
        "kind": "Configuration",
        "health": {"healthProbeBindAddress": f"127.0.0.1:{health}"},
        "metrics": {"bindAddress": "0"},
        "webhook": {"host": "127.0.0.1", "port": webhook, "certDir": str(folder)},
        "leaderElection": {"leaderElect": False},
        "internalCertManagement": {"enable": False},
    }
