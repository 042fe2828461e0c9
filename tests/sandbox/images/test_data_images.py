"""The images for data sources are whole, and their server of git repositories refuses what it should."""

from __future__ import annotations

import base64
import os
import shutil
import socket
import ssl
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import pytest

from outfitter_sandbox import certificates, data
from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.images import full_name
from outfitter_sandbox.images.data_images import DATA_IMAGES, SERVER_CERTIFICATE, Trust, write_data_image
from outfitter_sandbox.processes import free_ports, wait_until

from .layouts import load

SECONDS = 15
Fetch = Callable[..., tuple[int, str]]


def test_an_unknown_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match=r"no image svn:1\. Use git:1, rclone:1, data-server:1"):
        write_data_image(tmp_path / "x.tar", "svn:1", print)


@pytest.mark.slow
@pytest.mark.data_images
@pytest.mark.parametrize("name", DATA_IMAGES)
def test_an_image_is_whole_and_reproducible(tmp_path: Path, name: str) -> None:
    """Every link leads to a file, the entry point is a program, and a second image is the same."""
    assert write_data_image(tmp_path / "1.tar", name, print) == [full_name(name)]
    write_data_image(tmp_path / "2.tar", name, print)
    image = load(tmp_path / "1.tar")
    assert load(tmp_path / "2.tar").digests == image.digests
    members = image.members()
    for path, info in members.items():
        if info.issym():
            assert str(_target(path, info.linkname)) in members, path
    for program in (*image.config["config"]["Entrypoint"], "/bin/sh", "/bin/df", "/bin/timeout"):
        assert program.lstrip("/") in members
    assert ("usr/bin/ssh" in members) == DATA_IMAGES[name].git
    assert image.config["config"].get("User", "") == DATA_IMAGES[name].user


@pytest.mark.slow
@pytest.mark.data_images
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can enter the image")
def test_programs_run_in_the_image(tmp_path: Path) -> None:
    write_data_image(tmp_path / "image.tar", "data-server:1", print)
    root = tmp_path / "root"
    load(tmp_path / "image.tar").unpack(root)
    os.mknod(root / "dev/null", 0o666 | 0o020000, os.makedev(1, 3))
    (root / "dev/null").chmod(0o666)

    def run(command: str) -> str:
        inside = [str(shutil.which("chroot")), "--userspec=65532:65532", str(root), "/bin/sh", "-c", command]
        done = subprocess.run(inside, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"})
        return done.stdout + done.stderr

    assert run("git --version").startswith("git version 2.")
    assert "OpenSSH" in run("ssh -V")  # which needs a user that the image knows
    assert run("rclone version").startswith("rclone v1.")
    assert run("cd /tmp; git init -q a; cd a; git submodule status; ls -d .git") == ".git\n"
    assert "not supported" not in run("git ls-remote https://127.0.0.1:1/x.git")


@pytest.mark.slow
@pytest.mark.data_images
def test_clients_trust_the_authority_of_the_server(tmp_path: Path) -> None:
    trust = Trust.create(tmp_path, ["git.example.com"])
    images = {}
    for name in DATA_IMAGES:
        write_data_image(tmp_path / "image.tar", name, print, trust=trust)
        images[name] = load(tmp_path / "image.tar")
    authority = (tmp_path / "data-ca.crt").read_text()
    for name, image in images.items():
        folder = tmp_path / name
        image.unpack(folder)
        known = (folder / "etc/ssl/certs/ca-certificates.crt").read_text()
        assert known.endswith(authority)
        assert known.count("BEGIN CERTIFICATE") > 50
        assert (folder / SERVER_CERTIFICATE[1:]).exists() == (name == "data-server:1")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Fetch]:
    """fetch(path, user, password) from a server whose git is a script that prints its variables."""
    conf = tmp_path / "conf"
    (tmp_path / "root/app.git").mkdir(parents=True)
    (tmp_path / "root/open.git").mkdir()
    for file in ("root/app.git/HEAD", "root/open.git/HEAD", "root/open.git/git-daemon-export-ok"):
        (tmp_path / file).touch()
    Trust.create(tmp_path, ["localhost"])
    conf.mkdir()
    for kind in ("crt", "key"):
        certificates.write_secret(conf / f"tls.{kind}", (tmp_path / f"data-server.{kind}").read_bytes())
    git = tmp_path / "git"
    git.write_text('#!/bin/sh\nprintf "Content-Type: text/plain\\r\\n\\r\\n"; echo "$REMOTE_USER $PATH_INFO"; env\n')
    git.chmod(0o755)
    secure, plain, shell = free_ports(3)
    program = data.get(print)[data.GIT_SERVER]
    addresses = (f"--{name}=127.0.0.1:{port}" for name, port in (("https", secure), ("http", plain), ("ssh", shell)))
    process = subprocess.Popen([program, f"--root={tmp_path / 'root'}", f"--conf={conf}", f"--git={git}", *addresses])
    context = ssl.create_default_context(cafile=tmp_path / "data-ca.crt")

    def fetch(path: str, user: str = "", password: str = "", seconds: float = SECONDS) -> tuple[int, str]:
        request = urllib.request.Request(f"https://localhost:{secure}{path}")
        if user:
            token = base64.b64encode(f"{user}:{password}".encode()).decode()
            request.add_header("Authorization", f"Basic {token}")
        try:
            with urllib.request.urlopen(request, timeout=seconds, context=context) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", secure)) == 0

    assert wait_until(listens, SECONDS)
    yield fetch
    process.terminate()
    process.wait(SECONDS)


