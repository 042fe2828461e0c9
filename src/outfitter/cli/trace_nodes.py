"""The tree of `outfitter trace`: an object, what it refers to, its children and pods, and what fails. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from outfitter.children import child_kind, observe
from outfitter.cli.objects import title
from outfitter.cli.pod_logs import status_of
from outfitter.cli.table import has_problem, row
from outfitter.observe import State
from outfitter.snapshot import CachedObject
from outfitter.status import is_ready

Body = Mapping[str, Any]
_STARTING: Final = ("ContainerCreating", "PodInitializing", "")
_WORD: Final = re.compile(r"[\w.-]*\w")
_TOLD: Final = ("missing", "not ready")  # states that are the verb of the conclusion


@dataclass(frozen=True)
class Node:
    """An object or container, with its state. `bad`: it fails, not only waits."""

    kind: str
    name: str
    state: str
    namespace: str = ""
    message: str = ""
    bad: bool = False
    nodes: tuple[Node, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the node as data."""
        data = {"kind": self.kind, "namespace": self.namespace, "name": self.name, "state": self.state}
        data |= {"message": self.message, "nodes": [node.to_dict() for node in self.nodes]}  # type: ignore[dict-item]
        return {key: value for key, value in data.items() if value}


@dataclass(frozen=True)
class Trace:
    """All that belongs to one object. `hidden`: kinds that the user may not list."""

    body: Body
    references: tuple[Node, ...]
    children: tuple[Node, ...]
    hidden: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """Return sync status and phase of the object."""
        item = row(self.body)
        return ", ".join(part for part in (item.sync, item.phase) if part)

    @property
    def has_problem(self) -> bool:
        """Return whether a user must act."""
        return has_problem(self.body.get("status") or {})

    def to_dict(self) -> dict[str, Any]:
        """Return the tree as data."""
        meta, leaf = self.body["metadata"], failing(self)
        return {
            "kind": self.body["kind"],
            "namespace": meta["namespace"],
            "name": meta["name"],
            "state": self.state,
            "references": [node.to_dict() for node in self.references],
            "children": [node.to_dict() for node in self.children],
            "hiddenKinds": [*self.hidden],
            "failing": [{"kind": node.kind, "name": node.name} for node in leaf],
            "conclusion": conclusion(self),
        }


def reference_node(kind: str, name: str, body: Body | None, *, readable: bool = True) -> Node:
    """Return the node of a reference. `body` is None for one that does not exist or cannot be read."""
    if not readable:
        return Node(kind, name, "not readable", message="You may not read it.")
    if body is None:
        shared = "" if child_kind(kind) else ", or is not shared with the namespace"
        return Node(kind, name, "missing", message=f"It does not exist{shared}.", bad=True)
    namespace = str(body["metadata"].get("namespace") or "")
    status = body.get("status") or {}
    if child_kind(kind) is not None:
        return Node(kind, name, str(status.get("phase") or "exists"), namespace)
    if is_ready(status):
        return Node(kind, name, "ready", namespace)
    return Node(kind, name, "not ready", namespace, str(status.get("message") or ""), bad=has_problem(status))


def child_nodes(children: Iterable[Body], pods: Sequence[Body]) -> tuple[Node, ...]:
    """Return the nodes of children, with their pods below them; other pods follow."""
    left, nodes = list(pods), []
    for body in children:
        own = [pod for pod in left if _belongs(pod, body)]
        left = [pod for pod in left if pod not in own]
        nodes.append(_child(body, tuple(map(pod_node, own))))
    return (*nodes, *map(pod_node, left))


def _child(body: Body, pods: tuple[Node, ...]) -> Node:
    kind, meta = body["kind"], body["metadata"]
    if child_kind(kind) is None:  # a custom resource, such as an ImageBuild
        found = reference_node(kind, meta["name"], body)
        return Node(kind, meta["name"], found.state, message=found.message, bad=found.bad, nodes=pods)
    seen = observe(CachedObject.of(body, kind))
    states = {State.READY: "ready", State.PROGRESSING: "progressing", State.FAILED: "failed"}
    return Node(kind, meta["name"], states[seen.state], "", seen.message, seen.state is State.FAILED, pods)


