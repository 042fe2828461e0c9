"""Pod Security is judged before the old pod goes: our verdict is that of the API server."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from outfitter.errors import Forbidden
from outfitter.policy.pod_security import violations

from .conftest import Stack
from .harness.client import Object, message, ready, stalls
from .harness.space import Space

IMAGE = "registry.example.com/u:1"
CONTAINER = {
    "name": "main",
    "image": IMAGE,
    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
}
POD = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [CONTAINER],
}
NFS = {"name": "n", "nfs": {"server": "s", "path": "/"}}
HOST = {"name": "h", "hostPath": {"path": "/"}}
PODS: dict[str, Callable[[dict[str, Any]], object]] = {
    "restricted": lambda pod: None,
    "runAsNonRoot false": lambda pod: pod["securityContext"].update(runAsNonRoot=False),
    "runAsNonRoot false of a container": lambda pod: context(pod).update(runAsNonRoot=False),
    "runAsUser 0": lambda pod: context(pod).update(runAsUser=0),
    "no seccomp": lambda pod: pod["securityContext"].pop("seccompProfile"),
    "seccomp unconfined": lambda pod: pod["securityContext"].update(seccompProfile={"type": "Unconfined"}),
    "seccomp unconfined of a container": lambda pod: context(pod).update(seccompProfile={"type": "Unconfined"}),
    "escalation": lambda pod: context(pod).update(allowPrivilegeEscalation=True),
    "escalation unset": lambda pod: context(pod).pop("allowPrivilegeEscalation"),
    "privileged": lambda pod: context(pod).update(privileged=True, allowPrivilegeEscalation=True),
    "nothing dropped": lambda pod: context(pod).pop("capabilities"),
    "low ports": lambda pod: context(pod)["capabilities"].update(add=["NET_BIND_SERVICE"]),
    "chown": lambda pod: context(pod)["capabilities"].update(add=["CHOWN"]),
    "ptrace": lambda pod: context(pod)["capabilities"].update(add=["SYS_PTRACE"]),
    "hostNetwork": lambda pod: pod.update(hostNetwork=True),
    "hostIPC": lambda pod: pod.update(hostIPC=True),
    "hostPID": lambda pod: pod.update(hostPID=True),
    "hostPath": lambda pod: pod.update(volumes=[HOST]),
    "nfs": lambda pod: pod.update(volumes=[NFS]),
    "volumes": lambda pod: pod.update(
        volumes=[{"name": "e", "emptyDir": {}}, {"name": "c", "configMap": {"name": "c"}}]
    ),
    "init container": lambda pod: pod.update(initContainers=[{"name": "i", "image": IMAGE}]),
}


def context(pod: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = pod["containers"][0]["securityContext"]
    return found


@pytest.mark.parametrize("level", ["baseline", "restricted"])
def test_the_verdict_is_that_of_the_api_server(stack: Stack, space: Space, level: str) -> None:
    label = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": level}}}
    stack.api.patch("Namespace", "", space.name, label)
    differ = []
    for name, change in PODS.items():
        pod = deepcopy(POD)
        change(pod)
        manifest: Object = {
            "kind": "Pod",
            "apiVersion": "v1",
            "metadata": {"name": "p", "namespace": space.name},
            "spec": pod,
        }
        try:
            stack.api.connection.request("POST", f"/api/v1/namespaces/{space.name}/pods?dryRun=All", manifest)
            said = ""
        except Forbidden as error:
            said = str(error)
        if bool(violations({"metadata": {}, "spec": pod}, level)) != ("violates PodSecurity" in said):
            differ.append((name, said))
    assert differ == []


def test_a_notebook_runs_on_when_its_next_pod_would_be_rejected(space: Space) -> None:
    space.make("Environment", "base", {"image": IMAGE})
    space.make("Workspace", "box", {"assets": {"environment": {"name": "base"}}})
    before = space.ready("Workspace", "box")["status"]["revision"]
    space.spec("Environment", "base", security={"runAsNonRoot": False})
    space.ready("Environment", "base")
    space.annotate("Workspace", "box", restartedAt="2026-11-29T12:00:00Z")
    said = message(space.wait("Workspace", "box", stalls("PodSecurityViolation")))
    assert "runAsNonRoot is not true" in said
    assert "pod-security.kubernetes.io/enforce" in said
    assert space.need("Workspace", "box")["status"]["revision"] == before
    space.spec("Environment", "base", security=None)
    space.annotate("Workspace", "box", restartedAt="2026-11-29T12:01:00Z")
    space.wait("Workspace", "box", lambda item: ready(item) and item["status"]["revision"] != before, 60)
