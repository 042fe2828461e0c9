"""What the demo needs for real pods: a machine that can run them, images under the examples' names, and room."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from outfitter.cli.console import count, progress
from outfitter_sandbox import Sandbox, example_sizes, nodes
from outfitter_sandbox.demo.report import Report
from outfitter_sandbox.demo.scene import Object
from outfitter_sandbox.demo.story import WRONG_IMAGE
from outfitter_sandbox.demo.versions import NEXT
from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.images import EXAMPLES, Variant, write_variants

GPUS: Final = 8
# What runs when somebody writes a wrong image into a StatefulSet: for a moment, until it is repaired.
_WRONG: Final = Variant("web:2", [WRONG_IMAGE], {"WEB_PORT": "8080,6006"}, ["python"])


def kinds(wanted: str, objects: Sequence[Object], report: Report) -> list[str]:
    """The kinds of node to play on, best first: the next one serves where the one before cannot be had.

    SandboxError where a real node is wanted and cannot run; what can be built is no reason. `auto` takes it only where
    it starts at once, and says in one line why not and what to do.
    """
    if wanted == nodes.STAND_IN:
        return [nodes.STAND_IN]
    reason = _unknown_images(objects) or example_sizes.machine_too_small()
    if wanted == nodes.REAL:
        nodes.choose(nodes.REAL, report.say)
        if reason:
            raise SandboxError(f"The demo cannot play on a real node here: {reason}. Next: --node stand-in.")
        return [nodes.REAL]
    if reason:
        report.say(f"A node stand-in, in which no container runs, for want of a real node: {reason}")
        return [nodes.STAND_IN]
    if nodes.choose(nodes.AUTO, report.say) != nodes.REAL:
        return [nodes.STAND_IN]
    report.say("On a real node: two to three minutes, most of them for probes; with --node stand-in half a minute")
    return [nodes.REAL, nodes.STAND_IN]


def variants() -> Iterator[Variant]:
    """The images of the story: what the examples ask for, what they are edited to, and somebody else's."""
    for each in EXAMPLES:
        edited = [name + NEXT for name in each.names if "@" not in name]
        yield replace(each, names=[*each.names, *edited])
    yield _WRONG


def load_images(sandbox: Sandbox, folder: Path, report: Report) -> None:
    """Put all of them on the node."""
    number = 0
    with progress() as step:
        step("Importing images")
        folder.mkdir()
        for archive in write_variants(folder, variants(), step):
            number += len(sandbox.import_image(archive))
            archive.unlink()
    report.good(
        f"{count(number, 'image name')} on its node, each a small program of ours: real containers, but no Jupyter, "
        f"PyTorch or model in them; its {GPUS} GPUs are only advertised"
    )


def fitted(sandbox: Sandbox, objects: Sequence[Object], report: Report) -> Sequence[Object]:
    """The examples, with less compute where the node has no room for them as they are written."""
    room = [each["status"]["allocatable"] for each in sandbox.connection().request("GET", "/api/v1/nodes")["items"]]
    if example_sizes.fits(room):
        return objects
    report.say(
        f"the examples request up to {example_sizes.CORES} cores and {example_sizes.MEMORY_GIB} GiB, "
        f"the node has less: CPU figures divided by {example_sizes.FEWER_CORES}, memory by {example_sizes.LESS_MEMORY}"
    )
    return [example_sizes.smaller(each) for each in objects]


def _unknown_images(objects: Sequence[Object]) -> str:
    unknown = sorted({*images_of(objects)} - {name for each in EXAMPLES for name in each.names})
    return f"no program of ours stands in for the image {unknown[0]}" if unknown else ""


def images_of(node: Any) -> Iterator[str]:
    """Every image that manifests name."""
    if isinstance(node, list):
        for each in node:
            yield from images_of(each)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in ("image", "imageUri") and isinstance(value, str):
                yield value
            else:
                yield from images_of(value)
