"""Images for image builds: BuildKit as client, daemon and both in one pod, and a registry to push to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from outfitter_sandbox import sources
from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.go_parts import BUILDCTL, BUILDKIT, BUILDKITD, REGISTRY
from outfitter_sandbox.images import git_tools
from outfitter_sandbox.images.build_steps import Progress, cache_name, cache_root, made_once, run
from outfitter_sandbox.images.data_images import is_basic
from outfitter_sandbox.images.interpreter import needed_libraries
from outfitter_sandbox.images.layers import PROGRAM_MODE, Entry, Layer, file, skeleton, tree
from outfitter_sandbox.images.layout import Config, write_image
from outfitter_sandbox.images.samples import USER, full_name
from outfitter_sandbox.realnode import parts

BUILDER: Final = "builder:1"
REGISTRY_IMAGE: Final = "registry:1"
USERNS_EXEC, RUNC = "userns-exec", "runc"
_BIN: Final = "/usr/bin"
_LAUNCHER: Final = Path(__file__).parents[4] / "deploy" / "builder"
_CONFIG: Final = "/etc/distribution/config.yml"
_DEFAULTS: Final = b"""\
version: 0.1
log: {level: warn, accesslog: {disabled: true}}
storage: {inmemory: {}, delete: {enabled: true}}
http: {addr: ":5000"}
"""


@dataclass(frozen=True)
class BuildImage:
    """Busybox, certificate authorities and programs."""

    programs: Sequence[str]
    entrypoint: Sequence[str]
    user: str = ""
    ports: Sequence[int] = ()


# Name with its tag below localhost/outfitter/ -> image.
BUILD_IMAGES: Mapping[str, BuildImage] = {
    BUILDER: BuildImage((BUILDCTL, BUILDKITD, USERNS_EXEC, RUNC), (f"{_BIN}/{BUILDKITD}",)),
    REGISTRY_IMAGE: BuildImage(
        ("registry",), (f"{_BIN}/registry", "serve", _CONFIG), user=f"{USER}:{USER}", ports=(5000,)
    ),
}


def write_build_image(target: Path, image: str, progress: Progress, *, names: Sequence[str] = ()) -> list[str]:
    """Write one of BUILD_IMAGES to a file, and return the names of the image.

    Builds the programs unless they are in the cache.
    """
    if image not in BUILD_IMAGES:
        raise SandboxError(f"There is no image {image}. Use {', '.join(BUILD_IMAGES)}.")
    chosen, root = BUILD_IMAGES[image], git_tools.tools(progress)
    found = programs(chosen.programs, progress)
    layers = [
        Layer([*skeleton(("nonroot", USER)), file("/etc/nsswitch.conf", b"hosts: files dns\n")]),
        Layer([*tree(root, keep=is_basic)]),
        Layer([file(f"{_BIN}/{name}", path, PROGRAM_MODE) for name, path in found.items()]),
        Layer([*_libraries(found.values()), file(_CONFIG, _DEFAULTS)]),
    ]
    config = Config(
        user=chosen.user,
        entrypoint=chosen.entrypoint,
        env={"PATH": f"{_BIN}:/bin", "SSL_CERT_FILE": f"/{git_tools.AUTHORITIES}"},
        ports=chosen.ports,
    )
    known = [*names] or [full_name(image)]
    write_image(target, known, layers, config)
    return known


def missing() -> list[str]:
    """A sentence for every missing part of these images, with the way to get it."""
    lines = [line for part in (BUILDKIT, REGISTRY) if (line := part.find(None)[1])]
    if line := git_tools.missing():
        lines.append(line)
    return [*lines, *(line for line in parts.find(None)[1] if line.startswith(RUNC))]


def programs(names: Sequence[str], progress: Progress) -> dict[str, Path]:
    """Program -> path, built where necessary."""
    known: dict[str, Path] = {}
    if USERNS_EXEC in names:
        known[USERNS_EXEC] = launcher(progress)
    if RUNC in names:
        known |= parts.find(None)[0]
    for part in (BUILDKIT, REGISTRY):
        if set(part.group.packages) & set(names):
            known |= part.get(progress)
    if lacking := [name for name in names if name not in known]:
        raise SandboxError(f"{', '.join(lacking)} is missing. Next: outfitter sandbox build --node")
    return {name: known[name] for name in names}


def launcher(progress: Progress) -> Path:
    """The program that runs BuildKit in a user namespace, of this checkout."""
    if (go := sources.go_version()) is None:
        raise SandboxError("Go builds userns-exec, and the PATH has no `go` command. Install Go (https://go.dev/dl).")
    name = cache_name(USERNS_EXEC, go, *sorted(path for path in _LAUNCHER.glob("*") if path.suffix in (".go", ".mod")))

    def build(folder: Path) -> None:
        command = ["go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid=", "-o"]
        environment = {"CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": "-mod=readonly"}
        run([*command, str(folder / USERNS_EXEC), "."], f"Building {USERNS_EXEC}", progress, folder=_LAUNCHER,
            env=environment)  # fmt: skip

    return made_once(cache_root() / name, build, progress) / USERNS_EXEC


def _libraries(files: Iterable[Path]) -> Iterator[Entry]:
    """The shared libraries of programs, at their paths on this machine: runc contains C."""
    for path in sorted(needed_libraries(files).values()):
        yield file(str(path), path.resolve(), PROGRAM_MODE)
