"""The operator's image: configured like the Dockerfile, and complete without other files of this machine."""

from __future__ import annotations

import http.server
import json
import os
import re
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from outfitter_sandbox.certificates import create_authority, issue
from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.images import interpreter, operator
from sandbox.images.layouts import Image, load

ROOT = Path(__file__).parents[2]
FINAL = (ROOT / "Dockerfile").read_text(encoding="utf-8").rpartition("\nFROM ")[2]
NAME = "localhost/outfitter/operator:test"

Inside = Callable[..., subprocess.CompletedProcess[str]]


def silent(text: str) -> None:
    """No progress display."""


def test_it_is_configured_as_the_dockerfile_says() -> None:
    instructions = dict(re.findall(r"^(USER|WORKDIR|ENTRYPOINT|CMD) (.*)$", FINAL, re.MULTILINE))
    assert operator.CONFIG.user == instructions["USER"]
    assert operator.CONFIG.workdir == instructions["WORKDIR"]
    assert list(operator.CONFIG.entrypoint) == json.loads(instructions["ENTRYPOINT"])
    assert list(operator.CONFIG.cmd) == json.loads(instructions["CMD"])
    (env,) = re.findall(r"^ENV (.*)$", FINAL, re.MULTILINE)
    wanted = dict(item.split("=") for item in env.split() if not item.startswith("PATH="))
    assert wanted.items() <= operator.CONFIG.env.items()
    for name, value in re.findall(r'(org\.opencontainers\S+)=("[^"]*"|\S+)', FINAL):
        assert operator.CONFIG.labels[name] == value.strip('"')


def test_without_a_checkout_it_fails(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match=r"requirements\.txt does not exist"):
        operator.operator_image(tmp_path / "image.tar", silent, lock=tmp_path / "requirements.txt")


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image as a file; a minute or two the first time."""
    path = tmp_path_factory.mktemp("operator") / "image.tar"
    assert operator.operator_image(path, print, names=[NAME]) == [NAME]
    return path


@pytest.fixture(scope="session")
def image(written: Path) -> Image:
    """The image as an engine reads it."""
    return load(written)


@pytest.fixture(scope="session")
def inside(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    """inside(command...): runs in the unpacked image as its user and with its environment only."""
    root = tmp_path_factory.mktemp("root")
    root.chmod(0o755)
    image.unpack(root)
    config = image.config["config"]
    change = ["chroot", f"--userspec={config['User']}", str(root)]
    if os.geteuid() != 0:  # root of a user namespace has no other user to become
        change = ["unshare", "--user", "--map-root-user", "chroot", str(root)]

    def launch(*command: str) -> subprocess.CompletedProcess[str]:
        # /usr/sbin: chroot itself is looked for in the PATH of this call.
        env = dict(item.split("=", 1) for item in config["Env"])
        change[0] = shutil.which(change[0], path="/usr/sbin:/usr/bin:/sbin:/bin") or change[0]
        return subprocess.run([*change, *command], env=env, capture_output=True, text=True, timeout=60, check=False)

    yield launch
    shutil.rmtree(root)


@pytest.mark.slow
def test_the_command_runs(inside: Inside, image: Image) -> None:
    assert image.config["config"]["User"] == "65532:65532"
    assert re.match(r"outfitter \S+ \(outfitter\.dev/", inside("outfitter", "version").stdout)
    helped = inside("outfitter", "run", "--help")
    assert (helped.returncode, "Run the operator until SIGTERM" in helped.stdout) == (0, True)
    lonely = inside("outfitter", "run")
    assert lonely.returncode != 0
    assert "no credentials for a cluster" in lonely.stderr
    assert "Traceback" not in lonely.stderr


@pytest.mark.slow
def test_every_module_imports_and_nothing_is_compiled_at_start(inside: Inside) -> None:
    done = inside("python3", "-c", EVERYTHING)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["modules"] > 100
    assert found["compiled"] == []
    assert found["outside"] == []
    assert found["uid"] == (65532 if os.geteuid() == 0 else 0)


EVERYTHING = """
import importlib, json, os, pkgutil, sys
import _bz2, _ctypes, _decimal, _lzma, _ssl, zlib
import orjson, uvloop, yaml.cyaml, aiohttp._http_parser, pydantic_core
import outfitter
names = [each.name for each in pkgutil.walk_packages(outfitter.__path__, "outfitter.") if "__main__" not in each.name]
for name in names:
    importlib.import_module(name)
loaded = [each for name, each in list(sys.modules.items()) if name != "__main__"]
files = [each for each in loaded if getattr(each, "__cached__", None)]
print(json.dumps({
    "modules": len(names),
    "uid": os.getuid(),
    "compiled": [each.__name__ for each in files if not os.path.exists(each.__cached__)],
    "outside": [each.__file__ for each in files if not each.__file__.startswith("/usr/local/lib/")],
}))
"""


@pytest.mark.slow
def test_tls_works_both_ways(inside: Inside, tmp_path: Path) -> None:
    """A server with a certificate of our own is trusted with its authority only; the public ones are there."""
    create_authority(tmp_path, "ca")
    issue(tmp_path, "server", common_name="server", addresses=["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"https://127.0.0.1:{server.server_address[1]}/"
        done = inside("python3", "-c", TLS, url, (tmp_path / "ca.crt").read_text())
        server.shutdown()
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"trusted": 200, "untrusted": "SSLCertVerificationError", "authorities": True}


TLS = """
import json, ssl, sys, urllib.error, urllib.request
url, authority = sys.argv[1:]
trusted = urllib.request.urlopen(url, context=ssl.create_default_context(cadata=authority)).status
try:
    urllib.request.urlopen(url)
    untrusted = "accepted"
except urllib.error.URLError as error:
    untrusted = type(error.reason).__name__
enough = ssl.create_default_context().cert_store_stats()["x509_ca"] > 100
print(json.dumps({"trusted": trusted, "untrusted": untrusted, "authorities": enough}))
"""


@pytest.mark.slow
def test_nothing_of_this_machine_is_in_it(image: Image) -> None:
    """Neither paths nor owners, nor anything that only its user could read."""
    members = image.members()
    assert {(each.uid, each.gid) for each in members.values()} == {(0, 0)}
    hidden = {name for name, each in members.items() if not each.mode & 0o004 and not each.issym()}
    assert hidden == {"root"}
    package = f"{interpreter.SITE_PACKAGES[1:]}/outfitter"
    assert f"{package}/__init__.py" in members
    assert f"{package}/__pycache__/__init__.cpython-{interpreter.VERSION.replace('.', '')}.pyc" in members
    assert not [name for name in members if "direct_url" in name or name.endswith(".pth")]
    assert not [name for name in members if re.search(r"site-packages/(outfitter_sandbox|cryptography|pytest)", name)]
    # A short path can be the beginning of another one, as in the examples of the standard library.
    here = re.compile(re.escape(str(ROOT).encode()) + rb"(?![\w-])")
    assert not any(here.search(layer) for layer in image.layers)


@pytest.mark.slow
def test_the_same_checkout_makes_the_same_bytes(written: Path, image: Image, tmp_path: Path) -> None:
    operator.operator_image(tmp_path / "again.tar", silent, names=[NAME])
    assert load(tmp_path / "again.tar").digests == image.digests
    assert (tmp_path / "again.tar").stat().st_size == written.stat().st_size
