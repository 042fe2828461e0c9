"""The figures, each from what the audit log and the kernel say."""

from __future__ import annotations

import asyncio
import math
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from outfitter.sandbox.audit import WRITES as WRITE_VERBS

from .objects import CHILDREN, WRITES, Object, user, workspace, workspaces_path
from .recording import record
from .servers import Operator, Server
from .witness import Request, Tail, span, summary

QUIET_SECONDS = 13.0  # longer than the window in which an asset's usedBy is written once
ADMIN = "sandbox-admin"  # who applies the workspaces
SAMPLE_SECONDS = 30.0
PAUSE_SECONDS = 0.05  # between two samples of latency, so that each meets an idle system

Say = Callable[[str], None]


@dataclass(frozen=True)
class Side:
    """One side of one pair: `seconds` is from `counted from` to the last answer to a write."""

    rate: float  # workspaces per second
    seconds: float
    cpu_ms: float  # of the client, per workspace
    server_cpu_ms: float  # of API server, etcd and controllers, per workspace
    shapes: Counter[str]
    facts: dict[str, Any]


def bare_side(server: Server, count: int, in_flight: int) -> Side:
    """The bare loop makes the writes that the operator would make, against the workspaces that are there."""
    writes = asyncio.run(record(server.objects()))
    tail = server.tail("bare")
    before = server.cpu_seconds
    result = server.send("bare", writes, in_flight)
    spent = server.cpu_seconds - before
    tail.poll()
    done = [request for request in tail.requests if request.is_write]
    begin, end = span(done)
    facts = {
        "client_seconds": result["seconds"],
        "peak_rss_mib": result["peak_rss_mib"],
        "mean_in_flight": _in_flight(done),
    }
    return Side(
        rate=count / (end - begin),
        seconds=end - begin,
        cpu_ms=result["cpu_seconds"] * 1000 / count,
        server_cpu_ms=spent * 1000 / count,
        shapes=_shapes(done),
        facts=facts,
    )


def operator_side(server: Server, operator: Operator, tail: Tail, count: int) -> Side:
    """The operator starts, finds the workspaces, and makes their children. Counted from when it took the Lease."""
    begun = time.time()
    operator.start()
    tail.until(lambda requests: any(map(_is_election, requests)), 60, "taking the Lease")
    own, servers = operator.cpu_seconds, server.cpu_seconds

    def through(requests: list[Request]) -> bool:
        return len({(each.namespace, each.name) for each in requests if each.is_workspace_status}) == count

    tail.until(through, 60 + count * 0.2, "a status for every workspace")
    own, servers = operator.cpu_seconds - own, server.cpu_seconds - servers
    done = [each for each in tail.requests if each.is_write and not each.is_about_assets]
    lease = min(each.completed for each in tail.requests if _is_election(each))
    first, end = span(done)
    facts = {
        "start_to_lease_seconds": lease - begun,
        "lease_to_first_write_seconds": first - lease,
        "peak_rss_mib": operator.memory["peak"],
        "mean_in_flight": _in_flight(done),
    }
    return Side(
        rate=count / (end - lease),
        seconds=end - lease,
        cpu_ms=own * 1000 / count,
        server_cpu_ms=servers * 1000 / count,
        shapes=_shapes(done),
        facts=facts,
    )


def _is_election(request: Request) -> bool:
    return request.resource == "leases" and request.verb in WRITE_VERBS and request.code < 300


def _in_flight(requests: Sequence[Request]) -> float:
    """How many writes the server had before it at a time, on average."""
    begin, end = span(requests)
    return sum(each.completed - each.received for each in requests) / (end - begin)


def _shapes(requests: Sequence[Request]) -> Counter[str]:
    return Counter(request.shape for request in requests)


