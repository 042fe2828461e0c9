"""The machine-wide record of the one real node: who runs it, where, and what this machine was like before."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.processes import Identity
from outfitter_sandbox.realnode import marks, traces

COPY = Path(marks.MARK) / "record.json"  # in the sandbox's folder, should the run folder be lost


@dataclass(frozen=True)
class Record:
    """Everything that the clean-up needs, also after a crash."""

    directory: str
    owner: Identity  # the supervisor; when it is gone, so is the node
    nft: str
    settings: dict[str, str]
    absent: list[str]  # fixed paths that did not exist before
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


def current() -> Record | None:
    """The record of the real node that is up or was left over by a crash."""
    return _read(marks.RECORD)


def of(directory: Path) -> Record | None:
    """The record of this sandbox: the machine's if it is this one's, else the copy in its folder, of this boot only."""
    found = current()
    if found is not None and found.directory == str(directory):
        return found
    copy = _read(directory / COPY)
    here = Identity.of(os.getpid())
    return copy if found is None and copy and here and copy.owner.boot == here.boot else None


def claim(directory: Path, owner: Identity, nft: str) -> Record:
    """Become the machine's one real node. SandboxError when somebody else is, or was and left something behind.

    The caller holds `exclusively()` and has cleaned up after the dead.
    """
    record = Record(
        directory=str(directory), owner=owner, nft=nft,
        settings=traces.settings(marks.SETTINGS),
        absent=[each for each in marks.FIXED_PATHS if not os.path.lexists(each)],
    )  # fmt: skip
    copy = directory / COPY
    copy.parent.mkdir(mode=0o700, exist_ok=True)
    copy.write_text(json.dumps(asdict(record)))
    staging = marks.RUN.with_name(f".{marks.MARK}.{os.getpid()}")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(mode=0o711)  # the namespaces of pods are mounted below
    (staging / marks.RECORD.name).write_text(json.dumps(asdict(record)))
    try:
        staging.rename(marks.RUN)  # complete or not at all; fails when there is one already
    except OSError as error:
        shutil.rmtree(staging)
        raise SandboxError(
            f"{marks.RUN} exists: a real node is up, or crashed. Next: outfitter sandbox down --force"
        ) from error
    return record


@contextlib.contextmanager
def exclusively() -> Iterator[None]:
    """One process at a time looks at the record and acts on it. The lock is on the folder /run: it leaves no file."""
    descriptor = os.open(marks.RUN.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _read(path: Path) -> Record | None:
    try:
        content = json.loads(path.read_text())
        return Record(**content | {"owner": Identity(**content["owner"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
