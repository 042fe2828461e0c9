"""The operator dies, is upgraded and fails over; what it made runs on untouched."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from integration.harness.client import Object, eventually

from .conftest import DEPLOYMENT, SYSTEM, Stage
from .harness.images import OPERATOR, TAGS, WEB, WEB2
from .harness.team import SECONDS, Team, running

Figure = Callable[[str], None]


@pytest.fixture
def busy(team: Team) -> Team:
    """A namespace with a workspace and an inference that run."""
    team.make("Inference", "serving", {"image": WEB, "servingPort": {"container": 8080}, "replicas": 2})
    team.running("box", image=WEB)
    team.ready("Inference", "serving")
    return team


def works(team: Team, name: str) -> None:
    """The operator takes up something new, and a change of what there was."""
    team.running(name, image=WEB)
    team.spec("Workspace", name, image=WEB2)
    team.wait("Pod", f"{name}-0", lambda pod: running(pod) and pod["spec"]["containers"][0]["image"] == WEB2)


def processes(pod: Object) -> list[int]:
    """Process ids of the operator in a pod, as this machine numbers them."""
    uid, found = pod["metadata"]["uid"], []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            ours = uid in (each / "cgroup").read_text() and b"outfitter" in (each / "cmdline").read_bytes()
        except OSError:
            continue
        found += [int(each.name)] if ours else []
    return found


def test_a_killed_process_comes_back_in_its_pod(stage: Stage, busy: Team) -> None:
    if stage.cluster.sandbox is None:
        pytest.skip("only on our own node are the processes of a pod within reach")
    before, (pod,) = busy.lives(), stage.operators()
    (process,) = processes(pod)
    os.kill(process, signal.SIGKILL)
    name = pod["metadata"]["name"]

    def restarted(item: Object) -> bool:
        return running(item) and item["status"]["containerStatuses"][0]["restartCount"] >= 1

    stage.api.wait("Pod", SYSTEM, name, restarted, SECONDS)
    works(busy, "after")
    assert before.items() <= busy.lives().items()


def test_a_deleted_pod_is_replaced(stage: Stage, busy: Team) -> None:
    before, (pod,) = busy.lives(), stage.operators()
    stage.api.delete("Pod", SYSTEM, pod["metadata"]["name"], gracePeriodSeconds=0)
    works(busy, "after")
    assert pod["metadata"]["uid"] not in {each["metadata"]["uid"] for each in stage.operators()}
    assert before.items() <= busy.lives().items()


def test_an_upgrade_restarts_no_workload(stage: Stage, busy: Team, say: Figure) -> None:
    before, started = busy.lives(), time.monotonic()
    stage.release.upgrade(image_tag=TAGS[1])
    say(f"helm upgrade: {time.monotonic() - started:.0f} s until the new operator is available")
    works(busy, "after")
    (pod,) = stage.operators()
    assert pod["spec"]["containers"][0]["image"] == f"{OPERATOR}:{TAGS[1]}"
    assert before.items() <= busy.lives().items()


def test_two_replicas_and_one_takes_over(stage: Stage, busy: Team, say: Figure) -> None:
    before = busy.lives()
    stage.release.upgrade(replicaCount=2)
    try:
        names = {each["metadata"]["name"] for each in stage.operators()}
        assert len(names) == 2
        first = eventually(stage.leader, lambda who: who in _names(stage), SECONDS)
        started = time.monotonic()
        stage.api.delete("Pod", SYSTEM, first)
        eventually(stage.leader, lambda who: who not in ("", first), SECONDS, "nobody took over")
        say(f"failover, the leader's pod deleted: another one leads after {time.monotonic() - started:.1f} s")
        works(busy, "after-end")
        stage.api.wait("Deployment", SYSTEM, DEPLOYMENT, lambda item: item["status"].get("readyReplicas") == 2, SECONDS)
        if stage.cluster.sandbox is not None:
            _a_leader_that_hangs_is_replaced(stage, busy, say)
    finally:
        stage.release.upgrade(replicaCount=1)
    assert before.items() <= busy.lives().items()


def _a_leader_that_hangs_is_replaced(stage: Stage, busy: Team, say: Figure) -> None:
    """A process that stands still neither renews the Lease nor gives it back; awake again, it has to stand down."""
    first = eventually(stage.leader, lambda who: who in _names(stage), SECONDS)
    (process,) = processes(next(each for each in stage.operators() if each["metadata"]["name"] == first))
    started = time.monotonic()
    os.kill(process, signal.SIGSTOP)
    try:
        second = eventually(stage.leader, lambda who: who not in ("", first), SECONDS, "nobody took over")
        say(f"failover, the leader stands still: another one leads after {time.monotonic() - started:.1f} s")
        works(busy, "after-stop")
    finally:
        os.kill(process, signal.SIGCONT)
    works(busy, "after-both")
    assert stage.leader() == second


def _names(stage: Stage) -> set[str]:
    return {each["metadata"]["name"] for each in stage.operators()}
