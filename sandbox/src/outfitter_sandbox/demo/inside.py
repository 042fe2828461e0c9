"""The demo's part on real pods: a notebook answers over HTTP, and what a process in a pod sees."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Final

from outfitter.errors import ApiError
from outfitter.render.computeresource import GPU
from outfitter.snapshot import CachedObject, Key
from outfitter_sandbox.demo.look import OURS, Look, key_of
from outfitter_sandbox.demo.report import Report
from outfitter_sandbox.demo.scene import DemoError, Execute, Object, Scene
from outfitter_sandbox.executing import UNKNOWN, Finished

_PAUSE: Final = 0.2


async def inside(scene: Scene, report: Report, look: Look, objects: Sequence[Object], workload: Key) -> None:
    """Ask the first Service of the examples from a pod of `workload`, and look around there."""
    execute = scene.execute
    if execute is None:
        return
    service = _service(scene, look, objects)
    pod = look.live_pod(workload)
    with report.stage("A notebook answers over HTTP"):
        url = f"http://{service.name}.{service.namespace}.svc:{service.body['spec']['ports'][0]['port']}/"
        done = await _answer(look, execute, pod, url)
        report.say(f"GET {url}  from pod {pod.name}, through the cluster's DNS and the Service")
        report.good(f"{done.err.strip()}  {_brief(done.out)}")
        seen = json.loads((await _run(execute, pod, "id")).out)
        groups = ", ".join(map(str, seen["groups"])) or "none"
        report.good(
            f"inside {pod.name}: user {seen['uid']}, groups {groups}, capabilities "
            f"{', '.join(seen['effective']) or 'none'}, seccomp {seen['seccomp']}, in {seen['directory']}, "
            f"{GPU}: {_gpus(look, workload)}"
        )


def _service(scene: Scene, look: Look, objects: Sequence[Object]) -> CachedObject:
    for key in (key_of(item) for item in objects if item["kind"] in OURS):
        for live in sorted(scene.caches["Service"].owned(look.live(key).uid), key=lambda live: live.name):
            if live.body["spec"].get("clusterIP") != "None" and live.body["spec"].get("ports"):
                return live
    raise DemoError("none of the examples has a Service with an address")


async def _answer(look: Look, execute: Execute, pod: CachedObject, url: str) -> Finished:
    """Ask until somebody answers: a pod is Ready a moment before the node's packet filter knows it."""
    deadline = asyncio.get_running_loop().time() + look.seconds
    while True:
        try:
            done = await _run(execute, pod, "get", "--timeout", "5", url)
        except ApiError as error:  # nobody could be asked: the kubelet is busy
            done = Finished(UNKNOWN, "", str(error))
        if done.code == 0:
            return done
        if asyncio.get_running_loop().time() > deadline:
            raise DemoError(f"{url} did not answer within {look.seconds:.0f} s: {done.err.strip()}")
        await asyncio.sleep(_PAUSE)


async def _run(execute: Execute, pod: CachedObject, *command: str) -> Finished:
    return await asyncio.to_thread(execute, pod.namespace, pod.name, command)


def _brief(answer: str) -> str:
    """Who answered, and what reached him, without the headers."""
    return json.dumps({name: value for name, value in json.loads(answer).items() if isinstance(value, str)})


def _gpus(look: Look, workload: Key) -> int:
    """Limit of all its containers; what is kept of a pod does not tell."""
    template = look.live(Key("StatefulSet", workload.namespace, workload.name)).body["spec"]["template"]
    limits = [(each.get("resources") or {}).get("limits") or {} for each in template["spec"]["containers"]]
    return sum(int(each.get(GPU, 0)) for each in limits)
