"""The pin: a ControllerRevision of what a workload was made from, so that later edits of assets do not touch it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import orjson

from outfitter.api.v1alpha1.workspace import WorkspaceSpec
from outfitter.naming import SOURCE_VERSION, credential_secret, revision, short_hash
from outfitter.problems import Level, Problem
from outfitter.render.workspace import Rendered, child_meta, claims
from outfitter.resolve.references import Source
from outfitter.resolve.workload import Resolved, Subject
from outfitter.snapshot import Asset, Live, View

HISTORY = 2


@dataclass(frozen=True)
class Pin:
    """One revision of a workload: `inputs` is a digest of what the user asked for, the rest is what came of it."""

    name: str
    number: int
    inputs: str
    submission: Mapping[str, Any]
    sources: tuple[Source, ...]
    origins: Mapping[str, str]
    notes: tuple[Problem, ...]
    template: Mapping[str, Any]
    claims: tuple[Mapping[str, Any], ...]

    @cached_property
    def spec(self) -> WorkspaceSpec:
        """The merged submission as a model."""
        return WorkspaceSpec.model_validate(self.submission)


def inputs(subject: Subject) -> str:
    """Digest of the workload's own spec: replicas and suspend are not part of it, a restart is."""
    spec = dict(subject.asset.body.get("spec") or {})
    for name in ("suspend", "replicas", "autoscaling", "description", "displayName"):
        spec.pop(name, None)
    if "run" in spec:
        spec["run"] = {key: value for key, value in spec["run"].items() if key not in ("suspend", "replicas")}
    return short_hash(orjson.dumps([spec, subject.restarted_at], option=orjson.OPT_SORT_KEYS), 16)


def make(resolved: Resolved, rendered: Rendered, number: int) -> Pin:
    """The pin of a resolved and rendered workload; its name tells its content."""
    problems = (*resolved.problems, *rendered.problems)
    notes = tuple(problem for problem in problems if problem.level is Level.NOTE)
    owned = tuple(claims(resolved.subject, resolved.volumes))
    pin = Pin(
        "",
        number,
        inputs(resolved.subject),
        resolved.merged.fields,
        resolved.sources,
        {**resolved.merged.origins, **{f"pod.{path}": source for path, source in rendered.origins.items()}},
        notes,
        rendered.template,
        owned,
    )
    return replace(pin, name=_name(resolved.subject.name, _data(pin)))


def _name(workload: str, data: Mapping[str, Any]) -> str:
    return revision(workload, orjson.dumps(data, option=orjson.OPT_SORT_KEYS))


def _data(pin: Pin) -> dict[str, Any]:
    return {
        "inputs": pin.inputs,
        "submission": pin.submission,
        "sources": [dict(vars(source)) for source in pin.sources],
        "origins": pin.origins,
        "notes": [{"reason": item.reason, "message": item.message, "field": item.field} for item in pin.notes],
        "template": pin.template,
        "claims": list(pin.claims),
    }


def manifest(pin: Pin, asset: Asset) -> dict[str, Any]:
    """The ControllerRevision of a pin."""
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {**child_meta(asset), "name": pin.name},
        "data": _data(pin),
        "revision": pin.number,
    }


def trusted(live: Live, workload: str, published: str) -> bool:
    """Whether a ControllerRevision is a pin of ours: we named it in the workload's status, and its content is its name.

    Others may write ControllerRevisions in a namespace; nobody else writes status.
    """
    return live.name == published == _name(workload, live.body.get("data") or {})


def read(live: Live) -> Pin:
    """A pin out of its ControllerRevision; of another version of Outfitter, what is known of it."""
    body = live.body
    data = body["data"]
    known = Source.__dataclass_fields__
    return Pin(
        live.name,
        int(body["revision"]),
        data.get("inputs", ""),
        data.get("submission", {}),
        tuple(
            Source(**{key: value for key, value in item.items() if key in known}) for item in data.get("sources", ())
        ),
        data.get("origins", {}),
        tuple(Problem(item["reason"], item["message"], Level.NOTE, item["field"]) for item in data.get("notes", ())),
        data["template"],
        tuple(data.get("claims", ())),
    )


def outdated(view: View, pin: Pin, namespace: str) -> list[dict[str, Any]]:
    """The assets newer than the pin; a restart takes them up. Looking at them makes the workload their user."""
    found: list[dict[str, Any]] = []
    for source in pin.sources:
        entry = {"kind": source.kind, "namespace": source.namespace, "name": source.name}
        live = view.live(source.kind, source.namespace, source.name)
        if live is None:
            found.append({**entry, "usedGeneration": source.generation, "reason": "Deleted"})
        elif live.uid != source.uid:
            found.append({**entry, "usedGeneration": source.generation, "reason": "Replaced"})
        elif live.generation != source.generation:
            numbers = {"usedGeneration": source.generation, "generation": live.generation}
            found.append({**entry, **numbers, "reason": "Edited"})
        elif source.version and source.version != _content_version(view, namespace, source.name):
            found.append({**entry, "reason": "Rotated"})
    return found


def _content_version(view: View, namespace: str, credential: str) -> str:
    secret = view.live("Secret", namespace, credential_secret(credential))
    annotations: Mapping[str, str] = (secret.body["metadata"].get("annotations") or {}) if secret else {}
    return annotations.get(SOURCE_VERSION, "")
