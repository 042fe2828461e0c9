"""Layers of an image: entries with fixed owners, modes and times, written as a tar that is the same every time."""

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
    """One path of a layer: a regular file (`source`: a file here, or its bytes), a symlink (`link`) or a directory.

    `path` is where it stands in the image, absolute or relative to `/`.
    """

    path: str
    source: Path | bytes | None = None
    link: str | None = None
    mode: int = FILE_MODE
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True)
class Layer:
    """Entries in any order; missing parent directories are made (0755, root). A path may occur once."""

    entries: Sequence[Entry]
    compress: bool = False


@dataclass(frozen=True)
class Blob:
    """A layer on disk: its file, the digest and size of the file, and the digest of the tar inside (`sha256:...`)."""

    path: Path
    digest: str
    size: int
    diff_id: str
    compressed: bool


def file(path: str, source: Path | bytes, mode: int = FILE_MODE, uid: int = 0, gid: int = 0) -> Entry:
    """A regular file of the image, copied from a file here or made of bytes."""
    return Entry(path, source=source, mode=mode, uid=uid, gid=gid)


def directory(path: str, mode: int = DIRECTORY_MODE, uid: int = 0, gid: int = 0) -> Entry:
    """A directory of the image; needed only where owner or mode differ from those of made parents, or it is empty."""
    return Entry(path, mode=mode, uid=uid, gid=gid)


def symlink(path: str, target: str) -> Entry:
    """A symbolic link of the image; `target` is written as given."""
    return Entry(path, link=target, mode=0o777)


def tree(root: Path, at: str = "/", keep: Callable[[PurePosixPath], bool] = lambda _path: True) -> Iterator[Entry]:
    """Everything below `root`, placed below `at`; `keep` sees paths relative to `root` and may leave some out.

    Owners become root, modes 0755 for directories and programs and 0644 for other files: a umask here changes nothing
    there. Symlinks stay links. SandboxError for what an image cannot hold (sockets, devices).
    """
    for folder, names, files in os.walk(root):
        names.sort()
        inside = PurePosixPath(os.path.relpath(folder, root))
        names[:] = [name for name in names if keep(inside / name)]
        for name in sorted([*names, *(each for each in files if keep(inside / each))]):
            origin, place = Path(folder, name), str(PurePosixPath(at) / inside / name)
            status = origin.lstat()
            if stat.S_ISLNK(status.st_mode):
                yield symlink(place, str(origin.readlink()))
            elif stat.S_ISDIR(status.st_mode):
                yield directory(place)
            elif stat.S_ISREG(status.st_mode):
                yield file(place, origin, PROGRAM_MODE if status.st_mode & 0o111 else FILE_MODE)
            else:
                raise SandboxError(f"{origin} is no file, directory or symlink: an image cannot hold it. Leave it out.")


def skeleton(*users: tuple[str, int]) -> tuple[Entry, ...]:
    """What programs expect of any root file system: /tmp for everybody, mount points, passwd and group.

    `users` are (name, id) beside root and nobody; each has a group of the same name and id.
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
    """The layer as a tar at `target`, gzipped if it says so. SandboxError for entries that contradict each other."""
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
    """One entry into a tar, with nothing of this machine in its header: no times, no names, no inode numbers."""
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
    """Sorted by path, parents before children, missing parents made."""
    known: dict[str, Entry] = {}
    for entry in entries:
        path = _relative(entry.path)
        if path in known:
            raise SandboxError(
                f"/{path} occurs twice in one layer. Leave one out, or put the later into a layer above."
            )
        known[path] = entry
    for path in list(known):
        for parent in list(PurePosixPath(path).parents)[:-1]:
            above = known.setdefault(str(parent), directory(str(parent)))
            if above.source is not None or above.link is not None:
                raise SandboxError(f"/{path} stands below /{parent}, which is no directory in this layer.")
    return [known[path] for path in sorted(known, key=lambda path: path.split("/"))]


def _relative(path: str) -> str:
    """`path` below the root, without a leading slash. SandboxError when it leaves the image or is its root."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if not parts or ".." in parts:
        raise SandboxError(f"{path!r} is no path inside an image. Use an absolute path without `..`.")
    return "/".join(parts)


class _Hashing(io.RawIOBase):
    """A stream that counts and hashes what goes through it."""

    def __init__(self, out: IO[bytes] | gzip.GzipFile | _Hashing) -> None:
        self._out, self._sha256, self.size = out, hashlib.sha256(), 0

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: object) -> int:
        """Hash and pass on."""
        chunk = bytes(data)  # type: ignore[call-overload]
        self._sha256.update(chunk)
        self.size += len(chunk)
        self._out.write(chunk)
        return len(chunk)

    def digest(self) -> str:
        """The digest of all that was written, `sha256:...`."""
        return f"sha256:{self._sha256.hexdigest()}"
