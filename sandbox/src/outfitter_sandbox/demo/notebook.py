"""The demo's step on real pods: a notebook answers over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Final

from outfitter.errors import ApiError
from outfitter.render.gpu import GPU
from outfitter.simulator.caches import OUR_KINDS
from outfitter.snapshot import CachedObject, Key
from outfitter_sandbox.demo.cluster import DemoCluster, DemoError, Execute, Object
from outfitter_sandbox.demo.report import Report
from outfitter_sandbox.demo.state import ClusterState, key_of
from outfitter_sandbox.pod_exec import UNKNOWN, Finished

_PAUSE: Final = 0.2


async def show_notebook(
    cluster: DemoCluster, report: Report, state: ClusterState, objects: Sequence[Object], workload: Key
) -> None:
    """Request the first Service of the examples from a pod of `workload`.

    Nothing where no container runs.
    """
    execute = cluster.execute
    if execute is None:
        return
    service = _service(cluster, state, objects)
    pod = state.pod(workload)
    with report.stage("A notebook answers over HTTP"):
        url = f"http://{service.name}.{service.namespace}.svc:{service.body['spec']['ports'][0]['port']}/"
        response = await _get(state, execute, pod, url)
        report.info(f"GET {url}  from pod {pod.name}, through the cluster's DNS and the Service")
        report.success(f"{response.err.strip()}  {_without_headers(response.out)}")
        identity = json.loads((await _run(execute, pod, "id")).out)
        groups = ", ".join(map(str, identity["groups"])) or "none"
        report.success(
            f"inside {pod.name}: user {identity['uid']}, groups {groups}, capabilities "
            f"{', '.join(identity['effective']) or 'none'}, seccomp {identity['seccomp']}, in {identity['directory']}, "
            f"{GPU}: {_gpus(state, workload)}"
        )


def _service(cluster: DemoCluster, state: ClusterState, objects: Sequence[Object]) -> CachedObject:
    for key in (key_of(body) for body in objects if body["kind"] in OUR_KINDS):
        services = cluster.caches["Service"].owned(state.live(key).uid)
        for service in sorted(services, key=lambda service: service.name):
            if service.body["spec"].get("clusterIP") != "None" and service.body["spec"].get("ports"):
                return service
    raise DemoError("no example has a Service with an address")


async def _get(state: ClusterState, execute: Execute, pod: CachedObject, url: str) -> Finished:
    """Retry until the URL answers.

    A pod is Ready a moment before kube-proxy updates the packet filter.
    """
    deadline = asyncio.get_running_loop().time() + state.seconds
    while True:
        try:
            finished = await _run(execute, pod, "get", "--timeout", "5", url)
        except ApiError as error:  # the kubelet is busy
            finished = Finished(UNKNOWN, "", str(error))
        if finished.code == 0:
            return finished
        if asyncio.get_running_loop().time() > deadline:
            raise DemoError(f"{url} did not answer within {state.seconds:.0f} s: {finished.err.strip()}")
        await asyncio.sleep(_PAUSE)


async def _run(execute: Execute, pod: CachedObject, *command: str) -> Finished:
    return await asyncio.to_thread(execute, pod.namespace, pod.name, command)


def _without_headers(answer: str) -> str:
    """The answer of the test server without the request headers."""
    return json.dumps({name: value for name, value in json.loads(answer).items() if isinstance(value, str)})


def _gpus(state: ClusterState, workload: Key) -> int:
    """GPU limit of all containers, from the StatefulSet: cached pods lack it."""
    template = state.live(Key("StatefulSet", workload.namespace, workload.name)).body["spec"]["template"]
    limits = [(container.get("resources") or {}).get("limits") or {} for container in template["spec"]["containers"]]
    return sum(int(limit.get(GPU, 0)) for limit in limits)
