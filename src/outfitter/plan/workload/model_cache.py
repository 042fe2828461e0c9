"""The NimCache of a workload: the one on demand, the shared one, and what status shows of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outfitter.plan.workload.revision import Revision
from outfitter.plan.writes import Create, Delete, Write, WritePhase
from outfitter.policy.project import ProjectPolicies
from outfitter.render import nimcache
from outfitter.resolve.request import WorkloadRequest
from outfitter.resolve.serving import resolve
from outfitter.resolve.workload import Resolved
from outfitter.snapshot import Key, Reader


def on_demand(resolved: Resolved | None) -> tuple[Write, ...]:
    """Return the write that creates the missing NimCache, or deletes one that has to be created again."""
    if resolved is not None and resolved.outgrown_cache is not None:
        return (Delete(resolved.outgrown_cache, phase=WritePhase.DEPENDENCY),)
    if resolved is None or resolved.missing_cache is None:
        return ()
    manifest = nimcache.on_demand(resolved.request.namespace, resolved.missing_cache)
    return (Create(manifest, WritePhase.DEPENDENCY),)


def shared_cache(facts: Mapping[str, Any]) -> frozenset[Key]:
    """Return the NimCache of another namespace that provides its volume once it knows this user."""
    cache = facts.get("nimCache") or {}
    return frozenset({Key("NimCache", cache["namespace"], cache["name"])}) if "namespace" in cache else frozenset()


def restored(reader: Reader, request: WorkloadRequest, revision: Revision) -> tuple[Write, ...]:
    """Return the write that creates a deleted NimCache again: a pod that starts later needs its model."""
    named = (revision.facts or {}).get("nimCache") or {}
    name = named.get("name")
    if name is None or "namespace" in named or request.stopped:
        return ()
    if reader.get("NimCache", request.namespace, name) is not None:
        return ()
    resolved = resolve(reader, request, ProjectPolicies(reader))
    missing = resolved.missing_cache
    return on_demand(resolved) if missing is not None and missing.name == name else ()


def cache_facts(reader: Reader, namespace: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts of a revision with the current phase of its NimCache."""
    cache = facts.get("nimCache")
    if not cache:
        return dict(facts)
    resource = reader.resource("NimCache", cache.get("namespace", namespace), cache["name"])
    phase = (resource.body.get("status") or {}).get("phase") if resource else None
    return {**facts, "nimCache": {**cache, "phase": phase or "Pending"}}
