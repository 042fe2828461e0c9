"""Checks of the volumes of a workload."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from outfitter.problems import Problem, stalled
from outfitter.reasons import Level, Reason
from outfitter.resolve.private import Use
from outfitter.resolve.references import Found
from outfitter.resolve.volumes.data import DataVolume
from outfitter.resolve.volumes.image import ImageVolume
from outfitter.resolve.volumes.pvc import PvcVolume
from outfitter.resolve.volumes.types import Volume
from outfitter.snapshot import Reader


def check_volumes(reader: Reader, namespace: str, volumes: Iterable[Volume], found: Found) -> list[Volume]:
    """Look up the objects that the volumes mount. Returns the volumes with the Secrets of private Credentials."""
    checked: list[Volume] = []
    for given in volumes:
        volume = _placed(reader, namespace, given, found)
        if volume is None:
            checked.append(given)
            continue
        result = volume.look_up(reader, namespace, found.user)
        if isinstance(result, Problem):
            found.problems.append(result)
        elif result is not None:
            found.keep_use(result, volume.use.field)
        checked.append(volume.with_use(result) if isinstance(result, Use) else volume)
        if isinstance(volume, PvcVolume):
            differing = volume.contradictions(reader, namespace, volume.use.field)
            # A DataSource reports its own notes.
            found.problems += [item for item in differing if volume.use.asset is None or item.level > Level.NOTE]
    return checked


def _placed(reader: Reader, namespace: str, volume: Volume, found: Found) -> Volume | None:
    """Return a volume with the claim of a namespace; None if its DataSource cannot be used."""
    if isinstance(volume, DataVolume):
        known = volume.with_asset(reader, namespace, found)
        return known.placed(reader, namespace) if known is not None else None
    return volume.placed(namespace) if isinstance(volume, PvcVolume) else volume


def with_nodes(reader: Reader, namespace: str, volumes: Iterable[Volume]) -> list[Volume]:
    """Return the volumes, with claims marked that can be mounted on one node at a time."""
    return [
        volume.with_nodes(reader, namespace) if isinstance(volume, PvcVolume | DataVolume) else volume
        for volume in volumes
    ]


def mounted_images(volumes: Iterable[Volume]) -> list[str]:
    """Return the images that are mounted as volumes: the pod pulls them as well."""
    return [volume.reference for volume in volumes if isinstance(volume, ImageVolume)]


def not_for_inference(volumes: Iterable[Volume]) -> Iterator[Problem]:
    """Yield a problem for each volume that an inference cannot mount."""
    for volume in volumes:
        phrase = volume.not_for_inference()
        if phrase:
            text = f"An Inference cannot mount {phrase}. Use another data source."
            yield stalled(Reason.TYPE_NOT_SUPPORTED, text, volume.use.field)
