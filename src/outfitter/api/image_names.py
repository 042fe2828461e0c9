"""The parts of an image as container runtimes read it. https://github.com/distribution/reference."""

from __future__ import annotations

from dataclasses import dataclass

from outfitter.api.patterns import IMAGE_PATTERN, matches
from outfitter.api.registry_hosts import DOCKER_HUB, host_key

_LATEST = "latest"


@dataclass(frozen=True, slots=True)
class TaggedImage:
    """An image that is named by a tag. `host` is the key of the registry in the setting `registryHosts`."""

    host: str
    repository: str
    tag: str


def tagged_image(text: str) -> TaggedImage | None:
    """Return the parts of an image with a tag, which is `latest` by default; None for a digest, and for no image."""
    if "@" in text or not matches(IMAGE_PATTERN, text):
        return None
    first, slash, rest = text.partition("/")
    if not slash or not (set(first) & set(".:") or first == "localhost" or first != first.lower()):
        first, rest = DOCKER_HUB, text
    name, _, tag = rest.partition(":")
    host = host_key(first.lower())
    if host == DOCKER_HUB and "/" not in name:
        name = f"library/{name}"
    return TaggedImage(host, name, tag or _LATEST)
