"""The programs of the test images, as processes on this machine."""

from __future__ import annotations

import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from outfitter_sandbox.images import samples
from outfitter_sandbox.processes import free_ports, wait_until

SECONDS = 15


@pytest.fixture(scope="session")
def folder() -> Path:
    """Where the programs stand, built unless they were."""
    return samples.programs(print)


class Process:
    """One program with a port of its own."""

    def __init__(self, command: list[str], port: int, env: Mapping[str, str]) -> None:
        self.port = port
        self.process = subprocess.Popen(
            command, env=dict(env), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def request(self, path: str, method: str = "GET", body: bytes | None = None) -> tuple[int, str]:
        """Status and body; (0, why) while nothing listens."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method, data=body)
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except (urllib.error.URLError, ConnectionError) as error:
            return 0, str(error)

    def until(self, path: str, status: int) -> str:
        """Wait for an answer with this status; its body."""
        answers = [self.request(path)]
        assert wait_until(lambda: answers.append(self.request(path)) or answers[-1][0] == status, SECONDS), answers[-1]  # type: ignore[func-returns-value]
        return answers[-1][1]

    def end(self) -> tuple[int, str]:
        """Exit code and output, once it has ended by itself or by a signal sent before."""
        output, _ = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, output


Start = Callable[..., Process]


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """start(program, *arguments, **environment): runs it on a free port, which `{port}` in its arguments stands for."""
    running = []

    def launch(program: str | Path, *arguments: str, **environment: str) -> Process:
        (port,) = free_ports(1)
        words = [each.replace("{port}", str(port)) for each in arguments]
        env = {name: value.replace("{port}", str(port)) for name, value in environment.items()}
        running.append(Process([str(folder / program), *words], port, env))
        return running[-1]

    yield launch
    for each in running:
        each.process.kill()
        each.process.communicate()


@pytest.fixture
def call(folder: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """call(program, *arguments, **environment): runs it to its end."""

    def launch(program: str | Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [str(folder / program), *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)

    return launch
