"""What the containers that fetch repositories and buckets leave behind: a commit, a size, or why they failed.

Their message is one line of a file in the pod. A program of the workload can write there too, so nothing in it is
trusted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from outfitter.naming import DATA_PREFIX
from outfitter.observe.causes import shown
from outfitter.observe.state import Observation, failed
from outfitter.problems import quoted
from outfitter.reasons import Reason
from outfitter.snapshot import CachedObject

_COMMIT: Final = re.compile(r"commit ([0-9a-f]{40}(?:[0-9a-f]{24})?)")
_COPIED: Final = re.compile(r"objects ([0-9]{1,15}) bytes ([0-9]{1,18})")
_FAILED: Final = re.compile(r"failed ([a-z-]{1,32}) ?(.*)")
_HASH: Final = re.compile(r"-[0-9a-f]{4}$")
# Parts that differ at each attempt: times, and the ports and names of one request.
_CHANGING: Final = (
    (re.compile(r" after \d+ ms"), ""),
    (re.compile(r"\b(?:read|write) (?:tcp|udp) [\w.:\[\]]+->"), ""),
    (re.compile(r",? ?(?:Request|Host) ?ID: \S*"), ""),
)


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of failure. `code`: the word that the container writes; `cause` follows the name of the source."""

    code: str
    reason: Reason
    cause: str
    remedy: str


CODES: Final[tuple[Code, ...]] = (
    Code(
        "revision-not-found", Reason.REVISION_NOT_FOUND,
        "the repository has no such branch, tag or commit", "Correct revision or branch.",
    ),
    Code(
        "authentication", Reason.LOGIN_REJECTED,
        "the login was rejected, or is missing", "Correct the Secret of the Credential, or name a Credential.",
    ),
    Code(
        "forbidden", Reason.ACCESS_DENIED,
        "the login has no right to read it", "Ask the owner for the right to read, or use another login.",
    ),
    Code(
        "host-key-unknown", Reason.HOST_KEY_UNKNOWN,
        "no host key of the server is known",
        "Add its line from ssh-keyscan to key known_hosts of the Credential, or ask for gitKnownHosts.",
    ),
    Code(
        "host-key-changed", Reason.HOST_KEY_CHANGED,
        "the server has another host key than the known one",
        "Ask its administrator whether the key changed. If so, correct known_hosts, or ask for a new gitKnownHosts.",
    ),
    Code(
        "not-found", Reason.REPOSITORY_NOT_FOUND,
        "the repository does not exist, or the login cannot see it", "Correct repository, or the login.",
    ),
    Code(
        "bucket-missing", Reason.BUCKET_NOT_FOUND,
        "the bucket does not exist", "Correct bucket and url.",
    ),
    Code(
        "no-space", Reason.NO_SPACE,
        "it does not fit into its volume", "Raise sizeLimit, or ask for nodes with more storage.",
    ),
    Code(
        "not-writable", Reason.FETCH_FAILED,
        "the user of the pod may not write into its volume",
        "Set security.runAsGid, which gives the volume that group, or remove cache.",
    ),
    Code(
        "timeout", Reason.FETCH_TIMEOUT,
        "it took too long", "Check the server, or ask an administrator to raise gitTimeoutSeconds or s3TimeoutSeconds.",
    ),
    Code(
        "certificate", Reason.ENDPOINT_UNREACHABLE,
        "the certificate of the server was rejected",
        "Correct the address. For an authority of your own, ask an administrator to add it to dataAuthorities.",
    ),
    Code(
        "unreachable", Reason.ENDPOINT_UNREACHABLE,
        "the server cannot be reached", "Check its address and the network. It is tried again.",
    ),
    Code("other", Reason.FETCH_FAILED, "its program failed", "Read the log of the container: kubectl logs."),
)  # fmt: skip
"""Every failure, in the order of the guide."""
_BY_CODE: Final = {row.code: row for row in CODES}


@dataclass(frozen=True, slots=True)
class Fetched:
    """What was fetched: a commit, or a number of objects and bytes."""

    commit: str = ""
    objects: int | None = None
    bytes: int | None = None


def is_fetching(container: Mapping[str, Any]) -> bool:
    """Return whether a container of a pod, or its status, is one that fetches."""
    return str(container.get("name", "")).startswith(DATA_PREFIX)


def fetched(pod: CachedObject) -> dict[str, Fetched]:
    """Return what each container of a pod has fetched, by its name; those that have not are left out."""
    found: dict[str, Fetched] = {}
    for container in _fetching(pod):
        end = (container.get("state") or {}).get("terminated") or {}
        if end.get("exitCode") == 0:
            found[container["name"]] = _read(str(end.get("message") or ""))
    return found


def _read(message: str) -> Fetched:
    """Return what a message says; nothing for one of another form."""
    line = message.strip()
    if commit := _COMMIT.fullmatch(line):
        return Fetched(commit[1])
    if copied := _COPIED.fullmatch(line):
        return Fetched(objects=int(copied[1]), bytes=int(copied[2]))
    return Fetched()


def under_way(pod: CachedObject) -> str:
    """Return the source that a pod fetches now, "" for none."""
    running = (item for item in _fetching(pod) if "running" in (item.get("state") or {}))
    return next((_source(item) for item in running), "")


def fetch_failure(pod: CachedObject, container: Mapping[str, Any]) -> Observation | None:
    """Return why a container failed to fetch, until it succeeds; None if it has not failed by itself."""
    state = container.get("state") or {}
    end = state.get("terminated") or (container.get("lastState") or {}).get("terminated") or {}
    if not end.get("exitCode") or end.get("reason") == "OOMKilled":
        return None
    line = next(iter(str(end.get("message") or "").strip().splitlines()), "")
    found = _FAILED.fullmatch(line)
    row = _BY_CODE.get(found[1] if found else "", _BY_CODE["other"])
    words = _words(found[2] if found else line)
    text = f"Pod {pod.name} cannot fetch {_source(container)}: {row.cause}{words}. {row.remedy}"
    return failed(row.reason, text)


def _words(line: str) -> str:
    for pattern, kept in _CHANGING:
        line = pattern.sub(kept, line)
    line = shown(line)
    return f" ({quoted(line)})" if line else ""


def _source(container: Mapping[str, Any]) -> str:
    """Return the source of a container, whose name is that of the volume with a hash."""
    return _HASH.sub("", str(container["name"]).removeprefix(DATA_PREFIX)) or "data"


def _fetching(pod: CachedObject) -> Iterator[Mapping[str, Any]]:
    status = pod.body.get("status") or {}
    return (item for item in status.get("initContainerStatuses") or () if is_fetching(item))