def _belongs(pod: Body, body: Body) -> bool:
    """Return whether a child created a pod, itself or through a ReplicaSet or Job."""
    kind, name = body["kind"], body["metadata"]["name"]
    owner = next((item for item in pod["metadata"].get("ownerReferences") or () if item.get("controller")), None)
    if owner is None:
        return False
    if kind == "Deployment":
        return bool(owner["kind"] == "ReplicaSet" and owner["name"].rpartition("-")[0] == name)
    if kind == "JobSet":
        return bool((pod["metadata"].get("labels") or {}).get("jobset.sigs.k8s.io/jobset-name") == name)
    if kind == "MPIJob":
        return bool((pod["metadata"].get("labels") or {}).get("training.kubeflow.org/job-name") == name)
    return bool((owner["kind"], owner["name"]) == (kind, name))


def pod_node(pod: Body) -> Node:
    """Return the node of a pod, with a node for each container."""
    meta, status = pod["metadata"], pod.get("status") or {}
    spec = pod.get("spec") or {}
    names = [item["name"] for key in ("initContainers", "containers") for item in spec.get(key) or ()]
    nodes = tuple(_container(pod, name) for name in names)
    scheduled: Body = next((item for item in status.get("conditions") or () if item["type"] == "PodScheduled"), {})
    state, message = str(status.get("reason") or status.get("phase") or "Pending"), str(status.get("message") or "")
    bad = status.get("phase") == "Failed"
    if meta.get("deletionTimestamp"):
        state = "Terminating"
    elif scheduled.get("status") == "False":
        state, message, bad = str(scheduled.get("reason")), str(scheduled.get("message") or ""), True
    return Node("Pod", meta["name"], state, message=message, bad=bad, nodes=nodes)


def _container(pod: Body, name: str) -> Node:
    status = status_of(pod, name)
    state = status.get("state") or {}
    count = int(status.get("restartCount") or 0)
    restarts = f", {count} restart{'s' if count > 1 else ''}" if count else ""
    if "running" in state:
        text = "running" if status.get("ready", True) else "running, not ready"
        return Node("Container", name, text + restarts)
    if end := state.get("terminated"):
        code = int(end.get("exitCode") or 0)
        text = "completed" if code == 0 else f"{end.get('reason') or 'Error'}, exit code {code}"
        return Node("Container", name, text + restarts, message=str(end.get("message") or ""), bad=code != 0)
    waiting = state.get("waiting") or {}
    reason = str(waiting.get("reason") or "")
    last = (status.get("lastState") or {}).get("terminated") or {}
    message = str(last.get("message") or waiting.get("message") or "")
    return Node("Container", name, (reason or "waiting") + restarts, message=message, bad=reason not in _STARTING)


def failing(trace: Trace) -> tuple[Node, ...]:
    """Return the path to the leaf that fails; empty if the object is ready or nothing fails."""
    if is_ready(trace.body.get("status") or {}):
        return ()
    nodes = (*trace.references, *trace.children)
    return min((path for node in nodes for path in _bad(node)), key=lambda path: -len(path), default=())


def _bad(node: Node) -> Iterator[tuple[Node, ...]]:
    for inner in node.nodes:
        yield from ((node, *path) for path in _bad(inner))
    if node.bad:
        yield (node,)


def conclusion(trace: Trace) -> str:
    """Return one sentence: what fails, and the cause that the status reports, else that of the leaf."""
    status, name = trace.body.get("status") or {}, title(trace.body)
    if is_ready(status):
        return f"{name} is ready."
    path = failing(trace)
    leaf = path[-1] if path else None
    where = f"{leaf.kind} {leaf.name}" if leaf else name
    if len(path) > 1 and leaf and leaf.kind == "Container":
        where += f" of {path[-2].kind} {path[-2].name}"
    cause = _issue(status) if trace.has_problem else ""
    if not cause and leaf:
        cause = leaf.message if leaf.state in _TOLD else ": ".join(filter(None, (leaf.state, leaf.message)))
    named = [node.name for node in path[-2:] if node.kind in ("Container", "Pod")] or [node.name for node in path[-1:]]
    if cause and named and set(named) <= set(_WORD.findall(cause)):
        return cause
    if cause:
        verb = f"is {leaf.state}" if leaf and leaf.state in _TOLD else "fails"
        return f"{where} {verb}: {cause}"
    return f"{name} is not ready: {status.get('message') or 'Outfitter has not reconciled it yet.'}"


def _issue(status: Body) -> str:
    """Return the message of the issue that keeps an object from being ready."""
    issues = status.get("issues") or ()
    ready: Body = next((item for item in status.get("conditions") or () if item["type"] == "Ready"), {})
    first = next((item for item in issues if item.get("issue") == ready.get("reason")), None)
    item: Body = first or next(iter(issues), {})
    return str(item.get("message") or item.get("issue") or status.get("message") or "")
