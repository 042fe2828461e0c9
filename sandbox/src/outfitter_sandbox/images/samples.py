"""Small images of our own for tests in real pods: one static Go program each, without a base image or a shell."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.images.layers import PROGRAM_MODE, Layer, directory, file, skeleton, symlink
from outfitter_sandbox.images.layout import Config, write_image
from outfitter_sandbox.images.making import Progress, cache_name, cache_root, made_once, run

MODULE = Path(__file__).with_name("programs")
PROGRAMS = ("pause", "web", "fake-nim")
USER = 65532
_BIN = "/usr/bin"
# What looks at a container from inside (programs/inside), each also a command of its own: `kubectl exec POD -- cat F`.
_COMMANDS = ("cat", "dns", "env", "exit", "fill", "get", "id", "ls", "mounts", "rm", "sleep", "write")
_NIM_COMMANDS = ("create-model-store", "download-to-cache", "list-model-profiles", "nim-serve", "nim_download_to_cache")


@dataclass(frozen=True)
class Sample:
    """One image: the program it runs, further names of that program, and how it differs from the others."""

    program: str
    links: Sequence[str] = ()
    user: str = f"{USER}:{USER}"
    ports: Sequence[int] = ()
    folders: Sequence[str] = ()  # that anybody may write into
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
    # Images of the newer kind say by this label that they download by themselves, into NIM_ENGINE_MODEL_PATH.
    "fake-nim-native:1": replace(_NIM, labels={"com.nvidia.nim.model_download_protocol": "native-v1"}),
}


def full_name(sample: str) -> str:
    """The name by which a pod asks for one of SAMPLES."""
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
    """Write one of SAMPLES to a file that `ctr images import` reads; the names that it has there.

    `names` stand in the place of its own: a test gives it the name of an image that examples ask for. `env` are further
    variables of the image. `links` are further names of the program: `web` called `python` serves, whatever its
    arguments. The programs are built first unless they were.
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
    """All of SAMPLES into a folder: full name -> file."""
    written = {}
    for sample in SAMPLES:
        path = folder / f"{sample.replace(':', '-')}.tar"
        write_sample(path, sample, progress)
        written[full_name(sample)] = path
    return written


def programs(progress: Progress) -> Path:
    """The folder of the static Go programs in Outfitter's cache, built there if need be; seconds, once per version.

    SandboxError without Go, or with the output of a build that failed.
    """
    sources = sorted(path for path in MODULE.rglob("*") if path.is_file())
    name = cache_name("programs", _go_version(), *sources)
    return made_once(cache_root() / name, lambda partial: _build(partial, progress), progress)


def _go_version() -> str:
    if shutil.which("go") is None:
        raise SandboxError(
            "The test images are built with Go, and there is no `go` command on the PATH. "
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
        follow_up=f"It ran `go build` in {MODULE}. Go 1.24 or newer is needed, and nothing to download.",
    )
