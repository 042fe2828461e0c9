"""The script that builds images, with a real BuildKit and a real registry with a login, as processes."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from building_pod import BuildPod

from outfitter_sandbox import certificates
from outfitter_sandbox.go_parts import BUILDCTL, BUILDKITD
from outfitter_sandbox.images import git_tools
from outfitter_sandbox.images.build_images import RUNC, USERNS_EXEC, programs
from outfitter_sandbox.processes import bound_command, free_ports, last_lines, wait_until

pytestmark = [
    pytest.mark.build_images,
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can run BuildKit"),
]

SECONDS = 60
USER, PASSWORD = "robot", "pa55"
HASH = "$2y$05$5vyuXSxQI0hGFbREAiUkrecNIoe74uROrQiRW/CUqw6TQ7SDvV0AK"  # of the password, by bcrypt
SHELL = 'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "--install", "-s", "/bin"]\n'


@dataclass(frozen=True)
class Servers:
    """A daemon that builds images, and registries: without a login, with one, and one that is down."""

    folder: Path
    path: str
    daemon: int
    registry: int
    private: int
    down: int

    @contextlib.contextmanager
    def start(self, name: str, command: list[str], port: int) -> Iterator[subprocess.Popen[bytes]]:
        """A process that listens on a port of loopback until the block ends."""
        log = self.folder / f"{name}.log"
        environment = {"PATH": f"{self.path}{os.environ['PATH']}", "HOME": str(self.folder)}
        with log.open("wb") as output:
            process = subprocess.Popen(
                bound_command(command, os.getpid()), env=environment, stdout=output, stderr=output
            )
        try:
            assert wait_until(lambda: listens(port) or process.poll() is not None, SECONDS)
            assert process.poll() is None, last_lines(log)
            yield process
        finally:
            process.terminate()
            process.wait(SECONDS)

    def serve(self, port: int, *, login: bool = False) -> list[str]:
        """The command of a registry in memory."""
        config = self.folder / f"registry-{port}.yml"
        text = f"version: 0.1\nlog: {{level: error}}\nstorage: {{inmemory: {{}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n"
        if login:
            users = self.folder / "users"
            users.write_text(f"{USER}:{HASH}\n")
            text += f"auth: {{htpasswd: {{realm: test, path: {users}}}}}\n"
        config.write_text(text)
        return ["registry", "serve", str(config)]

    def build(self) -> list[str]:
        """The command of the daemon, with a client certificate demanded on its port."""
        hosts = [f'[registry."127.0.0.1:{port}"]\nhttp = true\n' for port in (self.registry, self.private, self.down)]
        tls = "".join(f'{name} = "{self.folder}/{file}"\n' for name, file in SERVER.items())
        config = self.folder / "buildkitd.toml"
        config.write_text(
            f'root = "{self.folder}/state"\n[grpc]\naddress = ["tcp://127.0.0.1:{self.daemon}"]\n[grpc.tls]\n{tls}'
            f"[worker.containerd]\nenabled = false\n[cdi]\ndisabled = true\n"
            f'[frontend."gateway.v0"]\nallowedRepositories = ["docker.io/docker/dockerfile"]\n'
            f"{''.join(hosts)}"
        )
        return [USERNS_EXEC, BUILDKITD, "--config", str(config)]


SERVER = {"cert": "server.crt", "key": "server.key", "ca": "ca.crt"}


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return bool(probe.connect_ex(("127.0.0.1", port)) == 0)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    folder = tmp_path_factory.mktemp("servers")
    certificates.create_authority(folder, "ca")
    for name in ("server", "client"):
        certificates.issue(folder, name, authority="ca", common_name=name, dns=["localhost"])
    found = programs((BUILDCTL, BUILDKITD, RUNC, USERNS_EXEC, "registry"), print)
    servers = Servers(folder, "".join(f"{path.parent}:" for path in found.values()), *free_ports(4))
    with contextlib.ExitStack() as stack:
        stack.enter_context(servers.start("registry", servers.serve(servers.registry), servers.registry))
        stack.enter_context(servers.start("private", servers.serve(servers.private, login=True), servers.private))
        stack.enter_context(servers.start("daemon", servers.build(), servers.daemon))
        yield servers


@pytest.fixture
def pod(servers: Servers, tmp_path: Path) -> BuildPod:
    """A client with a source that holds busybox, and certificates for the daemon."""
    host = f"127.0.0.1:{servers.registry}"
    given = {"ADDRESS": f"tcp://localhost:{servers.daemon}", "DESTINATION": f"{host}/team/app:1", "INSECURE": "true"}
    pod = BuildPod(tmp_path, variables=given, path=servers.path)
    busybox = git_tools.tools(print) / git_tools.BUSYBOX
    (pod.source / "busybox").write_bytes(busybox.read_bytes())
    (pod.source / "busybox").chmod(0o755)
    folder = tmp_path / "buildkit"
    folder.mkdir()
    for target, source in {"ca.pem": "ca.crt", "cert.pem": "client.crt", "key.pem": "client.key"}.items():
        (folder / target).write_bytes((servers.folder / source).read_bytes())
    return pod


def login(folder: Path, port: int, password: str) -> str:
    """The folder of a configuration of logins."""
    folder.mkdir()
    word = base64.b64encode(f"{USER}:{password}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {f"127.0.0.1:{port}": {"auth": word}}}))
    return str(folder)


def digest_of(port: int, repository: str, tag: str) -> str:
    """The digest that a registry gives for a tag."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v2/{repository}/manifests/{tag}", method="HEAD")
    request.add_header("Accept", "application/vnd.oci.image.manifest.v1+json")
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        return str(answer.headers["Docker-Content-Digest"])


