"""How the Job of a workload that ends becomes what is asked for, without a loss of what it has done.

A Job that has run is deleted only for a restart that the user asks for, or when it is stopped and another program is to
run. Whatever else differs in it is left alone: a policy, Kueue or the API server wrote it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from outfitter.canonical import covers
from outfitter.children import groups
from outfitter.children.jobs import FIXED, has_run
from outfitter.naming import (
    ANNOTATION_ATTEMPT,
    ANNOTATION_FIXED,
    ANNOTATION_PROGRAM,
    ANNOTATION_RESTARTED_AT,
    ANNOTATION_STOPPED_REVISION,
    KUEUE_QUEUE,
)
from outfitter.observe.groups import suspended
from outfitter.plan.writes import Apply, Delete, Write
from outfitter.snapshot import CachedObject

Body = Mapping[str, Any]
_OF_SERVER: Final = ("batch.kubernetes.io/", "controller-uid", "job-name")  # beginnings of labels


def job_change(want: dict[str, Any], found: CachedObject) -> Write | None:
    """Return the write that brings a Job closer to its manifest; None where it fits, or has to be waited for."""
    live = found.body
    if _restart(want) != _restart(live) or _attempt(want) != _attempt(live):
        return Delete(found)
    stopped = ANNOTATION_STOPPED_REVISION in _annotations(live)
    starts = ANNOTATION_STOPPED_REVISION not in _annotations(want)
    if starts and _annotations(want)[ANNOTATION_FIXED] != _annotations(live).get(ANNOTATION_FIXED):
        if stopped and not _settled(live):
            return None  # the Job controller has not ended its pods yet
        if stopped and _annotations(want)[ANNOTATION_PROGRAM] == _annotations(live).get(ANNOTATION_PROGRAM):
            return Apply(_in_place(want, live), found.uid, or_replace=True)
        if stopped or not has_run(live):
            return Delete(found)
    kept = _left_to_kueue(_as_it_runs(want, live), live)
    same = covers({name: value for name, value in kept.items() if name not in ("apiVersion", "kind")}, live)
    return None if same else Apply(kept, found.uid)


def group_change(want: dict[str, Any], found: CachedObject) -> Write | None:
    """Return the write that brings a JobSet or MPIJob closer to its manifest; None where it fits, or has to wait."""
    live, asked = found.body, _annotations(want)
    has = _annotations(live)
    if asked.get(ANNOTATION_RESTARTED_AT, "") != has.get(ANNOTATION_RESTARTED_AT, ""):
        return Delete(found)
    stopped = ANNOTATION_STOPPED_REVISION in has
    if ANNOTATION_STOPPED_REVISION not in asked and asked[ANNOTATION_FIXED] != has.get(ANNOTATION_FIXED):
        if stopped and not groups.settled(live):
            return None
        if stopped or not groups.has_run(live):
            return Delete(found)
    names = want["spec"].keys() & live["spec"].keys() - {"suspend"}
    spec = groups.with_suspend({name: live["spec"][name] for name in names}, want["spec"])
    if KUEUE_QUEUE in (want["metadata"].get("labels") or {}) and not suspended(live["spec"]):
        spec = groups.without_suspend(spec)
    marks = {ANNOTATION_FIXED: has[ANNOTATION_FIXED]} if ANNOTATION_FIXED in has else {}
    kept = {**want, "metadata": {**want["metadata"], "annotations": {**asked, **marks}}, "spec": spec}
    same = covers({name: value for name, value in kept.items() if name not in ("apiVersion", "kind")}, live)
    return None if same else Apply(kept, found.uid)


def _as_it_runs(want: dict[str, Any], live: Body) -> dict[str, Any]:
    """Return the manifest with what the live Job cannot change, as it is."""
    has = {name: live["spec"][name] for name in FIXED if name in live["spec"]}
    spec = {**{name: value for name, value in want["spec"].items() if name not in FIXED}, **has}
    marks = {
        name: _annotations(live)[name] for name in (ANNOTATION_FIXED, ANNOTATION_PROGRAM) if name in _annotations(live)
    }
    return {**want, "metadata": {**want["metadata"], "annotations": {**_annotations(want), **marks}}, "spec": spec}


def _in_place(want: dict[str, Any], live: Body) -> dict[str, Any]:
    """Return the manifest with the selector and the labels that the API server gave the live Job: it needs them."""
    template, spec = want["spec"]["template"], live["spec"]
    given = spec["template"].get("metadata", {}).get("labels") or {}
    own = {name: value for name, value in given.items() if name.startswith(_OF_SERVER)}
    meta = {**template["metadata"], "labels": {**template["metadata"].get("labels", {}), **own}}
    has = {"selector": spec["selector"]} if "selector" in spec else {}
    return {**want, "spec": {**want["spec"], **has, "template": {**template, "metadata": meta}}}


def _left_to_kueue(want: dict[str, Any], live: Body) -> dict[str, Any]:
    """Return the manifest without `suspend` once Kueue has started the Job: from then on the field is Kueue's."""
    if KUEUE_QUEUE not in (want["metadata"].get("labels") or {}) or live["spec"].get("suspend"):
        return want
    return {**want, "spec": {name: value for name, value in want["spec"].items() if name != "suspend"}}


def _settled(live: Body) -> bool:
    """Return whether the Job controller has handled a stop: no pod is left, and the start time is gone."""
    status = live.get("status") or {}
    return bool(live["spec"].get("suspend")) and not (status.get("active") or status.get("startTime"))


def _annotations(body: Body) -> Body:
    return body["metadata"].get("annotations") or {}


def _attempt(job: Body) -> str:
    return str(_annotations(job).get(ANNOTATION_ATTEMPT, ""))


def _restart(job: Body) -> str:
    annotations = job["spec"]["template"].get("metadata", {}).get("annotations") or {}
    return str(annotations.get(ANNOTATION_RESTARTED_AT, ""))
