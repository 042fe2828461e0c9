"""A kind whose CRD comes and goes while the operator runs, as that of JobSet does on a real cluster."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from outfitter.children import CHILD_KINDS, ChildKind
from outfitter.cluster.auth import Authentication
from outfitter.cluster.client import path_of
from outfitter.cluster.lookup import CacheLookup
from outfitter.cluster.protocol import Cluster
from outfitter.cluster.store import Caches
from outfitter.naming import owner_labels
from outfitter.operator.app import Operator
from outfitter.reconcile.reconciler import Result
from outfitter.settings import Settings
from outfitter.snapshot import Dep, Key, Reader
from outfitter_sandbox.audit import AuditEntry

from .conftest import Stack
from .harness import rights
from .harness.client import Object
from .harness.space import Space

GROUP = "optional.example.com"
WIDGET = ChildKind(
    "Widget", GROUP, "v1", "widgets", verbs=("create", "delete", "get", "list", "watch"), why="test", optional=True
)
CRD = f"widgets.{GROUP}"
ACCOUNT = "optional"
DISCOVERY = f"/apis/{GROUP}/v1"
DEADLINE = 30.0


class Recording:
    """Asks in each reconciliation whether Widgets are served, and writes nothing."""

    def __init__(self, cluster: Cluster, caches: Caches, settings: Settings, *_: Any) -> None:
        self._lookup = CacheLookup(caches)
        self._settings = settings
        self.answers: list[bool] = []

    async def reconcile(self, key: Key) -> Result:
        reader = Reader(self._lookup, self._settings)
        self.answers.append(reader.serves(WIDGET.kind))
        return Result("Ready", frozenset(reader.deps))

    def dependencies(self, key: Key) -> frozenset[Dep]:
        return frozenset()

    def forget(self, key: Key) -> None:
        """Keep nothing per key."""


class Site:
    """An operator for one namespace, and its requests."""

    def __init__(self, stack: Stack, home: Space, space: Space) -> None:
        self.stack = stack
        self.home = home
        self.space = space
        self.user = f"system:serviceaccount:{home.name}:{ACCOUNT}"
        self.owner = space.make("ComputeResource", "shape", {"cpuCoreRequest": 0.1})
        rights.install_in(stack.api, ACCOUNT, home.name, [space.name])
        meta = {"name": "widgets", "namespace": space.name}
        rule = {"apiGroups": [GROUP], "resources": [WIDGET.plural], "verbs": list(WIDGET.verbs)}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "widgets"}
        subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": home.name}
        for namespace in (home.name, space.name):
            meta = {"name": "widgets", "namespace": namespace}
            stack.api.create({"kind": "Role", "metadata": meta, "rules": [rule]})
            stack.api.create({"kind": "RoleBinding", "metadata": meta, "roleRef": reference, "subjects": [subject]})

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Operator]:
        """An operator that leads. It must be ready until the end."""
        settings = Settings(
            kubeconfig=str(self.stack.sandbox.kubeconfig_for(self.user)),
            system_namespace=self.home.name,
            watch_namespaces=(self.space.name,),
            probe_port=0,
            probe_host="127.0.0.1",
        )
        operator = Operator(
            settings,
            await Authentication.load(settings.kubeconfig),
            Recording,
            child_kinds=(*CHILD_KINDS, WIDGET),
            discovery_seconds=0.3,
        )
        task = asyncio.create_task(operator.run())
        try:
            await asyncio.wait_for(operator.leading.wait(), DEADLINE)
            probing = asyncio.create_task(unready(operator))
            yield operator
            probing.cancel()
            assert (await asyncio.gather(probing, return_exceptions=True))[0].__class__ is asyncio.CancelledError
        finally:
            operator.stop()
            assert await asyncio.wait_for(task, DEADLINE) == 0

    def requests(self, since: int) -> tuple[list[AuditEntry], list[AuditEntry]]:
        """The operator's requests of discovery, and those of Widgets."""
        own = [entry for entry in self.stack.sandbox.audit(since) if entry.user == self.user]
        return (
            [entry for entry in own if entry.uri == DISCOVERY],
            [entry for entry in own if entry.uri.startswith(f"{DISCOVERY}/")],
        )

    async def discovered(self) -> list[AuditEntry]:
        """Wait for three requests of discovery. Returns the requests of Widgets meanwhile."""
        since = self.stack.mark()
        await until(lambda: len(self.requests(since)[0]) >= 3)
        return self.requests(since)[1]

    def install(self) -> None:
        schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
        names = {"kind": WIDGET.kind, "plural": WIDGET.plural, "singular": "widget", "listKind": "WidgetList"}
        spec = {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]}
        self.stack.api.create({"kind": "CustomResourceDefinition", "metadata": {"name": CRD}, "spec": spec})
        self.stack.api.wait("CustomResourceDefinition", "", CRD, established)

    def uninstall(self) -> None:
        self.stack.api.delete("CustomResourceDefinition", "", CRD)
        self.stack.api.gone("CustomResourceDefinition", "", CRD)

    def create_widget(self, name: str) -> None:
        labels = owner_labels("ComputeResource", "shape", self.owner["metadata"]["uid"])
        meta = {"name": name, "namespace": self.space.name, "labels": labels}
        body = {"apiVersion": WIDGET.api_version, "kind": WIDGET.kind, "metadata": meta}
        self.stack.api.connection.request("POST", path_of(WIDGET, self.space.name), body)


