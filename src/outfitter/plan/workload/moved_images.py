"""Images of a workload whose tag moved: the registry has another digest for it than the one that pods run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

from outfitter.api.image_names import tagged_image
from outfitter.observe import phase
from outfitter.plan.image_registries import covering, watching
from outfitter.plan.workload.revision import Revision
from outfitter.snapshot import CachedObject, ImageQuestion, Reader

KIND: Final = "Image"
_MOST: Final = 16  # images of one workload
# A runtime that has no digest of the registry reports that of its own copy, without the name of a repository.
_DIGEST: Final = re.compile(r".+@(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})")


def moved_images(
    reader: Reader,
    revision: Revision,
    pods: Iterable[CachedObject],
    namespace: str,
    before: Iterable[Mapping[str, Any]],
) -> Iterator[dict[str, Any]]:
    """Yield the rows of `status.outdated` about images. `before`: those of the last status.

    They stay while the registry is not known to have answered: after a restart, and while it fails.
    """
    if not reader.settings.registries or not reader.settings.image_watch_seconds:
        return
    with reader.deferred():  # a Registry that watches is not in use, and its edits can wait
        registries = watching(reader, namespace)
    if not registries:
        return
    shown = {(row["name"], row.get("usedDigest")): row for row in before if row.get("kind") == KIND}
    for reference, running in islice(_running(revision, pods), _MOST):
        image = tagged_image(reference)
        registry = covering(registries, image) if image is not None else None
        if image is None or registry is None:
            continue
        row = shown.get((reference, running)) or {}
        known = str(row.get("digest", ""))
        answer = reader.image(ImageQuestion(registry.key, image.repository, image.tag, running, known))
        newer = answer.newer(running) if answer is not None else None
        if digest := known if newer is None else newer:
            yield {"kind": KIND, "name": reference, "usedDigest": running, "digest": digest, "reason": "Moved"}


def _running(revision: Revision, pods: Iterable[CachedObject]) -> Iterator[tuple[str, str]]:
    """Yield each image of the revision with each digest of it that pods run, in a stable order.

    A container whose image an admission policy replaced does not count: the workload did not ask for that one.
    """
    asked = {
        (container["name"], container.get("image", ""))
        for group in revision.groups
        for container in group.template["spec"]["containers"]
    }
    found = set()
    for pod in pods:
        if pod.deleting or phase(pod) in ("Succeeded", "Failed"):
            continue
        body = pod.body
        images = {item.get("name"): item.get("image") for item in body["spec"].get("containers") or ()}
        for status in (body.get("status") or {}).get("containerStatuses") or ():
            image = images.get(status.get("name"))
            digest = _DIGEST.fullmatch(status.get("imageID") or "")
            if digest is not None and (status.get("name"), image) in asked:
                found.add((str(image), digest[1]))
    yield from sorted(found)
