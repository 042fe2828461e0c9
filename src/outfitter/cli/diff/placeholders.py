"""Secrets that the user may not read, as their users expect them: with names and keys, and without values. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from outfitter.api.base import API_VERSION
from outfitter.api.v1alpha1 import KINDS
from outfitter.api.v1alpha1.credential import WANTED_KEYS
from outfitter.naming import credential_pull_secret, credential_secret, owner_labels

Body = Mapping[str, Any]
_CONTENT = "KGhpZGRlbik="  # (hidden)
_OURS = {kind.name for kind in KINDS}


def hidden_secrets(objects: Iterable[Body], namespace: str) -> list[dict[str, Any]]:
    """Return the Secrets of a namespace that its objects name."""
    keys: dict[str, set[str]] = {}
    owners: dict[str, Body] = {}
    for body in objects:
        if body["kind"] not in _OURS or body["metadata"].get("namespace") != namespace:
            continue
        for name, key in _named(body.get("spec") or {}):
            keys.setdefault(name, set()).update({key} - {""})
        if body["kind"] == "Credential":
            _credential(body, keys, owners)
        for item in _pull_secrets(body.get("spec") or {}):
            keys.setdefault(item, set()).add(".dockerconfigjson")
    return [_secret(namespace, name, keys[name], owners.get(name)) for name in sorted(keys)]


def _credential(body: Body, keys: dict[str, set[str]], owners: dict[str, Body]) -> None:
    """Add the Secret with the data of a Credential, and those that Outfitter made from it."""
    spec, name = body["spec"], body["metadata"]["name"]
    own = spec.get("keys") or {}
    wanted = [own.get(key, key) for key in _keys_of(spec["type"])] + [*own.values()]
    keys.setdefault(spec["secretRef"]["name"], set()).update(wanted or {"value"})
    for made in (credential_secret(name), credential_pull_secret(name)):
        keys.setdefault(made, set()).update((body.get("status") or {}).get("keys") or ())
        owners[made] = body


def _named(node: Any) -> Iterator[tuple[str, str]]:
    """Yield name and key of each Secret that a spec names by a field `secret`."""
    if isinstance(node, Mapping):
        secret = node.get("secret")
        if isinstance(secret, Mapping) and secret.get("name"):
            yield str(secret["name"]), str(secret.get("key") or "")
        for item in node.values():
            yield from _named(item)
    elif isinstance(node, list):
        for item in node:
            yield from _named(item)


def _pull_secrets(spec: Body) -> list[str]:
    found = spec.get("imagePullSecrets") or ()
    return [item["name"] for item in found if item.get("name") and not item.get("userCredential")]


def _secret(namespace: str, name: str, keys: set[str], owner: Body | None) -> dict[str, Any]:
    meta: dict[str, Any] = {"name": name, "namespace": namespace, "uid": f"hidden-{name}", "resourceVersion": "1"}
    if owner is not None:
        kind, uid = owner["kind"], owner["metadata"].get("uid", "")
        reference = {"apiVersion": API_VERSION, "kind": kind, "name": owner["metadata"]["name"]}
        meta["labels"] = owner_labels(kind, owner["metadata"]["name"], uid)
        meta["ownerReferences"] = [{**reference, "uid": uid, "controller": True}]
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": dict.fromkeys(sorted(keys), _CONTENT)}


def _keys_of(credential: str) -> list[str]:
    """Return the keys of a type; a login in single keys, not as a whole file, which must be JSON."""
    return [key for key in WANTED_KEYS.get(credential, ()) if key != ".dockerconfigjson"]
