"""Hand-written pods that run the scripts of git and s3 sources in an init container, as the operator renders them."""

from __future__ import annotations

from importlib import resources
from typing import Any

from integration.harness.client import Object

from . import images
from .data import CONTAINER_SECURITY, POD_SECURITY
from .team import SECONDS, Team

TARGET = "/data"
RANDOM_USER = 1_000_730_001  # in no passwd file
LIMIT = 64 << 20
_CLIENTS = {"git": images.GIT, "s3": images.RCLONE}
_DEFAULTS = {
    "UMASK": "0002", "WORK": "/outfitter/work", "TARGET": TARGET, "MESSAGE": "/dev/termination-log", "SECONDS": "60",
    "AUTHORITIES": "", "LOGIN": "none", "CREDENTIAL": "/outfitter/credential", "SIZE_LIMIT": str(LIMIT),
    "REVISION": "", "BRANCH": "", "KNOWN_HOSTS": "", "SUBMODULES": "false", "URL": "",
}  # fmt: skip


def fetch(team: Team, name: str, source: str, *, secret: str = "", user: int = 65534, **values: str) -> None:
    """A pod whose init container fetches into a volume, which the main container mounts under another user."""
    script = resources.files("outfitter.render").joinpath("scripts", f"{source}.sh").read_text()
    mounts: list[Any] = [{"name": "data", "mountPath": TARGET}, {"name": "work", "mountPath": "/outfitter/work"}]
    volumes: list[Any] = [
        {"name": "data", "emptyDir": {"sizeLimit": str(LIMIT)}},
        {"name": "work", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
    ]
    if secret:
        mounts.append({"name": "credential", "mountPath": "/outfitter/credential", "readOnly": True})
        volumes.append({"name": "credential", "secret": {"secretName": secret, "defaultMode": 0o400}})
    variables = {**_DEFAULTS, **values}
    init = {
        "name": "data", "image": _CLIENTS[source], "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-ec", script], "volumeMounts": mounts,
        "env": [{"name": f"OUTFITTER_{key}", "value": value} for key, value in variables.items()],
        "securityContext": {**CONTAINER_SECURITY, "readOnlyRootFilesystem": True, "runAsUser": user},
        "resources": {"requests": {"ephemeral-storage": str(LIMIT)}},
    }  # fmt: skip
    main = {
        "name": "main", "image": images.WEB, "imagePullPolicy": "IfNotPresent", "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [{"name": "data", "mountPath": TARGET, "readOnly": source == "s3"}],
    }  # fmt: skip
    spec = {
        "initContainers": [init], "containers": [main], "volumes": volumes, "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 1, "automountServiceAccountToken": False,
        "securityContext": POD_SECURITY | dict.fromkeys(("runAsUser", "runAsGroup", "fsGroup"), RANDOM_USER),
    }  # fmt: skip
    team.native("Pod", name, spec=spec)


def outcome(team: Team, name: str, seconds: float = SECONDS) -> str:
    """The termination message of the init container."""
    pod = team.wait("Pod", name, lambda seen: _ended(seen) is not None, seconds)
    ended = _ended(pod)
    assert ended is not None
    return str(ended.get("message", "")).strip()


def _ended(pod: Object) -> Object | None:
    (status,) = pod["status"]["initContainerStatuses"]
    found: Object | None = status["state"].get("terminated")
    return found
