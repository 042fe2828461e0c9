"""Kubeconfig files for components, the admin, other users and ServiceAccounts."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from outfitter.errors import ApiError, NotFound
from outfitter_sandbox import certificates
from outfitter_sandbox.connection import Connection
from outfitter_sandbox.errors import SandboxError

TOKEN_SECONDS = 12 * 3600
SERVICE_ACCOUNT = "system:serviceaccount:"


@dataclass(frozen=True)
class Origin:
    """The sandbox of a kubeconfig; `pki` is its folder of certificates."""

    cluster: str
    url: str
    pki: Path


def document(origin: Origin, user: str, credentials: dict[str, str], namespace: str = "default") -> dict[str, Any]:
    """A kubeconfig with one context and embedded credentials."""
    name = f"outfitter-{origin.cluster}"
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": name,
                "cluster": {"server": origin.url, "certificate-authority-data": _encoded(origin.pki / "ca.crt")},
            }
        ],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": user, "namespace": namespace}}],
        "current-context": name,
    }


def with_certificate(path: Path, origin: Origin, name: str, user: str) -> Path:
    """Write a kubeconfig that uses the certificate `<name>.crt` of the sandbox."""
    pki = origin.pki
    credentials = {
        "client-certificate-data": _encoded(pki / f"{name}.crt"),
        "client-key-data": _encoded(pki / f"{name}.key"),
    }
    return write(path, document(origin, user, credentials))


def for_user(folder: Path, origin: Origin, user: str, groups: Sequence[str]) -> Path:
    """Write a kubeconfig with a new client certificate for a user in `groups`."""
    for subject in (user, *groups):
        if not 1 <= len(subject) <= 64:
            raise SandboxError(
                f"{subject!r} does not fit into a certificate: user and group names have 1 to 64 characters."
            )
    name = _file_name(user, groups)
    folder.mkdir(mode=0o700, exist_ok=True)
    certificates.issue(origin.pki, f"user-{name}", common_name=user, organizations=groups)
    return with_certificate(folder / f"{name}.kubeconfig", origin, f"user-{name}", user)


def for_service_account(folder: Path, origin: Origin, user: str, connection: Connection) -> Path:
    """Write a kubeconfig with a token for a ServiceAccount, valid for hours.

    `user` is `system:serviceaccount:NAMESPACE:NAME`.
    """
    namespace, _, name = user.removeprefix(SERVICE_ACCOUNT).partition(":")
    if not namespace or not name:
        raise SandboxError(f"{user!r} is not a ServiceAccount. Write {SERVICE_ACCOUNT}NAMESPACE:NAME.")
    try:
        connection.request("GET", f"/api/v1/namespaces/{namespace}")
    except NotFound as error:
        raise SandboxError(f"There is no namespace {namespace}. Next: kubectl create namespace {namespace}") from error
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": TOKEN_SECONDS},
    }
    try:
        token = connection.request("POST", path, body)["status"]["token"]
    except NotFound as error:
        missing = f"There is no ServiceAccount {name} in namespace {namespace}."
        raise SandboxError(f"{missing} Next: kubectl create serviceaccount {name} --namespace {namespace}") from error
    except ApiError as error:
        raise SandboxError(f"No token for {user}: {error}") from error
    folder.mkdir(mode=0o700, exist_ok=True)
    content = document(origin, user, {"token": token}, namespace)
    return write(folder / f"{_file_name(user, ())}.kubeconfig", content)


def write(path: Path, content: dict[str, Any]) -> Path:
    """Write a kubeconfig as YAML with mode 0600."""
    certificates.write_secret(path, yaml.safe_dump(content, sort_keys=False).encode())
    return path


def _file_name(user: str, groups: Sequence[str]) -> str:
    digest = hashlib.sha256("\0".join((user, *groups)).encode()).hexdigest()[:8]
    return f"{re.sub(r'[^A-Za-z0-9.-]', '-', user)[:60]}-{digest}"


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
