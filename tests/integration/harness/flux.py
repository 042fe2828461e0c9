"""The real kustomize-controller of Flux beside a control plane, and what its source-controller does for it.

The source-controller is not built: it needs hundreds of packages of clouds and signatures, and all that it adds here
is an archive and its digest in a status. Git sees none of that.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import http.server
import io
import os
import subprocess
import tarfile
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from outfitter_sandbox import Sandbox
from outfitter_sandbox.go_parts import FLUX
from outfitter_sandbox.processes import bound_command, free_ports, last_lines

from .client import Api, Object, condition, current, eventually

USER = "flux-controller"
SECONDS = 60.0


class Flux:
    """The controller, which ends with this process, and a server of the archives of repositories."""

    def __init__(self, sandbox: Sandbox, program: Path) -> None:
        self.api = Api(sandbox)
        self.log = sandbox.layout.log("flux")
        self._archives = sandbox.directory / "archives"
        self._archives.mkdir()
        self._health, metrics = free_ports(2)
        self._command = [
            str(program), "--watch-all-namespaces", "--requeue-dependency=1s", "--enable-leader-election=false",
            f"--health-addr=127.0.0.1:{self._health}", f"--metrics-addr=127.0.0.1:{metrics}",
        ]  # fmt: skip
        kubeconfig = sandbox.kubeconfig_for(USER, ["system:masters"])  # a cluster administrator, as Flux is
        self._environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "RUNTIME_NAMESPACE": "flux-system"}
        self._process: subprocess.Popen[bytes] | None = None
        handler = functools.partial(_Quiet, directory=str(self._archives))
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)

    @classmethod
    @contextmanager
    def start(cls, sandbox: Sandbox) -> Iterator[Flux]:
        """Run it on a sandbox that serves its kinds, from its readiness to the end of the block."""
        found, missing = FLUX.find(None)
        assert not missing
        flux = cls(sandbox, found["kustomize-controller"])
        threading.Thread(target=flux._server.serve_forever, daemon=True).start()
        try:
            flux._launch()
            yield flux
        finally:
            flux._stop()

    def publish(self, namespace: str, name: str, files: Mapping[str, str]) -> None:
        """Make `files` the newest commit of a GitRepository, as its controller reports it."""
        content = _archive(files)
        digest = hashlib.sha256(content).hexdigest()
        (self._archives / f"{digest}.tar.gz").write_bytes(content)
        repository = self.api.need("GitRepository", namespace, name)
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        generation = repository["metadata"]["generation"]
        ready = {
            "type": "Ready",
            "status": "True",
            "reason": "Succeeded",
            "message": "stored artifact",
            "lastTransitionTime": now,
            "observedGeneration": generation,
        }
        artifact = {
            "url": f"http://127.0.0.1:{self._server.server_port}/{digest}.tar.gz",
            "path": f"{digest}.tar.gz",
            "revision": f"main@sha1:{digest[:40]}",
            "digest": f"sha256:{digest}",
            "lastUpdateTime": now,
            "size": len(content),
        }
        status = {"observedGeneration": generation, "artifact": artifact, "conditions": [ready]}
        self.api.patch("GitRepository", namespace, name, {"status": status}, sub="status")

    def sync(self, namespace: str, name: str) -> None:
        """One whole reconciliation, asked for as `flux reconcile` does.

        Asked for twice: one that runs already reads the request with the answer to its own writes, and counts it as
        handled at its end. What handles the second request began after the first one.
        """
        for _ in range(2):
            self._ask(namespace, name)

    def _ask(self, namespace: str, name: str) -> None:
        at = datetime.now(UTC).isoformat()
        annotations = {"reconcile.fluxcd.io/requestedAt": at}
        self.api.patch("Kustomization", namespace, name, {"metadata": {"annotations": annotations}})
        self.api.wait(
            "Kustomization", namespace, name, lambda item: item["status"]["lastHandledReconcileAt"] == at, SECONDS
        )

    def applied(self, namespace: str, name: str) -> Object:
        """The Kustomization once it is Ready for the newest commit of its source."""
        found: Object = self.api.wait("Kustomization", namespace, name, self._newest("True"), SECONDS)
        return found

    def failed(self, namespace: str, name: str, reason: str) -> str:
        """The message once the newest commit failed for this reason."""
        newest = self._newest("False")

        def done(item: Object) -> bool:
            return newest(item) and condition(item, "Ready").get("reason") == reason

        return str(condition(self.api.wait("Kustomization", namespace, name, done, SECONDS), "Ready")["message"])

    def said(self) -> str:
        """The end of its log."""
        return last_lines(self.log, 40)

    def _newest(self, status: str) -> Any:
        def done(item: Object) -> bool:
            source = item["spec"]["sourceRef"]
            repository = self.api.need(
                "GitRepository", source.get("namespace", item["metadata"]["namespace"]), source["name"]
            )
            attempted = item["status"].get("lastAttemptedRevision")
            return (
                current(item)
                and condition(item, "Ready").get("status") == status
                and attempted == repository["status"]["artifact"]["revision"]
                and (status == "False" or item["status"]["lastAppliedRevision"] == attempted)
            )

        return done

    def _launch(self) -> None:
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                bound_command(self._command, os.getpid()), env=self._environment,
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
        eventually(self._ready, seconds=SECONDS, what="the kustomize-controller of Flux is not ready")

    def _ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"the kustomize-controller of Flux ended:\n{self.said()}"
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self._health}/readyz") as answer:
            return bool(answer.status == 200)
        return False

    def _stop(self) -> None:
        self._server.shutdown()
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        """Write no line per request."""


def _archive(files: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in files.items():
            content = text.encode()
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o644
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()
