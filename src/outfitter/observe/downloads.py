"""State of a download Job together with its pods."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from outfitter.observe.controllers import observe_job
from outfitter.observe.diagnosis import diagnose
from outfitter.observe.fields import NIM_CACHE
from outfitter.observe.pods import observe_pods
from outfitter.observe.state import Observation, State, failed, progressing
from outfitter.reasons import Reason
from outfitter.snapshot import CachedObject, Reader

# Failure by a pattern in the last lines of the log. The log itself is never shown, because it can contain a key.
_LOG_FAILURES: tuple[tuple[str, Reason, str], ...] = (
    (
        r"no space left|disk quota exceeded|enospc",
        Reason.NO_SPACE,
        "The volume of the download is full. Raise size if its StorageClass allows growth, or create a larger cache.",
    ),
    (
        r"\b40[13]\b|unauthori[sz]ed|forbidden|invalid (api )?key|authentication (failed|error)|access denied",
        Reason.KEY_REJECTED,
        "The registry rejected the key. Correct the Secret of the ngcApiKey Credential, or use a key for this model.",
    ),
)


_KEYS: Final = ("NGC_API_KEY", "NGC_CLI_API_KEY", "HF_TOKEN")
_NO_KEY: Final = (
    "The registry requires a key, and the download has none. Create a Credential of type ngcApiKey, or set credential."
)


def observe_download(reader: Reader, job: CachedObject, pods: Iterable[CachedObject]) -> Observation:
    """READY for a complete download; else the reason why it does not progress, or why it failed."""
    state = observe_job(job.body)
    if state.state is State.READY:
        return state
    if state.state is State.PROGRESSING:
        # A failed pod ends its Job; only the Job's own condition counts, and it follows a moment later.
        left = [pod for pod in pods if (pod.body.get("status") or {}).get("phase") != "Failed"]
        failure = diagnose(reader, observe_pods(left).candidates, NIM_CACHE)
        return progressing(failure.reason, failure.message) if failure else state
    if state.reason == Reason.DEADLINE_EXCEEDED:
        text = "The download took too long. Check the network, or ask an administrator to raise nimDownloadSeconds."
        return failed(Reason.DEADLINE_EXCEEDED, text)
    sent = _sends_key(job.body)
    for pod in sorted(filter(failed_by_itself, pods), key=_ended, reverse=True):
        if found := _terminated(pod, sent=sent):
            return found
    command = f"kubectl logs job/{job.name} -n {job.namespace}"
    return failed(Reason.DOWNLOAD_FAILED, f"The download failed. Read its log: {command}")


def failed_by_itself(pod: CachedObject) -> bool:
    """Return whether a pod did not end because of an eviction, a preemption or a drain."""
    conditions = (pod.body.get("status") or {}).get("conditions") or ()
    return not any(item["type"] == "DisruptionTarget" and item.get("status") == "True" for item in conditions)


def _ended(pod: CachedObject) -> tuple[str, str]:
    """Return when the containers of a pod ended, and when it was created."""
    containers = (pod.body.get("status") or {}).get("containerStatuses") or ()
    ended = [str(((item.get("state") or {}).get("terminated") or {}).get("finishedAt", "")) for item in containers]
    return max(ended, default=""), str(pod.body["metadata"].get("creationTimestamp", ""))


def _sends_key(job: Mapping[str, Any]) -> bool:
    """Return whether the download authenticates: with the key of NGC, or with a variable from a Secret."""
    containers = job["spec"]["template"]["spec"]["containers"]
    variables = [item for container in containers for item in container.get("env") or ()]
    return any(item["name"] in _KEYS or "secretKeyRef" in (item.get("valueFrom") or {}) for item in variables)


def _terminated(pod: CachedObject, *, sent: bool) -> Observation | None:
    for container in (pod.body.get("status") or {}).get("containerStatuses") or ():
        ended = (container.get("state") or {}).get("terminated") or {}
        if ended.get("reason") == "OOMKilled":
            return failed(Reason.OUT_OF_MEMORY, "The download exceeded its memory limit. Raise compute.cpuMemoryLimit.")
        for pattern, reason, fix in _LOG_FAILURES:
            if re.search(pattern, ended.get("message") or "", re.IGNORECASE):
                return (
                    failed(Reason.DOWNLOAD_FAILED, _NO_KEY)
                    if reason is Reason.KEY_REJECTED and not sent
                    else failed(reason, fix)
                )
    return None
