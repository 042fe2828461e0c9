"""The committed files of a checkout, in a folder of their own: nothing else can get into a version."""

from __future__ import annotations

import io
import os
import re
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from outfitter.codegen.checkout import generate
from outfitter.codegen.release.names import Names
from outfitter.codegen.release.versions import version
from outfitter.errors import ConfigurationError

_IMAGE: Final = re.compile(r"[a-z0-9][\w.:/-]*@sha256:[0-9a-f]{64}")
_VALUES: Final = re.compile(r'^(image:\n(?:  .*\n)*?  repository: )\S+(\n(?:  .*\n)*?  digest: )""$', re.MULTILINE)
_FIRST_SECOND: Final = 315532800
"""1 January 1980: archives of the format zip, as wheels are, have no earlier time."""


@dataclass(frozen=True)
class Source:
    """The files that a version is made of, and the time that all its files get."""

    root: Path
    epoch: int

    @property
    def names(self) -> Names:
        """The names of the files of this version."""
        return Names(version(self.root))

    def text(self, name: str) -> str:
        """Return a file of the checkout."""
        return (self.root / name).read_text(encoding="utf-8")

    def files(self, folder: str) -> dict[str, bytes]:
        """Return the content of every file below a folder, by its path in that folder."""
        top = self.root / folder
        paths = (path for path in sorted(top.rglob("*")) if path.is_file())
        return {path.relative_to(top).as_posix(): path.read_bytes() for path in paths}


def export(checkout: Path, target: Path) -> Source:
    """Write the files of the commit that is checked out to `target`.

    Raises ConfigurationError where a file differs from the commit.
    """
    if changed := _git(checkout, "status", "--porcelain").decode().splitlines():
        shown = ", ".join(line[3:] for line in changed[:3])
        raise ConfigurationError(f"{checkout} has changes that are not committed: {shown}. Commit or stash them.")
    with tarfile.open(fileobj=io.BytesIO(_git(checkout, "archive", "--format=tar", "HEAD"))) as archive:
        archive.extractall(target, filter="data")
    return Source(target, _epoch(checkout))


def prepare(source: Source, helm: Path, image: str = "") -> None:
    """Verify that the generated files are current, then set the image of the chart and of install.yaml."""
    if image and _IMAGE.fullmatch(image) is None:
        raise ConfigurationError(f"IMAGE: {image!r} is no image with a digest. Write REPOSITORY@sha256:DIGEST.")
    if stale := generate(source.root, helm):
        shown = ", ".join(str(path.relative_to(source.root)) for path in stale[:3])
        raise ConfigurationError(f"Generated files are not current: {shown}. Run `make generate` and commit them.")
    if image:
        _set_image(source.root / "deploy/chart/values.yaml", image)
        generate(source.root, helm)


def _set_image(values: Path, image: str) -> None:
    repository, _, digest = image.partition("@")
    text, count = _VALUES.subn(
        lambda found: f'{found[1]}{repository}{found[2]}"{digest}"', values.read_text(encoding="utf-8")
    )
    if count != 1:
        raise ConfigurationError(f"{values}: image.repository and an empty image.digest are expected, in this order.")
    values.write_text(text, encoding="utf-8")


def _epoch(checkout: Path) -> int:
    given = os.environ.get("SOURCE_DATE_EPOCH")
    text = given or _git(checkout, "log", "-1", "--format=%ct").decode().strip()
    if not text.isdecimal() or int(text) < _FIRST_SECOND:
        raise ConfigurationError(
            f"SOURCE_DATE_EPOCH: {text!r} is no time since 1980. Write the seconds since 1970, or leave it out."
        )
    return int(text)


def _git(checkout: Path, *arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", "-C", str(checkout), *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        raise ConfigurationError("git is not on the PATH. Install it: a version is built from a commit.") from None
    if done.returncode != 0:
        raise ConfigurationError(f"git {arguments[0]} failed in {checkout}: {done.stderr.decode().strip()}")
    return done.stdout
