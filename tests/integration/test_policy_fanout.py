"""One policy and 300 projects on a control plane of their own: an operator that is killed all along the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from outfitter_sandbox import Sandbox
from outfitter_sandbox.audit import AuditEntry

from .conftest import CRDS
from .harness import rights
from .harness.client import Api, Object, eventually
from .harness.process import Operator
from .harness.proxy import Fault, Proxy
from .harness.space import Space

PROJECTS = 300
RESOURCE = "effectivepolicies"


@dataclass
class Site:
    """A control plane with projects and nothing else, and an operator behind a proxy."""

    sandbox: Sandbox
    api: Api
    proxy: Proxy
    operator: Operator
    home: Space

    def written(self, since: int) -> Counter[tuple[str, str]]:
        """Verb and namespace of each EffectivePolicy that was written."""
        return Counter((entry.verb, entry.namespace) for entry in self._writes(since) if entry.code < 300)

    def _writes(self, since: int) -> list[AuditEntry]:
        found = [entry for entry in self.sandbox.audit(since) if entry.user == rights.USER and entry.is_write]
        return [entry for entry in found if entry.resource == RESOURCE]

    def killed_at(self, verb: str, numbers: tuple[int, ...]) -> None:
        """SIGKILL at these writes from now on, each counted from the one before; and start again."""
        for number in numbers:
            fault = Fault(verb, (f"/{RESOURCE}",), call=self.operator.kill, skip=number, lose=True)
            self.proxy.inject(fault)
            if not self.operator.running:
                self.operator.start(wait=False)
            eventually(lambda: self.operator.running, lambda running: not running, 60, "it was not killed")
            assert fault.spent
            self.proxy.faults.clear()
        self.operator.start()

    def contents(self) -> list[object]:
        return [item["spec"].get("defaults") for item in self.api.list("EffectivePolicy")]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("fanout")
    controllers = "garbage-collector-controller,namespace-controller"
    with Sandbox.up(root=folder, node=False, controllers=controllers) as sandbox, Proxy(sandbox) as proxy:
        sandbox.apply_crds(CRDS)
        api = Api(sandbox)
        rights.install(api)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: api.create(_project(number)), range(PROJECTS)))
        path = proxy.kubeconfig(sandbox.kubeconfig_for(rights.USER), folder)
        operator = Operator(path, folder / "operator.log", identity="fanout").start()
        yield Site(sandbox, api, proxy, operator, Space(api, rights.SYSTEM))
        if operator.running:
            operator.stop()


def _project(number: int) -> Object:
    name = f"team-{number:03}"
    return {"kind": "Namespace", "metadata": {"name": name, "labels": {"outfitter.dev/project": name}}}


def test_killed_along_a_fan_out_to_three_hundred_projects(site: Site) -> None:
    """Created, replaced and deleted: each exactly once, however often the operator dies over it."""
    every = [f"team-{number:03}" for number in range(PROJECTS)]
    since = site.sandbox.audit_mark()
    site.home.make("WorkloadPolicy", "all", {"workloadType": "workspace", "defaults": {"args": "x"}})
    site.killed_at("POST", (0, 40, 120))
    eventually(site.contents, lambda seen: seen == [{"args": "x"}] * PROJECTS, 60)
    site.operator.quiet()
    assert site.written(since) == {("create", name): 1 for name in every}

    since = site.sandbox.audit_mark()
    site.operator.kill()
    site.home.spec("WorkloadPolicy", "all", defaults={"args": "y"})
    site.killed_at("PATCH", (40,))
    eventually(site.contents, lambda seen: seen == [{"args": "y"}] * PROJECTS, 60)
    site.operator.quiet()
    assert site.written(since) == {("patch", name): 1 for name in every}

    since = site.sandbox.audit_mark()
    site.operator.kill()
    site.home.delete("WorkloadPolicy", "all")
    site.killed_at("DELETE", (120,))
    eventually(site.contents, lambda seen: seen == [], 60)
    site.operator.quiet()
    assert site.written(since) == {("delete", name): 1 for name in every}
