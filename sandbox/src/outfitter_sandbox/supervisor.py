"""The parent of a sandbox's components.

`python -m outfitter_sandbox.supervisor DIRECTORY PARENT_PID`

Starts and stops the commands of `components.json` on request through a Unix socket. It stops all of them when its own
parent ends (unless detached), and the kernel kills them when the supervisor ends (see `bound.py`).
After the request `settle` it restarts components with `restart` that end unexpectedly: kube-controller-manager ends
when it cannot renew its connection to the API server.

One JSON line per connection, answered by one JSON line; "op" is start, stop, status, settle or shutdown.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from outfitter_sandbox.processes import Identity, bound_command
from outfitter_sandbox.supervisor_client import COMPONENTS, GRACE, LAST, address

RESTART_SECONDS = 1.0


class Supervisor:
    """Starts, stops and restarts components.

    Single-threaded, because the parent-death signal of Linux follows the thread that forked.
    """

    def __init__(self, directory: Path, parent: int) -> None:
        self.directory = directory
        self.parent = parent
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.wanted: dict[str, dict[str, Any]] = {}  # started and not stopped by a request
        self.restarts: dict[str, int] = {}
        self.settled = False
        self.restart_at = 0.0  # time of the next restart; 0: none is due
        self.ended = False
        self.keep = False  # keep the directory with its logs
        self.selector = selectors.DefaultSelector()
        self.parent_handle = -1

    def serve(self) -> None:
        """Serve requests until shutdown, a signal, or the end of the parent."""
        os.umask(0o077)
        reader, writer = socket.socketpair()
        writer.setblocking(False)
        signal.set_wakeup_fd(writer.fileno())
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, self._on_signal)
        self.selector.register(reader, selectors.EVENT_READ, "signal")
        listener = self._listen()
        self.selector.register(listener, selectors.EVENT_READ, "request")
        self._watch_parent()
        partial = self.directory / "supervisor.json.partial"
        partial.write_text(json.dumps(vars(Identity.of(os.getpid()))))
        partial.rename(self.directory / "supervisor.json")  # complete or absent: Sandbox.up polls for it
        try:
            while not self.ended:
                for key, _ in self.selector.select(self._pause()):
                    if key.data == "request":
                        self._answer(listener)
                    elif key.data == "parent":
                        self.ended = True
                    else:
                        reader.recv(4096)
        finally:
            if self._end() and not self.keep:
                shutil.rmtree(self.directory, ignore_errors=True)

    def _end(self) -> bool:
        """Stop all components, then run the command of `last.json`.

        False when it failed and the folder must stay.
        """
        try:
            last = json.loads((self.directory / LAST).read_text())
        except OSError:
            last = {}
        self.stop(list(self.running), kill=last.get("kill", False))
        return not last or subprocess.run(last["command"], stdin=subprocess.DEVNULL, check=False).returncode == 0

    def start(self, name: str) -> dict[str, Any]:
        """Start a component of components.json unless it runs."""
        current = self.running.get(name)
        if current is None or current.poll() is not None:
            component = self.wanted[name] = json.loads((self.directory / COMPONENTS).read_text())[name]
            with Path(component["log"]).open("ab") as log:
                self.running[name] = subprocess.Popen(
                    bound_command(component["command"], os.getpid()),
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0, cwd=self.directory,
                    umask=component.get("umask", -1),
                )  # fmt: skip
        return self.status()

    def stop(self, names: list[str], *, kill: bool = False, grace: float = GRACE) -> dict[str, Any]:
        """SIGTERM, wait, SIGKILL to the process groups of components.

        Etcd last, the others together.
        """
        for name in names:
            self.wanted.pop(name, None)
        for wave in ([name for name in names if name != "etcd"], [name for name in names if name == "etcd"]):
            living = [self.running[name] for name in wave if name in self.running and self.running[name].poll() is None]
            for process in living:
                _signal_group(process, signal.SIGKILL if kill else signal.SIGTERM)
            for process in living:
                handle = os.pidfd_open(process.pid)
                select.select([handle], [], [], grace)  # waits without reaping, so that the pid is not reused
                os.close(handle)
                _signal_group(process, signal.SIGKILL)  # also children of the component
                process.wait()
        return self.status()

    def status(self) -> dict[str, Any]:
        """Component -> pid, exit code (None while it runs) and number of restarts."""
        return {
            "components": {
                name: {"pid": process.pid, "exit": process.poll(), "restarts": self.restarts.get(name, 0)}
                for name, process in self.running.items()
            }
        }

    def _pause(self) -> float | None:
        """Restart components that ended a second ago.

        Seconds until the next restart, None when none is due.
        """
        ended = [
            name
            for name, component in self.wanted.items()
            if component.get("restart") and self.running[name].poll() is not None
        ]
        now = time.monotonic()
        if not (self.settled and ended):
            self.restart_at = 0.0
            return None
        self.restart_at = self.restart_at or now + RESTART_SECONDS
        if now >= self.restart_at:
            for name in ended:
                self.restarts[name] = self.restarts.get(name, 0) + 1
                self.start(name)
            self.restart_at = 0.0
            return None
        return self.restart_at - now

    def _on_signal(self, number: int, _frame: object) -> None:
        if number != signal.SIGCHLD:
            self.ended = True

    def _listen(self) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX)
        descriptor, path = address(self.directory)
        try:
            listener.bind(path)
        finally:
            os.close(descriptor)
        listener.listen()
        return listener

    def _watch_parent(self) -> None:
        try:
            self.parent_handle = os.pidfd_open(self.parent)
        except ProcessLookupError:
            self.ended = True
            return
        self.selector.register(self.parent_handle, selectors.EVENT_READ, "parent")
        if os.getppid() != self.parent:  # it ended before, and its pid may be reused
            self.ended = True

    def _answer(self, listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(2)
            try:
                request = json.loads(connection.makefile("rb").readline())
                answer = self._handle(request)
            except (OSError, ValueError, KeyError) as error:
                answer = {"error": f"{type(error).__name__}: {error}"}
            with contextlib.suppress(OSError):  # the client disconnected; its request is done
                connection.sendall(json.dumps(answer).encode() + b"\n")

    def _handle(self, request: dict[str, Any]) -> dict[str, Any]:
        match request["op"]:
            case "start":
                return self.start(request["name"])
            case "stop":
                return self.stop([request["name"]], kill=request.get("kill", False), grace=request.get("grace", GRACE))
            case "settle":
                self.settled = True
                if request.get("detach"):
                    self._detach()
            case "shutdown":
                self.keep = request.get("keep", False)
                self.ended = True
        return self.status()

    def _detach(self) -> None:
        if self.parent_handle >= 0:
            self.selector.unregister(self.parent_handle)
            os.close(self.parent_handle)
            self.parent_handle = -1


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signal the process group of a component.

    The caller has not reaped it, so its pid is not reused.
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


if __name__ == "__main__":
    Supervisor(Path(sys.argv[1]), int(sys.argv[2])).serve()
