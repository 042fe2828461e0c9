"""Logins to image registries in Docker's format: the content of `.dockerconfigjson`."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from outfitter.render.urls import build_url, without_scheme

DOCKER_HUB: Final = build_url("https", "index.docker.io", path="/v1/")
"""The key of Docker Hub. Docker's clients look for it in exactly this form."""
_HUB_HOSTS: Final = ("docker.io", "index.docker.io")
_API_PATH: Final = re.compile(r"/v[12]/*$")
# The kubelet matches globs in the host, and compares a path by its beginning.
_REGISTRY: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.*?-]+)(:[0-9]{1,5})?(/[\w./~-]+)?", re.ASCII)


def registry_key(url: str) -> str:
    """Return the key of a registry under `auths`: host, port and path; "" for text that is no address."""
    address = _API_PATH.sub("", without_scheme(url).rstrip("/")).rstrip("/")
    if address in _HUB_HOSTS:
        return DOCKER_HUB
    return address if _REGISTRY.fullmatch(address) else ""


def docker_config(key: str, user: str, password: str) -> str:
    """Return the login to one registry, in base64."""
    auth = base64.b64encode(f"{user}:{password}".encode()).decode()
    entry = {"username": user, "password": password, "auth": auth}
    return base64.b64encode(orjson.dumps({"auths": {key: entry}})).decode()


def from_dockercfg(encoded: str) -> str:
    """Return the content of a `.dockercfg`, Docker's old format, as a `.dockerconfigjson`; other text unchanged."""
    content = _json(base64.b64decode(encoded))
    return encoded if content is None else base64.b64encode(orjson.dumps({"auths": content})).decode()


def docker_config_defect(encoded: str) -> str:
    """Return what makes a `.dockerconfigjson` unusable for the kubelet, and the remedy; "" for a usable one."""
    raw = base64.b64decode(encoded)
    content = _json(raw)
    if content is None:
        try:
            twice = isinstance(_json(base64.b64decode(b"".join(raw.split()), validate=True)), Mapping)
        except binascii.Error:
            twice = False
        if twice:
            return "is encoded in base64 twice. Encode it once, or set it under stringData."
        return "is not JSON. Create the Secret with kubectl create secret docker-registry."
    auths = content.get("auths") if isinstance(content, Mapping) else None
    if not isinstance(auths, Mapping):
        return "has no object auths. Create the Secret with kubectl create secret docker-registry."
    if not all(isinstance(entry, Mapping) and _auth_valid(entry.get("auth")) for entry in auths.values()):
        return "has an entry under auths whose auth is not user:password in base64. Correct the entry."
    if auths and not any(auths.values()):
        return "has no login under auths: a credential store of your machine holds it. Write the login into the Secret."
    return ""


def _json(raw: bytes) -> Any:
    """Return the parsed JSON; None for text that is not JSON, and for null."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None


def _auth_valid(auth: Any) -> bool:
    if not auth:
        return True
    try:
        return isinstance(auth, str) and b":" in base64.b64decode(auth + "=" * (-len(auth) % 4))
    except ValueError:
        return False
