"""The images of the suite: the operator's own, and test programs under the names that examples ask for.

`python -m e2e.harness.images FOLDER` (in tests/) writes them all, for a cluster that the suite does not start itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from outfitter.sandbox.images import full_name, operator_image, write_sample

Progress = Callable[[str], None]
OPERATOR = "localhost/outfitter/operator"
TAGS = ("1", "2")  # the same operator under two names: an upgrade needs another one
WEB, WEB2, WEB_ROOT, NIM = (full_name(each) for each in ("web:1", "web:2", "web-root:1", "fake-nim:1"))
SLOW_NIM = "localhost/outfitter/slow-nim:1"
PICKY_NIM = "localhost/outfitter/picky-nim:1"
KEY = "not-a-real-key"


@dataclass(frozen=True)
class Test:
    """A sample image under another name, with variables of its own."""

    sample: str
    names: Sequence[str]
    env: dict[str, str] = field(default_factory=dict)
    links: Sequence[str] = ()


_DIGEST = "sha256:0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0"
TESTS = (
    Test("web:1", [WEB]),
    Test("web:2", [WEB2]),
    Test("web-root:1", [WEB_ROOT]),
    Test("fake-nim:1", [NIM]),
    Test("fake-nim:1", [SLOW_NIM], {"FAKE_NIM_FILE_SECONDS": "1", "FAKE_NIM_LOAD_SECONDS": "2"}),
    Test("fake-nim:1", [PICKY_NIM], {"FAKE_NIM_EXPECT_KEY": KEY}),
    # What deploy/examples asks for.
    Test("web:1", ["quay.io/jupyter/pytorch-notebook:2026-10-01"], {"WEB_PORT": "8888"}),
    Test("web:1", ["nvcr.io/nvidia/pytorch:26.09-py3"], {"WEB_PORT": "8080,6006"}, ["python"]),
    Test("web:1", [f"registry.example.com/scorer@{_DIGEST}", "registry.example.com/echo:1"]),
    Test("web:1", ["registry.example.com/tail:2"], {"WEB_PORT": "8081"}),
    Test("fake-nim:1", ["nvcr.io/nim/meta/llama-3.1-8b-instruct:1.8.4"]),
    Test(
        "fake-nim:1", ["nvcr.io/nim/nvidia/nv-embedqa-e5-v5:1.6.0"], {"FAKE_NIM_MODEL": "nvidia/nv-embedqa-e5-v5"}
    ),
)  # fmt: skip


def write(folder: Path, progress: Progress) -> Iterator[Path]:
    """Archives of everything, one after the other."""
    for number, each in enumerate(TESTS):
        path = folder / f"test-{number}.tar"
        write_sample(path, each.sample, progress, names=each.names, env=each.env, links=each.links)
        yield path
    path = folder / "operator.tar"
    operator_image(path, progress, names=[f"{OPERATOR}:{tag}" for tag in TAGS])
    yield path


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    for archive in write(target, lambda text: print(text, file=sys.stderr)):
        print(archive)
