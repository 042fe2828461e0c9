"""Whole operators on a real API server, with a reconciler that counts its writes."""

from __future__ import annotations

import asyncio
import functools
import os
import platform
import re
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from outfitter.cluster.access import cluster_rules, namespaced_rules, system_rules
from outfitter.cluster.auth import Authentication
from outfitter.cluster.client import Client
from outfitter.cluster.protocol import Cluster
from outfitter.cluster.store import Caches
from outfitter.cluster.transport import Transport
from outfitter.naming import LABEL_RETAINED, owner_labels
from outfitter.operator.app import Operator
from outfitter.settings import Settings
from outfitter.snapshot import Dep, Key
from outfitter_sandbox import Sandbox

CHILDREN = 2
DEADLINE = 30.0
COLLECTION = 90.0  # the garbage collector looks for new kinds every 30 seconds


@dataclass(frozen=True)
class Result:
    outcome: str
    deps: frozenset[Dep] = frozenset()
    requeue_after: float | None = None
    writes: int = 0
    also_reconcile: frozenset[Key] = frozenset()


class Counting:
    """Each Environment gets two ConfigMaps, a copy in the system namespace, and a status."""

    def __init__(self, cluster: Cluster, caches: Caches, settings: Settings, *_: Any) -> None:
        self.cluster = cluster
        self.caches = caches
        self.system = settings.system_namespace
        self.counted: Counter[Key] = Counter()
        self.written = 0

    def dependencies(self, key: Key) -> frozenset[Dep]:
        return frozenset({Dep("Secret", key.namespace, "input"), Dep("Environment", key.namespace, "base")})

    def forget(self, key: Key) -> None:
        """Nothing is kept per key but the count, which is the point."""

    async def reconcile(self, key: Key) -> Result:
        self.counted[key] += 1
        live = self.caches[key.kind].get(key.namespace, key.name)
        if live is None:
            return Result("Gone")
        present = {(child.namespace, child.name) for child in self.caches["ConfigMap"].owned(live.uid)}
        places = [(key.namespace, f"{key.name}-{number}") for number in range(CHILDREN)]
        for namespace, name in [*places, (self.system, f"{key.namespace}-{key.name}")]:
            if (namespace, name) not in present:
                await self.cluster.create(self._child(key, live.uid, namespace, name))
                self.written += 1
        if (live.body.get("status") or {}).get("syncStatus") != "No issues found":
            await self.cluster.write_status(*key, live.uid, {"syncStatus": "No issues found"})
            self.written += 1
        return Result("Ready", self.dependencies(key))

    @staticmethod
    def _child(key: Key, uid: str, namespace: str, name: str) -> dict[str, Any]:
        meta: dict[str, Any] = {"name": name, "namespace": namespace, "labels": owner_labels(key.kind, key.name, uid)}
        if namespace == key.namespace:
            version = "outfitter.dev/v1alpha1"
            owner = {"apiVersion": version, "kind": key.kind, "name": key.name, "uid": uid, "controller": True}
            meta["ownerReferences"] = [owner]
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"a": "b"}}


class Team:
    """A namespace, a system namespace, and what an admin does in them."""

    def __init__(self, sandbox: Sandbox, transport: Transport) -> None:
        self.sandbox = sandbox
        self.transport = transport
        self.client = Client(transport)
        self.name = f"team-{uuid4().hex[:6]}"
        self.system = f"system-{uuid4().hex[:6]}"

    def settings(self, **more: Any) -> Settings:
        values = {
            "kubeconfig": str(self.sandbox.kubeconfig),
            "system_namespace": self.system,
            "watch_namespaces": (self.name,),
            "probe_port": 0,
            "probe_host": "127.0.0.1",
            "used_by_seconds": 0.2,
            **more,
        }
        return Settings(**values)

    async def environment(self, name: str) -> dict[str, Any]:
        meta = {"name": name, "namespace": self.name}
        body = {"apiVersion": "outfitter.dev/v1alpha1", "kind": "Environment", "metadata": meta}
        return await self.client.create({**body, "spec": {"image": "busybox"}})

    async def names(self, namespace: str) -> set[str]:
        found = await self.client.list("ConfigMap", namespace)
        return {item["metadata"]["name"] for item in found if item["metadata"]["name"] != "kube-root-ca.crt"}


