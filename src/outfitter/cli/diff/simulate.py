"""Reconcile the objects of a cluster in memory: as they are, and with those of files. Nothing is written elsewhere."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from outfitter.api.v1alpha1 import kind_of
from outfitter.cli.diff.live import WITHOUT_CONTENT, Body, Live, Place
from outfitter.cli.diff.placeholders import hidden_secrets
from outfitter.cluster.client import Client
from outfitter.errors import ApiError, Conflict, Forbidden, OutfitterError
from outfitter.naming import (
    ANNOTATION_CREATED_UNDER,
    ANNOTATION_RECONCILE,
    ANNOTATION_RESTARTED_AT,
    LABEL_OWNER_UID,
    LAST_APPLIED,
)
from outfitter.reconcile.reconciler import Result
from outfitter.resolve.identity import BINDING, POLICY
from outfitter.simulator.authors import enforce_stamps
from outfitter.simulator.caches import OUR_KINDS
from outfitter.simulator.cluster import SimulatedCluster
from outfitter.simulator.connection import Connection
from outfitter.simulator.manifests import place_of
from outfitter.simulator.simulation import Simulation
from outfitter.snapshot import Key

_TURNS: Final = 20  # an object that is reconciled more often than this never settles
_USER: Final = "outfitter-diff"
_KEPT: Final = ("ControllerRevision", "PersistentVolumeClaim", "PersistentVolume", "Secret", "ConfigMap", *OUR_KINDS)
"""Children that decide about others, or that have no defaults."""
_CONTENT: Final = ("data", "binaryData", "type", "immutable")


class ContentReader(Connection):
    """The simulated cluster, with the content of Secrets and ConfigMaps of which only metadata was listed."""

    def __init__(self, target: SimulatedCluster, client: Client, known: dict[Place, Body]) -> None:
        super().__init__(target)
        self._client = client
        self._known = known

    async def get(self, kind: str, namespace: str, name: str) -> Body | None:
        """See Cluster.get."""
        found = await super().get(kind, namespace, name)
        if found is None or kind not in WITHOUT_CONTENT or "data" in found or "binaryData" in found:
            return found
        place = (kind, namespace, name)
        if place not in self._known:
            try:
                read = await self._client.get(kind, namespace, name)
            except Forbidden:
                read = None
            self._known[place] = {key: read[key] for key in _CONTENT if key in read} if read else {}
        return {**found, **self._known[place]}


@dataclass
class Outcome:
    """The cluster after the reconciliation of some objects."""

    simulation: Simulation
    reconciled: list[Key] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def find(self, place: Place) -> Body | None:
        """Return an object."""
        return self.simulation.cluster.find(*place)

    def status(self, key: Key) -> Mapping[str, Any]:
        """Return the status of a custom resource."""
        found = self.find((key.kind, key.namespace, key.name))
        return (found or {}).get("status") or {}

    def written(self) -> list[Place]:
        """Return the children that were created, changed or deleted, in this order."""
        writes = (write for write in self.simulation.cluster.writes if write.verb != "status")
        return list(dict.fromkeys((write.kind, write.namespace, write.name) for write in writes))


@dataclass(frozen=True)
class Outcomes:
    """The cluster as it is, as it becomes without the files, and as it becomes with them."""

    live: Simulation
    before: Outcome
    after: Outcome
    content: Mapping[Place, Body]
    """What was read of Secrets and ConfigMaps."""

    def original(self, place: Place) -> Body | None:
        """Return an object as it is in the cluster."""
        found = self.live.cluster.find(*place)
        return {**found, **self.content.get(place, {})} if found else None


async def outcomes(client: Client, live: Live, given: Iterable[Body], *, restart: str = "") -> Outcomes:
    """Reconcile the objects of files and their dependents, before and after the files are applied.

    `restart`: a value for the annotation that restarts workloads, "" for none.
    """
    given = list(given)
    origin = _restored(live, given)
    content: dict[Place, Body] = {}
    before, after = _fork(origin, live, client, content), _fork(origin, live, client, content)
    places = [place_of(body) for body in given]
    sent = await _sent(_fork(origin, live, client, content), _affected(before, places))
    for simulation in (before, after):
        for manifest in sent:
            simulation.cluster.created_from(manifest)
    for body in given:
        apply(after.cluster, body)
    keys = {sim: _affected(sim, places) for sim in (before, after)}
    if restart:
        for key in keys[after]:
            _restart(after.cluster, key, restart)
    return Outcomes(origin, await _settle(before, keys[before]), await _settle(after, keys[after]), content)


def _restored(live: Live, given: Iterable[Body]) -> Simulation:
    """Return a simulation of the cluster, with placeholders for the Secrets that the user may not list."""
    simulation = Simulation(live.settings, pods=False)
    for body in sorted(live.objects, key=lambda body: body["kind"] != "Namespace"):
        simulation.cluster.restore(body)
    spaces = {body["metadata"]["name"] for body in live.objects if body["kind"] == "Namespace"}
    for space in sorted(spaces):
        if live.hides("Secret", space):
            for body in hidden_secrets([*live.objects, *given], space):
                simulation.cluster.restore(body)
    _stamps(simulation, live)
    return simulation


def _stamps(simulation: Simulation, live: Live) -> None:
    """Count who wrote an object as known where the objects say so and the user may not read the policy itself."""
    under = (body["metadata"].get("annotations", {}).get(ANNOTATION_CREATED_UNDER, "") for body in live.objects)
    binding = next((uid for uid in under if uid), "")
    if binding and {POLICY, BINDING} & live.unserved:
        live.unserved -= {POLICY, BINDING}
        enforce_stamps(simulation.cluster, live.settings.identity_policy, binding)


def _fork(origin: Simulation, live: Live, client: Client, content: dict[Place, Body]) -> Simulation:
    simulation = origin.fork()
    for kind in live.unserved:
        simulation.caches.set_served(kind, False)
    simulation.connect(ContentReader(simulation.cluster, client, content))
    return simulation


async def _sent(simulation: Simulation, keys: Iterable[Key]) -> list[Mapping[str, Any]]:
    """Return the manifests that the children of some objects are made from: those with which they would be created.

    The API server counts its defaults as fields of the manager that created an object, and would set them again.
    """
    cluster = simulation.cluster
    uids = {body["metadata"]["uid"] for key in keys if (body := cluster.find(*key))}
    for body in cluster.objects():
        owner = (body["metadata"].get("labels") or {}).get(LABEL_OWNER_UID)
        if owner in uids and body["kind"] not in _KEPT:
            cluster.user_delete(*place_of(body), orphan=True)
    for key in keys:
        if body := cluster.find(*key):
            notes = {**(body["metadata"].get("annotations") or {}), ANNOTATION_RECONCILE: ""}  # also of a paused one
            cluster.user_replace({**body, "metadata": {**body["metadata"], "annotations": notes}})
        with suppress(ApiError):
            await simulation.reconcile(key)
    return [write.manifest for write in cluster.writes if write.verb == "create"]


def apply(cluster: SimulatedCluster, body: Body) -> None:
    """Apply an object as `kubectl apply` would: what it no longer contains is removed, other fields stay."""
    body = {key: item for key, item in body.items() if key != "status"}
    stored = cluster.find(*place_of(body))
    if stored is None:
        cluster.user_apply(body, manager=_USER)
        return
    cluster.user_apply(body, manager=cluster.applier(body, _last_applied(stored), _USER))


def _last_applied(stored: Body) -> Body | None:
    """Return the manifest that kubectl applied before; None without one. Any user can write the annotation."""
    text = (stored["metadata"].get("annotations") or {}).get(LAST_APPLIED) or ""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    whole = isinstance(found, dict) and isinstance(found.get("metadata"), dict)
    return {**found, "kind": stored["kind"]} if whole else None


def _affected(simulation: Simulation, places: Iterable[Place]) -> list[Key]:
    """Return the custom resources among some objects, and those that depend on one of the objects."""
    found: dict[Key, None] = {}
    for place in places:
        if place[0] in OUR_KINDS and simulation.cluster.find(*place):
            found[Key(*place)] = None
    for place in places:
        found |= dict.fromkeys(sorted(simulation.dependents.dependents(*place)))
    return list(found)


def _restart(cluster: SimulatedCluster, key: Key, value: str) -> None:
    """Set the annotation that restarts a workload, if this object runs."""
    body = cluster.find(*key)
    if body is None or kind_of(key.kind).runs is None:
        return
    if not kind_of(key.kind).workload and body["spec"].get("run") is None:
        return
    meta = body["metadata"]
    annotations = {**(meta.get("annotations") or {}), ANNOTATION_RESTARTED_AT: value}
    cluster.user_replace({**body, "metadata": {**meta, "annotations": annotations}})


async def _settle(simulation: Simulation, keys: Iterable[Key]) -> Outcome:
    """Reconcile objects, and those that their children and statuses concern, until nothing changes."""
    outcome, queue, turns = Outcome(simulation), deque(keys), dict[Key, int]()
    while queue:
        key = queue.popleft()
        turns[key] = turns.get(key, 0) + 1
        if turns[key] > _TURNS:
            raise OutfitterError(f"{key} does not settle in the simulation.")
        mark = len(simulation.cluster.writes)
        try:
            result = await simulation.reconcile(key)
        except Conflict:
            queue.append(key)
            continue
        except ApiError as error:
            outcome.errors.append(f"{key}: {error.message}")
            continue
        for other in _next(simulation, key, result, mark):
            if other not in queue:
                queue.append(other)
    outcome.reconciled = list(turns)
    return outcome


def _next(simulation: Simulation, key: Key, result: Result, mark: int) -> list[Key]:
    """Return the objects to reconcile after this one."""
    found: dict[Key, None] = {}
    for write in simulation.cluster.writes[mark:]:
        place = (write.kind, write.namespace, write.name)
        if write.verb != "status":
            found[key] = None
        if write.kind in OUR_KINDS and write.verb == "create":
            found[Key(*place)] = None
        found |= dict.fromkeys(sorted(simulation.dependents.dependents(*place)))
    return [*found, *(other for other in sorted(result.also_reconcile) if other not in found)]