def test_steps_run_and_the_image_is_in_the_registry(pod: BuildPod, servers: Servers) -> None:
    pod.files(Dockerfile=f"{SHELL}RUN id && touch /x && chown 5:5 /x\n")
    cache = f"127.0.0.1:{servers.registry}/team/app:cache"
    assert pod.run(CACHE=cache, SCOPE="uid-1") == 0, pod.output
    assert "uid=0(root)" in pod.output or "uid=0 gid=0" in pod.output
    assert pod.first == f"digest {digest_of(servers.registry, 'team/app', '1')}"
    assert digest_of(servers.registry, "team/app", "cache")
    assert pod.run(CACHE=cache) == 0, pod.output
    assert "#9 CACHED" in pod.log or "CACHED" in pod.log


def test_an_image_of_the_registry_is_a_base(pod: BuildPod, servers: Servers) -> None:
    base = f"127.0.0.1:{servers.registry}/base:1"
    pod.files(Dockerfile=SHELL)
    assert pod.run(DESTINATION=base) == 0, pod.output
    assert pod.run(DOCKERFILE_TEXT=f"FROM {base}\nRUN echo built >/built") == 0, pod.output


@pytest.mark.parametrize(
    ("dockerfile", "words"),
    [
        (f"{SHELL}RUN echo no luck; exit 4", "build-failed [3/3] RUN echo no luck; exit 4: exit code: 4: no luck"),
        ("# syntax=r.example.com/other\nFROM scratch", "build-failed 'r.example.com/other' is not an allowed gateway"),
        ("FROM scratch\nFOO bar", "build-failed dockerfile parse error on line 2: unknown instruction: FOO"),
        ("FROM scratch\nCOPY none /", 'build-failed failed to compute cache key: '),
        ("FROM scratch\nCOPY outside /x", "build-failed failed to compute cache key: "),
        ("FROM scratch\nCOPY folder/passwd /x", "build-failed failed to compute cache key: "),
        ("FROM 127.0.0.1:{registry}/none:1", "base-image-missing 127.0.0.1:"),
        ("FROM 127.0.0.1:{down}/none:1", "registry-unreachable 127.0.0.1:"),
        ("FROM 127.0.0.1:{private}/none:1", "login-rejected 127.0.0.1:"),
        (f"{SHELL}RUN --network=host id", "build-failed "),
        (f"{SHELL}RUN --security=insecure id", "build-failed "),
    ],
    ids=lambda value: value[-30:],
)  # fmt: skip
def test_failures_have_codes(pod: BuildPod, servers: Servers, dockerfile: str, words: str) -> None:
    (pod.source / "outside").symlink_to("/etc/passwd")
    (pod.source / "folder").symlink_to("/etc")
    for name in ("registry", "down", "private"):
        dockerfile = dockerfile.replace(f"{{{name}}}", str(getattr(servers, name)))
    pod.files(Dockerfile=dockerfile)
    assert pod.run() == 1
    assert pod.first.startswith(f"failed {words}")


