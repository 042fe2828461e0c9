"""The programs of the test images do what tests of real pods rely on. Real processes, on loopback."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from outfitter_sandbox.images.samples import MODULE, PROGRAMS
from outfitter_sandbox.processes import wait_until

from .conftest import SECONDS, Start

pytestmark = pytest.mark.slow  # builds with Go

Call = Callable[..., subprocess.CompletedProcess[str]]


def test_the_sources_are_formatted_and_sound() -> None:
    formatted = subprocess.run(["gofmt", "-l", MODULE], capture_output=True, text=True, check=True)
    assert formatted.stdout == ""
    subprocess.run(["go", "vet", "./..."], cwd=MODULE, env=os.environ | {"CGO_ENABLED": "0"}, check=True)


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_need_no_library(folder: Path, program: str) -> None:
    answer = subprocess.run(["ldd", folder / program], capture_output=True, text=True, check=False)
    assert "not a dynamic executable" in answer.stderr + answer.stdout


def test_pause_reaps_and_ends_on_sigterm(folder: Path) -> None:
    """Children of a shell that becomes pause are pause's."""
    script = f"sleep 1 & sleep 1.2 & exec {folder / 'pause'}"
    with subprocess.Popen(["/bin/sh", "-c", script], stderr=subprocess.PIPE, text=True) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        assert wait_until(lambda: len(children.read_text().split()) == 2, 5)
        assert wait_until(lambda: children.read_text() == "", SECONDS)
        process.terminate()
        assert process.wait(SECONDS) == 0


def test_web_answers_and_ends_on_sigterm(start: Start) -> None:
    web = start("web", "serve", "--port", "{port}", "--health", "/api/ok", "--message", "v2")
    assert web.until("/api/ok", 200) == "ok\n"
    answer = json.loads(web.request("/team/lab?x=1")[1])
    assert (answer["path"], answer["message"], answer["asked"]) == ("/team/lab?x=1", "v2", f"127.0.0.1:{web.port}")
    web.process.send_signal(signal.SIGTERM)
    code, output = web.end()
    assert code == 0
    assert "ends on terminated" in output


def test_web_shows_its_inside(start: Start, tmp_path: Path) -> None:
    web = start("web", WEB_PORT="{port}", SEEN="yes")
    web.until("/health", 200)
    assert json.loads(web.request("/env")[1]) == {"WEB_PORT": str(web.port), "SEEN": "yes"}
    assert json.loads(web.request("/id")[1])["uid"] == os.getuid()
    assert any(each["path"] == "/" for each in json.loads(web.request("/mounts")[1]))
    assert web.request(f"/write?path={tmp_path}/a", "POST", b"text")[0] == 200
    assert (tmp_path / "a").read_text() == "text"
    assert web.request(f"/files?path={tmp_path}/a") == (200, "text")
    assert [line.rsplit(" ", 1)[1] for line in json.loads(web.request(f"/files?path={tmp_path}")[1])] == ["a"]
    assert web.request(f"/files?path={tmp_path}/absent")[0] == 404
    assert web.request("/write?path=/proc/none", "POST", b"")[0] in (403, 404, 500)
    assert web.request(f"/write?path={tmp_path}/a")[0] == 405


def test_web_starts_slowly(start: Start) -> None:
    web = start("web", "--port", "{port}", "--start-seconds", "1.5")
    assert web.process.stdout is not None
    assert web.process.stdout.readline() == "web: listens in 1.5 seconds\n"
    assert web.request("/health")[0] == 0
    web.until("/health", 200)


def test_web_crashes_after_a_time(start: Start) -> None:
    code, output = start("web", "--port", "{port}", "--crash-after-seconds", "0.2", "--crash-code", "7").end()
    assert code == 7
    assert "crashes with exit code 7" in output


def test_web_crashes_before_it_listens(start: Start) -> None:
    web = start("web", WEB_PORT="{port}", WEB_START_SECONDS="60", WEB_CRASH_AFTER_SECONDS="0")
    assert web.end()[0] == 1


def test_web_crashes_on_request(start: Start) -> None:
    web = start("web", "--port", "{port}")
    web.until("/health", 200)
    assert web.request("/crash?code=9", "POST") == (200, "crashes with 9\n")
    assert web.end()[0] == 9


def test_web_falls_sick_and_recovers(start: Start) -> None:
    web = start("web", "--port", "{port}")
    web.until("/health", 200)
    web.request("/sick", "POST")
    assert web.request("/health")[0] == 500
    web.request("/sick?well=1", "POST")
    assert web.request("/health")[0] == 200


def test_web_falls_sick_after_a_time(start: Start) -> None:
    web = start("web", "--port", "{port}", "--unhealthy-after-seconds", "0.1")
    web.until("/health", 500)