@pytest.fixture
async def team(sandbox: Sandbox) -> AsyncIterator[Team]:
    transport = Transport(await Authentication.load(str(sandbox.kubeconfig)))
    found = Team(sandbox, transport)
    for name in (found.name, found.system):
        await transport.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    yield found
    await transport.close()


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Operator]:
    """An operator that leads; stopped in order afterwards."""
    operator = Operator(settings, await Authentication.load(settings.kubeconfig), Counting)
    task = asyncio.create_task(operator.run())
    leading = asyncio.create_task(operator.leading.wait())
    await asyncio.wait({task, leading}, timeout=DEADLINE, return_when=asyncio.FIRST_COMPLETED)
    assert operator.leading.is_set(), "did not get to lead"
    try:
        yield operator
    finally:
        operator.stop()
        assert await asyncio.wait_for(task, DEADLINE) == 0


async def until(check: Callable[[], Any], seconds: float = DEADLINE) -> None:
    async with asyncio.timeout(seconds):
        while True:
            found = check()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return
            await asyncio.sleep(0.02)


def reconciler_of(operator: Operator) -> Counting:
    assert isinstance(operator.reconciler, Counting)
    return operator.reconciler


async def test_one_reconciliation_per_new_object_and_none_for_our_own_writes(team: Team) -> None:
    async with running(team.settings()) as operator:
        reconciler = reconciler_of(operator)
        for number in range(5):
            await team.environment(f"e{number}")
        await until(lambda: reconciler.written == 5 * (CHILDREN + 2))
        # A foreign object on the same watches: once it is here, so are the echoes of everything before it.
        for kind in ("ConfigMap", "Environment"):
            meta = {"name": "mark", "namespace": team.name}
            versions = {"ConfigMap": "v1", "Environment": "outfitter.dev/v1alpha1"}
            spec = {"spec": {"image": "busybox"}} if kind == "Environment" else {}
            await team.client.create({"apiVersion": versions[kind], "kind": kind, "metadata": meta, **spec})
            await until(lambda kind=kind: operator.caches[kind].get(team.name, "mark") is not None)  # type: ignore[misc]
        counts = {key.name: count for key, count in reconciler.counted.items() if key.name != "mark"}
        assert counts == {f"e{number}": 1 for number in range(5)}


async def test_repair_requeue_and_removal(team: Team) -> None:
    async with running(team.settings()) as operator:
        reconciler, key = reconciler_of(operator), Key("Environment", team.name, "e")
        made = await team.environment("e")
        await until(lambda: reconciler.written == CHILDREN + 2)
        lost = await team.client.get("ConfigMap", team.name, "e-0")
        assert lost is not None
        await team.client.delete("ConfigMap", team.name, "e-0", lost["metadata"]["uid"])
        await until(lambda: reconciler.written == CHILDREN + 3)
        before = reconciler.counted[key]
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "input", "namespace": team.name}}
        await team.client.create(secret)
        await until(lambda: reconciler.counted[key] == before + 1)
        meta = {"name": "kept", "namespace": team.system}
        labels = {**owner_labels("Environment", "e", made["metadata"]["uid"]), LABEL_RETAINED: "true"}
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {**meta, "labels": labels}}
        await team.client.create({**claim, "spec": spec})
        await team.client.delete("Environment", team.name, "e", made["metadata"]["uid"])
        await until(lambda: _only(team, team.name, set()), COLLECTION)
        await until(lambda: _only(team, team.system, set()))
        assert await team.client.get("PersistentVolumeClaim", team.system, "kept") is not None


async def _only(team: Team, namespace: str, names: set[str]) -> bool:
    return await team.names(namespace) == names


