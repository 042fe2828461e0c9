"""Every status that every object of ours ever had, as a watch saw it: checked at the end against the kstatus rules."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from outfitter.api.states import NOT_OBSERVED
from outfitter.api.v1alpha1 import KINDS
from outfitter.cluster.client import path_of

from .client import Api, resource_of

Object = dict[str, Any]
_SECONDS = 3600


@dataclass(frozen=True)
class Sight:
    """One version of one object."""

    kind: str
    event: str
    item: Object

    def __str__(self) -> str:
        meta = self.item["metadata"]
        return f"{self.kind} {meta['namespace']}/{meta['name']} at {meta['resourceVersion']}: {self.item.get('status')}"


class Recorder:
    """One thread per kind, from construction until `close`; survives restarts of the API server."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._sights: list[Sight] = []
        self._seen: set[tuple[str, str]] = set()
        for kind in KINDS:
            threading.Thread(target=self._follow, args=(kind.name,), name=f"record {kind.name}", daemon=True).start()

    def sights(self) -> list[Sight]:
        """All so far, in the order in which they were seen."""
        with self._lock:
            return list(self._sights)

    def of(self, kind: str, namespace: str, name: str) -> list[Sight]:
        """The life of one object (or of several with this name, one after the other)."""
        place = (kind, namespace, name)
        return [
            sight
            for sight in self.sights()
            if (sight.kind, sight.item["metadata"]["namespace"], sight.item["metadata"]["name"]) == place
        ]

    def close(self) -> None:
        self._closed.set()

    def _follow(self, kind: str) -> None:
        res = resource_of(kind)
        version = ""
        while not self._closed.is_set():
            if not version:
                status, answer = self._api.connection.answer("GET", path_of(res))
                if status != 200:
                    self._closed.wait(0.2)
                    continue
                for item in answer["items"]:
                    self._keep(kind, "LISTED", item)
                version = answer["metadata"]["resourceVersion"]
            version = self._watch(kind, version)

    def _watch(self, kind: str, version: str) -> str:
        for event in self._api.events(path_of(resource_of(kind)), _SECONDS, version=version):
            if event["type"] == "ERROR":
                return ""
            version = event["object"]["metadata"]["resourceVersion"]
            self._keep(kind, event["type"], event["object"])
        self._closed.wait(0.2)  # the server is away: it would be asked again at once
        return version

    def _keep(self, kind: str, event: str, item: Object) -> None:
        if item.get("status") == NOT_OBSERVED:  # the API server's, not one that the operator wrote
            item = {name: value for name, value in item.items() if name != "status"}
        key = (item["metadata"]["uid"], item["metadata"]["resourceVersion"])
        with self._lock:
            if key not in self._seen:
                self._seen.add(key)
                self._sights.append(Sight(kind, event, item))
