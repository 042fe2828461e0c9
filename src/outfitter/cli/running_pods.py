"""The pod in which a command runs, or whose port is forwarded, and why there is none. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from outfitter.cli.objects import words
from outfitter.cli.pod_logs import status_of
from outfitter.cli.pods import blocking_container, containers, of_rank, with_container
from outfitter.cli.workload_logs import without_pod
from outfitter.errors import OutfitterError

if TYPE_CHECKING:
    from outfitter.cli.target import Target

Body = Mapping[str, Any]


def pod_to_enter(
    chosen: Target, body: Body, pods: Sequence[Body], container: str = "", rank: int | None = None
) -> Body:
    """Return the first pod whose container runs. OutfitterError with the state of the first pod if none does."""
    candidates = _candidates(chosen, body, pods, rank)
    if container:
        with_container(candidates, container)
        candidates = [pod for pod in candidates if container in containers(pod)]
    running = [pod for pod in candidates if is_running(pod, container or containers(pod)[0])]
    if not running:
        raise OutfitterError(not_running(body, candidates[0], container))
    return running[0]


def pod_to_forward(chosen: Target, body: Body, pods: Sequence[Body], *, unready: bool = False) -> Body:
    """Return the first pod that is ready. `unready`: else one that runs. OutfitterError with its state if none is."""
    candidates = _candidates(chosen, body, pods, None)
    found = [pod for pod in candidates if is_ready(pod)]
    if not found and unready:
        found = [pod for pod in candidates if is_running(pod, containers(pod)[0])]
    if not found:
        raise OutfitterError(not_ready(body, candidates[0]))
    return found[0]


def _candidates(chosen: Target, body: Body, pods: Sequence[Body], rank: int | None) -> list[Body]:
    """Return the pods that do not end, of a rank where pods have ranks. OutfitterError if there is none."""
    lasting = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    if not lasting:
        raise OutfitterError(without_pod(body))
    if chosen.kind.runs and chosen.kind.runs.grouped:
        return [of_rank(lasting, rank or 0)]
    return lasting


def is_ready(pod: Body) -> bool:
    """Return whether Services lead to a pod."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def is_running(pod: Body, container: str) -> bool:
    """Return whether a container runs."""
    return "running" in (status_of(pod, container).get("state") or {})


def not_ready(body: Body, pod: Body) -> str:
    """Return the message for a pod that is not ready, with the next step."""
    main = containers(pod)[0]
    if not is_running(pod, main):
        return not_running(body, pod, main)
    where = f"Pod {pod['metadata']['name']} runs and is not ready: its readiness probe has not succeeded."
    return f"{where} Its log: outfitter logs {words(body)}"


def not_running(body: Body, pod: Body, container: str = "") -> str:
    """Return the message for a container that does not run, with the next step."""
    main = container or containers(pod)[0]
    name = pod["metadata"]["name"]
    state = status_of(pod, main).get("state") or {}
    where, log = f"Container {main} of pod {name}", f"outfitter logs {words(body)}"
    if "terminated" in state:
        return f"{where} has ended with exit code {state['terminated'].get('exitCode')}. Its log: {log}"
    reason = (state.get("waiting") or {}).get("reason", "")
    if reason == "CrashLoopBackOff":
        return f"{where} failed and waits for its next start. Its last run: {log}"
    if blocking := blocking_container(pod, main):
        return f"{where} waits for container {blocking}. Its log: {log}"
    if reason not in ("", "ContainerCreating", "PodInitializing"):
        return f"{where} does not start: {reason}. The cause: outfitter trace {words(body)}"
    return f"Pod {name} is starting. To follow: outfitter status {words(body)} --watch"