def test_a_push_needs_the_right_login(pod: BuildPod, servers: Servers) -> None:
    pod.files(Dockerfile=SHELL)
    to = f"127.0.0.1:{servers.private}/team/app:1"
    assert pod.run(DESTINATION=to) == 1
    assert pod.first.startswith(f"failed login-rejected failed to push {to}: ")
    assert pod.run(DESTINATION=to, DOCKER=login(pod.root / "wrong", servers.private, "wrong")) == 1
    assert pod.first.startswith(f"failed login-rejected failed to push {to}: ")
    assert pod.run(DESTINATION=to, DOCKER=login(pod.root / "right", servers.private, PASSWORD)) == 0, pod.output
    assert PASSWORD not in pod.output + pod.message


def test_a_registry_that_comes_up_late(pod: BuildPod, servers: Servers) -> None:
    pod.files(Dockerfile=SHELL)
    variables = {"DESTINATION": f"127.0.0.1:{servers.down}/app:1", "PATIENCE": "0"}
    assert pod.run(**variables) == 1
    assert pod.first.startswith("failed registry-unreachable failed to push ")
    pod.program("sleep", f"touch {pod.root}/waits; /bin/sleep 0.2\n")
    process = pod.start(**variables | {"PATIENCE": "60"})
    assert wait_until((pod.root / "waits").exists, SECONDS)
    with servers.start("late", servers.serve(servers.down), servers.down):
        output = process.communicate(timeout=SECONDS)[0]
        assert process.returncode == 0, output


def test_the_daemon_wants_a_certificate(pod: BuildPod, servers: Servers) -> None:
    pod.files(Dockerfile=SHELL)
    certificates.create_authority(pod.root, "other")
    certificates.issue(pod.root, "client", authority="other", common_name="client", dns=["localhost"])
    folder = pod.root / "buildkit"
    (folder / "ca.pem").write_bytes((pod.root / "other.crt").read_bytes())
    assert pod.run() == 1
    assert pod.first.startswith("failed certificate ")
    for file in folder.iterdir():
        file.unlink()
    assert pod.run() == 1, "without TLS it does not answer"
    assert pod.first.startswith("failed daemon-unreachable ")


def test_a_cancelled_build_stops_its_step(pod: BuildPod) -> None:
    pod.files(Dockerfile=f"{SHELL}RUN echo started; sleep 4321\n")
    process = pod.start()
    assert process.stdout is not None
    assert any(b" started" in line for line in process.stdout)
    assert running("sleep 4321")
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 143
    assert wait_until(lambda: not running("sleep 4321"), 20)
    assert pod.message == ""


def test_without_a_daemon(pod: BuildPod, servers: Servers) -> None:
    pod.files(Dockerfile=f"{SHELL}RUN id\n")
    assert pod.run(BACKEND="daemonless", ADDRESS="") == 0, pod.output
    assert pod.first == f"digest {digest_of(servers.registry, 'team/app', '1')}"
    assert wait_until(lambda: not running(str(pod.root)), 20), "its daemon ends with it"


def running(command: str) -> bool:
    """Whether a process of that command exists."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended since
            if command.encode() in path.read_bytes().replace(b"\0", b" "):
                return True
    return False
