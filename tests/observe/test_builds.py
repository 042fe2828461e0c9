"""Results of builds, from the messages of their pods."""

from __future__ import annotations

from typing import Any

import pytest

from outfitter.naming import DATA_PREFIX
from outfitter.observe.builds import CODES, Built, Failed, built, revision
from outfitter.reasons import Reason
from outfitter.snapshot import CachedObject
from world import complete

DIGEST = f"sha256:{'0123456789abcdef' * 4}"
KEY = "hf_aBcDeFgHiJkLmNoPqRsT"


def pod(*containers: dict[str, Any], **status: Any) -> CachedObject:
    body = {"containerStatuses": list(containers), **status}
    return CachedObject.of(complete({"kind": "Pod", "metadata": {"name": "app-1"}, "status": body}))


def ended(message: str | None, code: int = 1, state: str = "state", **end: Any) -> CachedObject:
    text = {} if message is None else {"message": message}
    terminated = {"terminated": {"exitCode": code, "reason": "Error", **text, **end}}
    return pod({"name": "sidecar", "state": terminated}, {"name": "build", state: terminated})


def failure(message: str | None, code: int = 1, **end: Any) -> Failed:
    result = built(ended(message, code, **end))
    assert isinstance(result, Failed)
    return result


@pytest.mark.parametrize("state", ["state", "lastState"])
def test_an_image_has_a_digest_and_the_end_of_the_log(state: str) -> None:
    result = built(ended(f"digest {DIGEST}\n#1 DONE 0.1s\n\n#2 CACHED\n", 0, state))
    assert result == Built(DIGEST, "#1 DONE 0.1s\n\n#2 CACHED")


@pytest.mark.parametrize(
    "container",
    [
        {"name": "build", "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}},
        {"name": "build", "state": {"waiting": {"reason": "PodInitializing"}}, "lastState": {}},
        {"name": "build"},
        {"name": "other", "state": {"terminated": {"exitCode": 0, "message": f"digest {DIGEST}"}}},
    ],
)
def test_a_build_without_an_end_has_no_result(container: dict[str, Any]) -> None:
    assert built(pod(container)) is None
    assert built(pod()) is None


@pytest.mark.parametrize("row", CODES, ids=lambda row: row.code)
def test_each_code_has_its_reason_cause_and_remedy(row: Any) -> None:
    result = failure(f"failed {row.code} some words\n#1 ERROR: no\n")
    assert result.reason is row.reason
    assert result.message == f'Pod app-1 cannot build the image: {row.cause} ("some words"). {row.remedy}'
    assert result.log == "#1 ERROR: no"
    assert len(result.message) < 240


@pytest.mark.parametrize(
    "message",
    [
        None,
        "",
        "\n",
        "digest",
        "digest sha256:0123",
        f"digest {DIGEST}0",
        f"digest {DIGEST.upper()}",
        f"digest sha512:{DIGEST[7:]}",
        f"digest {DIGEST} more",
        f"#1 DONE\ndigest {DIGEST}",
        f"failed build-failed x\ndigest {DIGEST}",
        f"digest {DIGEST}\0",
    ],
)
def test_success_without_a_digest_in_the_first_line_is_a_failure(message: str | None) -> None:
    """Later lines are the log, in which a step can print anything."""
    result = failure(message, 0)
    assert result.reason is Reason.BUILD_FAILED
    assert "no digest" in result.message


def test_a_digest_after_a_failure_does_not_count() -> None:
    result = failure(f"digest {DIGEST}\n#1 DONE")
    assert (result.reason, result.log) == (Reason.BUILD_FAILED, "#1 DONE")
    assert "the builder failed" in result.message


@pytest.mark.parametrize(
    ("message", "code", "end", "reason"),
    [
        (None, 143, {}, Reason.BUILD_INTERRUPTED),
        ("", 137, {}, Reason.BUILD_INTERRUPTED),
        ("#1 the log, where the kubelet puts it", 143, {}, Reason.BUILD_INTERRUPTED),
        ("", 137, {"reason": "OOMKilled"}, Reason.OOM_KILLED),
        ("failed timeout not complete after 3 seconds", 143, {}, Reason.BUILD_TIMEOUT),
        ("", 1, {}, Reason.BUILD_FAILED),
        ("failed", 1, {}, Reason.BUILD_FAILED),
        ("failed no-such-code words", 1, {}, Reason.BUILD_FAILED),
        ("failed BUILD-FAILED words", 1, {}, Reason.BUILD_FAILED),
        (f"failed {'a' * 5000}", 1, {}, Reason.BUILD_FAILED),
    ],
)
def test_other_ends(message: str | None, code: int, end: dict[str, Any], reason: Reason) -> None:
    assert failure(message, code, **end).reason is reason


@pytest.mark.parametrize(
    ("reason", "message", "expected"),
    [
        ("Evicted", 'Usage of EmptyDir volume "work" exceeds the limit "10Gi". ', Reason.NO_SPACE),
        ("Evicted", "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi. ", Reason.NO_SPACE),
        ("Evicted", "The node was low on resource: ephemeral-storage. Threshold quantity: 1", Reason.NO_SPACE),
        ("Evicted", "The node was low on resource: memory. Threshold quantity: 1", Reason.BUILD_INTERRUPTED),
        ("Terminated", "Pod was terminated in response to imminent node shutdown.", Reason.BUILD_INTERRUPTED),
        ("NodeLost", None, Reason.BUILD_INTERRUPTED),
    ],
)
@pytest.mark.parametrize("ended", [True, False])
def test_a_pod_that_its_node_ended(reason: str, message: str | None, expected: Reason, ended: bool) -> None:
    """Also where no container has an end."""
    end = {"terminated": {"exitCode": 137}} if ended else {"waiting": {"reason": "ContainerCreating"}}
    status = {"phase": "Failed", "reason": reason, **({"message": message} if message else {})}
    result = built(pod({"name": "build", "state": end}, **status))
    assert isinstance(result, Failed)
    assert result.reason is expected
    assert ("node" in result.message or "torage" in result.message or "EmptyDir" in result.message) is bool(message)


def test_a_pod_whose_source_failed_has_no_result() -> None:
    """That is a failure of the container which fetches."""
    assert built(pod({"name": "build", "state": {"waiting": {"reason": "PodInitializing"}}}, phase="Failed")) is None


def test_hostile_messages_are_bounded_printable_and_without_keys() -> None:
    noise = "".join(map(chr, range(1, 256))) + "\u202e\u2028"
    first = f"failed build-failed \x1b[31m{KEY} https://ada:pa55@host/x \t{'y ' * 400}"
    result = failure(f"{first}\n{noise}\nTOKEN={KEY}\nhttps://ada:pa55@host/x\n" + "z " * 3000)
    for text in (result.message, result.log):
        assert all(character == "\n" or " " <= character <= "~" for character in text)
        assert KEY not in text
        assert "pa55" not in text
    assert "\n" not in result.message
    assert len(result.message) < 500
    assert len(result.log) <= 4096


def test_the_commit_of_the_source() -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"

    def source(name: str, code: int, message: str) -> dict[str, Any]:
        return {"name": name, "state": {"terminated": {"exitCode": code, "message": message}}}

    data = f"{DATA_PREFIX}source"
    assert revision(pod(initContainerStatuses=[source(data, 0, f"commit {commit}\n")])) == commit
    for status in ([], [source(data, 1, f"commit {commit}")], [source("other", 0, f"commit {commit}")],
                   [source(data, 0, "commit 0123"), source(data, 0, "objects 1 bytes 1")]):  # fmt: skip
        assert revision(pod(initContainerStatuses=status)) == ""
