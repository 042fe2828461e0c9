"""A registry with a login and the chart's daemon, which builds images, as pods in a namespace of their own."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from integration.harness.client import Api, Object
from outfitter_sandbox import certificates
from outfitter_sandbox.realnode.node import add_registry

from .cluster import Cluster
from .data import CONTAINER_SECURITY, POD_SECURITY
from .helm import Release
from .images import BUILDER_IMAGE, REGISTRY_SERVER
from .team import SECONDS, Team, running

NAMESPACE = "outfitter-builds"
REGISTRY = f"registry.{NAMESPACE}.svc:5000"
USER, PASSWORD = "robot", "not-a-real-password"
_HASH = "$2y$05$8Bqo7TRhs231D0Ms3Ucvtew0W9ydAcpgNwLhO9vYRmwYMUW/qZHqa"  # of the password, by bcrypt
_BASELINE = {"pod-security.kubernetes.io/enforce": "baseline"}
_USERS = "/etc/registry"
_DAEMON = "outfitter-buildkit"


@dataclass(frozen=True)
class Builders:
    """What builds need. `folder` holds the certificates of the daemon and its clients."""

    space: Team
    folder: Path

    @property
    def host(self) -> str:
        """The registry, as in names of images."""
        return f"registry.{self.space.name}.svc:5000"

    @property
    def address(self) -> str:
        """The daemon."""
        return f"tcp://{_DAEMON}.{self.space.name}.svc:1234"

    def login(self, team: Team, name: str = "registry-login", password: str = PASSWORD) -> str:
        """A Secret for the registry, to push and to pull; its name."""
        word = base64.b64encode(f"{USER}:{password}".encode()).decode()
        text = json.dumps({"auths": {self.host: {"auth": word}}})
        team.native("Secret", name, type="kubernetes.io/dockerconfigjson", stringData={".dockerconfigjson": text})
        return name

    def client(self, team: Team, name: str = "buildkit") -> str:
        """A Secret with the address of the daemon and a certificate for it; its name."""
        files = {"ca.pem": "ca.crt", "cert.pem": "client.crt", "key.pem": "client.key"}
        texts = {key: (self.folder / file).read_text() for key, file in files.items()}
        team.secret(name, address=self.address, **texts)
        return name

    def restart_daemon(self) -> None:
        """End the daemon's pod at once, and wait for the next one."""
        name = f"{_DAEMON}-0"
        uid = self.space.need("Pod", name)["metadata"]["uid"]
        self.space.delete("Pod", name, gracePeriodSeconds=0)
        self.space.wait("Pod", name, lambda pod: running(pod) and pod["metadata"]["uid"] != uid)


@contextmanager
def builders(api: Api, cluster: Cluster, release: Release, name: str, folder: Path) -> Iterator[Builders]:
    """Both servers in a namespace at Pod Security level baseline, from their readiness to the end of the block."""
    api.create({"kind": "Namespace", "metadata": {"name": name, "labels": _BASELINE}})
    api.wait("ServiceAccount", name, "default", bool, SECONDS)
    found = Builders(Team(api, name, cluster.connection()), folder)
    try:
        _registry(found, cluster)
        _daemon(found, release)
        found.space.wait("Pod", "registry", running)
        found.space.wait("Pod", f"{_DAEMON}-0", running)
        yield found
    finally:
        api.delete("Namespace", "", name)


def _registry(found: Builders, cluster: Cluster) -> None:
    found.space.secret("users", users=f"{USER}:{_HASH}\n")
    container = {
        "name": "registry", "image": REGISTRY_SERVER, "imagePullPolicy": "IfNotPresent",
        "ports": [{"containerPort": 5000}],
        "readinessProbe": {"tcpSocket": {"port": 5000}, "periodSeconds": 1},
        "env": [
            {"name": "REGISTRY_AUTH_HTPASSWD_REALM", "value": "test"},
            {"name": "REGISTRY_AUTH_HTPASSWD_PATH", "value": f"{_USERS}/users"},
        ],
        "volumeMounts": [{"name": "users", "mountPath": _USERS}],
        "securityContext": CONTAINER_SECURITY,
    }  # fmt: skip
    spec = {
        "containers": [container], "volumes": [{"name": "users", "secret": {"secretName": "users"}}],
        "automountServiceAccountToken": False, "terminationGracePeriodSeconds": 1, "securityContext": POD_SECURITY,
    }  # fmt: skip
    pod = {"name": "registry", "namespace": found.space.name, "labels": {"app": "registry"}}
    found.space.api.create({"kind": "Pod", "metadata": pod, "spec": spec})
    service = found.space.native(
        "Service", "registry", spec={"selector": {"app": "registry"}, "ports": [{"port": 5000}]}
    )
    if cluster.sandbox is not None:  # else the cluster's nodes must know that the registry serves plain HTTP
        add_registry(cluster.sandbox.directory, found.host, f"http://{service['spec']['clusterIP']}:5000")


def _daemon(found: Builders, release: Release) -> None:
    """As the chart makes it, with certificates of its own."""
    certificates.create_authority(found.folder, "ca")
    for name, host in {"server": f"{_DAEMON}.{found.space.name}.svc", "client": "client"}.items():
        certificates.issue(found.folder, name, authority="ca", common_name=name, dns=[host])
    files = {"ca.crt": "ca.crt", "tls.crt": "server.crt", "tls.key": "server.key"}
    found.space.secret("buildkit-tls", **{key: (found.folder / file).read_text() for key, file in files.items()})
    repository, _, tag = BUILDER_IMAGE.rpartition(":")
    values: dict[str, Any] = {
        "enabled": True, "namespace": found.space.name, "tlsSecret": "buildkit-tls", "plainRegistries": [found.host],
        "image_repository": repository, "image_tag": tag, "storage_size": "2Gi",
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "2Gi"}},
    }  # fmt: skip
    objects: list[Object] = release.template("buildkit.yaml", **{f"buildkit_{key}": to for key, to in values.items()})
    for item in objects:
        found.space.api.create(item)
