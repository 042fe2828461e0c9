"""The figures, each from what the audit log and the kernel say."""

from __future__ import annotations

import asyncio
import re
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from outfitter.naming import ANNOTATION_RECONCILE
from outfitter_sandbox.audit import WRITES as WRITE_VERBS

from .objects import Object, user
from .recording import record
from .scenarios import NOBODYS, Scenario
from .servers import Operator, Server
from .spans import Spans, Stolen
from .witness import Request, Tail, span, summary

QUIET_SECONDS = 13.0  # longer than the window in which an asset's usedBy is written once
ADMIN = "sandbox-admin"  # who applies the objects, and ends the downloads
SAMPLE_SECONDS = 30.0
PAUSE_SECONDS = 0.05  # between two samples of latency, so that each meets an idle system
BLOCK = 20  # samples of latency; then a quarter as many without an operator, which must not cost it the Lease
CALM_SECONDS = 1.0

Say = Callable[[str], None]


@dataclass(frozen=True)
class Side:
    """One side of one pair: `seconds` is from `counted from` to the last answer to a write."""

    rate: float  # objects per second
    seconds: float
    cpu_ms: float  # of the client, per object
    server_cpu_ms: float  # of API server, etcd and controllers, per object
    shapes: Counter[str]
    facts: dict[str, Any]


