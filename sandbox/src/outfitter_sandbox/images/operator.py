"""The operator's image as the Dockerfile builds it, without a builder.

Three layers, lowest first: the running Python, the locked dependencies, the operator of this checkout. The first two
are kept in Outfitter's cache.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import outfitter
from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.images import interpreter, wheels
from outfitter_sandbox.images.build_steps import Progress, cache_name, cache_root, made_once
from outfitter_sandbox.images.layers import PROGRAM_MODE, Entry, Layer, file, skeleton, symlink, tree
from outfitter_sandbox.images.layout import Config, write_image

PACKAGE = Path(outfitter.__file__).parent
LOCK = PACKAGE.parents[1] / "requirements.txt"
USER = 65532
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
CONFIG = Config(
    user=f"{USER}:{USER}",
    entrypoint=("outfitter",),
    cmd=("run",),
    env={
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONFAULTHANDLER": "1",
        "HOME": "/tmp",  # noqa: S108 - a path of the image
        "SSL_CERT_FILE": AUTHORITIES,
    },
    workdir="/tmp",  # noqa: S108 - a path of the image
    labels={
        "org.opencontainers.image.title": "outfitter",
        "org.opencontainers.image.description": "Kubernetes operator for workload assets",
        "org.opencontainers.image.licenses": "Apache-2.0",
    },
)


def operator_image(target: Path, progress: Progress, *, names: Sequence[str] = (), lock: Path = LOCK) -> list[str]:
    """Write the operator's image to a file, and return its names.

    The default name is `localhost/outfitter/operator:VERSION`. The first call copies Python and installs `lock` with
    its hashes, which takes a minute or two; later calls pack the operator's code only. SandboxError without the lock,
    pip, or a shared library of Python.
    """
    if not lock.is_file():
        raise SandboxError(f"{lock} does not exist. The operator's image requires a checkout: clone the repository.")
    python, site = _python(progress), _dependencies(lock, progress)
    chosen = [*names] or [f"localhost/outfitter/operator:{metadata.version('outfitter')}"]
    with tempfile.TemporaryDirectory(prefix="outfitter-") as scratch:
        layers = [
            Layer([*skeleton(("outfitter", USER)), *_settings(site), *tree(python)]),
            Layer([*tree(site)]),
            Layer(_operator(Path(scratch), progress)),
        ]
        progress(f"Packing {chosen[0]}")
        write_image(target, chosen, layers, CONFIG)
    return chosen


def _python(progress: Progress) -> Path:
    name = cache_name("python", interpreter.identity(), Path(interpreter.__file__))
    return made_once(cache_root() / name, lambda partial: interpreter.stage(partial, progress), progress)


def _dependencies(lock: Path, progress: Progress) -> Path:
    name = cache_name("site", interpreter.identity(), lock, Path(wheels.__file__))
    return made_once(cache_root() / name, lambda partial: wheels.install(lock, partial, progress), progress)


def _settings(site: Path) -> list[Entry]:
    """Name resolution, and the certificate authorities of the locked certifi."""
    trusted = site / interpreter.SITE_PACKAGES[1:] / "certifi" / "cacert.pem"
    return [
        file("/etc/nsswitch.conf", b"passwd: files\ngroup: files\nhosts: files dns\n"),
        file(AUTHORITIES, trusted),
        symlink("/etc/ssl/cert.pem", AUTHORITIES),
    ]


def _operator(scratch: Path, progress: Progress) -> list[Entry]:
    """The operator's package, compiled, with its metadata and its commands."""
    place = scratch / interpreter.SITE_PACKAGES[1:]
    shutil.copytree(PACKAGE, place / "outfitter", ignore=shutil.ignore_patterns("__pycache__"))
    interpreter.compile_all(scratch, place, progress)
    known = metadata.distribution("outfitter")
    about = f"{interpreter.SITE_PACKAGES}/outfitter-{known.version}.dist-info"
    metadata_files = {name: known.read_text(name) for name in ("METADATA", "entry_points.txt")}
    entries = [file(f"{about}/{name}", text.encode()) for name, text in metadata_files.items() if text]
    for command in known.entry_points.select(group="console_scripts"):
        text = f"#!{interpreter.PROGRAM}\nimport sys\n\nfrom {command.module} import {command.attr}\n\n"
        text += f"sys.exit({command.attr}())\n"
        entries.append(file(f"/usr/local/bin/{command.name}", text.encode(), PROGRAM_MODE))
    return [*entries, *tree(scratch)]
