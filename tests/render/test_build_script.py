"""The script that builds an image: its arguments, its checks, its ends."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest
from building_pod import DESTINATION, BuildPod
from fetching_pod import SHELLS

from outfitter_sandbox.processes import wait_until

DIGEST = f"sha256:{'0123456789abcdef' * 4}"
METADATA = json.dumps({"containerimage.config.digest": f"sha256:{'f' * 64}", "containerimage.digest": DIGEST}, indent=2)
# Prints its arguments, one a line, and writes the file for the digest.
BUILDS = f"""
for each; do echo "argument $each"; done
while [ "$1" != --metadata-file ]; do shift; done
echo '{METADATA}' >"$2"
"""


@pytest.fixture(params=SHELLS)
def pod(request: pytest.FixtureRequest, tmp_path: Path) -> BuildPod:
    pod = BuildPod(tmp_path, request.param)
    pod.files(Dockerfile="FROM scratch\n")
    pod.program("buildctl", BUILDS)
    return pod


def arguments(pod: BuildPod) -> list[str]:
    return re.findall(r"^argument (.*)$", pod.output, re.MULTILINE)


def test_an_image_is_built_and_pushed(pod: BuildPod) -> None:
    assert pod.run() == 0, pod.output
    assert pod.first == f"digest {DIGEST}"
    assert pod.log == pod.output
    assert arguments(pod) == [
        "--addr", "tcp://127.0.0.1:1", "build", "--progress", "plain", "--frontend", "dockerfile.v0",
        "--metadata-file", f"{pod.root}/work/metadata.json", "--local", f"context={pod.source}",
        "--local", f"dockerfile={pod.source}", "--opt", "filename=Dockerfile",
        "--output", f"type=image,name={DESTINATION},push=true",
    ]  # fmt: skip


def test_cache_scope_and_plain_http(pod: BuildPod) -> None:
    assert pod.run(CACHE="r/a:cache", SCOPE="uid-1", INSECURE="true") == 0, pod.output
    assert arguments(pod)[-8:] == [
        "--output", f"type=image,name={DESTINATION},push=true,registry.insecure=true",
        "--opt", "build-arg:BUILDKIT_CACHE_MOUNT_NS=uid-1",
        "--import-cache", "type=registry,ref=r/a:cache,registry.insecure=true",
        "--export-cache", "type=registry,ref=r/a:cache,mode=max,ignore-error=true,registry.insecure=true",
    ]  # fmt: skip


@pytest.mark.parametrize("authority", ["ca.pem", "ca.crt", ""])
def test_the_folder_of_the_daemon_has_its_address_and_certificates(pod: BuildPod, authority: str) -> None:
    folder = pod.root / "buildkit"
    folder.mkdir()
    (folder / "address").write_text("tcp://daemon.example.com:1234\n")
    if authority:
        (folder / authority).touch()
    assert pod.run(ADDRESS="") == 0, pod.output
    expected = ["--addr", "tcp://daemon.example.com:1234", *(["--tlsdir", str(folder)] if authority else []), "build"]
    assert arguments(pod)[: len(expected)] == expected


def test_logins_and_authorities_come_as_files(pod: BuildPod) -> None:
    pod.program("buildctl", f'echo "config $DOCKER_CONFIG"; tail -n 1 "$SSL_CERT_FILE"\n{BUILDS}')
    assert pod.run(DOCKER="/somewhere", AUTHORITIES="PEM of an authority") == 0
    assert pod.output.startswith("config /somewhere\nPEM of an authority\n")


def test_a_generated_dockerfile_wins(pod: BuildPod) -> None:
    assert pod.run(DOCKERFILE_TEXT='FROM a\nENTRYPOINT ["$x", "a\'b"]', DOCKERFILE="none") == 0
    file = pod.root / "work" / "dockerfile" / "Dockerfile"
    assert file.read_text() == 'FROM a\nENTRYPOINT ["$x", "a\'b"]\n'
    assert f"dockerfile={file.parent}" in arguments(pod)


def test_a_config_map_is_copied_without_its_links(pod: BuildPod) -> None:
    hidden = pod.root / "source" / "..2026" / "sub"
    hidden.mkdir(parents=True)
    (hidden / "a").write_text("a")
    (hidden.parent / "Dockerfile").write_text("FROM scratch\n")
    (hidden.parent / ".dockerignore").write_text("b\n")
    (pod.source / "Dockerfile").unlink()
    (pod.source / "..data").symlink_to("..2026")
    for name in ("Dockerfile", ".dockerignore", "sub"):
        (pod.source / name).symlink_to(f"..data/{name}")
    assert pod.run(CONFIG_MAP="true") == 0, pod.output
    context = pod.root / "work" / "context"
    found = sorted(str(path.relative_to(context)) for path in context.rglob("*") if not path.is_symlink())
    assert found == [".dockerignore", "Dockerfile", "sub", "sub/a"]
    assert f"context={context}" in arguments(pod)
    assert pod.run(CONFIG_MAP="true") == 0, "a container starts again in the same volume"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("sub/link", ""),
        ("sub/../Dockerfile", ""),
        ("./Dockerfile", ""),
        ("none", "dockerfile-missing the source has no file none"),
        ("sub", "dockerfile-missing the source has no file sub"),
        ("pipe", "dockerfile-missing the source has no file pipe"),
        (".", "dockerfile-outside . leads out of the source"),
        ("outside", "dockerfile-outside outside leads out of the source"),
        ("folder/passwd", "dockerfile-outside folder/passwd leads out of the source"),
        ("../source-2/Dockerfile", "dockerfile-outside ../source-2/Dockerfile leads out of the source"),
        ("../../../../../../../../etc/passwd", "dockerfile-outside "),
    ],
)
def test_a_dockerfile_is_a_file_of_the_source(pod: BuildPod, given: str, code: str) -> None:
    (pod.source / "sub").mkdir()
    (pod.source / "sub" / "link").symlink_to("../Dockerfile")
    (pod.source / "outside").symlink_to("/etc/passwd")
    (pod.source / "folder").symlink_to("/etc")
    (pod.root / "source-2").mkdir()
    (pod.root / "source-2" / "Dockerfile").touch()
    os.mkfifo(pod.source / "pipe")
    assert pod.run(DOCKERFILE=given) == (1 if code else 0)
    assert pod.first.startswith(f"failed {code}" if code else "digest ")
    if not code:
        assert {f"dockerfile={pod.source}", "filename=Dockerfile"} <= set(arguments(pod))


@pytest.mark.parametrize("name", ["r/a:1,push=false", "r/a:1 b", 'r/a:1"', "r/a:1\nx", "r/$(id)"])
def test_a_name_of_an_image_adds_no_option(pod: BuildPod, name: str) -> None:
    for variable in ("DESTINATION", "CACHE"):
        assert pod.run(**{variable: name}) == 1
        assert pod.first.startswith("failed other the name of the image is invalid: r/")
        assert arguments(pod) == []


def test_a_message_is_short_printable_and_without_logins(pod: BuildPod) -> None:
    noise = r"printf '#1 \033[31mred\001 https://ada:pa55@host/x %0500d\n' 0"
    pod.program(
        "buildctl", f"for each in 1 2 3 4 5 6 7 8 9; do {noise}; done\necho 'error: x://a:b@c {'y' * 9000}'\nexit 1"
    )
    assert pod.run() == 1
    assert len(pod.message) <= 4096
    assert re.fullmatch(r"[\n -~]+", pod.message)
    assert "pa55" not in pod.message
    assert pod.first.startswith("failed other x://c yyy")
    assert len(pod.first) == 320


def test_the_end_of_a_log_begins_with_a_whole_line(pod: BuildPod) -> None:
    pod.program("buildctl", f'for each in $(seq 1000); do echo "#1 line $each"; done\n{BUILDS}')
    assert pod.run() == 0
    assert re.fullmatch(r"#1 line \d+", pod.log.splitlines()[0])
    assert 3500 < len(pod.message) < 4096


@pytest.mark.parametrize("written", ["", "{}", '{"containerimage.digest": "sha256:0123"}'])
def test_a_digest_that_is_missing_is_an_error(pod: BuildPod, written: str) -> None:
    pod.program("buildctl", BUILDS.replace(METADATA, written))
    assert pod.run() == 1
    assert pod.first == "failed digest-missing the builder returned no digest"


def test_a_server_that_is_away_for_a_moment_is_tried_again(pod: BuildPod) -> None:
    gone = (
        "if mkdir $HOME/once 2>/dev/null; then echo 'error: failed to solve: failed to push r/a:1: x: EOF'; exit 1; fi"
    )
    pod.program("buildctl", f"{gone}\n{BUILDS}")
    pod.program("sleep", "exit 0\n")
    assert pod.run(PATIENCE="30") == 0, pod.output
    assert "EOF" in pod.output
    assert "EOF" not in pod.message, "the log is that of the last attempt"


def test_other_errors_are_final(pod: BuildPod) -> None:
    pod.program("buildctl", "echo again >>$HOME/tries; echo 'error: failed to solve: no'; exit 1")
    assert pod.run(PATIENCE="30") == 1
    assert (pod.root / "work" / "tries").read_text() == "again\n"


def test_the_time_is_limited(pod: BuildPod) -> None:
    pod.program("buildctl", "echo '#1 [1/1] RUN sleep 60'; exec sleep 60")
    started = time.monotonic()
    assert pod.run(SECONDS="1") == 1
    assert time.monotonic() - started < 20
    assert pod.first == "failed timeout not complete after 1 seconds"
    assert pod.log == "#1 [1/1] RUN sleep 60\n"


@pytest.mark.parametrize("while_waiting", [False, True])
def test_sigterm_ends_it_at_once(pod: BuildPod, while_waiting: bool) -> None:
    """A cancelled build must not wait for its server, nor for the grace period of its pod."""
    busy = "echo 'error: failed to solve: failed to push r/a:1: x: EOF'; exit 1"
    pod.program(
        "buildctl",
        busy if while_waiting else "trap 'echo x >$HOME/ended; exit 1' TERM; touch $HOME/on; sleep 60 & wait",
    )
    pod.program("sleep", "touch $HOME/on; exec /bin/sleep 60" if while_waiting else "exec /bin/sleep 60")
    process = pod.start(PATIENCE="100")
    assert wait_until((pod.root / "work" / "on").exists, 20)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 143
    assert pod.message == ""
    if not while_waiting:
        assert wait_until((pod.root / "work" / "ended").exists, 20)


def test_without_an_address_nothing_is_tried(pod: BuildPod) -> None:
    assert pod.run(ADDRESS="") == 1
    assert pod.first == "failed daemon-unreachable no address of a daemon is set"


DAEMON = """
test "$1 $2 $5" = "sh -ec $HOME/buildkitd.toml" || exit 7
python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$HOME/buildkitd.sock"
exec sleep 60
"""


def test_without_a_daemon_it_starts_its_own(pod: BuildPod) -> None:
    pod.program("userns-exec", DAEMON)
    assert pod.run(BACKEND="daemonless", ADDRESS="", INSECURE="true", CACHE="r:5000/a") == 0, pod.output
    assert arguments(pod)[:2] == ["--addr", f"unix://{pod.root}/work/buildkitd.sock"]
    config = (pod.root / "work" / "buildkitd.toml").read_text()
    assert config.endswith('[registry."r:5000"]\nhttp = true\n[registry."registry.example.com"]\nhttp = true\n')


@pytest.mark.parametrize("later", [False, True])
def test_a_daemon_that_does_not_run_is_reported(pod: BuildPod, later: bool) -> None:
    ends = "echo 'buildkitd: operation not permitted'; exit 1\n"
    pod.program("userns-exec", DAEMON.replace("exec sleep 60", "sleep 1") + ends if later else ends)
    pod.program("buildctl", "/bin/sleep 2; echo 'error: failed to solve: Unavailable: closing transport'; exit 1")
    assert pod.run(BACKEND="daemonless", PATIENCE="60") == 1
    assert pod.first == "failed daemon-failed buildkitd: operation not permitted"
