"""`outfitter logs`: which pod, which container, which run of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from outfitter.api.v1alpha1 import kind_of
from outfitter.cli.pods import LogSource, containers, in_order, log_sources, of_rank, with_container
from outfitter.cli.workload_logs import starts, without_pod
from outfitter.errors import OutfitterError
from outfitter.naming import LABEL_OWNER_UID, LABEL_RANK

from .conftest import Invoke
from .fake_api import FakeApi, Object
from .test_verbs import body

CRASHED = {"waiting": {"reason": "CrashLoopBackOff"}}
RUNNING = {"running": {}}
REPLICA_SET = "ReplicaSet"
INDEX = "batch.kubernetes.io/job-completion-index"


def pod(name: str, *names: str, created: str = "00", labels: Any = None, owner: tuple[str, str] = ("", "")) -> Object:
    meta = {
        "name": name,
        "namespace": "team-a",
        "uid": f"uid-{name}",
        "resourceVersion": "1",
        "creationTimestamp": f"2026-11-30T00:00:{created}Z",
        "labels": {LABEL_OWNER_UID: "uid-box", **(labels or {})},
        "ownerReferences": [{"kind": owner[0], "name": owner[1], "uid": "u", "controller": True}] if owner[0] else [],
    }
    spec = {"containers": [{"name": each} for each in names or ("main",)]}
    return {"kind": "Pod", "metadata": meta, "spec": spec, "status": {"phase": "Running"}}


def state(item: Object, name: str, to: Object, *, init: bool = False, **more: Any) -> Object:
    """Add the status of a container."""
    key = "initContainer" if init else "container"
    if init:
        item["spec"].setdefault("initContainers", []).append({"name": name})
    item["status"].setdefault(f"{key}Statuses", []).append({"name": name, "state": to, **more})
    return item


def names(found: list[Any]) -> list[str]:
    return [item["metadata"]["name"] for item in found]


def test_the_newest_pod_of_the_running_revision_is_first() -> None:
    """A drained pod of the old ReplicaSet is younger than the pod of the new one."""
    pods = [
        pod("old-late", created="09", owner=(REPLICA_SET, "box-1")),
        pod("new", created="05", owner=(REPLICA_SET, "box-2")),
        pod("newest", created="06", owner=(REPLICA_SET, "box-2")),
        pod("sidecar", created="08", owner=(REPLICA_SET, "box-other-3")),
    ]
    message = 'ReplicaSet "box-2" is progressing.'
    deployment = {
        **body("Deployment", {}),
        "status": {"conditions": [{"type": "Progressing", "status": "True", "message": message}]},
    }
    deployment["metadata"]["resourceVersion"] = "1"
    found = in_order(kind_of("Inference"), "box", pods, [deployment])
    assert names(found) == ["newest", "new", "old-late", "sidecar"]  # the main group, then the others
    assert names(in_order(kind_of("Inference"), "box", pods, [])) == ["old-late", "newest", "new", "sidecar"]


def test_ranks() -> None:
    mpi = "training.kubeflow.org/"
    pods = [
        pod("again", created="05", labels={LABEL_RANK: "0"}),
        pod("first", labels={LABEL_RANK: "0"}),
        pod("one", labels={LABEL_RANK: "1"}),
        pod("indexed", labels={INDEX: "2"}),
        pod("of-jobset", labels={INDEX: "0", "jobset.sigs.k8s.io/job-global-index": "3"}),
        pod("worker", labels={f"{mpi}replica-index": "4", f"{mpi}job-role": "worker"}),
        pod("no-rank"),
    ]  # fmt: skip
    assert [of_rank(pods, rank)["metadata"]["name"] for rank in (0, 1, 2, 3, 5)] == [
        "again", "one", "indexed", "of-jobset", "worker",
    ]  # fmt: skip
    assert of_rank([pod("l", labels={f"{mpi}job-role": "launcher"})], 0)["metadata"]["name"] == "l"
    with pytest.raises(OutfitterError, match=r"No pod has rank 9\. Ranks are: 0, 1, 2, 3, 5."):
        of_rank(pods, 9)


def test_a_container_by_its_name() -> None:
    pods = [pod("a", "main", "proxy"), pod("b", "model")]
    assert with_container(pods, "model")["metadata"]["name"] == "b"
    with pytest.raises(OutfitterError, match=r"No pod has container x\. Containers are: main, proxy, model."):
        with_container(pods, "x")


def test_the_main_container_and_its_run() -> None:
    item = state(pod("a", "main", "proxy"), "main", RUNNING)
    assert log_sources(item) == [LogSource("main")]
    assert log_sources(item, "proxy") == [LogSource("proxy")]
    assert log_sources(item, previous=True) == [LogSource("main", previous=True)]


def test_a_crash_loop_shows_the_run_before() -> None:
    item = state(pod("a"), "main", CRASHED, restartCount=3)
    (source,) = log_sources(item)
    assert source.previous
    assert source.note == "Container main of pod a failed and was restarted 3 times. This is its last run."
    assert log_sources(item, follow=True) == [source, LogSource("main", next_run=True)]


def test_what_the_main_container_waits_for() -> None:
    starting = {"waiting": {"reason": "PodInitializing"}}
    fetching = state(state(pod("a"), "main", starting), "outfitter-data-a", {"terminated": {"exitCode": 0}}, init=True)
    state(fetching, "outfitter-data-b", RUNNING, init=True)
    note = "Container main waits for container outfitter-data-b, whose log this is."
    assert log_sources(fetching) == [LogSource("outfitter-data-b", note=note)]
    assert log_sources(fetching, follow=True)[1:] == [LogSource("main")]
    assert log_sources(fetching, "main") == [LogSource("main")]
    failing = state(state(pod("b"), "main", starting), "fetch", CRASHED, init=True, restartCount=1)
    (source,) = log_sources(failing)
    assert (source.container, source.previous) == ("fetch", True)
    assert source.note.endswith("failed and was restarted once. This is its last run.")
    assert containers(failing) == ["main", "fetch"]


def test_without_a_pod() -> None:
    stopped = body("Workspace", {"suspend": True})
    assert without_pod(stopped).endswith("it is stopped. To start it: outfitter start workspace/box -n team-a")
    assert not starts(stopped)
    assert starts(body("Workspace", {}, message="Pods are created."))
    assert without_pod(body("Workspace", {}, message="No room.")) == "Workspace team-a/box has no pod: No room."
    assert not starts(body("Workspace", {}, run={"result": "Completed"}))
    assert not starts(body("Workspace", {}, conditions=[{"type": "Stalled", "status": "True"}]))


@pytest.fixture
def api() -> Iterator[FakeApi]:
    fake = FakeApi()
    yield fake
    fake.close()


@pytest.fixture
def call(api: FakeApi, invoke: Invoke, tmp_path: Path) -> Callable[..., Any]:
    kubeconfig = api.kubeconfig(tmp_path)
    return lambda *arguments: invoke(*arguments, "--kubeconfig", kubeconfig)


def test_logs_of_a_workspace(api: FakeApi, call: Callable[..., Any]) -> None:
    api.add(body("Workspace", {"image": "a"}))
    item = api.add(state(pod("box-0"), "main", RUNNING))
    api.logs = {("box-0", "main", False): "one\ntwo \x1b[31mred\n", ("box-0", "main", True): "before\n"}
    seen = call("logs", "workspace/box")
    assert (seen.exit_code, seen.stdout) == (0, "one\ntwo  [31mred\n"), seen.output
    assert call("logs", "workspace", "box", "--previous").stdout == "before\n"
    item["status"]["containerStatuses"][0] |= {"state": CRASHED, "restartCount": 2}
    seen = call("logs", "wsp/box")
    assert (seen.stdout, "was restarted 2 times" in seen.stderr) == ("before\n", True)
    assert call("logs", "wsp/box", "-c", "none").exit_code == 1
    assert call("logs", "wsp/box", "--rank", "1").exit_code == 2


def test_follow_goes_on_with_the_next_run(api: FakeApi, call: Callable[..., Any]) -> None:
    """Without the log of the crash a second time, which the API server sends until the next run."""
    api.add(body("Workspace", {"image": "a"}))
    item = api.add(state(pod("box-0"), "main", CRASHED, restartCount=1))
    api.logs = {("box-0", "main", True): "crash\n", ("box-0", "main", False): "crash\n"}

    def kubelet(path: str) -> None:
        if path.endswith("/pods/box-0"):
            item["status"]["containerStatuses"][0]["state"] = RUNNING
            api.logs["box-0", "main", False] = "next\n"

    api.before_get = kubelet
    seen = call("logs", "wsp/box", "-f")
    assert (seen.exit_code, seen.stdout) == (0, "crash\nnext\n"), seen.output


def test_no_log_is_an_error(api: FakeApi, call: Callable[..., Any]) -> None:
    api.add(body("NimCache", {"image": "a"}, phase="Ready", message="The model is there."))
    seen = call("logs", "nimcache/box", "-f")
    assert (seen.exit_code, seen.stderr) == (1, "NimCache team-a/box has no pod: The model is there.\n")
    api.add(pod("download"))
    seen = call("logs", "nimcache/box")
    assert (seen.exit_code, "Container main has no log" in seen.stderr) == (1, True)
    api.forbidden.add("log")
    seen = call("logs", "nimcache/box")
    assert (seen.exit_code, "Ask an administrator for this permission" in seen.stderr) == (1, True)


def test_logs_of_a_build_share_the_code_of_build_logs(api: FakeApi, call: Callable[..., Any]) -> None:
    """Without the right to read logs, the end of the log in the status; a failed build has exit code 1."""
    end = {"state": "FAILED", "job": "box", "finishedAt": "2026-11-30T00:00:00Z", "logTail": "the last line"}
    api.add(body("ImageBuild", {"artifact": {"name": "a"}}, **end))
    api.add(pod("box-1", labels={"batch.kubernetes.io/job-name": "box"}))
    api.logs = {("box-1", "main", False): "all of it\n"}
    assert [call(*words).stdout for words in (("logs", "ibuild/box"), ("build", "logs", "box"))] == ["all of it\n"] * 2
    api.forbidden.add("log")
    for words in (("logs", "imagebuild/box"), ("build", "logs", "box")):
        seen = call(*words)
        assert (seen.exit_code, seen.stdout) == (1, "the last line\n")
        assert "The end of the log:" in seen.stderr
