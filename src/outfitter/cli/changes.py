"""What `restart`, `stop`, `start`, `scale` and `lock` change in an object. Pure: a body in, a merge patch out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from outfitter.api.v1alpha1 import KINDS, kind_of
from outfitter.cli.objects import title, words
from outfitter.errors import OutfitterError
from outfitter.managed_fields import managers
from outfitter.naming import ANNOTATION_RECONCILE, ANNOTATION_RESTARTED_AT

MANAGER: Final = "outfitter-cli"
# Field managers of the programs that copy manifests from Git to a cluster.
_GITOPS: Final = ((re.compile("argo-?cd"), "Argo CD"), (re.compile("flux|kustomize-controller|helm-contr"), "Flux"))

Body = Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """A field with its new value, and a sentence that reports it. Without a path, nothing is to be changed."""

    done: str
    path: tuple[str, ...] = ()
    value: Any = None
    notes: tuple[str, ...] = field(default=())

    @property
    def patch(self) -> dict[str, Any]:
        """Return the merge patch."""
        found: Any = self.value
        for step in reversed(self.path):
            found = {step: found}
        return dict(found)


def restart(body: Body, now: str) -> Change:
    """Ask for a restart. `now`: a text that differs from that of the restart before."""
    run = _run(body)
    if run.get("suspend"):
        raise OutfitterError(f"{title(body)} is stopped. To start it: outfitter start {words(body)}")
    _check_replicas(body, run)
    text = f"{title(body)} restarts: its pods start again with the newest assets."
    return _change(body, text, ("metadata", "annotations", ANNOTATION_RESTARTED_AT), now)


def stop(body: Body) -> Change:
    """Suspend a workload."""
    run = _run(body)
    if run.get("suspend"):
        return Change(f"{title(body)} is stopped already.")
    if _result(body) == "Completed":
        raise OutfitterError(f"{title(body)} has completed: it has no pods to stop.")
    return _change(body, f"{title(body)} stops: its pods end, and its volumes stay.", _suspend(body), True)


def start(body: Body, now: str) -> Change:
    """Start a workload that a user suspended, or that Outfitter stopped. `now`: as for `restart`."""
    run = _run(body)
    _check_replicas(body, run)
    text = f"{title(body)} starts."
    if run.get("suspend"):
        return _change(body, text, _suspend(body), False)
    if (body.get("status") or {}).get("halted"):
        return _change(body, text, ("metadata", "annotations", ANNOTATION_RESTARTED_AT), now)
    if result := _result(body):
        raise OutfitterError(f"{title(body)} has {result.lower()}. To run it again: outfitter restart {words(body)}")
    return Change(f"{title(body)} is started already.")


def scale(body: Body, replicas: int) -> Change:
    """Set the number of pods."""
    if not _scales(body["kind"]):
        known = [kind.singular for kind in KINDS if _scales(kind.name)]
        raise OutfitterError(f"{title(body)} cannot be scaled. Kinds that can: {', '.join(known)}.")
    run = _run(body)
    status, groups = body.get("status") or {}, run.get("containerGroups") or ()
    accepted = status.get("scaling") or {}
    if run.get("autoscaling") or accepted.get("autoscaling"):
        path = ".".join((*_prefix(body), "autoscaling"))
        raise OutfitterError(f"{title(body)} is scaled by load. Change {path}, or remove it.")
    own = {item.get("name") for item in groups if "replicas" in item or "autoscaling" in item}
    names = {item["name"] for item in status.get("containerGroups") or ()}
    if own and names and names <= own:
        path = ".".join((*_prefix(body), "containerGroups"))
        raise OutfitterError(f"{title(body)}: each container group has its own number of pods. Change {path}.")
    before = run.get("replicas", 1)
    if before == replicas:
        return Change(f"{title(body)} has {replicas} replicas already.")
    text = f"{title(body)} is scaled from {before} to {replicas} replicas."
    if run.get("suspend"):
        text += f" It is stopped. To start it: outfitter start {words(body)}"
    return _change(body, text, (*_prefix(body), "replicas"), replicas)


def lock(body: Body) -> Change:
    """Make an Artifact a version."""
    if body["kind"] != "Artifact":
        raise OutfitterError(f"{title(body)} cannot be locked. Only an Artifact can.")
    if body["spec"].get("locked"):
        return Change("")
    return _change(body, "", ("spec", "locked"), True)


def check_runs(body: Body) -> None:
    """OutfitterError for an object that runs no pods: its kind has none, or it is only a definition."""
    _run(body)


def _run(body: Body) -> Mapping[str, Any]:
    """Return the part of the spec that says how an object runs."""
    kind = kind_of(body["kind"])
    if kind.runs is None:
        known = [item.singular for item in KINDS if item.runs is not None]
        raise OutfitterError(f"{title(body)} does not run. Kinds that run: {', '.join(known)}.")
    spec: Mapping[str, Any] = body.get("spec") or {}
    if kind.workload:
        return spec
    if spec.get("run") is None:
        raise OutfitterError(f"{title(body)} does not run: it is a definition. Set spec.run in it to run it.")
    return dict(spec["run"])


def _prefix(body: Body) -> tuple[str, ...]:
    return ("spec",) if kind_of(body["kind"]).workload else ("spec", "run")


def _suspend(body: Body) -> tuple[str, ...]:
    return (*_prefix(body), "suspend")


def _scales(kind: str) -> bool:
    runs = kind_of(kind).runs
    return runs is not None and runs.scales


def _check_replicas(body: Body, run: Body) -> None:
    """OutfitterError for a workload that is scaled to 0."""
    groups = run.get("containerGroups") or ()
    other = run.get("autoscaling") or any(item.get("replicas") or item.get("autoscaling") for item in groups)
    if _scales(body["kind"]) and run.get("replicas") == 0 and not other:
        text = f"outfitter scale {words(body)} --replicas 1"
        raise OutfitterError(f"{title(body)} has 0 replicas. To start it: {text}")


def _result(body: Body) -> str:
    """Return how a run ended; "" while it lasts."""
    status = body.get("status") or {}
    return str((status.get("run") or {}).get("result") or "")


def _change(body: Body, done: str, path: tuple[str, ...], value: Any) -> Change:
    meta = body["metadata"]
    if meta.get("deletionTimestamp"):
        raise OutfitterError(f"{title(body)} is being deleted. It cannot change any more.")
    notes = [gitops_note(body, path)]
    if (meta.get("annotations") or {}).get(ANNOTATION_RECONCILE) == "disabled":
        notes.append(f"{title(body)} is paused by annotation {ANNOTATION_RECONCILE}. Remove it to apply the change.")
    return Change(done, path, value, tuple(filter(None, notes)))


def gitops_note(body: Body, path: tuple[str, ...]) -> str:
    """Return a note if a GitOps tool owns a field, and so sets it back; "" otherwise."""
    for manager in managers(body, [path]):
        if program := gitops_program(manager):
            text = ".".join(path)
            return f"{title(body)}: {program} owns {text} and will set it back. Change it in Git as well."
    return ""


def gitops_program(manager: str) -> str:
    """Return the GitOps tool of a field manager; "" for another one."""
    return next((name for pattern, name in _GITOPS if pattern.search(manager.lower())), "")