async def test_a_restart_writes_nothing_and_collects_orphans(team: Team) -> None:
    async with running(team.settings()) as operator:
        made = [await team.environment(f"e{number}") for number in range(3)]
        await until(lambda: reconciler_of(operator).written == 3 * (CHILDREN + 2))
    await team.client.delete("Environment", team.name, "e0", made[0]["metadata"]["uid"])
    async with running(team.settings()) as operator:
        await until(lambda: len(reconciler_of(operator).counted) == 2)
        await until(lambda: _only(team, team.system, {f"{team.name}-e1", f"{team.name}-e2"}))
        assert reconciler_of(operator).written == 0


async def test_deletions_that_kopf_missed_are_found_after_it_lists_again(team: Team) -> None:
    async with running(team.settings()) as operator:
        await team.environment("e")
        await until(lambda: reconciler_of(operator).written == CHILDREN + 2)
        ghost = operator.caches["Environment"].get(team.name, "e")
        assert ghost is not None
        body = {**ghost.body, "metadata": {**ghost.body["metadata"], "name": "ghost", "uid": "never-existed"}}
        from outfitter.snapshot import CachedObject

        operator.caches.put(CachedObject.of(body, "Environment"))
        operator.custom_resources.auditor.listed("Environment")
        await until(lambda: operator.caches["Environment"].get(team.name, "ghost") is None)
        assert operator.caches["Environment"].get(team.name, "e") is not None


async def test_settled_means_no_request_but_watches_and_the_lease(team: Team) -> None:
    start = team.sandbox.audit_mark()
    async with running(team.settings(watch_namespaces=())) as operator:
        await team.environment("e")
        await until(lambda: _status(team, "e"))
        await until(lambda: not len(operator.queue) and not operator.queue.processing)
        # The audit log has a request some time after its answer.
        await until(lambda: any(entry.verb == "patch" and entry.name == "e" for entry in team.sandbox.audit(start)))
        mark = team.sandbox.audit_mark()
        await asyncio.sleep(6)  # nothing can be waited for: that nothing happens is the point
        seen = Counter((entry.verb, entry.resource) for entry in team.sandbox.audit(mark) if "admin" in entry.user)
    assert set(seen) - {("watch", resource) for _, resource in seen} <= {("get", "leases"), ("update", "leases")}, seen


async def test_probes_and_metrics(team: Team) -> None:
    async with running(team.settings(object_metrics=True)) as operator, aiohttp.ClientSession() as session:
        await team.environment("e")
        await until(lambda: reconciler_of(operator).written == CHILDREN + 2)
        url = f"http://127.0.0.1:{operator.probes.port}"
        texts = {}
        for path in ("/healthz", "/readyz", "/metrics"):
            async with session.get(url + path) as response:
                texts[path] = (response.status, await response.text())
        assert [status for status, _ in texts.values()] == [200, 200, 200]
        lines = texts["/metrics"][1]
        assert 'outfitter_objects{kind="Environment",sync_status="No issues found"} 1.0' in lines
        assert 'outfitter_pass_seconds_count{kind="Environment",outcome="Ready"} 1.0' in lines
        assert "outfitter_leader 1.0" in lines
        assert (
            f'outfitter_build_info{{python="{platform.python_version()}",version="{version("outfitter")}"}} 1.0'
            in lines
        )
        state = f'namespace="{team.name}",ready="No status",sync_status="No issues found"'
        assert f'outfitter_object_status{{kind="Environment",name="e",{state}}} 1.0' in lines
        assert 'outfitter_objects_ready{kind="Environment",status="No status"} 1.0' in lines
        created = f'outfitter_writes_total{{action="create",kind="ConfigMap",result="Succeeded"}} {CHILDREN + 1}.0'
        assert created in lines
        assert 'outfitter_writes_total{action="status",kind="Environment",result="Succeeded"} 1.0' in lines
        assert re.search(r"^process_resident_memory_bytes [0-9]", lines, re.MULTILINE)
        assert re.search(r'^outfitter_watch_idle_seconds{kind="custom resources"} [0-9]', lines, re.MULTILINE)
        assert 0 <= operator.custom_resources.idle < DEADLINE


