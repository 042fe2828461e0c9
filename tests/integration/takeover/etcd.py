"""Write a data directory of etcd without history: the newest version of each object, with its resourceVersion."""

from __future__ import annotations

import base64
import io
import tarfile
from pathlib import Path
from typing import Any, NamedTuple

from outfitter_sandbox import Sandbox
from outfitter_sandbox.components import ETCD
from outfitter_sandbox.connection import Connection

# Events expire, Leases name the machine, and the API server keeps the other two keys for itself.
LEFT_OUT = ("/registry/leases/", "/registry/events/", "/registry/masterleases/", "compact_rev_key")
PADDING = base64.b64encode(b"padding").decode()
_PAGE = 4096


class Entry(NamedTuple):
    """A key of etcd and its value, both base64. The revision is the resourceVersion of the object."""

    revision: int
    key: str
    value: str


def save(sandbox: Sandbox, archive: Path) -> None:
    """Write a tar for `Sandbox.up(data=...)`. Afterwards you can only take the sandbox down.

    An empty etcd receives the objects in the order of their revisions. Each object keeps its resourceVersion, because
    copies of Secrets refer to it. Another key fills the gaps between two revisions.
    """
    for name in [each for each in sandbox.status() if each != ETCD]:
        sandbox.stop_component(name, grace=5)
    etcd = connect(sandbox)
    entries = read(etcd)
    sandbox.stop_component(ETCD, grace=10)
    folder = sandbox.directory / "etcd"
    folder.rename(sandbox.directory / "etcd-with-history")
    sandbox.start_component(ETCD)
    write(etcd, entries)
    sandbox.stop_component(ETCD, grace=10)
    pack(folder, archive)


def connect(sandbox: Sandbox) -> Connection:
    """Return a client of the sandbox's etcd, which answers JSON on its gateway."""
    pki = sandbox.layout.pki
    return Connection.with_certificate(
        sandbox.layout.etcd_url,
        authority=pki / "etcd-ca.crt",
        certificate=pki / "etcd-client.crt",
        key=pki / "etcd-client.key",
    )


def read(etcd: Connection) -> list[Entry]:
    """Return all objects except `LEFT_OUT`, oldest first."""
    everything = base64.b64encode(b"\0").decode()
    answer = _ask(etcd, "kv/range", key=everything, range_end=everything)
    found = [Entry(int(item["mod_revision"]), item["key"], item["value"]) for item in answer["kvs"]]
    return sorted(entry for entry in found if not base64.b64decode(entry.key).decode().startswith(LEFT_OUT))


def write(etcd: Connection, entries: list[Entry]) -> None:
    """Put each entry into an empty etcd at its revision, then remove the padding."""
    now = int(_ask(etcd, "kv/range", key=PADDING)["header"]["revision"])
    for entry in entries:
        for _ in range(now + 1, entry.revision):
            _ask(etcd, "kv/put", key=PADDING, value="")
        now = int(_ask(etcd, "kv/put", key=entry.key, value=entry.value)["header"]["revision"])
        assert now == entry.revision
    end = _ask(etcd, "kv/deleterange", key=PADDING)["header"]["revision"]
    _ask(etcd, "kv/compaction", revision=end, physical=True)
    _ask(etcd, "maintenance/defragment")


def pack(folder: Path, archive: Path) -> None:
    """Write a compressed tar without owners and times, and without the zeros that etcd preallocates in its log."""
    with tarfile.open(archive, "w:xz", preset=9) as tar:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix != ".tmp":
                content = path.read_bytes()
                if path.suffix == ".wal":
                    used = len(content.rstrip(b"\0"))
                    content = content[: -(-used // _PAGE) * _PAGE]
                member = tarfile.TarInfo(str(path.relative_to(folder.parent)))
                member.size, member.mode = len(content), 0o600
                tar.addfile(member, io.BytesIO(content))


def _ask(etcd: Connection, path: str, **body: Any) -> Any:
    return etcd.request("POST", f"/v3/{path}", body)
