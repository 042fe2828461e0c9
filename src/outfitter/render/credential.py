"""Credential -> the normalised Secret of each namespace in scope.

This module and `registry` are the only ones that handle secret material.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from outfitter.api.v1alpha1.credential import CredentialSpec
from outfitter.naming import ANNOTATION_SOURCE_VERSION, credential_pull_secret, credential_secret
from outfitter.render.registry import docker_config, docker_config_defect, from_dockercfg, registry_key
from outfitter.snapshot import KeyedData

DOCKER_CONFIG = ".dockerconfigjson"
OLD_CONFIG = ".dockercfg"
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


# White space that editors, terminals and web pages add around a value; the last two are invisible marks.
_WHITE_SPACE: Final = " \t\r\n\v\f\u00a0\u200b\ufeff"


@dataclass(frozen=True)
class Defect:
    """What is wrong with one key of the user's Secret, and the remedy. Never its value."""

    key: str
    text: str


@dataclass(frozen=True)
class Material:
    """The data of the Secrets to publish, in base64, or what is missing or malformed. Never logged."""

    data: Mapping[str, str] = field(default_factory=dict, repr=False)
    type: str = "Opaque"
    pull: Mapping[str, str] | None = field(default=None, repr=False)
    missing: tuple[str, ...] = ()
    malformed: Defect | None = None


def compose(spec: CredentialSpec, source: KeyedData) -> Material:
    """Return the normalised content of a Credential from its Secret; that of a genericSecret as it is."""
    found = source.data or {}
    if spec.type == "genericSecret":
        if not spec.keys:
            return Material(dict(found))
        missing = tuple(sorted(key for key in spec.keys.values() if key not in found))
        return Material({name: found[key] for name, key in spec.keys.items() if key in found}, missing=missing)
    config = spec.keys.get(DOCKER_CONFIG, DOCKER_CONFIG)
    if spec.type == "dockerRegistry" and config in found:
        return _ready_login(config, found[config])
    if spec.type == "dockerRegistry" and OLD_CONFIG in found:
        return _ready_login(OLD_CONFIG, from_dockercfg(found[OLD_CONFIG]))
    keys, missing = _chosen(spec, found)
    if missing:
        return Material(missing=missing)
    values: dict[str, str] = {}
    for name, key in keys.items():
        try:
            values[name] = base64.b64decode(found[key]).decode().strip(_WHITE_SPACE)
        except UnicodeDecodeError:
            return Material(malformed=Defect(key, "is not text in UTF-8. Correct it."))
        defect = _defect(spec.type, name, values[name])
        if defect:
            return Material(malformed=Defect(key, defect))
    return _published(spec.type, values)


def _chosen(spec: CredentialSpec, found: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the key of the Secret for each published key, and the keys that are missing."""
    keys: dict[str, str] = {}
    missing = []
    for name, usual in _NAMES[spec.type].items():
        candidates = (spec.keys[name],) if name in spec.keys else usual
        key = next((key for key in candidates if key in found), None)
        if key is None:
            missing.append(candidates[0])
        else:
            keys[name] = key
    return keys, tuple(missing)


def _defect(kind: str, name: str, value: str) -> str:
    """Return what is wrong with a value, and the remedy; "" for a usable one."""
    if kind == "password":
        return ""  # a password can be empty, and can hold any character
    if not value:
        return "is empty. Set it."
    if kind in ("accessKey", "ngcApiKey") and any(character.isspace() for character in value):
        return "has white space in the middle. Write the key in one piece."
    if name == "url" and not registry_key(value):
        return "is not the address of a registry. Write host, host:port or host/path."
    if name == "user" and ":" in value:
        return "has a colon, which ends the user name in a login. Correct it."
    return ""


def _published(kind: str, values: Mapping[str, str]) -> Material:
    if kind == "dockerRegistry":
        return _pull_secret(docker_config(registry_key(values["url"]), values["user"], values["password"]))
    data = {name: base64.b64encode(value.encode()).decode() for name, value in values.items()}
    if kind == "password":
        return Material({**data, "username": data["User"], "password": data["Password"]})
    if kind == "ngcApiKey":
        login = docker_config(NGC_REGISTRY, "$oauthtoken", values["NGC_API_KEY"])
        return Material(data, pull={DOCKER_CONFIG: login})
    return Material(data)


def _ready_login(key: str, config: str) -> Material:
    defect = docker_config_defect(config)
    return Material(malformed=Defect(key, defect)) if defect else _pull_secret(config)


def _pull_secret(config: str) -> Material:
    return Material({DOCKER_CONFIG: config}, DOCKER_TYPE)


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
