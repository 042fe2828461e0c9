"""A Registry -> the question to the registry behind it, or why none may be asked."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from outfitter.api.registry_hosts import DOCKER_HUB, host_key
from outfitter.problems import Problem, stalled
from outfitter.reasons import Reason
from outfitter.render.urls import without_scheme
from outfitter.snapshot import RegistryLogin

_API: Final = re.compile(r"/v[12](?=/|$)")


def registry_place(url: str) -> tuple[str, str]:
    """Return the host, with its port, and the path of the URL of a Registry. The path of the API is not part of it."""
    address = _API.sub("", without_scheme(url).rstrip("/"), count=1)
    host, _, path = address.partition("/")
    return host_key(host), path


def login_of(material: Mapping[str, str], host: str, path: str) -> RegistryLogin | None:
    """Return the login for a host: of a password, or of an entry of a `.dockerconfigjson`. None without one.

    `material`: the normalised content of the Credential, in base64.
    """
    if "User" in material:
        user, password = (_text(material[key]) for key in ("User", "Password"))
        return RegistryLogin(user, password)
    try:
        auths: Mapping[str, Any] = orjson.loads(_text(material[".dockerconfigjson"])).get("auths") or {}
    except (KeyError, ValueError):
        return None
    places = {_entry(key): entry for key, entry in auths.items() if isinstance(entry, Mapping)}
    parts = path.split("/") if path else []
    for length in range(len(parts), -1, -1):  # the longest path first, as the kubelet does
        entry = places.get((host, "/".join(parts[:length])))
        if entry:
            return _login(entry)
    return None


def _entry(key: str) -> tuple[str, str]:
    host, path = registry_place(key)
    return host, "" if host == DOCKER_HUB else path


def _login(entry: Mapping[str, Any]) -> RegistryLogin | None:
    user, password = entry.get("username"), entry.get("password")
    if not (isinstance(user, str) and isinstance(password, str)):
        user, colon, password = _text(str(entry.get("auth") or "")).partition(":")
        if not colon:
            return None
    return RegistryLogin(user, password)


def _text(encoded: str) -> str:
    """Return a text in base64, with or without its padding; "" for what is none."""
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    except (binascii.Error, ValueError):
        return ""


def not_listed(host: str) -> Problem:
    """Return the problem of a host that no administrator allows."""
    text = f"Host {host} is not in the list of allowed registries. Ask an administrator to add it to registryHosts."
    return stalled(Reason.REGISTRY_NOT_ALLOWED, text, "spec.url")
