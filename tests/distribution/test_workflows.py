"""The workflows: actions by digest, few rights, and no text of an event in a script."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
WRITES = {"attestations", "id-token"}

Step = dict[str, Any]


def steps(path: Path) -> list[Step]:
    """Every step of a workflow."""
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_there_are_workflows() -> None:
    assert [path.name for path in FILES] == ["ci.yaml", "release.yaml"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_actions_are_named_by_digest_and_version(path: Path) -> None:
    used = re.findall(r"uses: (.*)", path.read_text(encoding="utf-8"))
    assert used
    assert [action for action in used if not PINNED.fullmatch(action)] == []


def test_an_action_has_one_digest() -> None:
    used = {action for path in FILES for action in re.findall(r"uses: (.*)", path.read_text(encoding="utf-8"))}
    assert len({action.partition("@")[0] for action in used}) == len(used)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_scripts_get_values_from_variables_only(path: Path) -> None:
    """An expression in a script is pasted into it before the shell reads it."""
    assert [step["run"] for step in steps(path) if "${{" in step.get("run", "")] == []
    assert "github.event." not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_jobs_have_the_rights_they_need(path: Path) -> None:
    """None by default; only the job of the release page writes to the repository."""
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        writes = {right for right, level in job["permissions"].items() if level == "write"}
        assert writes <= ({"contents"} if name == "publish" else WRITES), name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_checkouts_keep_no_credentials(path: Path) -> None:
    checkouts = [step for step in steps(path) if step.get("uses", "").startswith("actions/checkout@")]
    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_commands_are_targets_of_make(path: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    called = {name for step in steps(path) for name in re.findall(r"\bmake ([a-z0-9-]+)", step.get("run", ""))}
    assert called
    assert called <= targets
