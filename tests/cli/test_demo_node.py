"""Which node the demo plays on, and what it says about that."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from outfitter_sandbox import nodes
from outfitter_sandbox.demo.look import OURS
from outfitter_sandbox.demo.real_node import images_of, kinds, variants
from outfitter_sandbox.demo.report import Report
from outfitter_sandbox.demo.story import WRONG_IMAGE, load
from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.realnode import host

from .conftest import EXAMPLES, Invoke

Told = Callable[[], list[str]]
ROOMY = (64, {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1 << 26})


@pytest.fixture
def paper(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[Report, Told]:
    """A report, and its lines; on a large machine where no part of a node has been built."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    size(monkeypatch, *ROOMY)
    out = io.StringIO()
    return Report(Console(file=out, width=400)), lambda: out.getvalue().splitlines()


def size(monkeypatch: pytest.MonkeyPatch, cores: int, memory: dict[str, int]) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    monkeypatch.setattr(os, "sysconf", memory.__getitem__)


def edited(image: str) -> list[dict[str, object]]:
    """The examples with one image more."""
    return [*load(EXAMPLES), {"kind": "Inference", "spec": {"image": image}}]


def test_auto_takes_the_stand_in_where_parts_are_missing_and_says_what_to_run(paper: tuple[Report, Told]) -> None:
    report, told = paper
    assert kinds("auto", load(EXAMPLES), report) == ["stand-in"]
    (line,) = told()
    assert line.endswith(f"for want of a real node: {nodes.why_no_real_node()[0]}")
    elsewhere = "another one runs on this machine" in line
    if not elsewhere and not host.why_not() and shutil.which("go"):
        assert line.endswith("not built yet; next: outfitter sandbox build --node")


def test_auto_takes_the_stand_in_for_everybody_but_root(
    paper: tuple[Report, Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    report, told = paper
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert kinds("auto", load(EXAMPLES), report) == ["stand-in"]
    assert [line.endswith("run it as root (sudo -E)") for line in told()] == [True]
    with pytest.raises(SandboxError, match="only root can start containers"):
        kinds("real", load(EXAMPLES), report)


def test_the_stand_in_needs_no_reason(paper: tuple[Report, Told]) -> None:
    report, told = paper
    assert kinds("stand-in", edited("registry.example.com/own:1"), report) == ["stand-in"]
    assert told() == []


@pytest.mark.parametrize(
    ("cores", "pages", "why"),
    [
        (1, 1 << 26, "need 1.6 cores and 8.8 GiB at the least, this machine has 1 and 256.0"),
        (2, 1 << 21, "need 1.6 cores and 8.8 GiB at the least, this machine has 2 and 8.0"),
    ],
    ids=["cores", "memory"],
)
def test_no_real_node_where_pods_have_no_room(
    paper: tuple[Report, Told], monkeypatch: pytest.MonkeyPatch, cores: int, pages: int, why: str
) -> None:
    report, told = paper
    size(monkeypatch, cores, {**ROOMY[1], "SC_PHYS_PAGES": pages})
    assert kinds("auto", load(EXAMPLES), report) == ["stand-in"]
    assert [line.endswith(why) for line in told()] == [True]


def test_no_real_node_for_images_that_nothing_stands_in_for(paper: tuple[Report, Told]) -> None:
    report, told = paper
    assert kinds("auto", edited("registry.example.com/own:1"), report) == ["stand-in"]
    (line,) = told()
    assert line.endswith("no program of ours stands in for the image registry.example.com/own:1")
    with pytest.raises(SandboxError, match=r"own:1|A real node cannot run here"):  # the latter where nothing could run
        kinds("real", edited("registry.example.com/own:1"), report)


def test_every_image_of_the_story_is_on_the_node() -> None:
    names = [name for each in variants() for name in each.names]
    assert len(names) == len({*names})
    wanted = {*images_of([body for body in load(EXAMPLES) if body["kind"] in OURS])}
    assert len(wanted) > 5
    written = {name for name in wanted if "@" not in name}
    assert {*names} == wanted | {f"{name}-next" for name in written} | {WRONG_IMAGE}


def test_the_twin_has_no_node(invoke: Invoke) -> None:
    seen = invoke("demo", "--twin", "--node", "real", "--examples", EXAMPLES)
    assert (seen.exit_code, "leave --node out" in seen.stderr) == (2, True)


def test_a_node_that_there_is_not(invoke: Invoke) -> None:
    seen = invoke("demo", "--node", "none", "--examples", EXAMPLES)
    assert (seen.exit_code, "stand-in" in seen.stderr) == (2, True)