def bare_side(server: Server, count: int, in_flight: int) -> Side:
    """The bare loop makes the writes that the operator would make, for the objects that are there."""
    writes = asyncio.run(record(server.scenario, server.objects()))
    tail = server.tail("bare")
    before, stolen = server.cpu_seconds, Stolen()
    result = server.send("bare", writes, in_flight)
    spent = server.cpu_seconds - before
    tail.poll()
    done = [request for request in tail.requests if request.is_write]
    begin, end = span(done)
    facts = {
        "client_seconds": result["seconds"],
        "stolen_share": stolen.share,
        "peak_rss_mib": result["peak_rss_mib"],
        "mean_in_flight": _in_flight(done, end - begin),
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
    """The operator starts, finds the objects, and makes their children. Counted from when it took the Lease; while
    everything waits for a download, the clock stands still.
    """
    begun, stolen = time.time(), Stolen()
    operator.start()
    tail.until(lambda requests: any(map(_is_election, requests)), 60, "taking the Lease")
    own, servers = operator.cpu_seconds, server.cpu_seconds
    lease = min(each.completed for each in tail.requests if _is_election(each))
    scenario, limit = server.scenario, 60 + count * 0.2
    paused = 0.0
    if scenario.images:
        tail.until(_Through(scenario, count, statuses=1), limit, "a first status for everything")
        tail.until(lambda requests: _downloads(requests) == len(scenario.images), limit, "a download for each image")
        waiting = max(each.completed for each in tail.requests if scenario.is_status(each))
        resumed = time.time()
        server.complete_downloads()
        paused = max(0.0, resumed - waiting)
    tail.until(_Through(scenario, count), limit, "all children and a status for everything")
    own, servers = operator.cpu_seconds - own, server.cpu_seconds - servers
    done = [each for each in tail.requests if each.is_write and not scenario.is_shared(each)]
    first, end = span(done)
    seconds = end - lease - paused
    facts = {
        "stolen_share": stolen.share,
        "start_to_lease_seconds": lease - begun,
        "lease_to_first_write_seconds": first - lease,
        "waiting_for_downloads_seconds": paused,
        "peak_rss_mib": operator.memory["peak"],
        "mean_in_flight": _in_flight(done, seconds),
    }
    return Side(
        rate=count / seconds,
        seconds=seconds,
        cpu_ms=own * 1000 / count,
        server_cpu_ms=servers * 1000 / count,
        shapes=_shapes(done),
        facts=facts,
    )


def _downloads(requests: list[Request]) -> int:
    return sum(each.resource == "jobs" and each.verb == "create" and each.code < 300 for each in requests)


class _Through:
    """Whether every object has all its children and as many statuses as it needs; looks at each request once.

    `statuses`: how many statuses are enough, without children, instead.
    """

    def __init__(self, scenario: Scenario, count: int, statuses: int = 0) -> None:
        self._scenario = scenario
        self._children = 0 if statuses else count * scenario.child_count
        self._statuses = {plural: (count, statuses or wanted) for plural, wanted in scenario.statuses.items()}
        self._seen: Counter[tuple[str, str, str]] = Counter()
        self._made = 0
        self._looked_at = 0

    def __call__(self, requests: list[Request]) -> bool:
        for each in requests[self._looked_at :]:
            self._made += self._scenario.is_child(each)
            if self._scenario.is_status(each) and each.code < 300:
                self._seen[each.resource, each.namespace, each.name] += 1
        self._looked_at = len(requests)
        return self._made >= self._children and all(
            sum(times >= wanted for (plural, _, _), times in self._seen.items() if plural == resource) >= count
            for resource, (count, wanted) in self._statuses.items()
        )


def _is_election(request: Request) -> bool:
    return request.resource == "leases" and request.verb in WRITE_VERBS and request.code < 300


def _in_flight(requests: Sequence[Request], seconds: float) -> float:
    """How many writes the server had before it at a time, on average."""
    return sum(each.completed - each.received for each in requests) / seconds


def _shapes(requests: Sequence[Request]) -> Counter[str]:
    """A request that was refused and sent again counts once, among those of `writes`."""
    return Counter(request.shape for request in requests if request.code < 300)


def same_writes(scenario: Scenario, operator: Counter[str], bare: Counter[str]) -> bool:
    """Whether both sides made the same writes. What waits may pass through more statuses than it needs, which costs the
    operator time and the bare loop none; whether each of them said something new is another figure's business.
    """
    more = operator - bare
    statuses = {f"patch {plural}/status?" for plural in scenario.statuses if scenario.images}
    return not bare - operator and all(shape.partition("?")[0] + "?" in statuses for shape in more)


def writes(server: Server, tail: Tail, count: int) -> dict[str, Any]:
    """API writes per object, and how many of them were neither a child nor a change of status that the watch saw."""
    scenario = server.scenario
    done = [each for each in tail.requests if each.is_write]
    shared = [each for each in done if scenario.is_shared(each)]
    own = len(done) - len(shared)
    seen = server.watch.counts()
    changes = sum(seen[plural] for plural in scenario.statuses)
    children = sum(scenario.is_child(each) for each in done)
    reads = [
        each
        for each in tail.requests
        if not each.is_write and each.verb in ("get", "list") and each.resource != "leases"
    ]
    return {
        "per_cr": own / count,
        "extra_per_cr": (own - scenario.child_count * count - changes) / count,
        "children": children,
        "statuses": sum(scenario.is_status(each) for each in done),
        "transitions": dict(seen),
        "shared": summary(shared),
        "reads": summary(reads),
        "complete": children == scenario.child_count * count,
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


def latency(server: Server, operator: Operator, samples: int, in_flight: int) -> dict[str, Any]:
    """One new object at a time: from when its POST came to when the last child's was answered, in ms.

    `everything`: until also what belongs to nobody was made. `bare`: the same as the first without an operator, which
    stands still meanwhile. Both are taken by turns, so that they meet the machine in the same state.
    """
    tail = Tail(server.sandbox.audit_log, user("outfitter"), ADMIN)
    scenario, spans, everything, bare = server.scenario, Spans(), Spans(), Spans()
    for number in range(samples):
        tail.requests.clear()
        item = scenario.make(f"one-{number:05}", 0)
        stolen = Stolen()
        server.connection.request("POST", scenario.path(item["metadata"]["namespace"]), item)
        children, last = _one(scenario, tail, item)
        spans.add(children * 1000, stolen)
        everything.add(last * 1000, stolen)
        time.sleep(PAUSE_SECONDS)
        if number % BLOCK == BLOCK - 1:
            with operator.standing_still():
                _bare_spans(server, bare, number + 1 - BLOCK, in_flight)
            tail.quiet(CALM_SECONDS, SAMPLE_SECONDS)  # it has seen what came meanwhile
    return {**spans.quantiles(), "everything": everything.quantiles(), "bare": bare.quantiles()}


def _bare_spans(server: Server, spans: Spans, first: int, in_flight: int) -> None:
    """An object's POST, then its children's, all at once and known in advance.

    No operator can be quicker: what this takes is the machine's.
    """
    tail = Tail(server.sandbox.audit_log, user("bare"), ADMIN)
    scenario, shared = server.scenario, server.shared()
    for number in range(first, first + BLOCK // 4):
        tail.requests.clear()
        item = scenario.make(f"bare-{number:05}", 0)
        # The operator will see it later, and has to leave it alone.
        sent = {**item, "metadata": {**item["metadata"], "annotations": {ANNOTATION_RECONCILE: "disabled"}}}
        made = server.connection.request("POST", scenario.path(item["metadata"]["namespace"]), sent)
        del made["metadata"]["annotations"]
        writes = asyncio.run(record(scenario, [*shared, {"kind": scenario.kind, **made}]))
        stolen = Stolen()
        posts = [
            each for each in writes if each.verb == "POST" and not NOBODYS.intersection(re.split("[/?]", each.path))
        ]
        server.send("bare", posts, in_flight)
        tail.poll()
        own = next(each for each in tail.requests if each.resource == scenario.plural and each.verb == "create")
        children = [each for each in tail.requests if scenario.is_owned(each)]
        if len(children) != len(posts):
            raise RuntimeError(f"{item['metadata']['name']}: {summary(tail.requests)}")
        begin, end = span(children)
        spans.add((own.completed - own.received + end - begin) * 1000, stolen)


def _one(scenario: Scenario, tail: Tail, item: Object) -> tuple[float, float]:
    """Seconds until its children were made, and until everything was."""
    name = item["metadata"]["name"]

    def made(requests: list[Request]) -> list[Request]:
        return [each for each in requests if scenario.is_child(each) and each.name.startswith(name)]

    def through(requests: list[Request]) -> bool:
        told = {each.resource for each in requests if scenario.is_status(each) and each.name == name}
        return told == set(scenario.statuses) and len(made(requests)) == scenario.child_count

    tail.until(through, SAMPLE_SECONDS, f"all children and a status for {name}", pause=0.01)
    began = min(each.received for each in tail.requests if each.resource == scenario.plural and each.verb == "create")
    every = made(tail.requests)
    owned = [each for each in every if scenario.is_owned(each)]
    return max(each.completed for each in owned) - began, max(each.completed for each in every) - began


def median_ratio(pairs: Sequence[tuple[Side, Side]]) -> float:
    """Of operator over bare, pair by pair: both sides of a pair met the machine in the same state, more or less."""
    return statistics.median(operator.rate / bare.rate for operator, bare in pairs)


def cpu_ratio(pairs: Sequence[tuple[Side, Side]]) -> float:
    """CPU of the bare side over that of the operator's, servers included: what the rates' ratio would be on a machine
    that has nothing else to do and keeps all its cores busy. Does not depend on what else the machine is doing."""

    def both(side: Side) -> float:
        return side.cpu_ms + side.server_cpu_ms

    return statistics.median(both(bare) / both(operator) for operator, bare in pairs)
