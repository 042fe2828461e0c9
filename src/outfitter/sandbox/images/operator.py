"""The operator's own image, as the Dockerfile makes it, on a machine without a builder and a registry.

Three layers, lowest first: this machine's Python, the locked dependencies, the operator as it stands here. The first
two are kept in Outfitter's cache.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import outfitter
from outfitter.errors import SandboxError
from outfitter.sandbox.binaries import target as platform_target
from outfitter.sandbox.images import interpreter
from outfitter.sandbox.images.layers import PROGRAM_MODE, Entry, Layer, file, skeleton, symlink, tree
from outfitter.sandbox.images.layout import Config, write_image
from outfitter.sandbox.images.making import Progress, cache_root, made_once, run

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


def operator_image(target: Path, progress: Progress, *, names: Sequence[str] = (), lock: Path = LOCK) -> str:
    """Write the operator's image to a file; the first of its names, `localhost/outfitter/operator:VERSION` by default.

    The first time it copies Python and installs `lock`, hash by hash, which takes a minute or two; afterwards only the
    operator's own code is packed again. SandboxError without the lock, pip, or a library that Python needs.
    """
    if not lock.is_file():
        raise SandboxError(f"{lock} is not there: the operator's image is made from a checkout of Outfitter. Clone it.")
    python, site = _python(progress), _dependencies(lock, progress)
    chosen = list(names) or [f"localhost/outfitter/operator:{metadata.version('outfitter')}"]
    with tempfile.TemporaryDirectory(prefix="outfitter-") as scratch:
        layers = [
            Layer([*skeleton(("outfitter", USER)), *_settings(site), *tree(python)]),
            Layer([*tree(site)]),
            Layer(_own(Path(scratch), progress)),
        ]
        progress(f"Packing {chosen[0]}")
        write_image(target, chosen, layers, CONFIG)
    return chosen[0]


def _python(progress: Progress) -> Path:
    recipe = _digest(Path(interpreter.__file__))
    name = f"python-{interpreter.VERSION}-{interpreter.identity()}-{recipe}-{platform_target()[1]}"
    return made_once(cache_root() / name, lambda partial: interpreter.stage(partial, progress), progress)


def _dependencies(lock: Path, progress: Progress) -> Path:
    recipe = _digest(lock, Path(__file__))
    name = f"site-{interpreter.VERSION}-{interpreter.identity()}-{recipe}-{platform_target()[1]}"
    return made_once(cache_root() / name, lambda partial: _install(lock, partial, progress), progress)


def _install(lock: Path, root: Path, progress: Progress) -> None:
    """The locked wheels below `root`, compiled, with the shared libraries that they expect of a system."""
    place = root / interpreter.SITE_PACKAGES[1:]
    checked = ["--require-hashes", "--only-binary", ":all:", "--no-deps", "-r", str(lock)]
    run(
        [*_installer(), "--target", str(place), *checked],
        "Installing the locked dependencies of the operator",
        progress,
        follow_up="Next: see whether this machine reaches a package index (`pip config list`), "
        f"and whether {lock.name} has wheels for Python {interpreter.VERSION} here.",
    )
    shutil.rmtree(place / "bin", ignore_errors=True)  # scripts that begin with this machine's Python
    for leftover in place.glob(".lock"):  # uv's
        leftover.unlink()
    interpreter.add_libraries(root, sorted(place.rglob("*.so")))
    interpreter.compile_all(root, place, progress)


def _installer() -> list[str]:
    """The command that installs, without compiling: uv, or pip in this environment or beside it."""
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--quiet", "--python", sys.executable]
    for python in (sys.executable, str(interpreter.executable())):
        if subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0:
            return [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    raise SandboxError("Neither uv nor pip is here to install the operator's dependencies. Next: python -m ensurepip")


def _settings(site: Path) -> list[Entry]:
    """How names are resolved, and which authorities are trusted: those of the locked certifi, not this machine's."""
    trusted = site / interpreter.SITE_PACKAGES[1:] / "certifi" / "cacert.pem"
    return [
        file("/etc/nsswitch.conf", b"passwd: files\ngroup: files\nhosts: files dns\n"),
        file(AUTHORITIES, trusted),
        symlink("/etc/ssl/cert.pem", AUTHORITIES),
    ]


def _own(scratch: Path, progress: Progress) -> list[Entry]:
    """The operator's package, compiled, with what tells its version, and its commands."""
    place = scratch / interpreter.SITE_PACKAGES[1:]
    shutil.copytree(PACKAGE, place / "outfitter", ignore=shutil.ignore_patterns("__pycache__"))
    interpreter.compile_all(scratch, place, progress)
    known = metadata.distribution("outfitter")
    about = f"{interpreter.SITE_PACKAGES}/outfitter-{known.version}.dist-info"
    told = {name: known.read_text(name) for name in ("METADATA", "entry_points.txt")}  # not where it was installed from
    entries = [file(f"{about}/{name}", text.encode()) for name, text in told.items() if text]
    for command in known.entry_points.select(group="console_scripts"):
        text = f"#!{interpreter.PROGRAM}\nimport sys\n\nfrom {command.module} import {command.attr}\n\n"
        text += f"sys.exit({command.attr}())\n"
        entries.append(file(f"/usr/local/bin/{command.name}", text.encode(), PROGRAM_MODE))
    return [*entries, *tree(scratch)]


def _digest(*files: Path) -> str:
    return hashlib.sha256(b"".join(each.read_bytes() for each in files)).hexdigest()[:12]
