"""The script that checks out a repository, with real Git: revisions, logins, failures, leftovers."""

from __future__ import annotations

import base64
import os
import re
import shutil
import signal
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from fetching_pod import SHELLS, Pod, git

from outfitter.render.fetch import GIT_SCRIPT

MATERIAL = "pa$$ 'w\"ord"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two branches, two tags, and file names that are not UTF-8."""
    found = tmp_path_factory.mktemp("repository") / "code"
    found.mkdir()
    git(found, "init", "-q", "-b", "trunk")
    (found / "a file").write_text("one")
    git(found, "add", ".")
    git(found, "commit", "-qm", "one")
    git(found, "tag", "v1")
    git(found, "tag", "-am", "two", "v1.1")
    git(found, "checkout", "-qb", "feature/x")
    (found / os.fsdecode(b"na\xefve")).write_text("two")
    git(found, "add", ".")
    git(found, "commit", "-qm", "two")
    git(found, "checkout", "-q", "trunk")
    git(found, "update-server-info")
    return found


@pytest.fixture(params=SHELLS)
def pod(request: pytest.FixtureRequest, tmp_path: Path) -> Pod:
    return Pod(tmp_path, request.param)


def commit(repository: Path, name: str) -> str:
    return git(repository, "rev-parse", f"{name}^{{commit}}")


@pytest.mark.parametrize(
    ("variables", "name", "branch"),
    [
        ({}, "trunk", "trunk"),
        ({"BRANCH": "feature/x"}, "feature/x", "feature/x"),
        ({"REVISION": "feature/x", "BRANCH": "trunk"}, "feature/x", "feature/x"),
        ({"REVISION": "v1"}, "v1", ""),
        ({"REVISION": "v1.1"}, "v1.1", ""),
    ],
)
def test_a_revision_is_checked_out(
    pod: Pod, repository: Path, variables: dict[str, str], name: str, branch: str
) -> None:
    """A branch stays a branch, so that people can commit and push."""
    answer = pod.git(repository.as_uri(), **variables)
    assert (answer.returncode, pod.message) == (0, f"commit {commit(repository, name)}\n"), answer.stderr
    assert git(pod.data, "branch", "--show-current") == branch
    assert git(pod.data, "status", "--porcelain") == ""
    assert git(pod.data, "rev-list", "--count", "HEAD") == "1"
    if branch:
        assert git(pod.data, "rev-parse", "--abbrev-ref", "@{upstream}") == f"origin/{branch}"


@pytest.mark.parametrize("digits", [40, 8])
def test_a_commit_is_checked_out(pod: Pod, repository: Path, digits: int) -> None:
    """No server looks up the beginning of a hash, so the whole history comes."""
    wanted = commit(repository, "feature/x")
    answer = pod.git(repository.as_uri(), REVISION=wanted[:digits])
    assert (answer.returncode, pod.message) == (0, f"commit {wanted}\n"), answer.stderr
    assert os.fsencode(b"na\xefve") in {os.fsencode(name) for name in os.listdir(pod.data)}


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"REVISION": "gone"}, "revision-not-found fatal: couldn't find remote ref gone"),
        ({"REVISION": "0" * 40}, "revision-not-found "),
        ({"REVISION": "abcdef12"}, "revision-not-found no commit abcdef12"),
        ({"REPOSITORY": "file:///nowhere"}, "not-found fatal: '/nowhere' does not appear to be a git repository"),
        ({"REPOSITORY": "http://127.0.0.1:1/a.git"}, "unreachable "),
        ({"SIZE_LIMIT": "1000"}, "no-space the checkout takes "),
        ({"LOGIN": "ssh-key"}, "host-key-unknown no host keys are given"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_failure_has_a_code(pod: Pod, repository: Path, variables: dict[str, str], code: str) -> None:
    pod.login(ssh="key")
    answer = pod.run(GIT_SCRIPT, **{"REPOSITORY": repository.as_uri(), **variables})
    assert answer.returncode == 1
    assert pod.message.startswith(f"failed {code}")
    assert pod.message.count("\n") == 1


def test_what_a_former_run_left_is_removed(pod: Pod, repository: Path) -> None:
    (pod.data / ".git").mkdir()
    (pod.data / ".git" / "index.lock").write_text("")
    (pod.data / ".hidden").write_text("")
    (pod.data / "half of a file").write_text("")
    assert pod.git(repository.as_uri()).returncode == 0
    assert sorted(os.listdir(pod.data)) == [".git", "a file"]


def test_changes_of_a_user_outlive_a_restart_of_the_pod(pod: Pod, repository: Path) -> None:
    """After a restart of its node, the containers of a pod start again over the same volume."""
    assert pod.git(repository.as_uri()).returncode == 0
    (pod.data / "a file").write_text("changed")
    assert pod.git(repository.as_uri()).returncode == 0
    assert pod.message == f"commit {commit(repository, 'trunk')}\n"
    assert (pod.data / "a file").read_text() == "changed"


@pytest.mark.parametrize("linked", ["marker", "folder"])
def test_no_file_that_a_user_links_gets_into_the_message(pod: Pod, repository: Path, linked: str) -> None:
    """The main containers write to the volume, and the script runs again after a restart of the node."""
    pod.login(password="n0t-t0-be-sh0wn")
    secrets = pod.data.parent / "elsewhere"
    secrets.mkdir()
    (secrets / "outfitter").write_text("n0t-t0-be-sh0wn")
    assert pod.git(repository.as_uri()).returncode == 0
    kept = pod.data / ".git" / "outfitter"
    if linked == "marker":
        kept.unlink()
        kept.symlink_to(secrets / "outfitter")
    else:
        shutil.rmtree(pod.data / ".git")
        (pod.data / ".git").symlink_to(secrets)
    assert pod.git(repository.as_uri()).returncode == 0
    assert pod.message == f"commit {commit(repository, 'trunk')}\n"
    assert (secrets / "outfitter").read_text() == "n0t-t0-be-sh0wn"


def test_submodules_on_demand(pod: Pod, repository: Path, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    outer.mkdir()
    git(outer, "init", "-qb", "main")
    git(outer, "submodule", "add", "-q", repository.as_uri(), "inner")
    git(outer, "commit", "-qm", "one")
    assert pod.git(outer.as_uri()).returncode == 0
    assert os.listdir(pod.data / "inner") == []
    (pod.data / ".git" / "outfitter").unlink()
    assert pod.git(outer.as_uri(), SUBMODULES="true").returncode == 0
    assert (pod.data / "inner" / "a file").read_text() == "one"


@pytest.mark.parametrize("ends", ["key\r\nmore\r\n", "key\nmore", "key\nmore\n"])
def test_a_private_key_is_repaired(pod: Pod, repository: Path, ends: str) -> None:
    """The program that stands for ssh runs the command of Git here, and keeps the key that it was given."""
    pod.login(ssh=ends, known_hosts="git.example.com ssh-ed25519 AAAA\r\n")
    pod.program(
        "ssh",
        'echo "$@" >"$HOME/../arguments"; cp "$HOME/key" "$HOME/../key"; cp "$HOME/known_hosts" "$HOME/../known"\n'
        'stat -c %a "$HOME/key" >"$HOME/../mode"; for last; do :; done; exec sh -c "$last"\n',
    )
    answer = pod.git(f"git@git.example.com:{repository}", LOGIN="ssh-key")
    assert answer.returncode == 0, answer.stderr
    assert (pod.root / "key").read_text().rstrip("\n") == "key\nmore"
    assert (pod.root / "key").read_text().endswith("\n")
    assert (pod.root / "known").read_text() == "git.example.com ssh-ed25519 AAAA\n"
    assert (pod.root / "mode").read_text() == "600\n"
    arguments = (pod.root / "arguments").read_text()
    assert "StrictHostKeyChecking=yes" in arguments
    assert "BatchMode=yes" in arguments
    assert "key\nmore" not in arguments


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("Host key verification failed.", "host-key-unknown"),
        ("@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @", "host-key-changed"),
        ("git@git.example.com: Permission denied (publickey).", "authentication"),
        ('Load key "/outfitter/work/key": error in libcrypto', "authentication"),
        ("ERROR: Repository not found.", "not-found"),
        ("ssh: connect to host git.example.com port 22: Connection timed out", "unreachable"),
        ("ssh: Could not resolve hostname git.example.com: Name or service not known", "unreachable"),
        ("fatal: write error: No space left on device", "no-space"),
        ("No user exists for uid 4711", "other"),
    ],
)
def test_what_ssh_says_has_a_code(tmp_path: Path, said: str, code: str) -> None:
    pod = Pod(tmp_path)
    pod.login(ssh="key", known_hosts="line")
    pod.program("ssh", f"cat >&2 <<'END'\n{said}\nEND\nexit 255\n")
    assert pod.git("ssh://git@git.example.com/a.git", LOGIN="ssh-key").returncode == 1
    assert pod.message == f"failed {code} {said.strip()}\n"


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("SSL certificate problem: unable to get local issuer certificate", "certificate"),
        ("SSL: no alternative certificate subject name matches target host name", "certificate"),
        ("server certificate verification failed. CAfile: none CRLfile: none", "certificate"),
        ("Could not resolve host: certificate.example.com", "unreachable"),
    ],
)
def test_what_https_says_has_a_code(tmp_path: Path, said: str, code: str) -> None:
    pod = Pod(tmp_path)
    line = f"fatal: unable to access: {said}"
    pod.program("git", f'if [ "$1" = fetch ]; then echo "{line}" >&2; exit 128; fi\nexec {shutil.which("git")} "$@"\n')
    assert pod.git("https://git.example.com/a.git").returncode == 1
    assert pod.message == f"failed {code} {line}\n"


def test_a_hostile_server_cannot_write_what_it_wants(tmp_path: Path) -> None:
    """Neither control characters, nor a login in a URL, nor more than one line of bounded length."""
    pod = Pod(tmp_path)
    pod.login(ssh="key", known_hosts="line")
    pod.program("ssh", r"""printf 'bad \033[31m\377 https://u:pw@host/ %05000d\nsecond\n' 0 >&2; exit 1""")
    pod.git("ssh://git@git.example.com/a.git", LOGIN="ssh-key")
    assert pod.message.startswith("failed other bad [31m https://host/ 0")
    assert len(pod.message) <= 330
    assert re.fullmatch(r"[ -~]+\n", pod.message)


def test_a_server_that_hangs_gets_an_answer(tmp_path: Path) -> None:
    pod = Pod(tmp_path)
    pod.login(ssh="key", known_hosts="line")
    pod.program("ssh", "exec sleep 60\n")
    assert pod.git("ssh://git@git.example.com/a.git", LOGIN="ssh-key", SECONDS="1").returncode == 1
    assert pod.message == "failed timeout not complete after 1 seconds\n"


class Server(SimpleHTTPRequestHandler):
    """The files of a repository for those who log in. Each request leaves its login."""

    seen: list[str]

    def do_GET(self) -> None:
        given = self.headers.get("Authorization", "")
        type(self).seen.append(given)
        if given != f"Basic {base64.b64encode(f'ann:{MATERIAL}'.encode()).decode()}":
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.end_headers()
            return
        super().do_GET()

    def log_message(self, *args: Any) -> None:
        """Print nothing."""


@pytest.fixture
def served(repository: Path) -> Iterator[tuple[str, list[str]]]:
    seen: list[str] = []
    handler = partial(type("Recording", (Server,), {"seen": seen}), directory=str(repository / ".git"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", seen
        server.shutdown()


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_password_reaches_the_server_and_no_other_place(
    pod: Pod, repository: Path, served: tuple[str, list[str]], end: str
) -> None:
    """The server sends no part of a history, so all of it comes."""
    pod.login(user=f"ann{end}", password=f"{MATERIAL}{end}")
    answer = pod.git(served[0], LOGIN="password", REVISION="v1.1")
    assert (answer.returncode, pod.message) == (0, f"commit {commit(repository, 'v1.1')}\n"), answer.stderr
    left = [file for file in pod.root.rglob("*") if file.is_file() and file.parent.name != "login"]
    assert left
    assert [str(file) for file in left if MATERIAL.encode() in file.read_bytes()] == []
    assert MATERIAL.encode() not in answer.stdout + answer.stderr


def test_a_wrong_password(pod: Pod, served: tuple[str, list[str]]) -> None:
    pod.login(user="ann", password="wrong")
    assert pod.git(served[0], LOGIN="password").returncode == 1
    assert pod.message.startswith("failed authentication fatal: Authentication failed for ")


def test_no_password(pod: Pod, served: tuple[str, list[str]]) -> None:
    assert pod.git(served[0]).returncode == 1
    assert pod.message.startswith("failed authentication fatal: could not read Username for ")


def test_another_host_does_not_get_the_password(pod: Pod, served: tuple[str, list[str]], tmp_path: Path) -> None:
    """A submodule elsewhere is fetched without the login."""
    outer = tmp_path / "outer"
    outer.mkdir()
    git(outer, "init", "-qb", "main")
    (outer / ".gitmodules").write_text(f'[submodule "inner"]\n\tpath = inner\n\turl = {served[0]}\n')
    git(outer, "add", ".gitmodules")
    git(outer, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},inner")
    git(outer, "commit", "-qm", "one")
    pod.login(user="ann", password=MATERIAL)
    assert pod.git(outer.as_uri(), LOGIN="password", SUBMODULES="true").returncode == 1
    assert pod.message.startswith("failed authentication ")
    assert set(served[1]) == {""}


def test_a_deleted_pod_does_not_wait_for_the_server(tmp_path: Path) -> None:
    pod = Pod(tmp_path)
    pod.login(ssh="key", known_hosts="line")
    pod.program("ssh", 'echo $$ >"$HOME/../started"; exec sleep 60\n')
    ended: list[int] = []

    def run() -> None:
        ended.append(pod.git("ssh://git@git.example.com/a.git", LOGIN="ssh-key", SECONDS="50").returncode)

    thread = threading.Thread(target=run)
    thread.start()
    started = pod.root / "started"
    while not (started.exists() and started.read_text().strip()):
        thread.join(0.01)
    os.kill(_shell_of(int(started.read_text())), signal.SIGTERM)
    thread.join(10)
    assert ended == [143]


def _shell_of(program: int) -> int:
    """Return the process that this one started, and that the program descends from."""
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{program}/status").read_text().splitlines())
    parent = int(status["PPid"])
    return program if parent == os.getpid() else _shell_of(parent)


def test_a_server_that_comes_back_is_awaited(tmp_path: Path, repository: Path) -> None:
    """In the pods of a Job, whose containers are not started again. Other failures end at once."""
    pod = Pod(tmp_path)
    pod.login(ssh="key", known_hosts="line")
    pod.program("sleep", "exit 0")
    pod.program(
        "ssh",
        'echo x >>"$HOME/../tries"; if [ "$(grep -c x "$HOME/../tries")" -lt 3 ]; then\n'
        'echo "ssh: connect to host g port 22: Connection refused" >&2; exit 255; fi\n'
        'for last; do :; done; exec sh -c "$last"\n',
    )
    answer = pod.git(f"git@git.example.com:{repository}", LOGIN="ssh-key", PATIENCE="20")
    assert (answer.returncode, pod.message) == (0, f"commit {commit(repository, 'trunk')}\n"), answer.stderr
    (tmp_path / "tries").unlink()
    (pod.data / ".git" / "outfitter").unlink()
    pod.program("ssh", 'echo x >>"$HOME/../tries"; echo "git@g: Permission denied (publickey)." >&2; exit 255')
    assert pod.git("git@git.example.com:a", LOGIN="ssh-key", PATIENCE="20").returncode == 1
    assert (tmp_path / "tries").read_text() == "x\n"
