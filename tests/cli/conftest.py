"""How tests run the command: in this process for speed, as a process where exit codes and imports count."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from outfitter.cli.app import application
from outfitter_sandbox import Sandbox
from outfitter_sandbox.processes import bound_command

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "deploy" / "examples"
MODULE = [sys.executable, "-m", "outfitter.cli"]
DEADLINE = 60.0

Invoke = Callable[..., Result]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller's own settings and cluster are none of a test's business."""
    for name in os.environ:
        if name.startswith("OUTFITTER_") or name in ("KUBECONFIG", "FORCE_COLOR", "KUBERNETES_SERVICE_HOST"):
            monkeypatch.delenv(name)


@pytest.fixture
def invoke() -> Invoke:
    """`invoke("validate", "-f", file, input="...")`: output and errors apart, as text."""

    def run(*arguments: str | Path, **more: Any) -> Result:
        return CliRunner().invoke(application(), [str(each) for each in arguments], **more)

    return run


def process(*arguments: str | Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own."""
    command = [*MODULE, *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=DEADLINE, env={**os.environ, **(env or {})}
    )


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """A YAML file with this text."""

    def to_file(text: str, name: str = "given.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return to_file


@dataclass(frozen=True)
class World:
    """A sandbox in which `outfitter run` works; the examples are applied and well."""

    sandbox: Sandbox
    operator: subprocess.Popen[str]
    log: Path

    @property
    def kubeconfig(self) -> Path:
        return self.sandbox.kubeconfig

    def apply(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Server-side apply, as the admin."""
        query = "?fieldManager=test&force=true"
        result: dict[str, Any] = self.sandbox.connection().request(
            "PATCH", path + query, body, "application/apply-patch+yaml"
        )
        return result


@pytest.fixture(scope="package")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One for all tests of this folder."""
    folder = tmp_path_factory.mktemp("cli")
    with Sandbox.up(root=folder) as sandbox:
        sandbox.apply_crds(ROOT / "crds")
        sandbox.connection().request("POST", "/api/v1/namespaces", {"metadata": {"name": "outfitter-system"}})
        clean = {name: value for name, value in os.environ.items() if not name.startswith("OUTFITTER_")}
        settings = {
            "OUTFITTER_PROBE_PORT": "0",
            "OUTFITTER_PROBE_HOST": "127.0.0.1",
            "OUTFITTER_DOMAIN": "apps.example.com",
        }
        arguments = ["run", "--kubeconfig", str(sandbox.kubeconfig), "--log-format", "json"]
        with (folder / "operator.log").open("w") as log:
            operator = subprocess.Popen(
                bound_command([*MODULE, *arguments], os.getpid()),
                stdout=log,
                stderr=log,
                env=clean | settings,
                text=True,
            )
            found = World(sandbox, operator, folder / "operator.log")
            try:
                kubectl_apply(found)
                eventually(lambda: well(found), found.log.read_text)
                yield found
            finally:
                operator.kill()
                operator.wait()


def kubectl_apply(world: World) -> None:
    from outfitter.cluster.client import path_of
    from outfitter.cluster.resources import api_resource
    from outfitter_sandbox.demo.examples import load

    for body in load(EXAMPLES):
        meta = body["metadata"]
        world.apply(path_of(api_resource(body["kind"]), meta.get("namespace", ""), meta["name"]), body)


def well(world: World) -> bool:
    """Whether `outfitter status` finds that every object is Ready."""
    seen = CliRunner().invoke(application(), ["status", "-A", "-o", "json", "--kubeconfig", str(world.kubeconfig)])
    items = json.loads(seen.stdout)["items"]
    states = {each.get("status", {}).get("syncStatus") for each in items}
    return len(items) >= _examples() and states == {"No issues found"}


@cache
def _examples() -> int:
    """How many objects of ours the examples have; what is made on demand comes on top."""
    from outfitter.simulator.caches import OUR_KINDS
    from outfitter_sandbox.demo.examples import load

    return sum(body["kind"] in OUR_KINDS for body in load(EXAMPLES))


def eventually(holds: Callable[[], Any], why: Callable[[], str] = str) -> Any:
    """What `holds` returned once it was true; fails after the deadline, telling why."""
    deadline = time.monotonic() + DEADLINE
    while not (seen := holds()):
        if time.monotonic() > deadline:
            pytest.fail(f"not so within {DEADLINE:.0f} s\n{why()}")
        time.sleep(0.1)
    return seen
