"""Small test images for real pods: one static Go program each."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.images.build_steps import Progress, cache_name, cache_root, made_once, run
from outfitter_sandbox.images.layers import PROGRAM_MODE, Layer, directory, file, skeleton, symlink
from outfitter_sandbox.images.layout import Config, write_image

MODULE = Path(__file__).with_name("programs")
PROGRAMS = ("pause", "web", "fake-nim")
USER = 65532
_BIN = "/usr/bin"
# Commands of programs/inside that inspect a container, for instance `kubectl exec POD -- cat FILE`.
_COMMANDS = (
    "cat",
    "dns",
    "env",
    "exit",
    "fill",
    "get",
    "id",
    "kill",
    "ls",
    "mounts",
    "rendezvous",
    "rm",
    "sleep",
    "write",
)
_NIM_COMMANDS = ("create-model-store", "download-to-cache", "list-model-profiles", "nim-serve", "nim_download_to_cache")


@dataclass(frozen=True)
class Sample:
    """One image: its program, further names of that program, and its configuration."""

    program: str
    links: Sequence[str] = ()
    user: str = f"{USER}:{USER}"
    ports: Sequence[int] = ()
    folders: Sequence[str] = ()  # writable for all users
    env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


_WEB = Sample("web", _COMMANDS, ports=(8080,))
_NIM = Sample("fake-nim", (*_COMMANDS, *_NIM_COMMANDS), user="1000:1000", ports=(8000,), folders=("/opt/nim/.cache",))
# Name with its tag below localhost/outfitter/ -> image.
SAMPLES: Mapping[str, Sample] = {
    "pause:1": Sample("pause"),
    "web:1": replace(_WEB, env={"WEB_MESSAGE": "1"}),
    "web:2": replace(_WEB, env={"WEB_MESSAGE": "2"}),  # another version, for updates
    "web-root:1": replace(_WEB, user=""),  # runs as root unless the pod says otherwise
    "fake-nim:1": _NIM,
    # Newer images have this label: they download the model into NIM_ENGINE_MODEL_PATH.
    "fake-nim-native:1": replace(_NIM, labels={"com.nvidia.nim.model_download_protocol": "native-v1"}),
}


def full_name(sample: str) -> str:
    """The full image name of one of SAMPLES."""
    return f"localhost/outfitter/{sample}"


def write_sample(
    target: Path,
    sample: str,
    progress: Progress,
    *,
    names: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    links: Sequence[str] = (),
) -> list[str]:
    """Write one of SAMPLES to a file, and return the names of the image.

    `names` replace its own name, for instance with the name of an image in the examples. `env` are further variables
    of the image. `links` are further names of the program: `web` under the name `python` serves with any arguments.
    Builds the programs unless they are in the cache.
    """
    if sample not in SAMPLES:
        raise SandboxError(f"There is no image {sample}. Use operator, {', '.join(SAMPLES)}.")
    chosen = SAMPLES[sample]
    place = f"{_BIN}/{chosen.program}"
    program = file(place, programs(progress) / chosen.program, PROGRAM_MODE)
    others = [symlink(f"{_BIN}/{name}", place) for name in sorted({*chosen.links, *links})]
    config = Config(
        user=chosen.user,
        entrypoint=(place,),
        env={"PATH": _BIN, **chosen.env, **(env or {})},
        ports=chosen.ports,
        labels=chosen.labels,
    )
    folders = [directory(path, 0o777) for path in chosen.folders]
    layers = [Layer([*skeleton(("nim", 1000), ("nonroot", USER)), *folders]), Layer([program, *others])]
    known = [*names] or [full_name(sample)]
    write_image(target, known, layers, config)
    return known


def write_samples(folder: Path, progress: Progress) -> dict[str, Path]:
    """Write all SAMPLES into a folder; full name -> file."""
    written = {}
    for sample in SAMPLES:
        path = folder / f"{sample.replace(':', '-')}.tar"
        write_sample(path, sample, progress)
        written[full_name(sample)] = path
    return written


def programs(progress: Progress) -> Path:
    """The cached folder of the static Go programs, built once per version.

    SandboxError without Go, or with the output of a build that failed.
    """
    sources = sorted(path for path in MODULE.rglob("*") if path.is_file())
    name = cache_name("programs", _go_version(), *sources)
    return made_once(cache_root() / name, lambda partial: _build(partial, progress), progress)


def _go_version() -> str:
    if shutil.which("go") is None:
        raise SandboxError(
            "Go builds the test images, and the PATH has no `go` command. "
            "Next: install Go 1.24 or newer (https://go.dev/dl)."
        )
    return subprocess.run(
        ["go", "env", "GOVERSION"], cwd=MODULE, capture_output=True, text=True, check=True
    ).stdout.strip()


def _build(folder: Path, progress: Progress) -> None:
    build = ["go", "build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid="]
    run(
        [*build, "-o", f"{folder}/", *(f"./{name}" for name in PROGRAMS)],
        f"Building the programs of the test images with Go ({', '.join(PROGRAMS)})",
        progress,
        folder=MODULE,
        env={"CGO_ENABLED": "0", "GOWORK": "off"},
        follow_up=f"It ran `go build` in {MODULE}, which requires Go 1.24 or newer and no downloads.",
    )
