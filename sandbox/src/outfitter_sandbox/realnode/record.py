"""The record of the machine's one real node.

It holds the supervisor of the node, and the previous state of the machine.
"""

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
from outfitter_sandbox.realnode import leftovers, names

COPY = Path(names.NAME) / "record.json"  # in the folder of the sandbox, in case the run folder is lost


@dataclass(frozen=True)
class Record:
    """The input of the cleanup, also after a crash."""

    directory: str
    owner: Identity  # the supervisor; the node ends with it
    nft: str
    settings: dict[str, str]
    absent: list[str]  # fixed paths that did not exist before
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


def current() -> Record | None:
    """The record of the running or crashed real node of this machine."""
    return _read(names.RECORD)


def of(directory: Path) -> Record | None:
    """The record of one sandbox.

    The machine's record, else the copy in the folder if it is from this boot.
    """
    machine = current()
    if machine is not None and machine.directory == str(directory):
        return machine
    copy = _read(directory / COPY)
    this_process = Identity.of(os.getpid())
    same_boot = copy is not None and this_process is not None and copy.owner.boot == this_process.boot
    return copy if machine is None and same_boot else None


def claim(directory: Path, owner: Identity, nft: str) -> Record:
    """Register the machine's real node. SandboxError when a record exists.

    The caller holds `exclusively()` and has removed the leftovers of a crash.
    """
    record = Record(
        directory=str(directory), owner=owner, nft=nft,
        settings=leftovers.settings(names.SETTINGS),
        absent=[path for path in names.FIXED_PATHS if not os.path.lexists(path)],
    )  # fmt: skip
    copy = directory / COPY
    copy.parent.mkdir(mode=0o700, exist_ok=True)
    copy.write_text(json.dumps(asdict(record)))
    staging = names.RUN.with_name(f".{names.NAME}.{os.getpid()}")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(mode=0o711)  # network namespaces of pods are mounted below
    (staging / names.RECORD.name).write_text(json.dumps(asdict(record)))
    try:
        staging.rename(names.RUN)  # atomic; fails when the folder exists
    except OSError as error:
        shutil.rmtree(staging)
        raise SandboxError(
            f"{names.RUN} exists: a real node runs or crashed. Next: outfitter sandbox down --force"
        ) from error
    return record


@contextlib.contextmanager
def exclusively() -> Iterator[None]:
    """Hold the lock on the record.

    The lock is on the folder /run, so that it leaves no file.
    """
    descriptor = os.open(names.RUN.parent, os.O_RDONLY | os.O_DIRECTORY)
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
