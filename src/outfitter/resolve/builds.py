"""Images that are built from source: what an Artifact has built, from what, and which image each container has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from outfitter.api.v1alpha1.buildconfig import ImageBuildConfig
from outfitter.api.v1alpha1.containers import ContainerGroup
from outfitter.api.v1alpha1.imagebuild import BuildState
from outfitter.canonical import content_digest
from outfitter.naming import short_hash
from outfitter.snapshot import Reader, Resource

ENDED: Final = frozenset({BuildState.COMPLETED, BuildState.FAILED, BuildState.CANCELLED, BuildState.UNKNOWN})
"""States that do not change any more."""
Place = tuple[str, str]
"""Group and name of a container."""


@dataclass(frozen=True)
class BuildSource:
    """What one image is built from, and where it is pushed to. `places`: the containers that share it.

    `key`: a digest of all of it; `image_uri`: as the first container says; `field`: that of its imageBuildConfig.
    """

    key: str
    config: ImageBuildConfig
    image_uri: str
    places: tuple[Place, ...]
    field: str

    @property
    def buildable(self) -> bool:
        """Return whether the source is given."""
        return self.config.code_ref is not None


@dataclass(frozen=True)
class BuiltImages:
    """The images of an Artifact that are built. `images`: by the key of their source, as far as they exist."""

    sources: tuple[BuildSource, ...] = ()
    images: Mapping[str, str] | None = None

    def image(self, place: Place) -> str | None:
        """Return the image of a container; None where it is not built."""
        source = self.source(place)
        return (self.images or {}).get(source.key) if source else None

    def source(self, place: Place) -> BuildSource | None:
        """Return what the image of a container is built from; None for a container with an existing image."""
        return next((item for item in self.sources if place in item.places), None)

    @property
    def missing(self) -> tuple[BuildSource, ...]:
        """Return the sources without an image."""
        return tuple(item for item in self.sources if item.key not in (self.images or {}))


NOTHING_BUILT: Final = BuiltImages()


def build_sources(groups: Iterable[ContainerGroup]) -> tuple[BuildSource, ...]:
    """Return the different sources of container groups, in their order."""
    found: dict[str, BuildSource] = {}
    for group in groups:
        for item, name in zip(group.containers, group.container_names, strict=True):
            if item.image_build_config is None:
                continue
            uri = item.image_uri or ""
            key = short_hash(content_digest({"build": item.image_build_config.to_dict(), "to": uri}), 16)
            before = found.get(key)
            field = f"spec.containerGroups[{group.name}].containers[{name}].imageBuildConfig"
            places = (*(before.places if before else ()), (group.name, name))
            first = before.field if before else field
            found[key] = BuildSource(key, item.image_build_config, uri, places, first)
    return tuple(found.values())


def built_images(
    reader: Reader, artifact: Resource, groups: Sequence[ContainerGroup], copied: Mapping[str, str]
) -> BuiltImages:
    """Return the built images of an Artifact: of a version what its status keeps, else those of the newest builds.

    `copied`: images by source, of the Artifact that a clone was copied from.
    """
    sources = build_sources(groups)
    if not sources:
        return NOTHING_BUILT
    status = artifact.body.get("status") or {}
    recorded = {**copied, **recorded_images(status)}
    if status.get("version") is not None:
        return BuiltImages(sources, recorded)
    newest = {
        build["source"]: build["image"]
        for item in reversed(reader.builds(artifact.live.namespace, artifact.live.name))
        if (build := item.body.get("status") or {}).get("state") == BuildState.COMPLETED
    }
    return BuiltImages(sources, {**recorded, **newest})


def recorded_images(status: Mapping[str, Any]) -> dict[str, str]:
    """Return the images in the status of an Artifact, by the key of their source."""
    rows = (row for group in status.get("containerGroups") or () for row in group.get("containers") or ())
    return {row["source"]: row["image"] for row in rows if row.get("source") and row.get("image")}


def with_images(groups: Iterable[ContainerGroup], built: BuiltImages) -> Iterator[ContainerGroup]:
    """Yield the container groups with the images that were built for them; without one, a container has none."""
    for group in groups:
        containers = tuple(
            item.model_copy(update={"image_uri": built.image((group.name, name))}) if item.image_build_config else item
            for item, name in zip(group.containers, group.container_names, strict=True)
        )
        yield group.model_copy(update={"containers": containers})


def newest_build(builds: Iterable[Resource], key: str) -> Resource | None:
    """Return the newest build of a source. `builds`: the newest first."""
    return next((item for item in builds if (item.body.get("status") or {}).get("source") == key), None)
