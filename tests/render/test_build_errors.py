"""The code of each error that BuildKit reports."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from building_pod import BuildPod
from fetching_pod import SHELLS

from outfitter.observe.builds import CODES

HEAD = "unexpected status from HEAD request to https://r/v2/a/manifests/1"
SOURCE = "r/a:1: failed to resolve source metadata for r/a:1: "
# What buildctl v0.34.2 prints -> code and words.
ERRORS = {
    "failed to solve: dockerfile parse error on line 2: unknown instruction: FOO": "build-failed dockerfile parse",
    "failed to solve: the Dockerfile cannot be empty": "build-failed the Dockerfile cannot be empty",
    'failed to solve: failed to compute cache key: failed to calculate checksum of ref x: "/a": not found':
        "build-failed failed to compute cache key",
    "failed to solve: failed to read dockerfile: open Dockerfile: no such file or directory": "dockerfile-missing ",
    f"failed to solve: {SOURCE}r/a:1: not found": "base-image-missing r/a:1",
    f"failed to solve: {SOURCE}pull access denied, repository does not exist or may require authorization: "
    "server message: insufficient_scope: authorization failed": "base-image-missing ",
    f"failed to solve: {SOURCE}no match for platform in manifest: not found": "base-image-missing ",
    f"failed to solve: {SOURCE}{HEAD}: 401 Unauthorized": "login-rejected ",
    f"failed to solve: {SOURCE}failed to authorize: failed to fetch oauth token: {HEAD}: 401 Unauthorized":
        "login-rejected ",
    f"failed to solve: failed to push r/a:1: {HEAD}: 401 Unauthorized": "login-rejected failed to push r/a:1",
    f"failed to solve: {SOURCE}{HEAD}: 403 Forbidden": "forbidden ",
    "failed to solve: failed to push r/a:1: push access denied, repository does not exist or may require "
    "authorization: server message: insufficient_scope: authorization failed": "forbidden ",
    f"failed to solve: failed to push r/a:1: {HEAD}: 403 Forbidden": "forbidden ",
    f"failed to solve: failed to push r/a:1: {HEAD}: 404 Not Found": "repository-missing ",
    f"failed to solve: failed to push r/a:1: {HEAD}: 400 Bad Request": "push-failed ",
    f"failed to solve: failed to push r/a:1: {HEAD}: 503 Service Unavailable": "registry-unreachable ",
    f"failed to solve: failed to push r/a:1: {HEAD}: 429 Too Many Requests": "registry-unreachable ",
    'failed to solve: failed to push r/a:1: failed to do request: Head "https://r/v2/a/blobs/x": dial tcp 10.0.0.1:443:'
    " connect: connection refused": "registry-unreachable ",
    f'failed to solve: {SOURCE}failed to do request: Head "https://r/v2/a/manifests/1": dial tcp: lookup r on '
    "10.0.0.10:53: no such host": "registry-unreachable ",
    "failed to solve: failed to resolve source metadata for docker.io/docker/dockerfile:1: failed to do request: Head "
    '"https://registry-1.docker.io/v2/docker/dockerfile/manifests/1": dial tcp: i/o timeout': "registry-unreachable ",
    'failed to solve: failed to push r/a:1: failed to do request: Head "https://r/v2/": tls: failed to verify '
    "certificate: x509: certificate signed by unknown authority": "certificate ",
    'failed to solve: failed to push r/a:1: failed to do request: Head "https://r/v2/": http: server gave HTTP '
    "response to HTTPS client": "certificate ",
    "failed to solve: failed to push r/a:1: write /x: no space left on device": "no-space ",
    'listing workers for Build: failed to list workers: Unavailable: connection error: desc = "transport: Error while '
    'dialing: dial tcp 127.0.0.1:1: connect: connection refused"': "daemon-unreachable ",
    'listing workers for Build: failed to list workers: Unavailable: connection error: desc = "transport: '
    'authentication handshake failed: tls: failed to verify certificate: x509: unknown"': "certificate ",
    'failed to solve: Unavailable: closing transport due to: connection error: desc = "error reading from server: EOF"':
        "daemon-unreachable ",
    "something else": "other something else",
}  # fmt: skip
RUN = 'process "/bin/sh -c wget https://r 401 Unauthorized" did not complete successfully: exit code: 3'
STEP = """\
#5 [2/2] RUN wget https://r 401 Unauthorized
#5 0.054 error: failed to solve: no space left on device
#5 ERROR: {error}
------
 > importing cache manifest from r/a:cache:
------
------
 > [2/2] RUN wget https://r 401 Unauthorized:
0.030 first
0.054 {last}
------
Dockerfile:2
--------------------
   2 | >>> RUN wget https://r 401 Unauthorized
--------------------
error: failed to solve: {error}
"""


@pytest.mark.parametrize("error", ERRORS, ids=lambda text: text[-40:])
def test_errors_have_codes(tmp_path: Path, error: str) -> None:
    pod = BuildPod(tmp_path)
    pod.files(Dockerfile="FROM scratch\n")
    pod.program("buildctl", f"cat <<'END'\n#1 DONE\nerror: {error}\nEND\nexit 1\n")
    assert pod.run() == 1
    assert pod.first.startswith(f"failed {ERRORS[error]}")
    assert pod.log == f"#1 DONE\nerror: {error}\n"


def test_the_table_has_each_code() -> None:
    shown = set(re.findall(r"^(?:failed )?([a-z-]+) ", "\n".join(ERRORS.values()), re.MULTILINE))
    elsewhere = {"daemon-failed", "digest-missing", "dockerfile-outside", "timeout"}
    assert shown | elsewhere == {row.code for row in CODES}
    assert not shown & elsewhere


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("last", "error", "words"),
    [
        ("gone", RUN, "build-failed [2/2] RUN wget https://r 401 Unauthorized: exit code: 3: gone"),
        ("tar: write: No space left on device", RUN, "no-space [2/2] RUN wget"),
        (
            'runc run failed: error during container init: error mounting "proc": operation not permitted',
            RUN,
            "daemon-failed [2/2] RUN wget",
        ),
    ],
)
def test_a_step_that_fails_is_named_with_its_last_line(
    tmp_path: Path, shell: str, last: str, error: str, words: str
) -> None:
    """What it prints, and its command, are no errors of BuildKit."""
    pod = BuildPod(tmp_path, shell)
    pod.files(Dockerfile="FROM scratch\n")
    pod.program("buildctl", f"cat <<'END'\n{STEP.format(error=error, last=last)}END\nexit 1\n")
    assert pod.run() == 1
    assert pod.first.startswith(f"failed {words}")
