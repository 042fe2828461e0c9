"""Which tests a run selects, in which phase of `make test` they run, and in which order they start."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from foreign_crds import why_missing
from outfitter_sandbox import data, go_parts, nodes
from outfitter_sandbox.images import build_images

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
SANDBOX = ("sandbox", "tests/sandbox")
# Folders whose tests take longest: they start first, so that both workers end at about the same time.
FIRST = ("integration", "sandbox", "cli", "chart", "cluster", "api", "operator")
RANDOM_FILES = ("test_random_objects.py", "test_generated_objects.py")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--nightly", action="store_true", help="give random tests ten times as many examples")
    parser.addoption(
        "--sandbox-tests",
        choices=("all", "changed"),
        default="all",
        help="`changed` leaves out what runs nightly, and slow tests of the sandbox itself where nothing changed it",
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Collect the end-to-end suite only where it is named: it takes minutes and the whole machine."""
    named = any("e2e" in Path(argument).parts for argument in config.args)
    return True if collection_path == TESTS / "e2e" and not named else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark each test with what it needs and with its phase, skip what cannot or need not run, sort the rest."""
    for item in items:
        _mark_needs(item)
        item.add_marker(_phase(item))
    real = [item for item in items if item.get_closest_marker("realnode")]
    if real and (reasons := nodes.why_no_real_node()):
        _skip(real, f"needs a real node: {'; '.join(reasons)}")
    for part in go_parts.PARTS:
        built = [item for item in items if item.get_closest_marker(part.name.replace("-", "_"))]
        if built and (reason := part.find(None)[1]):
            _skip(built, f"{part.title} is missing: {reason}")
    fetching = [item for item in items if item.get_closest_marker("data_images")]
    if fetching and (reasons := data.find(None)[1]):
        _skip(fetching, f"needs the images for data sources: {'; '.join(reasons)}")
    building = [item for item in items if item.get_closest_marker("build_images")]
    if building and (reasons := build_images.missing()):
        _skip(building, f"needs the images for builds: {'; '.join(reasons)}")
    foreign = [item for item in items if item.get_closest_marker("foreign_crds")]
    if foreign and (reason := why_missing()):
        _skip(foreign, f"needs CRDs of other projects: {reason}")
    if shutil.which("kubectl") is None:
        _skip([item for item in items if item.get_closest_marker("kubectl")], "kubectl is not on the PATH")
    if config.getoption("--sandbox-tests") == "changed":
        long = [item for item in items if item.get_closest_marker("nightly")]
        _skip(long, "they take minutes; `make nightly` runs them")
    if config.getoption("--sandbox-tests") == "changed" and not sandbox_changed():
        own = [item for item in items if item.get_closest_marker("sandbox_self")]
        _skip([item for item in own if _is_slow(item)], "the sandbox did not change; `make nightly` runs them")
    items.sort(key=_rank)


def _mark_needs(item: pytest.Item) -> None:
    fixtures, callspec = getattr(item, "fixturenames", ()), getattr(item, "callspec", None)
    of_server = callspec is not None and callspec.params.get("cluster") == "server"  # asks for the server when it runs
    if "sandbox" in fixtures or of_server or item.path.parent.name in ("sandbox", "integration"):
        item.add_marker(pytest.mark.cluster)
    if item.path.name in RANDOM_FILES:
        item.add_marker(pytest.mark.slow)


def _phase(item: pytest.Item) -> pytest.MarkDecorator:
    """Each test has one of three phases, so that `make test` runs it once."""
    if item.get_closest_marker("e2e") or "real_node" in getattr(item, "fixturenames", ()):
        return pytest.mark.shared_node
    if item.get_closest_marker("realnode") or item.get_closest_marker("verdict"):
        return pytest.mark.alone
    return pytest.mark.parallel


def _is_slow(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) for name in ("cluster", "realnode", "slow"))


def _skip(items: list[pytest.Item], reason: str) -> None:
    for item in items:
        item.add_marker(pytest.mark.skip(reason=reason))


def _rank(item: pytest.Item) -> tuple[bool, int]:
    """Tests on the shared node come last, as it runs to the end: there can be only one real node at a time."""
    folder = item.path.relative_to(TESTS).parts[0]
    shared = item.get_closest_marker("shared_node") is not None
    return shared, FIRST.index(folder) if folder in FIRST else len(FIRST)


@cache
def sandbox_changed() -> bool:
    """Whether the sandbox differs from the merge base with main, or from the parent commit on main itself.

    True where git cannot answer, as in an archive or a shallow clone.
    """
    base = next((found for ref in ("origin/main", "main") if (found := _merge_base(ref))), None) or _git(
        "rev-parse", "--verify", "HEAD^"
    )
    if base is None:
        return True
    changed, added = (
        _git("diff", "--name-only", base, "--", *SANDBOX),
        _git("ls-files", "-o", "--exclude-standard", *SANDBOX),
    )
    return bool(changed or added or changed is None)


def _merge_base(ref: str) -> str | None:
    """The merge base with `ref`, None where HEAD itself is part of `ref`."""
    base = _git("merge-base", "HEAD", ref)
    return base if base != _git("rev-parse", "HEAD") else None


def _git(*arguments: str) -> str | None:
    """The output of a git command, None where it fails."""
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
