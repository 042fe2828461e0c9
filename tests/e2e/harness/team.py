"""One namespace of one scenario with real pods: commands in them, and their HTTP answers."""

from __future__ import annotations

import json
from typing import Any

from integration.harness.client import Api, Object, Predicate, eventually, ready
from integration.harness.space import Space
from outfitter.errors import ApiError
from outfitter.naming import LABEL_OWNER_NAME
from outfitter_sandbox.connection import Connection
from outfitter_sandbox.pod_exec import Finished, execute

from . import images

SECONDS = 120.0  # pods on a busy machine with two cores
CLIENT = "client"


class Team(Space):
    """A Space with the timeouts of real pods."""

    def __init__(self, api: Api, name: str, connection: Connection) -> None:
        super().__init__(api, name)
        self.connection = connection

    def wait(self, kind: str, name: str, done: Predicate, seconds: float = SECONDS) -> Any:
        return super().wait(kind, name, done, seconds)

    def ready(self, kind: str, name: str, seconds: float = SECONDS) -> Object:
        found: Object = self.wait(kind, name, ready, seconds)
        return found

    def gone(self, kind: str, name: str, seconds: float = SECONDS) -> None:
        super().gone(kind, name, seconds)

    def pods(self, owner: str = "") -> list[Object]:  # type: ignore[override]
        """Pods without a deletion timestamp, of one workload or all."""
        query = {"labelSelector": f"{LABEL_OWNER_NAME}={owner}"} if owner else {}
        return [each for each in self.list("Pod", **query) if "deletionTimestamp" not in each["metadata"]]

    def pod(self, owner: str) -> str:
        """Name of the one pod of a workload."""
        (found,) = self.pods(owner)
        return str(found["metadata"]["name"])

    def lives(self, owner: str = "") -> dict[str, tuple[str, int]]:
        """Pod -> (uid, restarts of its containers), to detect changes."""
        return {
            each["metadata"]["name"]: (
                each["metadata"]["uid"],
                sum(one["restartCount"] for one in each["status"].get("containerStatuses") or ()),
            )
            for each in self.pods(owner)
        }

    def run(self, pod: str, *command: str, container: str = "") -> Finished:
        """A command in a container."""
        return execute(self.connection, self.name, pod, command, container=container)

    def output(self, pod: str, *command: str, container: str = "") -> str:
        """The output of a command, which must succeed."""
        done = self.run(pod, *command, container=container)
        assert done.code == 0, f"{pod}: {' '.join(command)} ended with {done.code}: {done.out}{done.err}"
        return done.out.strip()

    def log(self, pod: str, container: str, *, previous: bool = False) -> str:
        """The log of a container; "" of one that never ran."""
        query = f"container={container}&previous={str(previous).lower()}"
        status, text = self.connection.answer("GET", f"/api/v1/namespaces/{self.name}/pods/{pod}/log?{query}")
        return str(text) if status == 200 else ""

    def client(self) -> str:
        """Name of a pod to make requests from."""
        if self.get("Pod", CLIENT) is None:
            self.native("Pod", CLIENT, spec=_client())
            self.wait("Pod", CLIENT, running)
        return CLIENT

    def http(self, host: str, port: int, path: str = "/", seconds: float = 30) -> Any:
        """The answer of the Service `host` to a pod of this namespace, as data; waits until it answers."""
        who = self.client()

        def get() -> Finished | None:
            try:
                return self.run(who, "get", f"http://{host}:{port}{path}")
            except ApiError:
                return None

        done = eventually(
            get, lambda seen: seen is not None and seen.code == 0, seconds, f"http://{host}:{port}{path}: no answer"
        )
        try:
            return json.loads(done.out)
        except ValueError:
            return done.out


def running(item: Object | None) -> bool:
    """Whether a pod is Ready."""
    conditions = ((item or {}).get("status") or {}).get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _client() -> Object:
    container = {
        "name": "main", "image": images.WEB, "imagePullPolicy": "IfNotPresent",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }  # fmt: skip
    return {
        "containers": [container], "terminationGracePeriodSeconds": 1, "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    }  # fmt: skip
