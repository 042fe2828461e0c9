"""A new operator over the CRDs of an older version: it serves what there is, says what to do, and takes up the rest."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from outfitter.cluster.auth import Authentication
from outfitter.operator.app import Operator
from outfitter.settings import Settings
from outfitter_sandbox import Sandbox

from .conftest import CRDS
from .harness import rights
from .harness.client import Api, eventually
from .harness.space import Space

LATER = ("effectivepolicies", "imagebuilds", "imagequeries", "registries", "workloadpolicies", "workloadtemplates")
CONTROLLERS = "garbage-collector-controller,namespace-controller"
DEADLINE = 60.0


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """A control plane of its own, with the older CRDs only."""
    older = tmp_path / "older"
    older.mkdir()
    for path in CRDS.glob("*.yaml"):
        if not any(plural in path.name for plural in LATER):
            shutil.copy(path, older)
    with Sandbox.up(root=tmp_path, node=False, controllers=CONTROLLERS) as found:
        found.apply_crds(older)
        yield found


@asynccontextmanager
async def running(sandbox: Sandbox) -> AsyncIterator[tuple[Operator, asyncio.Task[int]]]:
    """An operator that leads."""
    path = str(sandbox.kubeconfig_for(rights.USER))
    settings = Settings(kubeconfig=path, probe_port=0, probe_host="127.0.0.1")
    operator = Operator(settings, await Authentication.load(path), discovery_seconds=0.3)
    task = asyncio.create_task(operator.run())
    try:
        await asyncio.wait_for(operator.leading.wait(), DEADLINE)
        yield operator, task
    finally:
        operator.stop()
        await asyncio.wait_for(task, DEADLINE)


async def test_the_other_kinds_are_served(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    api = Api(sandbox)
    rights.install(api)
    space = Space(api, "team-a")
    label = {"outfitter.dev/project": "team-a"}
    api.create({"kind": "Namespace", "metadata": {"name": "team-a", "labels": label}})
    with caplog.at_level(logging.ERROR, "outfitter"):
        async with running(sandbox) as (_, task):
            said = caplog.text
            await asyncio.to_thread(space.make, "ComputeResource", "small", {"cpuCoreRequest": 1})
            await asyncio.to_thread(space.ready, "ComputeResource", "small")
            await asyncio.to_thread(space.make, "Workspace", "box", {"image": "i"})
            await asyncio.to_thread(space.wait, "StatefulSet", "box", bool)
            await asyncio.to_thread(sandbox.apply_crds, CRDS)
            # A process that lacked a kind ends, so that the next one serves it.
            assert await asyncio.wait_for(asyncio.shield(task), DEADLINE) == 1
    missing = "ImageBuild, ImageQuery, Registry, WorkloadPolicy, WorkloadTemplate"
    assert f"does not serve {missing}. Install the CustomResourceDefinitions" in said
    async with running(sandbox):
        spec = {"workloadType": "workspace", "defaults": {"args": "x"}}
        await asyncio.to_thread(space.make, "WorkloadPolicy", "own", spec)
        await asyncio.to_thread(space.wait, "EffectivePolicy", "workspace", bool)
        await asyncio.to_thread(space.ready, "WorkloadPolicy", "own")


async def test_policies_count_without_effective_policies(sandbox: Sandbox, tmp_path: Path) -> None:
    """Only EffectivePolicies are missing: workloads are judged, the policy says what is not, and they come later."""
    more = tmp_path / "more"
    more.mkdir()
    shutil.copy(CRDS / "outfitter.dev_workloadpolicies.yaml", more)
    sandbox.apply_crds(more)
    api = Api(sandbox)
    rights.install(api)
    space = Space(api, "team-a")
    label = {"outfitter.dev/project": "team-a"}
    api.create({"kind": "Namespace", "metadata": {"name": "team-a", "labels": label}})
    async with running(sandbox):
        rules = {"compute": {"gpuDevicesRequest": {"max": 1}}}
        await asyncio.to_thread(space.make, "WorkloadPolicy", "own", {"workloadType": "workspace", "rules": rules})
        item = await asyncio.to_thread(space.ready, "WorkloadPolicy", "own")
        assert [row["issue"] for row in item["status"]["issues"]] == ["NotEnforced"]
        assert "EffectivePolicy" in item["status"]["issues"][0]["message"]
        await asyncio.to_thread(space.make, "Workspace", "box", {"image": "i", "compute": {"gpuDevicesRequest": 2}})
        await asyncio.to_thread(space.wait, "Workspace", "box", lambda item: item["status"].get("violations"))
        alone = tmp_path / "alone"
        alone.mkdir()
        shutil.copy(CRDS / "outfitter.dev_effectivepolicies.yaml", alone)
        await asyncio.to_thread(sandbox.apply_crds, alone)
        path = "/apis/outfitter.dev/v1alpha1/effectivepolicies"  # 429 while its storage starts
        await asyncio.to_thread(eventually, lambda: api.connection.answer("GET", path)[0], lambda code: code == 200)
        await asyncio.to_thread(space.wait, "EffectivePolicy", "workspace", bool)
        await asyncio.to_thread(
            space.wait, "WorkloadPolicy", "own", lambda item: "issues" not in (item.get("status") or {})
        )
