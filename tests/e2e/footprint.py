"""What the operator's pod takes: `cd tests && python -m e2e.footprint [0 100 500]`

Workspaces that are stopped are made in one namespace, so that no pods run: each has its pin, StatefulSet, a Service
and an Ingress. The figures come from inside of the operator's container. It uses the cluster that the end-to-end suite
would use.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from integration.harness.client import Api, condition, eventually
from outfitter_sandbox.pod_exec import execute

from .conftest import DEPLOYMENT, DOMAIN, SYSTEM, Stage
from .harness import cluster as clusters
from .harness import helm, images
from .harness.data import Identity
from .harness.team import running

NAMESPACE = "footprint"
IDLE_SECONDS = 60
LONG = 600.0
LOOK = """
import json
status = dict(line.split(":", 1) for line in open("/proc/1/status"))
spent = open("/proc/1/stat").read().rpartition(")")[2].split()
kib = lambda name: int(status[name].split()[0])
cpu = (int(spent[11]) + int(spent[12])) / 100
print(json.dumps({"rss": kib("VmRSS") / 1024, "peak": kib("VmHWM") / 1024, "cpu": cpu}))
"""


@dataclass(frozen=True)
class Sight:
    """MiB resident now and at most, seconds of CPU since the process began."""

    rss: float
    peak: float
    cpu: float


def look(stage: Stage) -> Sight:
    """Into the one operator's container."""
    (pod,) = stage.operators()
    done = execute(stage.cluster.connection(), SYSTEM, pod["metadata"]["name"], ["python3", "-c", LOOK], seconds=60)
    assert done.code == 0, done.err
    return Sight(**json.loads(done.out))


def grow(api: Api, first: int, last: int) -> None:
    """Make workspaces until there are `last`; returns when all are Ready (stopped)."""
    for number in range(first, last):
        meta = {"name": f"box-{number}", "namespace": NAMESPACE}
        spec = {"image": images.WEB, "suspend": True, "environmentVariables": [{"name": "N", "value": str(number)}]}
        connection = {"name": "lab", "toolType": "custom", "connectionType": "ExternalUrl", "containerPort": 8080}
        body = {"apiVersion": "outfitter.dev/v1alpha1", "kind": "Workspace", "metadata": meta}
        api.create({**body, "spec": {**spec, "connections": [connection]}})

    def settled() -> int:
        return sum(condition(each, "Ready").get("status") == "True" for each in api.list("Workspace", NAMESPACE))

    eventually(settled, lambda count: count >= last, LONG, "not all are ready")


def idle(stage: Stage) -> tuple[Sight, float]:
    """The sight after a minute in which nothing happens, and the share of a core that it took."""
    before, started = look(stage), time.monotonic()
    time.sleep(IDLE_SECONDS)  # the thing that is measured
    after = look(stage)
    return after, (after.cpu - before.cpu) / (time.monotonic() - started)


def restart(stage: Stage) -> float:
    """Replace the pod; seconds until the new one is ready."""
    (pod,) = stage.operators()
    started = time.monotonic()
    stage.api.delete("Pod", SYSTEM, pod["metadata"]["name"])
    eventually(
        stage.operators,
        lambda pods: len(pods) == 1 and running(pods[0]) and pods[0]["metadata"]["uid"] != pod["metadata"]["uid"],
        LONG,
    )
    eventually(stage.leader, lambda who: who == stage.operators()[0]["metadata"]["name"], LONG)
    return time.monotonic() - started


def measure(stage: Stage, sizes: list[int]) -> None:
    """Print a line for each number of objects."""
    stage.api.create({"kind": "Namespace", "metadata": {"name": NAMESPACE}})
    restart(stage)
    print(
        "| CRs | MiB idle | MiB at most | CPU idle | CPU seconds while they were made | pod replaced, until it leads |"
    )
    print("|---|---|---|---|---|---|", flush=True)
    have = 0
    for size in sizes:
        before = look(stage)
        grow(stage.api, have, size)
        have = size
        spent = look(stage).cpu - before.cpu
        seen, share = idle(stage)
        took = restart(stage)
        again = look(stage)
        peak = max(seen.peak, again.peak)
        print(
            f"| {size} | {seen.rss:.0f} | {peak:.0f} | {share * 1000:.0f} m | {spent:.1f} | {took:.0f} s |", flush=True
        )
    stage.api.delete("Namespace", "", NAMESPACE)
    stage.api.gone("Namespace", "", NAMESPACE, LONG)


def main() -> None:
    """Parse the command line and run."""
    if reasons := clusters.missing():
        raise SystemExit(f"Not measured: {'; '.join(reasons)}")
    sizes = [int(each) for each in sys.argv[1:]] or [0, 100, 500]

    def progress(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="outfitter-") as folder, clusters.running(Path(folder), progress) as found:
        api = Api(found)  # type: ignore[arg-type]
        api.apply({"kind": "Namespace", "metadata": {"name": SYSTEM}})
        program, why = helm.find(progress)
        assert program is not None, why
        identity = Identity.create(Path(folder) / "identity")
        stage = Stage(found, api, helm.Release(program, found.kubeconfig, SYSTEM), identity)
        if api.get("Deployment", SYSTEM, DEPLOYMENT) is None:
            stage.install()
        progress(f"The operator runs with domain {DOMAIN}")
        measure(stage, sizes)


if __name__ == "__main__":
    main()
