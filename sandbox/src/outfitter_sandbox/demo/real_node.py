"""The demo on a real node: requirements, images, smaller resource requests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from outfitter.cli.console import count, progress
from outfitter_sandbox import Sandbox, example_sizes, nodes
from outfitter_sandbox.demo.artifact_versions import NEXT
from outfitter_sandbox.demo.cluster import Object
from outfitter_sandbox.demo.report import Report
from outfitter_sandbox.demo.steps import WRONG_IMAGE
from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.images import EXAMPLES, Variant, write_variants

GPUS: Final = 8
# The image that a user writes into a StatefulSet; it runs for a moment, until the operator restores the image.
_WRONG: Final = Variant("web:2", [WRONG_IMAGE], {"WEB_PORT": "8080,6006"}, ["python"])


def node_kinds(wanted: str, objects: Sequence[Object], report: Report) -> list[str]:
    """The kinds of node to try, in order.

    `auto` starts with a real node only where one starts at once, and reports the reason otherwise. SandboxError when
    `real` is wanted and this machine cannot run one; missing parts that can be built do not count.
    """
    if wanted == nodes.SIMULATED:
        return [nodes.SIMULATED]
    reason = _unknown_images(objects) or example_sizes.machine_too_small()
    if wanted == nodes.REAL:
        nodes.choose(nodes.REAL, report.info)
        if reason:
            raise SandboxError(f"The demo cannot use a real node: {reason}. Next: --node simulated.")
        return [nodes.REAL]
    if reason:
        report.info(f"The node is simulated and runs no container, because a real node is not available: {reason}")
        return [nodes.SIMULATED]
    if nodes.choose(nodes.AUTO, report.info) != nodes.REAL:
        return [nodes.SIMULATED]
    report.info("On a real node: two to three minutes, mostly for probes; --node simulated takes half a minute")
    return [nodes.REAL, nodes.SIMULATED]


def variants() -> Iterator[Variant]:
    """The images of the examples, of their edits, and the wrong one."""
    for variant in EXAMPLES:
        edited = [name + NEXT for name in variant.names if "@" not in name]
        yield replace(variant, names=[*variant.names, *edited])
    yield _WRONG


def load_images(sandbox: Sandbox, folder: Path, report: Report) -> None:
    """Import all images of the demo into the node."""
    number = 0
    with progress() as step:
        step("Importing images")
        folder.mkdir()
        for archive in write_variants(folder, variants(), step):
            number += len(sandbox.import_image(archive))
            archive.unlink()
    report.success(
        f"{count(number, 'image name')} on its node, all small test programs: real containers, without Jupyter, "
        f"PyTorch or a model; the {GPUS} GPUs are simulated"
    )


def resized(sandbox: Sandbox, objects: Sequence[Object], report: Report) -> Sequence[Object]:
    """The examples, with smaller requests where the node has no room for them."""
    allocatable = [
        node["status"]["allocatable"] for node in sandbox.connection().request("GET", "/api/v1/nodes")["items"]
    ]
    if example_sizes.fits(allocatable):
        return objects
    report.info(
        f"the examples request up to {example_sizes.CORES} cores and {example_sizes.MEMORY_GIB} GiB, and the node has "
        f"less: CPU is divided by {example_sizes.FEWER_CORES}, memory by {example_sizes.LESS_MEMORY}"
    )
    return [example_sizes.smaller(body) for body in objects]


def _unknown_images(objects: Sequence[Object]) -> str:
    unknown = sorted({*images_of(objects)} - {name for variant in EXAMPLES for name in variant.names})
    return f"no test program replaces the image {unknown[0]}" if unknown else ""


def images_of(manifest: Any) -> Iterator[str]:
    """Every image in a manifest, or in a part of one."""
    if isinstance(manifest, list):
        for item in manifest:
            yield from images_of(item)
    elif isinstance(manifest, dict):
        for key, value in manifest.items():
            if key in ("image", "imageUri") and isinstance(value, str):
                yield value
            else:
                yield from images_of(value)
