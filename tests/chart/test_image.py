"""The Dockerfile, as far as it can be judged without a container engine."""

from __future__ import annotations

import json
import re
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .conftest import ROOT, Manifest

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
FINAL = DOCKERFILE.rpartition("\nFROM ")[2]


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_the_lock_pins_every_file(name: str) -> None:
    """One version and its hashes for each package, from whatever index the builder has."""
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*-", re.sub(r"^ +--hash=.*$", "", text, flags=re.MULTILINE), re.MULTILINE)
    entries = re.split(r"\n(?=\S)", text)
    for entry in (item for item in entries if item and not item.startswith("#")):
        assert re.match(r"[\w.\[\]-]+==\S+", entry), entry.splitlines()[0]
        assert "--hash=sha256:" in entry, entry.splitlines()[0]


def _locked(name: str) -> set[str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return {canonicalize_name(found) for found in re.findall(r"^([\w.-]+)(?:\[.*\])?==", text, re.MULTILINE)}


def _users(name: str) -> dict[str, set[str]]:
    """Package -> who asks for it: the lock says so below each entry."""
    entries = re.split(r"\n(?=\S)", (ROOT / name).read_text(encoding="utf-8"))
    found = {}
    for entry in entries:
        who = entry.rpartition("# via")[2]
        found[canonicalize_name(re.split(r"[=\[]", entry)[0])] = set(re.findall(r"[a-z][\w.-]*", who))
    return found


def test_what_builds_the_wheel_is_locked_and_complete() -> None:
    """hatchling and all it needs are named, so that the build asks for nothing else."""
    found = re.search(r"awk '/\^\(([\w|-]+)\)==/", DOCKERFILE)
    assert found
    named = set(found.group(1).split("|"))
    assert named <= _locked("requirements-dev.txt")
    needed = {"hatchling"}
    while more := {name for name, users in _users("requirements-dev.txt").items() if users & needed} - needed:
        needed |= more
    assert named == needed


def test_the_lock_has_every_dependency() -> None:
    """What pyproject.toml asks for at run time."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {canonicalize_name(Requirement(text).name) for text in project["dependencies"]}
    assert wanted <= _locked("requirements.txt")


def test_the_image_runs_as_the_user_that_the_pod_asks_for(values: Manifest) -> None:
    """By number: the kubelet cannot tell that a name is not root."""
    context = values["podSecurityContext"]
    assert re.search(r"^USER (.*)$", FINAL, re.MULTILINE).group(1) == f"{context['runAsUser']}:{context['runAsGroup']}"  # type: ignore[union-attr]
    assert context["runAsUser"] > 0


def test_the_entry_point_is_the_command() -> None:
    """Without a shell between it and SIGTERM."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    (entry,) = re.findall(r"^ENTRYPOINT (.*)$", FINAL, re.MULTILINE)
    assert json.loads(entry)[0] in scripts
    assert not re.search(r"^RUN", FINAL, re.MULTILINE)


def test_the_build_context_has_what_is_copied() -> None:
    """Each source exists and is let through by .dockerignore, which lets nothing else through."""
    copied = {part for line in re.findall(r"^COPY (?!--)(.*) \S+$", DOCKERFILE, re.MULTILINE) for part in line.split()}
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignore[1] == "*"
    assert {line[1:] for line in ignore if line.startswith("!")} == copied
    assert all((ROOT / name).exists() for name in copied)


@pytest.mark.parametrize("name", ["Dockerfile", "deploy/builder/Dockerfile"])
def test_base_images_can_be_pinned_from_outside(name: str) -> None:
    """Each base is an argument with its registry and tag; a digest in it is a whole one."""
    text = (ROOT / name).read_text(encoding="utf-8")
    arguments = dict(re.findall(r"^ARG (\w+)=(\S+)$", text.partition("\nFROM ")[0], re.MULTILINE))
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert bases
    for base in bases:
        found = re.fullmatch(r"\$\{(\w*BASE)\}", base)
        assert found, base
        value = arguments[found[1]]
        assert re.fullmatch(r"docker\.io/[\w./-]+:[\w.-]+(@sha256:[0-9a-f]{64})?", value), value


def test_the_released_image_is_built_from_a_digest() -> None:
    """One for all platforms: the workflow names no other base."""
    assert re.search(r"^ARG BASE=\S+@sha256:[0-9a-f]{64}$", DOCKERFILE, re.MULTILINE)
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yaml").read_text(encoding="utf-8"))
    (build,) = (step for step in workflow["jobs"]["image"]["steps"] if "docker buildx build" in step.get("run", ""))
    assert "BASE" not in build["run"]
