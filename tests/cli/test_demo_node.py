"""The node of the demo, and the reported reason."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from outfitter.simulator.caches import OUR_KINDS
from outfitter_sandbox import nodes
from outfitter_sandbox.demo.examples import load
from outfitter_sandbox.demo.real_node import images_of, node_kinds, variants
from outfitter_sandbox.demo.report import Report
from outfitter_sandbox.demo.steps import WRONG_IMAGE
from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.realnode import host

from .conftest import EXAMPLES, Invoke

Lines = Callable[[], list[str]]
LARGE = (64, {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1 << 26})


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[Report, Lines]:
    """A report, and its lines; on a large machine where no part of a node has been built."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    size(monkeypatch, *LARGE)
    out = io.StringIO()
    return Report(Console(file=out, width=400)), lambda: out.getvalue().splitlines()


def size(monkeypatch: pytest.MonkeyPatch, cores: int, memory: dict[str, int]) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    monkeypatch.setattr(os, "sysconf", memory.__getitem__)


def edited(image: str) -> list[dict[str, object]]:
    """The examples with one image more."""
    return [*load(EXAMPLES), {"kind": "Inference", "spec": {"image": image}}]


def test_auto_simulates_the_node_where_parts_are_missing_and_names_the_next_step(output: tuple[Report, Lines]) -> None:
    report, lines = output
    assert node_kinds("auto", load(EXAMPLES), report) == ["simulated"]
    (line,) = lines()
    assert line.endswith(f"a real node is not available: {nodes.why_no_real_node()[0]}")
    elsewhere = "another one runs on this machine" in line
    if not elsewhere and not host.why_not() and shutil.which("go"):
        assert line.endswith("not built yet; next: outfitter sandbox build --node")


def test_auto_simulates_the_node_without_root(output: tuple[Report, Lines], monkeypatch: pytest.MonkeyPatch) -> None:
    report, lines = output
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert node_kinds("auto", load(EXAMPLES), report) == ["simulated"]
    assert [line.endswith("run it as root (sudo -E)") for line in lines()] == [True]
    with pytest.raises(SandboxError, match="only root can start containers"):
        node_kinds("real", load(EXAMPLES), report)


def test_a_simulated_node_on_request_reports_no_reason(output: tuple[Report, Lines]) -> None:
    report, lines = output
    assert node_kinds("simulated", edited("registry.example.com/own:1"), report) == ["simulated"]
    assert lines() == []


@pytest.mark.parametrize(
    ("cores", "pages", "why"),
    [
        (1, 1 << 26, "need at least 1.6 cores and 8.8 GiB, this machine has 1 and 256.0"),
        (2, 1 << 21, "need at least 1.6 cores and 8.8 GiB, this machine has 2 and 8.0"),
    ],
    ids=["cores", "memory"],
)
def test_no_real_node_on_a_small_machine(
    output: tuple[Report, Lines], monkeypatch: pytest.MonkeyPatch, cores: int, pages: int, why: str
) -> None:
    report, lines = output
    size(monkeypatch, cores, {**LARGE[1], "SC_PHYS_PAGES": pages})
    assert node_kinds("auto", load(EXAMPLES), report) == ["simulated"]
    assert [line.endswith(why) for line in lines()] == [True]


def test_no_real_node_for_images_without_a_test_program(output: tuple[Report, Lines]) -> None:
    report, lines = output
    assert node_kinds("auto", edited("registry.example.com/own:1"), report) == ["simulated"]
    (line,) = lines()
    assert line.endswith("no test program replaces the image registry.example.com/own:1")
    with pytest.raises(SandboxError, match=r"own:1|A real node cannot run on this machine"):
        node_kinds("real", edited("registry.example.com/own:1"), report)


def test_every_image_of_the_demo_is_on_the_node() -> None:
    names = [name for each in variants() for name in each.names]
    assert len(names) == len({*names})
    wanted = {*images_of([body for body in load(EXAMPLES) if body["kind"] in OUR_KINDS])}
    assert len(wanted) > 5
    written = {name for name in wanted if "@" not in name}
    assert {*names} == wanted | {f"{name}-next" for name in written} | {WRONG_IMAGE}


def test_the_simulator_has_no_node(invoke: Invoke) -> None:
    seen = invoke("demo", "--in-memory", "--node", "real", "--examples", EXAMPLES)
    assert (seen.exit_code, "Remove --node" in seen.stderr) == (2, True)


def test_an_unknown_node(invoke: Invoke) -> None:
    seen = invoke("demo", "--node", "none", "--examples", EXAMPLES)
    assert (seen.exit_code, "simulated" in seen.stderr) == (2, True)
