"""Archives whose bytes depend on their content only."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path


def write_archive(path: Path, files: Mapping[str, bytes], epoch: int, programs: frozenset[str] = frozenset()) -> None:
    """Write a .tar.gz with `files` in the order of their names, of which `programs` can be executed."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.mode = len(files[name]), epoch, 0o755 if name in programs else 0o644
            archive.addfile(entry, io.BytesIO(files[name]))
    with path.open("wb") as target, gzip.GzipFile("", "wb", fileobj=target, mtime=epoch) as compressed:
        compressed.write(content.getvalue())


def read_archive(path: Path) -> dict[str, bytes]:
    """Return the content of every file of a .tar.gz."""
    with tarfile.open(path, "r:gz") as archive:
        return {
            entry.name: extracted.read() for entry in archive if (extracted := archive.extractfile(entry)) is not None
        }


def programs_of(path: Path) -> set[str]:
    """Return the files of a .tar.gz that can be executed."""
    with tarfile.open(path, "r:gz") as archive:
        return {entry.name for entry in archive if entry.mode & 0o111}