def writes(tail: Tail, count: int) -> dict[str, Any]:
    """API writes per workspace, and how many of them were neither a child nor a change of status."""
    done = [each for each in tail.requests if each.is_write]
    assets = [each for each in done if each.is_about_assets]
    children = sum(each.is_child for each in done)
    statuses = sum(each.is_workspace_status for each in done)
    about = len(done) - len(assets)
    reads = [
        each
        for each in tail.requests
        if not each.is_write and each.verb in ("get", "list") and each.resource != "leases"
    ]
    return {
        "per_cr": about / count,
        "extra_per_cr": (about - WRITES * count) / count,
        "children": children,
        "workspace_statuses": statuses,
        "asset_statuses": len(assets),
        "reads": summary(reads),
        "complete": children == CHILDREN * count,
        "seen": summary(done),
    }


def idle(server: Server, seconds: float) -> dict[str, Any]:
    """Requests of the operator in that time that are neither watches nor about the Lease."""
    tail = server.tail("outfitter")
    time.sleep(seconds)
    tail.poll()
    found = [each for each in tail.requests if each.verb != "watch" and each.resource != "leases"]
    return {"seconds": seconds, "requests": len(found), "seen": summary(tail.requests), "unwanted": summary(found)}


def restart(server: Server, operator: Operator, count: int) -> dict[str, Any]:
    """SIGTERM, start, a pass over everything: how many writes that was."""
    operator.stop()
    tail = server.tail("outfitter")
    begun = time.monotonic()
    operator.start()
    operator.await_passes(count)
    settled = time.monotonic() - begun
    tail.quiet(QUIET_SECONDS, 120)
    found = [each for each in tail.requests if each.is_write]
    return {
        "writes": len(found),
        "seconds_to_all_passes": settled,
        "seen": summary(each for each in tail.requests if each.resource != "leases"),
    }


def latency(server: Server, samples: int, namespace: str) -> dict[str, Any]:
    """One new workspace at a time: from when its POST came to when the last child's was answered, in ms."""
    tail = Tail(server.sandbox.audit_log, user("outfitter"), ADMIN)
    spans: list[float] = []
    for number in range(samples):
        tail.requests.clear()
        item = workspace(f"one-{number:05}", namespace)
        server.connection.request("POST", workspaces_path(namespace), item)
        spans.append(_one(tail, item) * 1000)
        time.sleep(PAUSE_SECONDS)
    ordered = sorted(spans)
    return {
        "samples": samples,
        "p50": _quantile(ordered, 0.5),
        "p90": _quantile(ordered, 0.9),
        "p99": _quantile(ordered, 0.99),
        "max": ordered[-1],
        "all": [round(value, 2) for value in spans],
    }


def _one(tail: Tail, item: Object) -> float:
    name = item["metadata"]["name"]

    def made(requests: list[Request]) -> list[Request]:
        return [each for each in requests if each.is_child and each.name.startswith(name)]

    def through(requests: list[Request]) -> bool:
        status = any(each.is_workspace_status and each.name == name for each in requests)
        return status and len(made(requests)) == CHILDREN

    tail.until(through, SAMPLE_SECONDS, f"six children and a status for {name}", pause=0.01)
    began = min(each.received for each in tail.requests if each.resource == "workspaces" and each.verb == "create")
    return max(each.completed for each in made(tail.requests)) - began


def _quantile(ordered: Sequence[float], part: float) -> float:
    """The nearest rank: of 100 samples, p99 is the 99th."""
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


def median_ratio(pairs: Sequence[tuple[Side, Side]]) -> float:
    """Of operator over bare, pair by pair: both sides of a pair met the machine in the same state, more or less."""
    return statistics.median(operator.rate / bare.rate for operator, bare in pairs)


def cpu_ratio(pairs: Sequence[tuple[Side, Side]]) -> float:
    """CPU of the bare side over that of the operator's, servers included: what the rates' ratio would be on a machine
    that has nothing else to do and keeps all its cores busy. Does not depend on what else the machine is doing."""

    def both(side: Side) -> float:
        return side.cpu_ms + side.server_cpu_ms

    return statistics.median(both(bare) / both(operator) for operator, bare in pairs)
