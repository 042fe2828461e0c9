"""One sandbox: start, use, stop.

Blocking, for callers with and without an event loop.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

from outfitter_sandbox import audit, binaries, crds, nodes, start_files, supervisor_client
from outfitter_sandbox.audit import AuditEntry
from outfitter_sandbox.components import Layout
from outfitter_sandbox.connection import Connection
from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.folders import STATE, abandoned, folder_of, is_running, lock_of, supervisor_of
from outfitter_sandbox.processes import last_lines, locked, wait_until
from outfitter_sandbox.readiness import readiness, waves
from outfitter_sandbox.realnode import names

Progress = Callable[[str], None]
START_SECONDS = 60
END_SECONDS = 60
PORT_ATTEMPTS = 3


class Sandbox:
    """A running control plane.

    `with Sandbox.up(root=tmp_path) as sandbox:` removes everything, also after kill -9.
    """

    def __init__(
        self, name: str, layout: Layout, state: dict[str, Any], process: subprocess.Popen[bytes] | None = None
    ) -> None:
        self.name = name
        self.layout = layout
        self.state = state
        self.directory = layout.directory
        self.url = layout.url
        self.kubeconfig = layout.directory / "admin.kubeconfig"
        self.audit_log = layout.directory / "audit.log"
        self._process = process  # the supervisor, when it is our child
        self._connection: Connection | None = None

    @classmethod
    def up(
        cls,
        *,
        name: str = "default",
        root: Path | None = None,
        source: str = "auto",
        node: bool | str = True,
        controllers: str = "*",
        gpus: int | None = None,
        mig: Mapping[str, int] = MappingProxyType({}),
        images: Sequence[Path] = (),
        data: Path | None = None,
        kubernetes: str = "",
        detach: bool = False,
        progress: Progress | None = None,
    ) -> Sandbox:
        """Start a control plane and return when it is ready.

        It ends with this process unless `detach`. SandboxError names the failed component, with its last log lines.
        `node` is real, simulated (True), none (False) or auto; `gpus` (16 on a simulated node, else 0) and `mig`
        (profile -> count) are advertised on it; `images` are archives for a real node. `controllers` is the flag of
        kube-controller-manager; `root` replaces the state folder; `data` is a tar of the folder `etcd` of an earlier
        sandbox, whose objects the new one gets; `kubernetes` is an older minor version, such as 1.35, that the API
        server acts as, without a real node; `progress` gets one line of text for each step and every two seconds of
        a long one.
        """
        report = progress or (lambda text: None)
        directory = folder_of(name, root)
        kind = nodes.choose(node, report)
        if images and kind != nodes.REAL:
            raise SandboxError(f"Node {kind} runs no image. Remove the images, or use --node real.")
        if kubernetes and kind == nodes.REAL:
            raise SandboxError("A real node has the version of its kubelet. Remove --kubernetes, or use another node.")
        found = nodes.programs(kind, directory, binaries.find(source, report), report)
        state = start_files.described(name, kind, controllers, gpus, mig, found, kubernetes)
        with locked(
            lock_of(directory),
            lambda: report(f"Another process is starting or stopping the sandbox {name}; waiting for it"),
        ):
            for attempt in range(PORT_ATTEMPTS):
                if abandoned(directory, name):
                    nodes.discard(directory)
                sandbox = cls._launch(directory, state | start_files.address(state), found, data, report)
                try:
                    sandbox._start_all(report, images)
                    supervisor_client.call(directory, "settle", detach=detach)
                except BaseException as error:
                    sandbox._stop(keep=True)
                    taken = isinstance(error, SandboxError) and "address already in use" in str(error)
                    if not taken or attempt == PORT_ATTEMPTS - 1:
                        raise
                    report("Another process took a port; starting again on other ports")
                else:
                    return sandbox
        raise AssertionError("unreachable")

    @classmethod
    def attach(cls, *, name: str = "default", root: Path | None = None) -> Sandbox:
        """The running sandbox of that name, for instance a detached one."""
        directory = folder_of(name, root)
        if not is_running(directory):
            raise SandboxError(f"The sandbox {name} is not running. Next: outfitter sandbox up --name {name}")
        return cls._from_state(directory, json.loads((directory / STATE).read_text()))

    def kubeconfig_for(self, user: str, groups: Sequence[str] = ()) -> Path:
        """A kubeconfig for a user in `groups`, or for a ServiceAccount.

        A ServiceAccount is `system:serviceaccount:NAMESPACE:NAME`.
        """
        from outfitter_sandbox import kubeconfigs

        folder, origin = self.directory / "users", kubeconfigs.Origin(self.name, self.url, self.layout.pki)
        if user.startswith(kubeconfigs.SERVICE_ACCOUNT):
            if groups:
                raise SandboxError("Kubernetes sets the groups of a ServiceAccount. Remove the groups.")
            return kubeconfigs.for_service_account(folder, origin, user, self.connection())
        return kubeconfigs.for_user(folder, origin, user, groups)

    def connection(self) -> Connection:
        """A blocking client with the admin's rights."""
        if self._connection is None:
            self._connection = Connection.from_kubeconfig(self.kubeconfig)
        return self._connection

    def audit(self, since: int = 0) -> list[AuditEntry]:
        """Finished requests after the offset `since`, oldest first."""
        return audit.read(self.audit_log, since)

    def audit_mark(self) -> int:
        """The offset after the last finished request."""
        return audit.mark(self.audit_log)

    def status(self) -> dict[str, dict[str, Any]]:
        """Component -> {pid, exit, restarts}; exit is None while it runs."""
        result: dict[str, dict[str, Any]] = self._call_supervisor("status")["components"]
        return result

    def stop_component(self, name: str, *, kill: bool = False, grace: float = 1) -> None:
        """Send SIGTERM to one component, and SIGKILL after `grace` seconds.

        With `kill` SIGKILL at once. The grace is short because an API server waits up to a minute for open watches.
        """
        self._call_supervisor("stop", name=name, kill=kill, grace=grace)

    def start_component(self, name: str) -> None:
        """Start one component, on its old port, and wait until it is ready."""
        self._call_supervisor("start", name=name)
        self._await(name)

    def restart(self, name: str) -> None:
        """Stop and start one component."""
        self.stop_component(name)
        self.start_component(name)

    def apply_crds(self, source: Path) -> None:
        """Create or replace the CRDs of a file, or of a folder's *.yaml.

        Returns when each is Established and in discovery.
        """
        crds.apply(self.connection(), source)

    def import_image(self, archive: Path) -> list[str]:
        """Import the images of an archive into the real node.

        Returns their names, for pods that pull IfNotPresent or Never.
        """
        if self.state["node"] != nodes.REAL:
            raise SandboxError(
                f"Node {self.state['node']} of the sandbox {self.name} runs no image. Start it with --node real."
            )
        from outfitter_sandbox.realnode import node

        return node.import_image(self.state["programs"]["ctr"], archive)

    def down(self) -> None:
        """Stop all components and remove the folder; does nothing for a stopped sandbox."""
        with locked(lock_of(self.directory)):
            self._stop(keep=False)
            nodes.discard(self.directory)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    @classmethod
    def _launch(
        cls,
        directory: Path,
        state: dict[str, Any],
        found: dict[str, Path],
        data: Path | None,
        progress: Progress,
    ) -> Sandbox:
        """Write all files and start the supervisor, which waits for requests."""

        directory.mkdir(mode=0o700, parents=True)
        (directory / STATE).write_text(json.dumps(state))
        sandbox = cls._from_state(directory, state)
        layout = sandbox.layout
        start_files.write(layout, state, found, progress)
        if data is not None:
            start_files.restore(layout, data)
        log = layout.log("supervisor")
        with log.open("ab") as output:
            command = [sys.executable, "-P", "-m", "outfitter_sandbox.supervisor", str(directory), str(os.getpid())]
            sandbox._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd=directory
            )
        process = sandbox._process
        wait_until(lambda: supervisor_of(directory) is not None or process.poll() is not None, START_SECONDS, 0.01)
        if supervisor_of(directory) is None:
            raise SandboxError(f"The supervisor of the sandbox did not start. The end of {log}:\n{last_lines(log)}")
        return sandbox

    @classmethod
    def _from_state(cls, directory: Path, state: dict[str, Any]) -> Sandbox:
        return cls(state["name"], start_files.layout_of(directory, state), state)

    def _start_all(self, progress: Progress, images: Sequence[Path]) -> None:
        parts = json.loads((self.directory / supervisor_client.COMPONENTS).read_text())
        if self.state["node"] == nodes.REAL:
            nodes.take_machine(self.directory, self.state["programs"]["nft"], progress)
        for wave in waves(parts, self.state["node"]):
            progress(f"Starting {', '.join(wave)}")
            for name in wave:
                self._call_supervisor("start", name=name)
            for name in wave:
                self._await(name)
            if "containerd" in wave:
                for archive in (self.directory / names.NAME / "pause.tar", *images):
                    progress(f"Importing {archive}")
                    self.import_image(archive)

    def _await(self, name: str) -> None:
        """Wait until a component is ready.

        SandboxError with the end of its log when it ended or takes too long.
        """
        ready, started = readiness(name, self.layout, self.state, self.connection()), time.monotonic()

        def settled() -> bool:
            return self.status()[name]["exit"] is not None or ready()

        in_time = wait_until(settled, START_SECONDS)
        code = self.status()[name]["exit"]
        if in_time and code is None:
            return
        log = self.layout.log(name)
        what = (
            f"ended with exit code {code}"
            if code is not None
            else f"was not ready within {time.monotonic() - started:.0f} s"
        )
        raise SandboxError(
            f"Component {name} {what}. The end of its log:\n{last_lines(log)}\n"
            f"Next: read {log}; the command line is in {self.directory / supervisor_client.COMPONENTS}."
        )

    def _call_supervisor(self, op: str, **arguments: Any) -> dict[str, Any]:
        try:
            return supervisor_client.call(self.directory, op, **arguments)
        except OSError as error:
            raise SandboxError(
                f"The sandbox {self.name} is not running ({error}). Next: outfitter sandbox up --name {self.name}"
            ) from error

    def _stop(self, *, keep: bool) -> None:
        owner = supervisor_of(self.directory)
        if owner is not None and owner.alive():
            with contextlib.suppress(OSError, SandboxError):
                supervisor_client.call(self.directory, "shutdown", keep=keep)
            if not owner.wait(END_SECONDS):
                owner.kill(signal.SIGKILL)  # the kernel then ends its components (bound.py)
                owner.wait(supervisor_client.GRACE)
        if self._process is not None:
            self._process.wait()
            self._process = None


def remove(name: str, root: Path | None = None) -> bool:
    """Remove a sandbox, running or crashed, by name; False when there is none."""
    directory = folder_of(name, root)
    if not (directory / STATE).exists():
        return False
    Sandbox._from_state(directory, json.loads((directory / STATE).read_text())).down()
    return True
