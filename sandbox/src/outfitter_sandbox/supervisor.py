"""The parent of a sandbox's components: `python -m outfitter_sandbox.supervisor DIRECTORY PARENT_PID`

It knows nothing about Kubernetes. It starts and stops the commands of `components.json` when asked through a Unix
socket, and ends them all when its own parent ends (unless detached). Components are bound to it: kill -9 it and the
kernel kills them.
Once the sandbox is settled it starts again what ended by itself and is marked `restart`, as a kubelet would: the
controller-manager gives up when the API server is away at the wrong moment.

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

from outfitter_sandbox.control import COMPONENTS, GRACE, LAST, address
from outfitter_sandbox.processes import Identity, bound_command

RESTART_SECONDS = 1.0


class Supervisor:
    """Single-threaded on purpose: the kernel's parent-death signal follows the thread that forked."""

    def __init__(self, directory: Path, parent: int) -> None:
        self.directory = directory
        self.parent = parent
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.wanted: dict[str, dict[str, Any]] = {}  # started and not stopped by request
        self.restarts: dict[str, int] = {}
        self.settled = False
        self.revive_at = 0.0  # when to start again what ended by itself; 0: nothing to do
        self.ended = False
        self.keep = False  # keep the directory for a look at the logs
        self.selector = selectors.DefaultSelector()
        self.parent_handle = -1

    def serve(self) -> None:
        """Until shutdown, a signal, or the end of the parent."""
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
        partial.rename(self.directory / "supervisor.json")  # complete or absent: the starter polls for it
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
        """Stop everything, then run what `last.json` says; False when that failed and somebody has to look."""
        try:
            last = json.loads((self.directory / LAST).read_text())
        except OSError:
            last = {}
        self.stop(list(self.running), kill=last.get("kill", False))
        return not last or subprocess.run(last["command"], stdin=subprocess.DEVNULL, check=False).returncode == 0

    def start(self, name: str) -> dict[str, Any]:
        """Start a component of components.json; does nothing when it runs."""
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
        """SIGTERM, wait, SIGKILL, each to the component's process group; etcd last, the others at once."""
        for name in names:
            self.wanted.pop(name, None)
        for wave in ([each for each in names if each != "etcd"], [each for each in names if each == "etcd"]):
            living = [self.running[each] for each in wave if each in self.running and self.running[each].poll() is None]
            for process in living:
                _signal_group(process, signal.SIGKILL if kill else signal.SIGTERM)
            for process in living:
                handle = os.pidfd_open(process.pid)
                select.select([handle], [], [], grace)  # sees the end without reaping, so that the pid stays ours
                os.close(handle)
                _signal_group(process, signal.SIGKILL)  # also what the component left behind in its group
                process.wait()
        return self.status()

    def status(self) -> dict[str, Any]:
        """Name -> pid, exit code (None while it runs) and how often it was started again by itself."""
        return {
            "components": {
                name: {"pid": each.pid, "exit": each.poll(), "restarts": self.restarts.get(name, 0)}
                for name, each in self.running.items()
            }
        }

    def _pause(self) -> float | None:
        """Start again what ended by itself a second ago; seconds until there is something to start, None without."""
        fallen = [
            name for name, each in self.wanted.items() if each.get("restart") and self.running[name].poll() is not None
        ]
        now = time.monotonic()
        if not (self.settled and fallen):
            self.revive_at = 0.0
            return None
        self.revive_at = self.revive_at or now + RESTART_SECONDS
        if now >= self.revive_at:
            for name in fallen:
                self.restarts[name] = self.restarts.get(name, 0) + 1
                self.start(name)
            self.revive_at = 0.0
            return None
        return self.revive_at - now

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
        if os.getppid() != self.parent:  # it ended before we looked, and its pid may be another's by now
            self.ended = True

    def _answer(self, listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(2)
            try:
                request = json.loads(connection.makefile("rb").readline())
                answer = self._obey(request)
            except (OSError, ValueError, KeyError) as error:
                answer = {"error": f"{type(error).__name__}: {error}"}
            with contextlib.suppress(OSError):  # the asker left; what it asked for is done all the same
                connection.sendall(json.dumps(answer).encode() + b"\n")

    def _obey(self, request: dict[str, Any]) -> dict[str, Any]:
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
    """To the group that the component leads; the caller has not reaped it yet, so the number is nobody else's."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


if __name__ == "__main__":
    Supervisor(Path(sys.argv[1]), int(sys.argv[2])).serve()
