"""Apply a manifest over a child, and find out what that means: an update, a repair, or a fight with another writer."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from outfitter.actions import Action
from outfitter.canonical import differences, fingerprint, path_text
from outfitter.cluster.protocol import Cluster
from outfitter.cluster.store import Caches
from outfitter.errors import ApiError
from outfitter.managed_fields import managers
from outfitter.naming import FIELD_MANAGER
from outfitter.plan.writes import Apply
from outfitter.reconcile.act_log import Acts
from outfitter.reconcile.acts import Act, changed_fields, drifted, place_of, repair, update
from outfitter.reconcile.overrides import Overrides, Path, Place
from outfitter.snapshot import CachedObject

_CONTENT: Final = ("Secret", "ConfigMap")


class Applier:
    """Sends applies, and compares the answers: what another writer changes back is left alone for a while."""

    def __init__(self, cluster: Cluster, caches: Caches, overrides: Overrides) -> None:
        self._cluster = cluster
        self._caches = caches
        self._overrides = overrides

    async def apply(self, write: Apply, known: CachedObject | None, acts: Acts) -> bool:
        """Apply a manifest, unless that is no use now. Returns whether another writer changes it back."""
        manifest = write.manifest
        place = place_of(manifest)
        content = fingerprint(manifest)
        if self._overrides.futile(place, content, self._differing(place, manifest)):
            stored = await self._cluster.get(*place)
        else:
            act = await self._meaning(manifest, known)
            stored = await self._send(write)
            if write.manager == FIELD_MANAGER:  # else it only hands a field over, which changes no value
                acts.add(act)
            if stored and not any(differences(manifest, stored)):
                self._overrides.lasted(place, content)
                return False
        if stored is None:
            return False
        self.override(manifest, stored, acts)
        return True

    def override(self, manifest: Mapping[str, Any], stored: Mapping[str, Any], acts: Acts) -> None:
        """Note that another writer changed a child within our own write, or right after it."""
        place = place_of(manifest)
        # None differ any more where the other writer changes them to and fro.
        paths = frozenset(differences(manifest, stored)) or self._differing(place, manifest)
        others = managers(stored, paths)
        seconds = self._overrides.overridden(place, fingerprint(manifest), paths, others)
        fields = tuple(sorted(map(path_text, paths)))
        acts.add(Act(Action.BACK_OFF, place, fields, ", ".join(others), seconds=seconds))

    async def _meaning(self, manifest: Mapping[str, Any], known: CachedObject | None) -> Act:
        """Return what an apply does. Who changed a field is only on the server, so a repair costs a GET."""
        place = place_of(manifest)
        if known is None or not drifted(manifest, known):
            return update(place, changed_fields(manifest, known) if known is not None else ())
        with suppress(ApiError):
            if (stored := await self._cluster.get(*place)) is not None:
                return repair(manifest, stored)
        return Act(Action.REPAIR, place, changed_fields(manifest, known))

    async def _send(self, write: Apply) -> dict[str, Any]:
        if write.whole:
            return await self._cluster.replace(write.manifest, write.uid)
        return await self._cluster.apply(write.manifest, write.uid, write.manager)

    def _differing(self, place: Place, manifest: Mapping[str, Any]) -> frozenset[Path]:
        """Return the fields of a cached child that differ from its manifest; of a Secret only metadata is cached."""
        cached = self._caches[place[0]].get(*place[1:])
        if cached is None:
            return frozenset()
        paths = frozenset(differences(manifest, cached.body))
        return paths if place[0] not in _CONTENT else frozenset(path for path in paths if path[:1] == ("metadata",))
