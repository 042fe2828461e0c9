"""Which pod of an object, and which of its containers, a user wants to see. Pure, but for the reads at the end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from outfitter.api.v1alpha1 import Kind
from outfitter.backends import pods_in_order
from outfitter.cli.pod_logs import status_of
from outfitter.cluster.client import Client
from outfitter.errors import Forbidden, NotFound, OutfitterError
from outfitter.naming import LABEL_OWNER_UID, LABEL_RANK
from outfitter.observe import observe_pods
from outfitter.render.ranks import INDEX_LABEL, JOBSET_RANK
from outfitter.snapshot import CachedObject

# Labels that the MPI operator sets.
_MPI_ROLE: Final = "training.kubeflow.org/job-role"
_MPI_INDEX: Final = "training.kubeflow.org/replica-index"

Body = Mapping[str, Any]


@dataclass(frozen=True)
class LogSource:
    """The log of one container. `previous`: of the run before its restart. `next_run`: first wait for a run."""

    container: str
    previous: bool = False
    next_run: bool = False
    note: str = ""


def in_order(kind: Kind, name: str, pods: Sequence[Body], controllers: Sequence[Body]) -> list[Body]:
    """Return pods, the first one to look at in front: of the running revision, then the newest.

    Of several container groups, those of the main group come first.
    """
    lives = [CachedObject.of(pod, "Pod") for pod in pods]
    owners = [CachedObject.of(item, item["kind"]) for item in controllers]
    seen = pods_in_order(kind.runs, owners, lives) if kind.runs else observe_pods(lives)
    place = {live.uid: number for number, live in enumerate(seen.candidates)}
    newest = sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")), reverse=True)
    found = sorted(newest, key=lambda pod: place.get(pod["metadata"]["uid"], len(place)))
    if kind.runs and kind.runs.serves:
        found.sort(key=lambda pod: _deployment(pod) != name)
    return found


def _deployment(pod: Body) -> str:
    """Return the Deployment of a pod, by the name of its ReplicaSet."""
    owners = pod["metadata"].get("ownerReferences") or ()
    return next((str(item["name"]).rpartition("-")[0] for item in owners if item.get("controller")), "")


def of_rank(pods: Iterable[Body], rank: int) -> Body:
    """Return the newest pod of a rank. OutfitterError if there is none."""
    found = [pod for pod in pods if _rank(pod) == rank]
    if not found:
        known = sorted({number for pod in pods if (number := _rank(pod)) is not None})
        raise OutfitterError(f"No pod has rank {rank}. Ranks are: {', '.join(map(str, known)) or 'none'}.")
    return max(found, key=_newest)


def _newest(pod: Body) -> tuple[bool, str]:
    meta = pod["metadata"]
    return "deletionTimestamp" not in meta, str(meta.get("creationTimestamp", ""))


def _rank(pod: Body) -> int | None:
    """Return the rank of a pod; the launcher of an MPIJob has rank 0, and its workers follow."""
    labels = pod["metadata"].get("labels") or {}
    try:
        if LABEL_RANK in labels:
            return int(labels[LABEL_RANK])
        if labels.get(_MPI_ROLE) == "launcher":
            return 0
        if _MPI_INDEX in labels:
            return int(labels[_MPI_INDEX]) + 1
        if INDEX_LABEL in labels:  # with JobSet, one Job has all pods, or each pod a Job
            return int(labels[INDEX_LABEL]) + int(labels.get(JOBSET_RANK, 0))
    except ValueError:  # users can label pods
        return None
    return None


def with_container(pods: Sequence[Body], container: str) -> Body:
    """Return the first pod that has a container. OutfitterError that lists the containers if none has it."""
    for pod in pods:
        if container in containers(pod):
            return pod
    known = dict.fromkeys(name for pod in pods for name in containers(pod))
    raise OutfitterError(f"No pod has container {container}. Containers are: {', '.join(known)}.")


def containers(pod: Body) -> list[str]:
    """Return the names of all containers of a pod, the main one first."""
    spec = pod["spec"]
    lists = ("containers", "initContainers", "ephemeralContainers")
    return [item["name"] for name in lists for item in spec.get(name) or ()]


def log_sources(pod: Body, container: str = "", *, previous: bool = False, follow: bool = False) -> list[LogSource]:
    """Return the logs to print: of `container`, else of what keeps the main container from running, else of that one.

    Of a container that crashed and waits for its next start, it is the run before; with `follow`, also the next one.
    """
    chosen = container or containers(pod)[0]
    if previous:
        return [LogSource(chosen, previous=True)]
    blocking = "" if container else blocking_container(pod, chosen)
    if blocking:
        note = f"Container {chosen} waits for container {blocking}, whose log this is."
        first = _sources(pod, blocking, follow, note)
        return [*first, LogSource(chosen)] if follow else first
    return _sources(pod, chosen, follow)


def _sources(pod: Body, container: str, follow: bool, note: str = "") -> list[LogSource]:
    status = status_of(pod, container)
    waiting = (status.get("state") or {}).get("waiting") or {}
    if waiting.get("reason") != "CrashLoopBackOff":
        return [LogSource(container, note=note)]
    times = "once" if status.get("restartCount") == 1 else f"{status.get('restartCount')} times"
    where = f"Container {container} of pod {pod['metadata']['name']}"
    text = f"{where} failed and was restarted {times}. This is its last run."
    last = LogSource(container, previous=True, note=f"{note} {text}".strip())
    return [last, LogSource(container, next_run=True)] if follow else [last]


def blocking_container(pod: Body, main: str) -> str:
    """Return the init container that runs or fails while the main container waits for it; "" for none."""
    state = status_of(pod, main).get("state") or {}
    if state and "waiting" not in state:
        return ""
    for item in pod["spec"].get("initContainers") or ():
        status = status_of(pod, item["name"])
        here = status.get("state") or {}
        if item.get("restartPolicy") == "Always" and status.get("started"):
            continue
        if (here.get("terminated") or {}).get("exitCode") == 0:
            continue
        reason = (here.get("waiting") or {}).get("reason")
        return item["name"] if here and (reason is None or reason == "CrashLoopBackOff") else ""
    return ""


async def pods_of(client: Client, kind: Kind, body: Body) -> list[Body]:
    """Read the pods of an object, the first one to look at in front."""
    meta = body["metadata"]
    selector = f"{LABEL_OWNER_UID}={meta['uid']}"
    pods = await client.list("Pod", meta["namespace"], label_selector=selector)
    controllers: list[Body] = []
    for name in ("StatefulSet", "Deployment") if kind.runs and pods else ():
        try:
            controllers += await client.list(name, meta["namespace"], label_selector=selector)
        except (Forbidden, NotFound):  # then the age of the pods decides
            continue
    return in_order(kind, meta["name"], pods, controllers)
