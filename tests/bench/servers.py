"""Fresh control planes, and the two things that are run against them: the operator and the bare loop."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from outfitter.cluster.client import path_of
from outfitter.cluster.resources import api_resource
from outfitter_sandbox import Sandbox
from outfitter_sandbox.connection import MERGE_PATCH
from outfitter_sandbox.processes import free_ports, last_lines, wait_until

from .objects import DOMAIN, SYSTEM, Object, foundation, user
from .recording import Write
from .scenarios import Scenario
from .transitions import Watch
from .witness import Tail

REPOSITORY = Path(__file__).resolve().parents[2]
# No controller that makes objects out of ours: pods would drown what is measured. The same for both sides.
CONTROLLERS = ",".join(
    (
        "garbage-collector-controller",
        "namespace-controller",
        "serviceaccount-controller",
        "serviceaccount-token-controller",
        "root-ca-certificate-publisher-controller",
    )
)
START_SECONDS = 120.0
STOP_SECONDS = 30.0
_TICKS = os.sysconf("SC_CLK_TCK")


class Server:
    """One control plane with the CRDs, the rights, and what a scenario needs, and nothing else.

    `watch` is of the objects' statuses from before anything was made of them.
    """

    def __init__(self, sandbox: Sandbox, folder: Path, scenario: Scenario) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self.scenario = scenario
        self.connection = sandbox.connection()
        self.watch: Watch

    def create(self, objects: Sequence[Object]) -> None:
        """Make the objects, several at a time."""
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(self._create, objects))

    def _create(self, item: Object) -> None:
        self.connection.request("POST", self.scenario.path(item["metadata"]["namespace"]), item)

    def objects(self) -> list[Object]:
        """Everything that a pass over one of the objects may look at."""
        return [*self.shared(), *self._all(self.scenario.kind)]

    def shared(self) -> list[Object]:
        """The same without the objects themselves."""
        kinds = ("Namespace", *(item["kind"] for _, item in self.scenario.assets()))
        return [item for kind in kinds for item in self._all(kind)]

    def _all(self, kind: str) -> list[Object]:
        items = self.connection.request("GET", path_of(api_resource(kind)))["items"]
        return [{"kind": kind, **item} for item in items]

    def complete_downloads(self) -> None:
        """Let the Jobs that fill the caches succeed, which nothing else does here."""
        jobs = self.connection.request("GET", "/apis/batch/v1/jobs")["items"]
        for job in jobs:
            meta = job["metadata"]
            path = f"/apis/batch/v1/namespaces/{meta['namespace']}/jobs/{meta['name']}/status"
            ended = [
                {"type": each, "status": "True", "lastTransitionTime": meta["creationTimestamp"]}
                for each in ("SuccessCriteriaMet", "Complete")
            ]
            times = dict.fromkeys(("startTime", "completionTime"), meta["creationTimestamp"])
            status = {**times, "succeeded": 1, "conditions": ended}
            self.connection.request("PATCH", path, {"status": status}, MERGE_PATCH)

    def tail(self, account: str) -> Tail:
        """The requests of one account from now on."""
        return Tail(self.sandbox.audit_log, user(account))

    @property
    def cpu_seconds(self) -> float:
        """User and system time of all components so far."""
        return sum(_cpu_seconds(part["pid"]) for part in self.sandbox.status().values())

    def kubeconfig(self, account: str) -> Path:
        """Of one account."""
        return self.sandbox.kubeconfig_for(user(account))

    def send(self, account: str, writes: Sequence[Write], in_flight: int) -> dict[str, float]:
        """Run the bare loop in a process of its own until it is through."""
        file = self.folder / "writes.jsonl"
        file.write_bytes(b"\n".join(orjson.dumps(list(write)) for write in writes))
        command = [sys.executable, "-m", "tests.bench.bare", str(self.kubeconfig(account)), str(file), str(in_flight)]
        done = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, check=True)
        result: dict[str, float] = orjson.loads(done.stdout)
        return result


@contextlib.contextmanager
def fresh(folder: Path, scenario: Scenario, count: int) -> Iterator[Server]:
    """A new control plane under `folder` with `count` objects, gone afterwards."""
    folder.mkdir(parents=True)
    with Sandbox.up(root=folder / "sandbox", node=False, controllers=CONTROLLERS) as sandbox:
        sandbox.apply_crds(REPOSITORY / "crds")
        server = Server(sandbox, folder, scenario)
        objects = scenario.objects(count)
        teams = {item["metadata"]["namespace"] for item in objects} | {scenario.namespace(0)}
        for path, item in [*foundation(teams, scenario.department), *scenario.assets()]:
            server.connection.request("POST", path, item)
        server.create(objects)
        server.watch = Watch(server.connection, {scenario.plural, *scenario.statuses, "nimcaches"})
        try:
            yield server
        finally:
            server.watch.close()


class Operator:
    """The operator as a process of its own, under its own ServiceAccount."""

    def __init__(self, server: Server, command: Sequence[str]) -> None:
        self.command = list(command)
        self.log = server.folder / "operator.log"
        self._port = free_ports(1)[0]
        self._environment = {
            **{name: value for name, value in os.environ.items() if name != "KUBECONFIG"},
            "OUTFITTER_KUBECONFIG": str(server.kubeconfig("outfitter")),
            "OUTFITTER_SYSTEM_NAMESPACE": SYSTEM,
            "OUTFITTER_DOMAIN": DOMAIN,
            "OUTFITTER_PROBE_HOST": "127.0.0.1",
            "OUTFITTER_PROBE_PORT": str(self._port),
            "OUTFITTER_LOG_LEVEL": "warning",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if error is not None and self.log.exists():
            print(f"The end of the operator's log:\n{last_lines(self.log)}", file=sys.stderr)

    def start(self) -> None:
        """Start it."""
        if self._process is not None:
            raise RuntimeError("the operator is running already")
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self.command, env=self._environment, cwd=REPOSITORY, stdout=output, stderr=output
            )

    def stop(self) -> None:
        """SIGTERM, as a rollout does; RuntimeError where it does not end well."""
        process = self._running()
        process.send_signal(signal.SIGTERM)
        code = process.wait(STOP_SECONDS)
        if code != 0:
            raise RuntimeError(f"the operator ended with exit code {code}; see {self.log}")
        self._process = None

    @contextlib.contextmanager
    def standing_still(self) -> Iterator[None]:
        """While the block runs it gets no time at all; short enough, and it does not even lose the Lease."""
        process = self._running()
        process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)

    def await_passes(self, count: int) -> None:
        """Wait until it leads, has made `count` passes and has no key waiting."""

        def through() -> bool:
            self._running()
            now = self.metrics()
            passes = sum(value for name, value in now.items() if name.startswith("outfitter_pass_seconds_count"))
            return now.get("outfitter_leader") == 1 and passes >= count and now.get("outfitter_queue_depth") == 0

        if not wait_until(through, START_SECONDS, 0.25):
            raise RuntimeError(f"the operator did not make {count} passes within {START_SECONDS:.0f} s; see {self.log}")

    def metrics(self) -> dict[str, float]:
        """Its own counters; empty where it does not answer yet."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=10) as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            return {}
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    @property
    def cpu_seconds(self) -> float:
        """User and system time so far."""
        return _cpu_seconds(self._running().pid)

    @property
    def memory(self) -> dict[str, float]:
        """Resident memory now and at its peak, in MiB."""
        lines = Path(f"/proc/{self._running().pid}/status").read_text().splitlines()
        fields = dict(line.split(":", 1) for line in lines)
        return {name: int(fields[key].split()[0]) / 1024 for name, key in (("now", "VmRSS"), ("peak", "VmHWM"))}

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"the operator is not running; see {self.log}")
        return self._process


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def load() -> dict[str, Any]:
    """What else the machine is doing."""
    return {"cpus": os.cpu_count(), "load_average": [round(value, 2) for value in os.getloadavg()], "at": time.time()}