@asynccontextmanager
async def collector() -> AsyncIterator[tuple[str, list[Span]]]:
    """An OTLP receiver: its address, and the spans that arrived."""
    spans: list[Span] = []

    async def receive(request: web.Request) -> web.Response:
        content = ExportTraceServiceRequest.FromString(await request.read())
        assert all(
            {"service.name", "service.version"} <= set(_attributes(item.resource)) for item in content.resource_spans
        )
        spans.extend(span for item in content.resource_spans for scope in item.scope_spans for span in scope.spans)
        return web.Response(body=ExportTraceServiceResponse().SerializeToString())

    app = web.Application()
    app.router.add_post("/v1/traces", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", spans
    await runner.cleanup()


def _attributes(holder: Any) -> dict[str, Any]:
    return {item.key: item.value.string_value or item.value.int_value for item in holder.attributes}


async def test_traces(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """A span per reconciliation with its outcome, and one per request within it: what was done, and no value."""
    async with collector() as (address, spans):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        async with running(team.settings(tracing=True)) as operator:
            await team.environment("e")
            await until(lambda: reconciler_of(operator).written == CHILDREN + 2)
        found = [_attributes(span) for span in spans if span.name == "reconcile Environment"]
        place = {"k8s.resource.kind": "Environment", "k8s.namespace.name": team.name, "k8s.object.name": "e"}
        assert {**place, "outfitter.outcome": "Ready"} in found
        (whole,) = [span for span in spans if _attributes(span).get("outfitter.outcome") == "Ready"]
        children = [(span.name, _attributes(span)) for span in spans if span.parent_span_id == whole.span_id]
        post = {"http.request.method": "POST", "k8s.resource": "configmaps", "http.response.status_code": 201}
        assert children.count(("POST configmaps", post)) == CHILDREN + 1
        assert "PATCH environments/status" in dict(children)
        # Watches, and the renewals of the Lease, are in no reconciliation.
        assert all(span.parent_span_id for span in spans if not span.name.startswith("reconcile "))
        assert "busybox" not in str(spans)


async def test_without_a_collector_the_operator_works_and_ends(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    async with running(team.settings(tracing=True)) as operator:
        await team.environment("e")
        await until(lambda: reconciler_of(operator).written == CHILDREN + 2)


async def test_tracing_is_not_imported_where_it_is_off() -> None:
    code = "import sys, outfitter.operator.app; print([name for name in sys.modules if 'telemetry' in name])"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    assert (await process.communicate())[0] == b"[]\n"


async def serve() -> int:
    """An operator in a process of its own: kopf, when it stops, ends all younger tasks of its event loop."""
    settings = Settings()
    operator = Operator(settings, await Authentication.load(settings.kubeconfig), Counting)
    stop = functools.partial(asyncio.get_running_loop().add_signal_handler, signal.SIGTERM, operator.stop)
    return await operator.run(stop)


@asynccontextmanager
async def process(settings: Settings) -> AsyncIterator[asyncio.subprocess.Process]:
    """`serve` in another process; killed afterwards if it still runs."""
    values = settings.model_dump() | {"watch_namespaces": ",".join(settings.watch_namespaces)}
    environment = {f"OUTFITTER_{key.upper()}": str(value) for key, value in values.items()}
    code = "import asyncio, sys, test_app; sys.exit(asyncio.run(test_app.serve()))"
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, env={**os.environ, **environment, "PYTHONPATH": path}
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_a_standby_is_ready_and_takes_over(team: Team, how: signal.Signals) -> None:
    settings = team.settings(lease_seconds=3)
    async with process(settings) as first:
        await team.environment("e")
        await until(lambda: _only(team, team.name, {"e-0", "e-1"}))
        await until(lambda: _status(team, "e"))
        standby = Operator(settings, await Authentication.load(settings.kubeconfig), Counting)
        task = asyncio.create_task(standby.run())
        await asyncio.wait_for(standby.synced.wait(), DEADLINE)
        assert not standby.elector.holds()
        mark = team.sandbox.audit_mark()
        first.send_signal(how)
        assert await asyncio.wait_for(first.wait(), DEADLINE) == (0 if how is signal.SIGTERM else -how)
        await asyncio.wait_for(standby.leading.wait(), DEADLINE)
        await until(lambda: reconciler_of(standby).counted)
        assert reconciler_of(standby).written == 0
        lists = [entry for entry in team.sandbox.audit(mark) if entry.verb == "list" and entry.resource == "secrets"]
        assert not [entry for entry in lists if "admin" in entry.user], "its caches were warm"
        standby.stop()
        assert await asyncio.wait_for(task, DEADLINE) == 0


async def _status(team: Team, name: str) -> bool:
    return "status" in ((await team.client.get("Environment", team.name, name)) or {})


async def test_a_stolen_lease_ends_the_process_with_1(team: Team) -> None:
    settings = team.settings(lease_seconds=3)
    operator = Operator(settings, await Authentication.load(settings.kubeconfig), Counting)
    task = asyncio.create_task(operator.run())
    await asyncio.wait_for(operator.leading.wait(), DEADLINE)
    path = f"/apis/coordination.k8s.io/v1/namespaces/{team.system}/leases/outfitter"
    stolen = {"spec": {"holderIdentity": "thief", "leaseDurationSeconds": 60}}
    await team.transport.request("PATCH", path, stolen, content_type="application/merge-patch+json")
    assert await asyncio.wait_for(task, DEADLINE) == 1
    assert not operator.elector.holds()


async def test_sigterm_gives_the_lease_back(team: Team) -> None:
    async def holder() -> str:
        leases = await team.client.list("Lease", team.system)
        return leases[0]["spec"].get("holderIdentity", "") if leases else ""

    async with process(team.settings()) as started:
        await until(holder)
        started.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(started.wait(), DEADLINE) == 0
        assert await holder() == ""


@pytest.mark.parametrize("limited", [False, True], ids=["clusterwide", "watch-namespaces"])
async def test_the_granted_access_is_enough(team: Team, limited: bool) -> None:
    user = f"operator-{uuid4().hex[:6]}"
    await _bind(team, user, limited)
    kubeconfig = team.sandbox.kubeconfig_for(user, [])
    settings = team.settings(kubeconfig=str(kubeconfig), **({} if limited else {"watch_namespaces": ()}))
    mark = team.sandbox.audit_mark()
    async with running(settings) as operator:
        made = await team.environment("e")
        await until(lambda: _status(team, "e"))
        await until(lambda: operator.caches["Namespace"].get("", team.name) is not None)
        await team.client.delete("Environment", team.name, "e", made["metadata"]["uid"])
        await until(lambda: _only(team, team.name, set()), COLLECTION)
        await until(lambda: _without(team, team.system, f"{team.name}-e"))
    refused = [entry for entry in team.sandbox.audit(mark) if entry.user == user and entry.code == 403]
    assert refused == []


async def _without(team: Team, namespace: str, name: str) -> bool:
    return name not in await team.names(namespace)


async def _bind(team: Team, user: str, limited: bool) -> None:
    rbac, group = "/apis/rbac.authorization.k8s.io/v1", "rbac.authorization.k8s.io"
    subjects = [{"kind": "User", "name": user, "apiGroup": group}]

    async def bind(path: str, kind: str, name: str, rules: list[dict[str, Any]]) -> None:
        await team.transport.request("POST", f"{path}/{kind.lower()}s", {"metadata": {"name": name}, "rules": rules})
        reference = {"apiGroup": group, "kind": kind, "name": name}
        body = {"metadata": {"name": name}, "roleRef": reference, "subjects": subjects}
        await team.transport.request("POST", f"{path}/{kind.lower()}bindings", body)

    await bind(f"{rbac}/namespaces/{team.system}", "Role", f"{user}-lease", system_rules())
    if limited:
        for namespace in (team.name, team.system):
            await bind(f"{rbac}/namespaces/{namespace}", "Role", user, namespaced_rules())
    else:
        await bind(rbac, "ClusterRole", user, cluster_rules())
    await asyncio.sleep(0.3)  # the authorizer's own informer; a 403 before that would count
