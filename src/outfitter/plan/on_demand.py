"""A NimCache that was created on demand gives way to one of a user for the same model, whichever came first."""

from __future__ import annotations

from outfitter.api.v1alpha1.nimcache import NimCache
from outfitter.resolve.model_choice import holds, made_on_demand, model_choice
from outfitter.snapshot import Key, Reader, Resource


def replaced_by_user(reader: Reader, cache: Resource) -> bool:
    """Return whether a cache on demand is not needed, because a user wrote one. What a revision mounts is kept."""
    if not made_on_demand(cache) or not any(_serves_for(other, cache) for other in _of_image(reader, cache)):
        return False
    return not any(_mounts(reader, user, cache) for user in reader.users)


def replaceable(reader: Reader, cache: Resource) -> frozenset[Key]:
    """Return the caches on demand that a cache of a user replaces."""
    if made_on_demand(cache):
        return frozenset()
    return frozenset(
        other.key for other in _of_image(reader, cache) if made_on_demand(other) and _serves_for(cache, other)
    )


def _of_image(reader: Reader, cache: Resource) -> list[Resource]:
    assert isinstance(cache.model, NimCache)
    found = reader.caches(cache.live.namespace, cache.model.spec.image)
    return [other for other in found if other.live.uid != cache.live.uid and not other.live.deleting]


def _serves_for(written: Resource, on_demand: Resource) -> bool:
    """Return whether a cache of a user holds the model that a cache on demand was created for."""
    assert isinstance(on_demand.model, NimCache)
    spec = on_demand.model.spec
    return not made_on_demand(written) and holds(written, model_choice(spec.image, spec.environment_variables))


def _mounts(reader: Reader, user: Key, cache: Resource) -> bool:
    """Return whether the revision of a workload mounts the claim of a cache."""
    live = reader.get_untracked(user.kind, user.namespace, user.name)
    status = (live.body.get("status") or {}) if live else {}
    named = (status.get("nimCache") or {}).get("name")
    return bool(status.get("revision")) and named == cache.live.name
