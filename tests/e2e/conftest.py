"""One cluster with the chart installed for all scenarios; each has namespaces of its own.

Files run in the order of PLAN: what stops, upgrades or removes the operator comes last.
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from integration.harness.client import Api

from .harness import cluster as clusters
from .harness import diagnosis, helm, images
from .harness.cluster import Cluster
from .harness.team import SECONDS, Team

SYSTEM = "outfitter-system"
DEPLOYMENT = "outfitter"
DOMAIN = "apps.example.com"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
LAST = ("test_node_lost.py", "test_operator.py", "test_uninstall.py")
MISSING = pytest.StashKey[str]()
FIGURES = pytest.StashKey[list[str]]()
_NUMBERS = itertools.count(1)


@dataclass
class Stage:
    """What all scenarios share."""

    cluster: Cluster
    api: Api
    release: helm.Release

    def install(self) -> None:
        """helm install, as its users would; returns when the operator is available."""
        self.release.install(image_repository=images.OPERATOR, image_tag=images.TAGS[0], settings_domain=DOMAIN)

    def operators(self) -> list[dict[str, Any]]:
        """The operator's pods, without those on their way out."""
        pods = self.api.list("Pod", SYSTEM, labelSelector="app.kubernetes.io/name=outfitter")
        return [each for each in pods if "deletionTimestamp" not in each["metadata"]]

    def leader(self) -> str:
        """Name of the pod that holds the Lease, "" when nobody does."""
        lease = self.api.get("Lease", SYSTEM, "outfitter")
        return str(((lease or {}).get("spec") or {}).get("holderIdentity") or "")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put them in order; where no cluster is to be had, they are not run, and the last line says why."""
    here = Path(__file__).parent
    ours = [each for each in items if each.path.parent == here]
    for item in ours:
        item.add_marker(pytest.mark.e2e)
        item.add_marker(pytest.mark.cluster)
        item.add_marker(pytest.mark.timeout(900))
    ordered = sorted(ours, key=lambda each: LAST.index(each.path.name) if each.path.name in LAST else -1)
    items[:] = [each for each in items if each not in ours] + ordered
    if ours and (reasons := clusters.missing()):
        config.stash[MISSING] = f"{len(ours)} end-to-end scenarios were NOT run: {'; '.join(reasons)}"
        for item in ours:
            item.add_marker(pytest.mark.skip(reason=reasons[0]))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Measured figures, and what was not run."""
    for line in config.stash.get(FIGURES, []):
        terminalreporter.write_line(line)
    if text := config.stash.get(MISSING, ""):
        terminalreporter.write_line(text, yellow=True)


@pytest.fixture(scope="session")
def say(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Note a measured figure for the end of the output."""
    return pytestconfig.stash.setdefault(FIGURES, []).append


@pytest.fixture(scope="session")
def progress(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Shown at once, whatever pytest captures: starting takes a minute."""
    capture, started = pytestconfig.pluginmanager.getplugin("capturemanager"), time.monotonic()

    def report(text: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"[{time.monotonic() - started:4.0f} s] {text}", flush=True)

    return report


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory, progress: Callable[[str], None]) -> Iterator[Stage]:
    """The cluster, and the chart installed into a restricted namespace as its users would."""
    with clusters.running(tmp_path_factory.mktemp("e2e"), progress) as cluster:
        api = Api(cluster)  # type: ignore[arg-type]
        api.apply({"kind": "Namespace", "metadata": {"name": SYSTEM, "labels": RESTRICTED}})
        program, why = helm.find(progress)
        assert program is not None, why
        release = helm.Release(program, cluster.kubeconfig, SYSTEM)
        found = Stage(cluster, api, release)
        if api.get("Deployment", SYSTEM, DEPLOYMENT) is None:  # of an earlier run, on a cluster that goes on
            progress("helm install")
            found.install()
        if cluster.sandbox is not None:  # else its garbage collector learns of new kinds half a minute later
            cluster.sandbox.restart("kube-controller-manager")
        progress("The operator is available")
        yield found
        progress("Taking the cluster down")


@pytest.fixture
def api(stage: Stage) -> Api:
    return stage.api


@pytest.fixture
def teams(stage: Stage, request: pytest.FixtureRequest) -> Iterator[Callable[..., Team]]:
    """Makes namespaces, restricted projects unless told otherwise; they are deleted afterwards."""
    made: list[Team] = []

    def make(*, restricted: bool = True, elevation: bool = False) -> Team:
        short = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower()).strip("-")[:30]
        name = f"{short.strip('-')}-{next(_NUMBERS)}"
        labels = dict(RESTRICTED) if restricted else {}
        labels |= {"outfitter.dev/project": name}
        labels |= {"outfitter.dev/elevation": "allowed"} if elevation else {}
        stage.api.create({"kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        stage.api.wait("ServiceAccount", name, "default", bool, SECONDS)
        made.append(Team(stage.api, name, stage.cluster.connection()))
        return made[-1]

    request.node.stash[_MADE] = made
    yield make
    for team in made:
        if stage.api.get("Namespace", "", team.name) is not None:
            stage.api.delete("Namespace", "", team.name)


@pytest.fixture
def team(teams: Callable[..., Team]) -> Team:
    """A project's namespace with Pod Security level restricted."""
    return teams()


_MADE = pytest.StashKey[list[Team]]()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A failed scenario shows pods, events and logs of its namespaces and of the operator."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    stage = getattr(item, "funcargs", {}).get("stage")
    if report.failed and stage is not None:
        names = [each.name for each in item.stash.get(_MADE, [])] or list(getattr(item.module, "NAMESPACES", ()))
        report.sections += diagnosis.sections(stage.cluster.connection(), names, SYSTEM)