def test_web_takes_memory_that_counts(start: Start) -> None:
    def resident() -> int:
        status = Path(f"/proc/{web.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) // 1024

    web = start("web", "--port", "{port}", "--eat-mib", "40")
    assert wait_until(lambda: resident() >= 40, SECONDS)
    web.request("/eat?mib=40", "POST")
    assert wait_until(lambda: resident() >= 80, SECONDS)


def test_web_listens_on_several_ports_and_dies_slowly(start: Start) -> None:
    web = start("web", "--port", "{port},0", "--stop-seconds", "2")
    web.until("/health", 200)
    web.process.terminate()
    assert web.request("/health")[0] == 200  # it still answers during the requested delay
    assert web.end()[0] == 0


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (["nonsense"], {}, 'no command "nonsense"'),
        (["serve", "extra"], {}, "takes options only"),
        (["--prot", "1"], {}, "flag provided but not defined"),
        ([], {"WEB_CRASH_CODE": "x"}, "WEB_CRASH_CODE=x"),
    ],
)
def test_web_rejects_unknown_arguments(call: Call, arguments: list[str], environment: dict, message: str) -> None:
    done = call("web", *arguments, **environment)
    assert done.returncode == 2
    assert message in done.stderr


def test_a_link_with_another_name_serves(start: Start, folder: Path, tmp_path: Path) -> None:
    """An example's own command, such as `python -u train.py`, works with the test image in the place of its image."""
    (tmp_path / "python").symlink_to(folder / "web")
    python = start(tmp_path / "python", "-u", "train.py", "--epochs", "10", WEB_PORT="{port}")
    python.until("/health", 200)


def test_commands_look_at_the_container(call: Call, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert call("web", "env", B="2", A="1").stdout == "A=1\nB=2\n"
    assert call("web", "env", "B", B="2").stdout == "2\n"
    assert call("web", "env", "C").returncode == 1
    assert call("web", "write", str(path), "hello").returncode == 0
    assert call("fake-nim", "cat", str(path)).stdout == "hello\n"
    assert call("web", "ls", str(path)).stdout.endswith(f"{os.getuid()} {os.getgid()} 6 file\n")
    assert call("web", "rm", str(path)).returncode == 0
    gone = call("web", "cat", str(path))
    assert (gone.returncode, "no such file" in gone.stderr) == (1, True)
    (tmp_path / "cat").symlink_to(folder / "web")
    assert call(tmp_path / "cat", "/proc/self/comm").stdout == "cat\n"
    assert call("web", "exit", "5", "some", "words").returncode == 5
    assert call("web", "sleep", "0").returncode == 0
    assert call("web", "dns", "localhost").stdout.startswith("localhost ")


def test_commands_tell_identity_and_mounts(call: Call) -> None:
    known = json.loads(call("web", "id", HOME="/tmp").stdout)
    assert (known["uid"], known["gid"], known["home"]) == (os.getuid(), os.getgid(), "/tmp")
    bounding = int(Path("/proc/self/status").read_text().partition("CapBnd:")[2].split()[0], 16)
    assert len(known["bounding"]) == bounding.bit_count()
    assert ("SYS_ADMIN" in known["bounding"]) == bool(bounding & 1 << 21)
    (shm,) = json.loads(call("web", "mounts", "/proc/self").stdout)
    assert (shm["path"], shm["type"]) == ("/proc", "proc")
    (root,) = json.loads(call("web", "mounts", "/").stdout)
    assert root["bytes"] == shutil.disk_usage("/").total


def test_a_full_volume_is_told(call: Call) -> None:
    done = call("web", "fill", "/dev/full", "3")
    assert done.returncode == 1
    assert "after 0 MiB" in done.stderr
    assert "no space left on device" in done.stderr


def test_get_tells_status_and_body(start: Start, call: Call) -> None:
    web = start("web", "--port", "{port}")
    web.until("/health", 200)
    url = f"http://127.0.0.1:{web.port}"
    found = call("web", "get", "-H", "Host: lab.example.com", "-H", "X-A: b", f"{url}/x")
    assert (found.returncode, found.stderr) == (0, "200 OK\n")
    assert (json.loads(found.stdout)["asked"], json.loads(found.stdout)["headers"]["X-A"]) == ("lab.example.com", ["b"])
    missing = call("web", "get", f"{url}/files?path=/absent")
    assert (missing.returncode, missing.stderr.splitlines()[0]) == (1, "404 Not Found")
    closed = call("web", "get", "http://127.0.0.1:1/")
    assert (closed.returncode, closed.stdout) == (1, "")
    assert re.search(r"s connects to 127.0.0.1:1, .* no connection to 127.0.0.1:1: .*; given up after", closed.stderr)


def test_get_tells_where_a_request_came_to_an_end(call: Call) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = call("web", "get", "--timeout", "0.3", f"http://localhost:{silent.getsockname()[1]}/")
    assert found.returncode == 1
    steps = ("asks for localhost", "address [", "connected to 127.0.0.1", "request written; given up after 0.3")
    places = [found.stderr.find(step) for step in steps]
    assert places == sorted(places), found.stderr
    assert -1 not in places, found.stderr
