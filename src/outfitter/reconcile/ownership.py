"""Whether Outfitter made an object. Users can write labels, so a label alone proves nothing.

A child with a controller ownerReference would be deleted with its owner anyway. Other children, such as the copies in
other namespaces, must have content that our field manager wrote. Who can write that could also overwrite the object.
"""

from __future__ import annotations

from outfitter.cluster.protocol import Cluster
from outfitter.managed_fields import made_by_us
from outfitter.snapshot import CachedObject


async def is_ours(cluster: Cluster, live: CachedObject) -> bool:
    """Return whether the operator may change or delete an object that carries its labels.

    Costs a GET for an object without a controller. An object that is gone counts as ours: nothing will happen to it.
    """
    # A pod is looked up through its controller.
    if live.kind == "Pod" or (live.controller and live.controller == live.owner):
        return True
    stored = await cluster.get(live.kind, live.namespace, live.name)
    return stored is None or stored["metadata"]["uid"] != live.uid or made_by_us(stored)
