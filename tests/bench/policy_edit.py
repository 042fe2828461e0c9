"""`python -m tests.bench.policy_edit`: one edit of the policy of a cluster, with many projects and workloads under it.

Each project has one workload, and all are in one department with a policy of its own. The edit changes the
EffectivePolicy of every project and the status of every workload, once each, and nothing else.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from outfitter.api.version import API_VERSION
from outfitter_sandbox.connection import MERGE_PATCH

from . import report
from .figures import Say, idle, restart
from .objects import SYSTEM, Object
from .scenarios import WORKSPACES, Scenario
from .servers import REPOSITORY, Operator, Server, fresh
from .witness import Request, span, summary

COMMAND = shlex.join([str(Path(sys.executable).with_name("outfitter")), "run"])
DEPARTMENT = "research"
_POLICIES = f"/apis/{API_VERSION}/namespaces/{SYSTEM}/workloadpolicies"
_QUIET_SECONDS = 15.0  # longer than the window in which the status of a policy counts its workloads
_SECONDS_EACH = 0.6


def _policy(name: str, scope: Object, **spec: Any) -> tuple[str, Object]:
    body = {"workloadType": "workspace", "scope": scope, **spec}
    meta = {"name": name, "namespace": SYSTEM}
    return _POLICIES, {"apiVersion": API_VERSION, "kind": "WorkloadPolicy", "metadata": meta, "spec": body}


def _policies() -> list[tuple[str, Object]]:
    variables = {"instances": [{"name": f"CLUSTER_{number}", "value": "x"} for number in range(8)]}
    limits = {"gpuDevicesRequest": {"max": 8}, "cpuCoreRequest": {"max": 64}}
    cost = {"instances": [{"name": "cost", "value": DEPARTMENT}]}
    return [
        _policy(
            "cluster",
            {"type": "cluster"},
            defaults={"environmentVariables": variables},
            rules={"compute": limits, "storage": {"hostPath": {"instances": {"canAdd": False}}}},
        ),
        _policy(
            "department",
            {"type": "department", "name": DEPARTMENT},
            defaults={"labels": cost},
            rules={"labels": {"instances": {"locked": ["cost"]}}},
        ),
    ]


def _workspace(name: str, number: int) -> Object:
    made = WORKSPACES.make(name, number)
    return {**made, "metadata": {**made["metadata"], "namespace": SCENARIO.namespace(number)}}


SCENARIO: Scenario = replace(
    WORKSPACES,
    name="policies",
    make=_workspace,
    assets=lambda: [*WORKSPACES.assets(), *_policies()],
    namespace=lambda number: f"team-{number:04}",
    department=DEPARTMENT,
)


def measure(server: Server, operator: Operator, count: int, idle_seconds: float, say: Say) -> dict[str, Any]:
    """Return the figures of the edit, of the time after it and of a restart."""
    tail = server.tail("outfitter")
    operator.start()
    limit = 60 + count * _SECONDS_EACH
    tail.until(lambda seen: _done(seen, "effectivepolicies", "create") >= count, limit, "all EffectivePolicies")
    tail.until(lambda seen: _done(seen, "workspaces", "patch") >= count, limit, "a status for each workload")
    tail.quiet(_QUIET_SECONDS, limit)
    settled = summary(each for each in tail.requests if each.is_write)
    say(f"settled: {settled}, {operator.memory['now']:.1f} MiB")
    edit = _edit(server, operator, count, limit)
    say(f"edit: {edit['writes']} in {edit['seconds']:.1f} s, {edit['cpu_seconds']:.2f} s of CPU")
    rest = idle(server, idle_seconds)
    say(f"idle for {idle_seconds:.0f} s: {rest['requests']} requests")
    again = restart(server, operator, 2 * count)
    say(f"restart: {again['writes']} writes")
    return {"settled": settled, "edit": edit, "idle": rest, "restart": again, "memory": operator.memory}


def _edit(server: Server, operator: Operator, count: int, limit: float) -> dict[str, Any]:
    tail = server.tail("outfitter")
    cpu, servers, before = operator.cpu_seconds, server.cpu_seconds, operator.memory["now"]
    rules = {"compute": {"gpuDevicesRequest": {"max": 4}}}
    begun = time.time()
    server.connection.request("PATCH", f"{_POLICIES}/cluster", {"spec": {"rules": rules}}, MERGE_PATCH)
    tail.until(lambda seen: _done(seen, "effectivepolicies", "patch") >= count, limit, "all EffectivePolicies changed")
    tail.quiet(_QUIET_SECONDS, limit)
    done = [each for each in tail.requests if each.is_write]
    return {
        "writes": summary(done),
        "exact": _counts(done) == {"effectivepolicies": count, "workspaces": count, "workloadpolicies": 1},
        "seconds": span(done)[1] - begun,
        "cpu_seconds": operator.cpu_seconds - cpu,
        "server_cpu_seconds": server.cpu_seconds - servers,
        "before_mib": before,
        "after_mib": operator.memory["now"],
        "peak_mib": operator.memory["peak"],
        "reads": summary(each for each in tail.requests if each.verb in ("get", "list") and each.resource != "leases"),
    }


def _done(requests: Sequence[Request], resource: str, verb: str) -> int:
    return sum(each.resource == resource and each.verb == verb and each.code < 300 for each in requests)


def _counts(requests: Iterable[Request]) -> dict[str, int]:
    return dict(Counter(each.resource for each in requests))


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 1 if the edit made other writes than it needs, or if anything was written afterwards."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.policy_edit", description=__doc__)
    parser.add_argument("--n", type=int, default=1000, help="how many projects, with one workload each (default: 1000)")
    parser.add_argument("--idle-seconds", type=float, default=60.0, help="length of the idle phase (default: 60)")
    parser.add_argument("--command", default=COMMAND, help="how the operator is started (default: outfitter run)")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "build" / "bench-policies.json", help="the JSON")
    options = parser.parse_args(arguments)
    begun = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - begun:6.1f} s] {text}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="outfitter-bench-") as folder:
        say(f"a fresh server with {options.n} projects")
        with (
            fresh(Path(folder) / "policies", SCENARIO, options.n) as server,
            Operator(server, shlex.split(options.command)) as operator,
        ):
            say("created")
            result = {"n": options.n, **measure(server, operator, options.n, options.idle_seconds, say)}
            operator.stop()
    report.write(options.output, result)
    good = result["edit"]["exact"] and not result["idle"]["requests"] and not result["restart"]["writes"]
    print(f"everything is in {options.output}; {'as it must be' if good else 'NOT as it must be'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
