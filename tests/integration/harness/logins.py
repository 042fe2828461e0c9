"""Users as the API server sees them, and the policies that stamp who wrote an object."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

from identity_policies import KEYS, identity_policies
from outfitter.naming import ANNOTATION_CREATED_BY
from outfitter_sandbox.connection import Connection

from .client import Api, Object, eventually
from .space import Space

ADMIN = "system:masters"  # the rights are not what these tests are about


def login(api: Api, user: str, **ids: str) -> Api:
    """The same API with another user, whose login has ids (`groups="5 6"`)."""
    who = api.connection.impersonating(user, ADMIN)
    extra = [
        (f"Impersonate-Extra-{KEYS[name].replace('/', '%2F')}", part)
        for name, text in ids.items()
        for part in text.split()
    ]
    other = copy.copy(api)
    other.connection = Connection(f"https://{who.host}", who.context, [*who.headers, *extra])
    return other


def acting(space: Space, user: str, **ids: str) -> Space:
    """The same namespace, as another user."""
    return Space(login(space.api, user, **ids), space.name)


@contextmanager
def stamping(api: Api) -> Iterator[None]:
    """While the policies are in force."""
    policies = identity_policies()
    for manifest in policies:
        api.apply(manifest)
    names = {(item["kind"], item["metadata"]["name"]) for item in policies}
    probe: Object = {"kind": "ComputeResource", "metadata": {"name": "probe", "namespace": "default"}, "spec": {}}

    def stamps() -> bool:
        made = login(api, "probe").create(probe)
        api.delete("ComputeResource", "default", "probe")
        return ANNOTATION_CREATED_BY in made["metadata"].get("annotations", {})

    try:
        eventually(stamps)
        yield
    finally:
        for kind, name in names:
            api.delete(kind, "", name)