def established(crd: Object) -> bool:
    return any(item["type"] == "Established" and item["status"] == "True" for item in crd["status"]["conditions"])


async def unready(operator: Operator) -> None:
    """Return when the operator is not ready."""
    async with aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"http://127.0.0.1:{operator.probes.port}/readyz") as response:
                if response.status != 200:
                    return
            await asyncio.sleep(0.05)


async def until(check: Callable[[], object]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not check():  # noqa: ASYNC110 - caches and the audit log have no event
            await asyncio.sleep(0.05)


async def test_a_crd_that_comes_and_goes(stack: Stack, spaces: Callable[..., Space]) -> None:
    site = Site(stack, spaces(project=False), spaces())
    start = stack.mark()
    async with site.running() as operator:
        widgets, reconciler = operator.caches[WIDGET.kind], operator.reconciler
        assert isinstance(reconciler, Recording)

        assert await site.discovered() == [], "an absent kind is neither listed nor watched"
        assert reconciler.answers == [False]

        await asyncio.to_thread(site.install)
        await asyncio.to_thread(site.create_widget, "first")
        await until(lambda: widgets.get(site.space.name, "first"))
        await until(lambda: reconciler.answers[-1])
        await asyncio.to_thread(site.create_widget, "second")
        await until(lambda: len(widgets) == 2)

        await asyncio.to_thread(site.uninstall)
        await until(lambda: not reconciler.answers[-1])
        assert len(widgets) == 0
        assert await site.discovered() == [], "a kind that is gone is neither listed nor watched"

        await asyncio.to_thread(site.install)
        await until(lambda: reconciler.answers[-1])
        await asyncio.to_thread(site.create_widget, "third")
        await until(lambda: len(widgets) == 1)
        await asyncio.to_thread(site.uninstall)
        await until(lambda: not reconciler.answers[-1])
    codes = Counter(entry.code for entry in site.requests(start)[1])
    assert codes[404] <= 10, "no loop of 404s"
    assert codes[403] == 0


async def test_a_crd_that_exists_at_the_start(stack: Stack, spaces: Callable[..., Space]) -> None:
    site = Site(stack, spaces(project=False), spaces())
    site.install()
    site.create_widget("old")
    since = stack.mark()
    try:
        async with site.running() as operator:
            assert operator.caches.serves(WIDGET.kind)
            assert len(operator.caches[WIDGET.kind]) == 1
            assert isinstance(operator.reconciler, Recording)
            await until(lambda: operator.reconciler.answers == [True])
            for number in range(2, 12):  # takes longer than the interval of discovery
                await asyncio.to_thread(site.create_widget, f"new-{number}")
                await until(lambda number=number: len(operator.caches[WIDGET.kind]) == number)
        assert len(site.requests(since)[0]) == 1, "no discovery while the kind is served"
    finally:
        site.uninstall()
