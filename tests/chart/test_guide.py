"""The guide: every reason is explained, every link leads somewhere, every manifest is valid."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

from outfitter import observe
from outfitter.api.v1alpha1.artifact import ArtifactPhase
from outfitter.api.v1alpha1.artifactstatus import CachePhase
from outfitter.api.validation import strict_errors
from outfitter.cli.chart import camel
from outfitter.settings import Settings

from .conftest import ROOT, Manifest

GUIDE = ROOT / "docs" / "guide"
PAGES = [GUIDE / f"{name}.md" for name in ("concepts", "gitops", "installation", "security", "troubleshooting")]
TROUBLES = (GUIDE / "troubleshooting.md").read_text(encoding="utf-8")

# Function -> position of the reason among its arguments.
_REASONED = {"stalled": 0, "waiting": 0, "note": 0, "Problem": 0, "Observation": 1, "Draft": 1}
_SOURCES = ("observe.py", "problems.py", "reconcile", "status.py", "plan", "policy", "render", "resolve")


def _constants(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.IfExp):
        yield from _constants(node.body)
        yield from _constants(node.orelse)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
        yield node.value


def _reasons(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            place = _REASONED.get(name)
            if place is not None and len(node.args) > place:
                yield from _constants(node.args[place])
            for keyword in node.keywords:
                if name in _REASONED and keyword.arg == "reason":
                    yield from _constants(keyword.value)
        elif isinstance(node, ast.Assign) and any(
            isinstance(each, ast.Name) and each.id == "reason" for each in node.targets
        ):
            yield from _constants(node.value)


@cache
def _written() -> frozenset[str]:
    root = ROOT / "src" / "outfitter"
    files = [
        path for name in _SOURCES for path in ([root / name] if name.endswith(".py") else (root / name).rglob("*.py"))
    ]
    found = {reason for path in files if path.exists() for reason in _reasons(path)}
    tables = {reason for reason, _ in observe._WAITING.values()} | {reason for _, reason, _ in observe._DOWNLOAD}
    # The Ready condition of an Artifact that does not run, and of a NimCache, gives its phase as the reason.
    return frozenset(found | tables | {phase.value for phases in (ArtifactPhase, CachePhase) for phase in phases})


def test_every_reason_is_explained_and_no_other() -> None:
    """Collected from the code that writes them."""
    written = _written()
    assert len(written) > 40, "the collection has lost its sources"
    explained = re.findall(r"^\| `([A-Z][A-Za-z]+)` \|", TROUBLES, re.MULTILINE)
    assert sorted(explained) == sorted(set(explained)), "explained twice"
    assert set(explained) == written


@cache
def _all_calls() -> tuple[ast.Call, ...]:
    root = ROOT / "src" / "outfitter"
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in root.rglob("*.py")]
    return tuple(node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call))


def _calls(function: str) -> set[str]:
    """The reasons that a function of problems.py is called with."""
    calls = _all_calls()
    named = [node for node in calls if isinstance(node.func, ast.Name) and node.func.id == function and node.args]
    return {reason for node in named for reason in _constants(node.args[0])}


@pytest.mark.parametrize(
    ("function", "heading"),
    [("stalled", "Somebody has to act"), ("waiting", "It goes on by itself"), ("note", "Notes")],
)
def test_reasons_stand_under_the_right_heading(function: str, heading: str) -> None:
    """Whoever reads `Stalled` looks under what a person has to do."""
    section = TROUBLES.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    found = _calls(function)
    assert found
    assert found <= set(re.findall(r"^\| `([A-Z][A-Za-z]+)` \|", section, re.MULTILINE))


def _anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    """Files and headings of the repository."""
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), target
        assert not anchor or anchor in _anchors(path), target


def _manifests(page: Path) -> Iterator[Manifest]:
    for block in re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        yield from (item for item in yaml.safe_load_all(block) if isinstance(item, dict))


def test_manifests_in_the_guide_are_valid() -> None:
    """Those of our kinds, in strict mode."""
    ours = [
        item
        for page in PAGES
        for item in _manifests(page)
        if str(item.get("apiVersion", "")).startswith("outfitter.dev/")
    ]
    assert ours
    for item in ours:
        assert strict_errors(item) == []


def test_values_in_the_guide_exist(values: Manifest) -> None:
    """`settings.x` and the dotted values of the chart."""
    known = {f"settings.{camel(name)}" for name in Settings.model_fields}
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert set(re.findall(r"settings\.\w+", text)) <= known | {"settings.md", "settings.py"}
    sections = "|".join(name for name, value in values.items() if isinstance(value, dict) and name != "settings")
    for path in re.findall(rf"(?<![\w./])(?:{sections})(?:\.\w+)+(?==|`)", text):
        at = values
        for part in path.split("."):
            assert part in at, path
            at = at[part]
