"""The operator as a real process, its log, and what its metrics say."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from outfitter_sandbox.processes import free_ports, last_lines

from .client import eventually

OUTFITTER = Path(sys.executable).with_name("outfitter")
_METRIC = re.compile(r"^(\w+)(?:\{[^}]*\})? (\S+)$", re.MULTILINE)


class Operator:
    """One operator process; start and stop it as often as needed. `settings` become OUTFITTER_<NAME>."""

    def __init__(self, kubeconfig: Path, log: Path, program: Path = OUTFITTER, **settings: str) -> None:
        self.log = log
        self.program = program
        self.port = free_ports(1)[0]
        self.settings = {
            "kubeconfig": str(kubeconfig),
            "probe_port": str(self.port),
            "probe_host": "127.0.0.1",
            "domain": "apps.example.com",
            "hold_seconds": "0.3",
            "used_by_seconds": "0.2",
            "lease_seconds": "15",
            "nim_cache_grace_seconds": "60",
            "static_pv_drivers": "file.csi.example.com",
            "s3_backend": "init" if "watch_namespaces" in settings else "csi",
            "s3_driver": "s3.csi.aws.com",
            "s3_buckets": "mounted-*",
            "shared_roles": "true",
            "activity_image": "registry.example.com/outfitter:1",
            "log_level": "debug",
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative where a signal ended it."""
        return self._process.poll() if self._process else None

    def start(self, *, wait: bool = True) -> Operator:
        """Start it; returns once it leads, unless told not to wait."""
        assert not self.running
        environment = {key: value for key, value in os.environ.items() if not key.startswith("OUTFITTER_")}
        environment |= {f"OUTFITTER_{key.upper()}": value for key, value in self.settings.items()}
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(self.program), "run"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        if wait:
            try:
                eventually(self.leading, seconds=120, what="the operator does not lead")
            except AssertionError:
                if self.running:
                    self.kill()  # nobody else would: whoever asked has no operator
                raise
        return self

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self._process is not None
        if self.running:
            self._process.terminate()
        return self._process.wait(30)

    def kill(self) -> None:
        """SIGKILL: no goodbye."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(10)

    def pause(self) -> None:
        """SIGSTOP: it stands still, its connections stay open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def leading(self) -> bool:
        assert self.running, f"the operator ended with {self.exit_code}:\n{last_lines(self.log, 40)}"
        return self.metric("outfitter_leader") == 1 and self.probe("/readyz") == 200

    def probe(self, path: str) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def metrics(self) -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        return sum(float(value) for found, value in _METRIC.findall(self.metrics()) if found == name)

    def passes(self) -> float:
        """Passes that ended."""
        return self.metric("outfitter_pass_seconds_count")

    def quiet(self) -> float:
        """Wait until no key is waiting and no pass ended for two windows of usedBy; the number of passes then."""
        before, since = -1.0, 0.0
        window = 2 * float(self.settings["used_by_seconds"])

        def look() -> bool:
            nonlocal before, since
            text = self.metrics()
            values: dict[str, float] = {}
            for name, value in _METRIC.findall(text):
                values[name] = values.get(name, 0.0) + float(value)
            now = values.get("outfitter_pass_seconds_count", 0.0)
            if now != before or not text:
                before, since = now, time.monotonic()
            return time.monotonic() - since > window and values.get("outfitter_queue_depth") == 0

        eventually(look, what="the operator does not come to rest")
        return before

    def condition(self) -> str:
        """For the report of a failed test: whether it runs and leads, its queue, and how old its watches are."""
        if not self.running:
            return f"ended with {self.exit_code}"
        shown = ("outfitter_leader", "outfitter_queue", "outfitter_watch", "outfitter_pass_seconds_count")
        return "\n".join(line for line in self.metrics().splitlines() if line.startswith(shown)) or "no metrics"

    def position(self) -> int:
        return self.log.stat().st_size if self.log.exists() else 0

    def said(self, since: int = 0) -> str:
        if not self.log.exists():
            return ""
        with self.log.open("rb") as file:
            file.seek(since)
            return file.read().decode(errors="replace")
