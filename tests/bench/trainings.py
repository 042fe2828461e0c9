"""`python -m tests.bench.trainings`: many trainings at once to their end, on a control plane with a simulated node.

Real: API server, Job controller, garbage collector, operator. The pods run nothing: each ends after a moment, and those
of some trainings fail. What counts are the writes of the operator for each training, at rest and after a restart.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from outfitter.cluster.client import path_of
from outfitter_sandbox import Sandbox

sys.path.insert(0, str(Path(__file__).parents[1]))
from integration.harness import rights
from integration.harness.client import Api, eventually, resource_of
from integration.harness.process import Operator

CRDS = Path(__file__).parents[2] / "crds"
PER_NAMESPACE = 50
FAILING = {"name": "sandbox.outfitter.dev/pods", "value": "fail"}


def main() -> None:
    """Measure, and print one line for each figure."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.trainings", description=__doc__)
    parser.add_argument("--n", type=int, default=1000, help="how many trainings (default: 1000)")
    parser.add_argument("--failing", type=int, default=50, help="how many of them fail (default: 50)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Sandbox.up(root=Path(folder)) as sandbox:
        sandbox.apply_crds(CRDS)
        sandbox.restart("kube-controller-manager")
        api = Api(sandbox)
        rights.install(api)
        operator = Operator(sandbox.kubeconfig_for(rights.USER), Path(folder) / "operator.log").start()
        try:
            _measure(sandbox, api, operator, options.n, options.failing)
        finally:
            operator.stop()


def _measure(sandbox: Sandbox, api: Api, operator: Operator, count: int, failing: int) -> None:
    spaces = [f"team-{number:03}" for number in range(-(-count // PER_NAMESPACE))]
    for name in spaces:
        api.create({"kind": "Namespace", "metadata": {"name": name}})
        api.wait("ServiceAccount", name, "default", bool)
    mark, begun = sandbox.audit_mark(), time.monotonic()
    for number in range(count):
        spec: dict[str, Any] = {"image": "registry.example.com/train:1", "backoffLimit": 0}
        if number < failing:
            spec["annotations"] = [FAILING]
        place = {"name": f"run-{number:05}", "namespace": spaces[number // PER_NAMESPACE]}
        api.create({"kind": "Training", "metadata": place, "spec": spec})
    made = time.monotonic()
    path = path_of(resource_of("Training"), "")

    def phases() -> Counter[str]:
        items = api.connection.request("GET", f"{path}?resourceVersion=0")["items"]
        return Counter(str((item.get("status") or {}).get("phase")) for item in items)

    wanted = Counter({"Completed": count - failing, "Failed": failing})
    eventually(phases, lambda seen: seen == +wanted, 1800, "not all trainings ended")
    ended = time.monotonic()
    operator.quiet()
    writes = _writes(sandbox, mark)
    print(
        f"{count} trainings, {failing} failing: applied in {made - begun:.0f} s, all ended after {ended - begun:.0f} s"
    )
    for (verb, resource), number in sorted(writes.items()):
        print(f"  {verb} {resource}: {number} ({number / count:.3f} for each)")
    mark = sandbox.audit_mark()
    operator.stop()
    operator.start()
    operator.quiet()
    print(f"writes after a restart: {sum(_writes(sandbox, mark).values())}")
    mark = sandbox.audit_mark()
    time.sleep(30)  # at rest
    print(f"writes in 30 s at rest: {sum(_writes(sandbox, mark).values())}")


def _writes(sandbox: Sandbox, since: int) -> Counter[tuple[str, str]]:
    entries = (entry for entry in sandbox.audit(since) if entry.user == rights.USER and entry.is_write)
    return Counter(
        (entry.verb, f"{entry.resource}/{entry.subresource}" if entry.subresource else entry.resource)
        for entry in entries
        if entry.resource != "leases"
    )


if __name__ == "__main__":
    main()
