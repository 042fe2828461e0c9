"""Whether Outfitter made an object. Users can write labels, so a label alone proves nothing.

A child with a controller ownerReference would be deleted with its owner anyway. Other children, such as the copies in
other namespaces, must have content that our field manager wrote: who can forge that could also overwrite the object. A
copy whose whole content somebody changed still has its name, and labels of our field manager.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outfitter.api.v1alpha1 import KINDS
from outfitter.cluster.protocol import Cluster
from outfitter.managed_fields import labelled_by_us, made_by_us
from outfitter.naming import LABEL_OWNER_KIND, LABEL_OWNER_NAME, is_copy_name
from outfitter.snapshot import CachedObject

# A plan may delete these although users created them.
_OF_USERS = frozenset(kind.name for kind in KINDS if kind.expires or kind.cascades)


async def is_ours(cluster: Cluster, live: CachedObject) -> bool:
    """Return whether the operator may change or delete an object that carries its labels.

    Costs a GET for an object without a controller. An object that is gone counts as ours: nothing will happen to it.
    """
    if live.kind in _OF_USERS:
        return True
    # A pod is looked up through its controller. Only the operator may write an EffectivePolicy.
    if live.kind in ("Pod", "EffectivePolicy") or (live.controller and live.controller == live.owner):
        return True
    stored = await cluster.get(live.kind, live.namespace, live.name)
    if stored is None or stored["metadata"]["uid"] != live.uid or made_by_us(stored):
        return True
    owner = (stored["metadata"].get("labels") or {}).get(LABEL_OWNER_NAME, "")
    return is_copy_name(live.name, owner) and labelled_by_us(stored)


def has_controller_of(manifest: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Return whether an object has the controller that a manifest names."""
    owners = {item["uid"] for item in found["metadata"].get("ownerReferences") or () if item.get("controller")}
    return any(item["uid"] in owners for item in manifest["metadata"].get("ownerReferences") or ())


def is_of_former_owner(mine: Mapping[str, str], has: Mapping[str, str]) -> bool:
    """Return whether labels name an owner of the same kind and name as ours."""
    return all(has.get(name) == mine[name] for name in (LABEL_OWNER_KIND, LABEL_OWNER_NAME))
