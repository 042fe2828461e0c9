"""The operator as a process of the demo."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Final

from outfitter_sandbox.demo.cluster import DemoError
from outfitter_sandbox.demo.installation import OPERATOR_NAMESPACE
from outfitter_sandbox.demo.report import Report
from outfitter_sandbox.demo.sandbox_cluster import SandboxCluster
from outfitter_sandbox.processes import bound_command, free_ports, last_lines

DOMAIN: Final = "apps.example.com"
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 20.0
_LEASE: Final = f"/apis/coordination.k8s.io/v1/namespaces/{OPERATOR_NAMESPACE}/leases/outfitter"


@contextlib.contextmanager
def running_operator(report: Report, cluster: SandboxCluster) -> Iterator[None]:
    """Run `outfitter run` for the time of the block, from the moment it leads.

    It ends with this process.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OUTFITTER_")}
    settings = {
        "KUBECONFIG": str(cluster.kubeconfig),
        "DOMAIN": DOMAIN,
        "PROBE_HOST": "127.0.0.1",
        "PROBE_PORT": str(free_ports(1)[0]),
        "USED_BY_SECONDS": "1",
    }
    environment = {**inherited, **{f"OUTFITTER_{name}": value for name, value in settings.items()}}
    command = bound_command([sys.executable, "-m", "outfitter.cli", "run"], os.getpid())
    with report.stage("Start the operator"), cluster.log.open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
        )
        cluster.operator = process
        try:
            _await_lease(cluster, process)
        except BaseException:
            _stop(process)
            raise
        report.success(f"it leads: outfitter run, process {process.pid}, OUTFITTER_DOMAIN={DOMAIN}")
    try:
        yield
    finally:
        _stop(process)


def _await_lease(cluster: SandboxCluster, process: subprocess.Popen[bytes]) -> None:
    """Wait until the operator holds its Lease."""
    connection = cluster.sandbox.connection()
    deadline = time.monotonic() + _START_SECONDS
    while True:
        status, lease = connection.answer("GET", _LEASE)
        if status == 200 and lease["spec"].get("holderIdentity"):
            return
        if (code := process.poll()) is not None:
            raise DemoError(f"the operator ended with exit code {code}. The end of its log:\n{last_lines(cluster.log)}")
        if time.monotonic() > deadline:
            raise DemoError(
                f"the operator did not lead within {_START_SECONDS:.0f} s. The end of its log:\n"
                f"{last_lines(cluster.log)}"
            )
        time.sleep(0.05)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Send SIGTERM as a kubelet does, and SIGKILL after a timeout."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        raise DemoError(f"the operator did not end within {_STOP_SECONDS:.0f} s of SIGTERM") from None
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
