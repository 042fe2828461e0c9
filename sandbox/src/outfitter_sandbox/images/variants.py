"""Test images under the names of the images in deploy/examples.

The examples run with them unchanged, without a registry.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from outfitter_sandbox.images.build_steps import Progress
from outfitter_sandbox.images.samples import write_sample


@dataclass(frozen=True)
class Variant:
    """A test image with other names, variables and links."""

    sample: str
    names: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    links: Sequence[str] = ()


_DIGEST: Final = "sha256:0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0"
# The images of deploy/examples.
EXAMPLES: Final = (
    Variant("web:1", ["quay.io/jupyter/pytorch-notebook:2026-10-01"], {"WEB_PORT": "8888"}),
    Variant("web:1", ["nvcr.io/nvidia/pytorch:26.09-py3"], {"WEB_PORT": "8080,6006"}, ["python"]),
    Variant("web:1", ["registry.example.com/sweep:1", "registry.example.com/allreduce:1"]),
    Variant("web:1", [f"registry.example.com/scorer@{_DIGEST}", "registry.example.com/echo:1"]),
    Variant("web:1", ["registry.example.com/tail:2"], {"WEB_PORT": "8081"}),
    Variant("fake-nim:1", ["nvcr.io/nim/meta/llama-3.1-8b-instruct:1.8.4"]),
    Variant(
        "fake-nim:1", ["nvcr.io/nim/nvidia/nv-embedqa-e5-v5:1.6.0"], {"FAKE_NIM_MODEL": "nvidia/nv-embedqa-e5-v5"}
    ),
)  # fmt: skip


def write_variants(folder: Path, variants: Iterable[Variant], progress: Progress) -> Iterator[Path]:
    """Write an archive for each variant, one after the other.

    The caller may remove each before the next.
    """
    for number, variant in enumerate(variants):
        path = folder / f"variant-{number}.tar"
        write_sample(path, variant.sample, progress, names=variant.names, env=variant.env, links=variant.links)
        yield path
