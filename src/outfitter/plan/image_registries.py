"""Registries: which repositories one covers, and which of them asks about an image for a project."""

from __future__ import annotations

from collections.abc import Collection

from outfitter.api.image_names import TaggedImage
from outfitter.api.v1alpha1.registry import Registry
from outfitter.render.registry_login import registry_place
from outfitter.resolve.scope import covers, reach, scope_problem
from outfitter.snapshot import Reader, Resource

_WIDTH = ("project", "department", "cluster", "tenant")


def is_covered(repository: str, path: str, repositories: Collection[str]) -> bool:
    """Return whether a Registry covers a repository: below its path, and in its list if it has one.

    Its login may see more: who shares a Registry shows what `url` and `repositories` say.
    """
    below = not path or repository == path or repository.startswith(f"{path}/")
    return below and (not repositories or repository in repositories)


def watching(reader: Reader, namespace: str) -> list[Resource]:
    """Return the Registries with `watchImages` that a namespace can use, in the order in which they are chosen.

    Its own first, then the narrowest scope and the longest path.
    """
    system = reader.settings.system_namespace
    found = reader.resources("Registry", namespace)
    if namespace != system:
        found += [each for each in reader.resources("Registry", system) if covers(reader, each, namespace)]
    usable = [each for each in found if _watches(each) and scope_problem(each, system) is None]

    def rank(registry: Resource) -> tuple[bool, int, int, str]:
        width = _WIDTH.index(reach(registry, system).type)
        return registry.live.namespace != namespace, width, -len(_place(registry)[1]), registry.live.name

    return sorted(usable, key=rank)


def covering(registries: Collection[Resource], image: TaggedImage) -> Resource | None:
    """Return the first Registry that covers an image."""
    return next((each for each in registries if _covers(each, image)), None)


def _watches(registry: Resource) -> bool:
    assert isinstance(registry.model, Registry)
    return registry.model.spec.watch_images and not registry.live.deleting


def _covers(registry: Resource, image: TaggedImage) -> bool:
    assert isinstance(registry.model, Registry)
    host, path = _place(registry)
    return host == image.host and is_covered(image.repository, path, registry.model.spec.repositories)


def _place(registry: Resource) -> tuple[str, str]:
    assert isinstance(registry.model, Registry)
    return registry_place(registry.model.spec.url)
