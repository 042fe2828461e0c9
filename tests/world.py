"""A simulated cluster with the operator in it, for the tests of all layers below the operator."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

from outfitter.api.v1alpha1 import API_VERSION
from outfitter.cluster.resources import api_resource
from outfitter.naming import LABEL_PROJECT
from outfitter.plan.planners import plan
from outfitter.plan.writes import Plan
from outfitter.reconcile.reconciler import Result
from outfitter.settings import Settings
from outfitter.simulator.caches import OUR_KINDS
from outfitter.simulator.simulation import Simulation
from outfitter.snapshot import Key, read_resource

Body = dict[str, Any]

SYSTEM = "outfitter-system"
TEAM = "team-a"
START = datetime(2026, 1, 1, tzinfo=UTC)


def complete(body: Mapping[str, Any]) -> Body:
    """A manifest with its apiVersion and namespace filled in."""
    full = deepcopy(dict(body))
    kind = full["kind"]
    full.setdefault("apiVersion", API_VERSION if kind in OUR_KINDS else api_resource(kind).api_version)
    if api_resource(kind).namespaced:
        full["metadata"].setdefault("namespace", TEAM)
    if kind in OUR_KINDS:
        full.setdefault("spec", {})
    return full


def asset(kind: str, name: str, spec: Mapping[str, Any], namespace: str = TEAM, **metadata: Any) -> Body:
    """An object of an Outfitter kind."""
    return complete({"kind": kind, "metadata": {"name": name, "namespace": namespace, **metadata}, "spec": dict(spec)})


def secret(name: str, data: Mapping[str, str], namespace: str = TEAM, type_: str = "Opaque") -> Body:
    """A Secret with plain values."""
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return complete(
        {"kind": "Secret", "metadata": {"name": name, "namespace": namespace}, "type": type_, "data": encoded}
    )


def namespace(name: str, labels: Mapping[str, str] | None = None) -> Body:
    """A Namespace; a project unless `labels` are given."""
    chosen = {LABEL_PROJECT: name} if labels is None else dict(labels)
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": chosen}}


class World(Simulation):
    """A simulation with short manifests, a clock that only tests move, and namespaces that exist already.

    See Controllers for `options`.
    """

    def __init__(
        self,
        *objects: Mapping[str, Any],
        settings: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        self._now = START
        super().__init__(Settings(**(settings or {})), strict_namespaces=True, **options)
        given = [complete(item) for item in objects]
        spaces = {item["metadata"]["name"] for item in given if item["kind"] == "Namespace"}
        for space in dict.fromkeys((SYSTEM, TEAM, *(item["metadata"].get("namespace", TEAM) for item in given))):
            if space not in spaces:
                self.cluster.user_apply(namespace(space, {} if space == SYSTEM else None))
        self.load(given)

    async def once(self, kind: str, name: str, namespace: str = TEAM) -> Result:
        """Reconcile one object."""
        return await self.reconcile(Key(kind, namespace, name))

    def time(self) -> datetime:
        """The time that `tick` has reached."""
        return self._now

    def tick(self, seconds: float) -> None:
        """Move the clock."""
        self._now += timedelta(seconds=seconds)

    # -- what is stored --------------------------------------------------------------------------------------------

    def find(self, kind: str, name: str, namespace: str = TEAM) -> Body | None:
        """A stored object, or None."""
        return self.cluster.find(kind, "" if kind == "Namespace" else namespace, name)

    def get(self, kind: str, name: str, namespace: str = TEAM) -> Body:
        """A stored object that must exist."""
        found = self.find(kind, name, namespace)
        assert found is not None, f"no {kind} {namespace}/{name}"
        return found

    def all(self, kind: str) -> list[Body]:
        """All objects of a kind, by namespace and name."""
        return list(self.cluster.objects(kind))

    def status(self, kind: str, name: str, namespace: str = TEAM) -> Body:
        """The status of a stored object."""
        status: Body = self.get(kind, name, namespace)["status"]
        return status

    def writes(self, since: int = 0) -> list[tuple[str, str, str]]:
        """Verb, kind and name of every write since a mark (`len(world.cluster.writes)`)."""
        return [(write.verb, write.kind, write.name) for write in self.cluster.writes[since:]]

    def plan(self, kind: str, name: str, namespace: str = TEAM) -> Plan:
        """The plan of the next reconciliation of an object."""
        live = self.caches[kind].get(namespace, name)
        assert live is not None
        return plan(self.reader(Key(kind, namespace, name)), read_resource(live))

    # -- writes of a user ------------------------------------------------------------------------------------------

    def edit(self, kind: str, name: str, namespace: str = TEAM, **spec: Any) -> None:
        """Change fields of a spec; None removes one."""
        body = self.get(kind, name, namespace)
        body["spec"] = {k: v for k, v in {**body["spec"], **spec}.items() if v is not None}
        body.pop("status", None)
        self.cluster.user_apply(body)

    def annotate(self, kind: str, name: str, namespace: str = TEAM, **annotations: str) -> None:
        """Set annotations of Outfitter's group."""
        body = self.get(kind, name, namespace)
        body.pop("status", None)
        named = {f"outfitter.dev/{key}": value for key, value in annotations.items()}
        body["metadata"]["annotations"] = {**body["metadata"].get("annotations", {}), **named}
        self.cluster.user_apply(body)

    def terminate(self, namespace: str) -> None:
        """Start the deletion of a namespace, which a finalizer holds."""
        body = self.get("Namespace", namespace)
        body["metadata"]["finalizers"] = ["kubernetes"]
        self.cluster.user_replace(body)
        self.cluster.user_delete("Namespace", "", namespace)


def condition(status: Mapping[str, Any], kind: str) -> Body | None:
    """One condition of a status."""
    return next((item for item in status.get("conditions", ()) if item["type"] == kind), None)


def reason(status: Mapping[str, Any]) -> str:
    """The reason of the Ready condition."""
    found = condition(status, "Ready")
    assert found is not None
    return str(found["reason"])


def issues(status: Mapping[str, Any]) -> list[str]:
    """The reasons of all issues, worst first."""
    return [item["issue"] for item in status.get("issues", ())]
