"""Results of the container that builds an image: a digest, or the cause of a failure, and the end of the log.

Its message is a file in a pod where the steps of a Dockerfile may run, so nothing in it is trusted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from outfitter.naming import BUILD_CONTAINER
from outfitter.observe.causes import shown, without_keys
from outfitter.observe.fetches import Code, fetched
from outfitter.problems import quoted
from outfitter.reasons import Reason
from outfitter.snapshot import CachedObject

_DIGEST: Final = re.compile(r"(?:digest )?(sha256:[0-9a-f]{64})")  # a program of an administrator writes it alone
_FAILED: Final = re.compile(r"failed ([a-z-]{1,32}) ?(.*)")
_LOG_LIMIT: Final = 4096  # bytes; the kubelet keeps no more of a message
_UNPRINTABLE: Final = re.compile(r"[^\n -~]")
_STORAGE: Final = re.compile(r"EmptyDir volume|ephemeral[- ](?:local )?storage|inodes")  # what the kubelet writes
_STOPPED: Final = (137, 143)  # exit codes after SIGKILL and SIGTERM

_AGAIN: Final = "Then build again."
_ASK: Final = "Ask an administrator to check the daemon that builds images."

CODES: Final[tuple[Code, ...]] = (
    Code(
        "dockerfile-missing", Reason.DOCKERFILE_NOT_FOUND,
        "the source has no such Dockerfile", "Correct the path of the Dockerfile, or add the file.",
    ),
    Code(
        "dockerfile-outside", Reason.DOCKERFILE_NOT_FOUND,
        "the path of the Dockerfile leads out of the source", "Name a file of the source.",
    ),
    Code(
        "build-failed", Reason.BUILD_FAILED,
        "the Dockerfile is invalid, or one of its steps failed", f"Correct the Dockerfile or the source. {_AGAIN}",
    ),
    Code(
        "base-image-missing", Reason.IMAGE_NOT_FOUND,
        "a base image does not exist, or the login cannot see it",
        f"Correct FROM in the Dockerfile, or name a Credential for its registry. {_AGAIN}",
    ),
    Code(
        "login-rejected", Reason.LOGIN_REJECTED,
        "the image registry rejected the login, or wants one",
        f"Correct the Secret of the Credential, or name a Credential. {_AGAIN}",
    ),
    Code(
        "forbidden", Reason.ACCESS_DENIED,
        "the login has no right to pull or push there", f"Ask the owner of the repository for the right. {_AGAIN}",
    ),
    Code(
        "repository-missing", Reason.REPOSITORY_NOT_FOUND,
        "the image registry has no such repository", f"Create it, or correct the name of the image. {_AGAIN}",
    ),
    Code(
        "push-failed", Reason.PUSH_REJECTED,
        "the image registry rejected the image", f"Follow the text of the registry. {_AGAIN}",
    ),
    Code(
        "registry-unreachable", Reason.ENDPOINT_UNREACHABLE,
        "an image registry cannot be reached", f"Check its address and the network. {_AGAIN}",
    ),
    Code(
        "certificate", Reason.ENDPOINT_UNREACHABLE,
        "the certificate of a server was rejected",
        "Correct the address. For an authority of your own, ask an administrator to add it to dataAuthorities.",
    ),
    Code(
        "daemon-unreachable", Reason.BUILDER_UNREACHABLE,
        "the daemon that builds images cannot be reached", f"{_ASK} {_AGAIN}",
    ),
    Code(
        "daemon-failed", Reason.BUILDER_UNREACHABLE,
        "BuildKit does not run in the pod", "Ask an administrator for nodes that allow it, or for backend buildkit.",
    ),
    Code(
        "no-space", Reason.NO_SPACE,
        "a volume of the build is full", "Make the image smaller, or ask an administrator for more storage.",
    ),
    Code(
        "timeout", Reason.BUILD_TIMEOUT,
        "it took too long", "Make its steps shorter, or ask an administrator for more time.",
    ),
    Code(
        "digest-missing", Reason.BUILD_FAILED,
        "the builder returned no digest of the image", f"{_ASK} {_AGAIN}",
    ),
    Code("other", Reason.BUILD_FAILED, "the builder failed", "Read the log: outfitter build logs."),
)  # fmt: skip
"""Every failure that the container reports, in the order of the guide."""
_BY_CODE: Final = {row.code: row for row in CODES}
_OUT_OF_MEMORY: Final = Code(
    "", Reason.OOM_KILLED, "it ran out of memory", f"Ask an administrator for more memory for builds. {_AGAIN}"
)
_INTERRUPTED: Final = Code("", Reason.BUILD_INTERRUPTED, "its pod was stopped", "Build again.")


@dataclass(frozen=True, slots=True)
class Built:
    """An image that was built and pushed. `log`: the end of the log."""

    digest: str
    log: str


@dataclass(frozen=True, slots=True)
class Failed:
    """A build that failed. `message` includes the remedy; `log`: the end of the log."""

    reason: Reason
    message: str
    log: str


def built(pod: CachedObject) -> Built | Failed | None:
    """Return the result of the pod of a build; None while it has none."""
    if ended := _ended_from_outside(pod):
        return ended
    end = _end(pod)
    if end is None:
        return None
    message = str(end.get("message") or "")
    first, _, rest = message.partition("\n")
    digest, failure = _DIGEST.fullmatch(first.strip()), _FAILED.fullmatch(first.strip())
    log = _log(rest if digest or failure else message)
    if end.get("exitCode") == 0:
        return Built(digest[1], log) if digest else _failed(pod, _BY_CODE["digest-missing"], "", log)
    if end.get("reason") == "OOMKilled":
        return _failed(pod, _OUT_OF_MEMORY, "", log)
    if failure is None:
        row = _INTERRUPTED if end.get("exitCode") in _STOPPED else _BY_CODE["other"]
        return _failed(pod, row, "", log)
    return _failed(pod, _BY_CODE.get(failure[1], _BY_CODE["other"]), failure[2], log)


def revision(pod: CachedObject) -> str:
    """Return the commit that the pod of a build has checked out; "" if there is none."""
    return next((item.commit for item in fetched(pod).values() if item.commit), "")


def _end(pod: CachedObject) -> Mapping[str, Any] | None:
    status = pod.body.get("status") or {}
    for container in status.get("containerStatuses") or ():
        if container.get("name") == BUILD_CONTAINER:
            for state in ("state", "lastState"):
                end: Mapping[str, Any] | None = (container.get(state) or {}).get("terminated")
                if end:
                    return end
    return None


def _ended_from_outside(pod: CachedObject) -> Failed | None:
    """Return the failure of a pod that its node evicted or shut down, whatever its containers say."""
    status = pod.body.get("status") or {}
    if status.get("phase") != "Failed" or not status.get("reason"):
        return None
    text = str(status.get("message") or "")
    row = _BY_CODE["no-space"] if _STORAGE.search(text) else _INTERRUPTED
    return _failed(pod, row, text, "")


def _failed(pod: CachedObject, row: Code, line: str, log: str) -> Failed:
    words = shown(_UNPRINTABLE.sub("", line))
    quote = f" ({quoted(words)})" if words else ""
    return Failed(row.reason, f"Pod {pod.name} cannot build the image: {row.cause}{quote}. {row.remedy}", log)


def _log(text: str) -> str:
    """Return the end of a log in printable ASCII, without words that may be a key."""
    lines = (without_keys(_UNPRINTABLE.sub("", line)).rstrip() for line in text[-_LOG_LIMIT:].splitlines())
    return "\n".join(lines).strip()
