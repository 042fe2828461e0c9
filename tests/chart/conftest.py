"""The checkout's deploy folder as data, a control plane with a node, and Helm where there is one."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.harness import helm as helms
from outfitter_sandbox import Sandbox

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "chart"
KUBE_VERSION = "1.37.0"  # helm built from source does not know one

Manifest = dict[str, Any]


def documents(text: str) -> list[Manifest]:
    """The objects of a YAML stream."""
    found = (_document(part) for part in re.split(r"^---$", text, flags=re.MULTILINE))
    return [deepcopy(body) for body in found if body]


@cache
def _document(text: str) -> Manifest:
    """One document. Most of them are the same each time that the chart is rendered."""
    body: Manifest = yaml.load(text, Loader=yaml.CSafeLoader)
    return body


def identity(manifest: Manifest) -> tuple[str, str, str]:
    """Kind, namespace and name."""
    meta = manifest["metadata"]
    return manifest["kind"], meta.get("namespace", ""), meta["name"]


def eventually(look: Callable[[], Any], done: Callable[[Any], object] = bool, seconds: float = 30) -> Any:
    """What `look` saw when `done` held; fails with the last sight after `seconds`."""
    deadline = time.monotonic() + seconds
    while not done(seen := look()):
        if time.monotonic() > deadline:
            pytest.fail(f"not so after {seconds} s; last seen: {seen}")
        time.sleep(0.05)
    return seen


@pytest.fixture(scope="session")
def install() -> list[Manifest]:
    """deploy/install.yaml."""
    return documents((ROOT / "deploy" / "install.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def values() -> Manifest:
    """The chart's default values."""
    result: Manifest = yaml.load((CHART / "values.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
    return result


@pytest.fixture(scope="package")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A control plane with a simulated node."""
    with Sandbox.up(root=tmp_path_factory.mktemp("sandbox")) as sandbox:
        yield sandbox


class Helm:
    """The helm command, for one release."""

    def __init__(self, program: str, home: Path) -> None:
        self.program = program
        self.environment = {
            **os.environ,
            "HELM_CACHE_HOME": str(home),
            "HELM_CONFIG_HOME": str(home),
            "HELM_DATA_HOME": str(home),
        }

    def __call__(self, *arguments: str, kubeconfig: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run it; the outcome is the caller's to judge."""
        environment = {**self.environment, **({"KUBECONFIG": str(kubeconfig)} if kubeconfig else {})}
        return subprocess.run([self.program, *arguments], env=environment, capture_output=True, text=True, check=False)

    def template(self, *settings: str, flags: Sequence[str] = (), **values: Any) -> list[Manifest]:
        """The objects that the chart renders with `--set` of `settings`, and `values` as from a file."""
        more = [part for name, value in values.items() for part in ("--set-json", f"{name}={json.dumps(value)}")]
        place = ("--namespace", "outfitter-system", "--kube-version", KUBE_VERSION)
        done = self("template", "outfitter", str(CHART), *place, *flags, *_sets(settings), *more)
        assert done.returncode == 0, done.stderr
        return documents(done.stdout)

    def refusal(self, *settings: str) -> str:
        """What Helm says against such values."""
        done = self("template", "outfitter", str(CHART), "--kube-version", KUBE_VERSION, *_sets(settings))
        assert done.returncode != 0, "rendered although it should have been refused"
        return done.stderr


def _sets(settings: Sequence[str]) -> list[str]:
    return [part for setting in settings for part in ("--set", setting)]


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm, from PATH or as `make e2e` built it."""
    program, why = helms.find()
    if program is None:
        pytest.skip(f"the chart is only checked statically: {why}")
    return Helm(str(program), tmp_path_factory.mktemp("helm"))