@pytest.mark.slow
@pytest.mark.data_images
def test_the_server_reads_users_at_each_request(server: Fetch, tmp_path: Path) -> None:
    path = "/app.git/info/refs?service=git-upload-pack"
    assert server(path)[0] == 401
    assert server(path, "robot", "pw")[0] == 401
    (tmp_path / "conf/users").write_text("robot:pw\n")
    code, text = server(path, "robot", "pw")
    assert (code, text.splitlines()[0]) == (200, "robot /app.git/info/refs")
    assert "cm9ib3Q6cHc=" not in text  # the login does not reach git
    assert server(path, "robot", "other")[0] == 401
    (tmp_path / "conf/users").write_text("robot:other\n")
    assert server(path, "robot", "other")[0] == 200
    assert server("/none.git/info/refs", "robot", "other")[0] == 404
    assert server("/none.git/info/refs")[0] == 401
    assert server("/open.git/info/refs")[0] == 200
    assert server("/denied/app.git/info/refs")[0] == 403
    assert server("/busy/app.git/info/refs")[0] == 503
    for outside in ("/../root/../../etc/x.git/HEAD", "/..%2f..%2fetc/x.git/HEAD"):
        assert server(outside, "robot", "other")[0] in (301, 404)


@pytest.mark.slow
@pytest.mark.data_images
def test_a_path_that_hangs_gets_no_answer(server: Fetch) -> None:
    ended = threading.Event()

    def wait() -> None:
        with pytest.raises(TimeoutError):
            server("/hang/app.git/info/refs", seconds=1)
        ended.set()

    thread = threading.Thread(target=wait)
    thread.start()
    thread.join(SECONDS)
    assert ended.is_set()


@pytest.mark.slow
def test_the_sources_are_formatted_and_sound() -> None:
    formatted = subprocess.run(["gofmt", "-l", data.MODULE], capture_output=True, text=True, check=True)
    assert formatted.stdout == ""
    command = ["go", "vet", "-mod=readonly", "./git-server"]
    subprocess.run(command, cwd=data.MODULE, env=os.environ | {"CGO_ENABLED": "0"}, check=True)


def _target(path: str, link: str) -> PurePosixPath:
    """Where a link of the image leads, relative to its root."""
    if link.startswith("/"):
        return PurePosixPath(link[1:])
    return PurePosixPath(path).parent / link
