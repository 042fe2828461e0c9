"""Credential -> the normalised Secret of each namespace in scope. The only place that handles secret material."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from outfitter.api.v1alpha1.credential import CredentialSpec
from outfitter.naming import ANNOTATION_SOURCE_VERSION, credential_pull_secret, credential_secret
from outfitter.snapshot import KeyedData

DOCKER_CONFIG = ".dockerconfigjson"
DOCKER_TYPE = "kubernetes.io/dockerconfigjson"
NGC_REGISTRY = "nvcr.io"

# Published key -> names that it can have in the Secret of the user, in this order.
_NAMES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "accessKey": {
        "AccessKeyId": ("AccessKeyId", "accessKeyId", "AWS_ACCESS_KEY_ID"),
        "SecretKey": ("SecretKey", "secretAccessKey", "AWS_SECRET_ACCESS_KEY"),
    },
    "password": {"User": ("User", "user", "username"), "Password": ("Password", "password")},
    "ngcApiKey": {"NGC_API_KEY": ("NGC_API_KEY", "key")},
    "dockerRegistry": {"url": ("url",), "user": ("user", "username"), "password": ("password",)},
}


@dataclass(frozen=True)
class Material:
    """The data of the Secrets to publish, in base64, or the missing keys. Never logged."""

    data: Mapping[str, str] = field(default_factory=dict, repr=False)
    type: str = "Opaque"
    pull: Mapping[str, str] | None = field(default=None, repr=False)
    missing: tuple[str, ...] = ()
    malformed: str = ""


def compose(spec: CredentialSpec, source: KeyedData) -> Material:
    """Return the normalised content of a Credential from its Secret."""
    found = source.data or {}
    if spec.type == "genericSecret":
        if not spec.keys:
            return Material(dict(found))
        missing = tuple(sorted(key for key in spec.keys.values() if key not in found))
        return Material({name: found[key] for name, key in spec.keys.items() if key in found}, missing=missing)
    if spec.type == "dockerRegistry" and spec.keys.get(DOCKER_CONFIG, DOCKER_CONFIG) in found:
        return Material({DOCKER_CONFIG: found[spec.keys.get(DOCKER_CONFIG, DOCKER_CONFIG)]}, DOCKER_TYPE)
    picked: dict[str, str] = {}
    missing_keys = []
    for name, usual in _NAMES[spec.type].items():
        candidates = (spec.keys[name],) if name in spec.keys else usual
        key = next((key for key in candidates if key in found), None)
        if key is None:
            missing_keys.append(candidates[0])
        else:
            picked[name] = found[key]
    if missing_keys:
        return Material(missing=tuple(missing_keys))
    return _published(spec.type, picked)


def _published(kind: str, picked: dict[str, str]) -> Material:
    try:
        if kind == "password":
            return Material({**picked, "username": picked["User"], "password": picked["Password"]})
        if kind == "dockerRegistry":
            url, user, password = (_text(picked[name]) for name in ("url", "user", "password"))
            return Material({DOCKER_CONFIG: _docker_config(url, user, password)}, DOCKER_TYPE)
        if kind == "ngcApiKey":
            key = _text(picked["NGC_API_KEY"]).strip()
            pull = {DOCKER_CONFIG: _docker_config(NGC_REGISTRY, "$oauthtoken", key)}
            return Material({"NGC_API_KEY": _base64(key)}, pull=pull)
    except (UnicodeDecodeError, binascii.Error):
        return Material(malformed="Its content must be text in UTF-8.")
    return Material(picked)


def _text(encoded: str) -> str:
    return base64.b64decode(encoded).decode()


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _docker_config(url: str, user: str, password: str) -> str:
    host = url.removeprefix("https://").removeprefix("http://").rstrip("/")
    # The index of the public default registry is the one host whose name includes a path.
    host = url if "index.docker.io" in url else host
    entry = {"username": user, "password": password, "auth": _base64(f"{user}:{password}")}
    return base64.b64encode(orjson.dumps({"auths": {host: entry}})).decode()


def secrets(name: str, namespace: str, material: Material, version: str) -> list[dict[str, Any]]:
    """Return the Secrets of one namespace: `cred-<name>`, and for ngcApiKey a pull secret for its registry."""
    wanted = [(credential_secret(name), material.type, material.data)]
    if material.pull is not None:
        wanted.append((credential_pull_secret(name), DOCKER_TYPE, material.pull))
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": secret,
                "namespace": namespace,
                "annotations": {ANNOTATION_SOURCE_VERSION: version},
            },
            "type": type_,
            "data": dict(data),
        }
        for secret, type_, data in wanted
    ]
