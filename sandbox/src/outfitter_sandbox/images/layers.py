"""Layers of an image, written as reproducible tars."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import stat
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from outfitter_sandbox.errors import SandboxError

DIRECTORY_MODE = 0o755
FILE_MODE = 0o644
PROGRAM_MODE = 0o755


@dataclass(frozen=True)
class Entry:
    """One path of a layer: a regular file, a symlink or a directory.

    A file has `source` (a local file, or bytes), a symlink has `link`.

    `path` is the path in the image, absolute or relative to `/`.
    """

    path: str
    source: Path | bytes | None = None
    link: str | None = None
    mode: int = FILE_MODE
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True)
class Layer:
    """Entries in any order with unique paths.

    Missing parent directories are created (0755, root).
    """

    entries: Sequence[Entry]
    compress: bool = False


@dataclass(frozen=True)
class Blob:
    """A layer on disk, with digests of the file and of its tar (`sha256:...`)."""

    path: Path
    digest: str
    size: int
    diff_id: str
    compressed: bool


def file(path: str, source: Path | bytes, mode: int = FILE_MODE, uid: int = 0, gid: int = 0) -> Entry:
    """A regular file of the image, from a local file or from bytes."""
    return Entry(path, source=source, mode=mode, uid=uid, gid=gid)


def directory(path: str, mode: int = DIRECTORY_MODE, uid: int = 0, gid: int = 0) -> Entry:
    """A directory of the image.

    Required only for an empty one, or for other owners and modes than the default.
    """
    return Entry(path, mode=mode, uid=uid, gid=gid)


def symlink(path: str, target: str) -> Entry:
    """A symbolic link of the image; `target` is written unchanged."""
    return Entry(path, link=target, mode=0o777)


def tree(root: Path, at: str = "/", keep: Callable[[PurePosixPath], bool] = lambda _path: True) -> Iterator[Entry]:
    """All files below `root`, as entries below `at`.

    `keep` selects by paths relative to `root`. Owners become root, modes 0755 for directories and programs and 0644 for
    other files, independent of the umask. Symlinks stay links. SandboxError for sockets and devices.
    """
    for folder, names, files in os.walk(root):
        names.sort()
        inside = PurePosixPath(os.path.relpath(folder, root))
        names[:] = [name for name in names if keep(inside / name)]
        for name in sorted([*names, *(name for name in files if keep(inside / name))]):
            origin, place = Path(folder, name), str(PurePosixPath(at) / inside / name)
            status = origin.lstat()
            if stat.S_ISLNK(status.st_mode):
                yield symlink(place, str(origin.readlink()))
            elif stat.S_ISDIR(status.st_mode):
                yield directory(place)
            elif stat.S_ISREG(status.st_mode):
                yield file(place, origin, PROGRAM_MODE if status.st_mode & 0o111 else FILE_MODE)
            else:
                raise SandboxError(f"{origin} is not a file, directory or symlink. Remove it from the image.")


def skeleton(*users: tuple[str, int]) -> tuple[Entry, ...]:
    """Basic entries of a root file system: /tmp, mount points, passwd, group.

    `users` are (name, id) in addition to root and nobody; each has a group of the same name and id.
    """
    known = (("root", 0), *users, ("nobody", 65534))
    passwd = "".join(f"{name}:x:{uid}:{uid}::{'/root' if uid == 0 else '/tmp'}:/sbin/nologin\n" for name, uid in known)  # noqa: S108 - a path of the image
    group = "".join(f"{name}:x:{uid}:\n" for name, uid in known)
    return (
        *(directory(path) for path in ("/dev", "/proc", "/run", "/sys")),
        directory("/root", 0o700),
        directory("/tmp", 0o1777),  # noqa: S108 - a path of the image
        file("/etc/passwd", passwd.encode()),
        file("/etc/group", group.encode()),
    )


def write_layer(layer: Layer, target: Path) -> Blob:
    """Write the layer as a tar, gzipped on request.

    SandboxError for conflicting entries.
    """
    entries = _ordered(layer.entries)
    with target.open("wb") as out:
        stored = _Hashing(out)
        if layer.compress:
            with gzip.GzipFile(filename="", fileobj=stored, mode="wb", compresslevel=6, mtime=0) as packed:
                inner = _Hashing(packed)
                _write_tar(entries, inner)
        else:
            inner = stored
            _write_tar(entries, inner)
    return Blob(target, stored.digest(), stored.size, inner.digest(), layer.compress)


def add_member(tar: tarfile.TarFile, entry: Entry) -> None:
    """Add one entry to a tar, without times, names and inodes of this machine."""
    info = tarfile.TarInfo(_relative(entry.path))
    info.mode, info.uid, info.gid = entry.mode, entry.uid, entry.gid
    if entry.link is not None:
        info.type, info.linkname = tarfile.SYMTYPE, entry.link
        tar.addfile(info)
    elif entry.source is None:
        info.type = tarfile.DIRTYPE
        tar.addfile(info)
    elif isinstance(entry.source, bytes):
        info.size = len(entry.source)
        tar.addfile(info, io.BytesIO(entry.source))
    else:
        with entry.source.open("rb") as content:
            info.size = os.fstat(content.fileno()).st_size
            tar.addfile(info, content)


def _write_tar(entries: Sequence[Entry], out: _Hashing) -> None:
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for entry in entries:
            add_member(tar, entry)


def _ordered(entries: Sequence[Entry]) -> list[Entry]:
    """Sort by path, parents before children, and add missing parents."""
    known: dict[str, Entry] = {}
    for entry in entries:
        path = _relative(entry.path)
        if path in known:
            raise SandboxError(
                f"/{path} occurs twice in one layer. Remove one entry, or put the second into a higher layer."
            )
        known[path] = entry
    for path in list(known):
        for parent in list(PurePosixPath(path).parents)[:-1]:
            above = known.setdefault(str(parent), directory(str(parent)))
            if above.source is not None or above.link is not None:
                raise SandboxError(f"/{path} is below /{parent}, which is not a directory in this layer.")
    return [known[path] for path in sorted(known, key=lambda path: path.split("/"))]


def _relative(path: str) -> str:
    """`path` without a leading slash.

    SandboxError when it leaves the image or is its root.
    """
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if not parts or ".." in parts:
        raise SandboxError(f"{path!r} is not a path in an image. Use an absolute path without `..`.")
    return "/".join(parts)


class _Hashing(io.RawIOBase):
    """A stream that counts and hashes the data it passes on."""

    def __init__(self, out: IO[bytes] | gzip.GzipFile | _Hashing) -> None:
        self._out, self._sha256, self.size = out, hashlib.sha256(), 0

    def writable(self) -> bool:
        """Always True."""
        return True

    def write(self, data: object) -> int:
        """Hash data and pass it on."""
        chunk = bytes(data)  # type: ignore[call-overload]
        self._sha256.update(chunk)
        self.size += len(chunk)
        self._out.write(chunk)
        return len(chunk)

    def digest(self) -> str:
        """The digest of all written data, `sha256:...`."""
        return f"sha256:{self._sha256.hexdigest()}"
