"""Secrets that the user may not read, as their users expect them: with names and keys, and without values. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from outfitter.api.v1alpha1 import KINDS
from outfitter.api.v1alpha1.credential import WANTED_KEYS
from outfitter.api.version import API_VERSION
from outfitter.naming import owner_labels

Body = Mapping[str, Any]
_CONTENT = "KGhpZGRlbik="  # (hidden)
_OURS = {kind.name for kind in KINDS}


def hidden_secrets(objects: Iterable[Body], namespace: str) -> list[dict[str, Any]]:
    """Return the Secrets of a namespace that its objects name, and the copies of Credentials there.

    `objects`: those of the cluster, then those of files, which have no uid.
    """
    keys: dict[str, set[str]] = {}
    owners: dict[str, Body] = {}
    for body in objects:
        if body["kind"] not in _OURS:
            continue
        spec, local = body.get("spec") or {}, body["metadata"].get("namespace") == namespace
        for name, key in _named(spec) if local else ():
            keys.setdefault(name, set()).update({key} - {""})
        if body["kind"] == "Credential":
            if local:
                keys.setdefault(spec["secretRef"]["name"], set()).update(_keys_of(spec))
            _copies(body, keys, owners)
        for item in (spec.get("imagePullSecrets") or ()) if local else ():
            if item.get("name") and not item.get("userCredential"):
                keys.setdefault(item["name"], set()).add(".dockerconfigjson")
    return [_secret(namespace, name, keys[name], owners.get(name)) for name in sorted(keys)]


def _copies(body: Body, keys: dict[str, set[str]], owners: dict[str, Body]) -> None:
    """Add the Secrets that Outfitter made from a Credential."""
    status = body.get("status") or {}
    for name in (status.get("secretName"), status.get("pullSecretName")):
        if name:
            keys.setdefault(name, set()).update(status.get("keys") or ())
            owners[name] = body


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


def _secret(namespace: str, name: str, keys: set[str], owner: Body | None) -> dict[str, Any]:
    meta: dict[str, Any] = {"name": name, "namespace": namespace, "uid": f"hidden-{name}", "resourceVersion": "1"}
    if owner is not None:
        kind, uid = owner["kind"], owner["metadata"].get("uid", "")
        reference = {"apiVersion": API_VERSION, "kind": kind, "name": owner["metadata"]["name"]}
        meta["labels"] = owner_labels(kind, owner["metadata"]["name"], uid)
        meta["ownerReferences"] = [{**reference, "uid": uid, "controller": True}]
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": dict.fromkeys(sorted(keys), _CONTENT)}


def _keys_of(spec: Body) -> set[str]:
    """Return the keys that a Credential reads; a login in single keys, not as a whole file, which must be JSON."""
    own = spec.get("keys") or {}
    wanted = [key for key in WANTED_KEYS.get(spec["type"], ()) if key != ".dockerconfigjson"]
    return {own.get(key, key) for key in wanted} | set(own.values()) or {"value"}
