"""One cluster with the chart installed for all scenarios; each has namespaces of its own.

Files run in the order of PLAN: what stops, upgrades or removes the operator comes last.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from integration.harness.client import Api
from outfitter_sandbox.processes import locked
from plugins.reporting import FIGURE

from .harness import cluster as clusters
from .harness import csi, diagnosis, helm, images
from .harness.builds import REGISTRY as BUILD_REGISTRY
from .harness.cluster import Cluster
from .harness.data import Identity
from .harness.team import SECONDS, Team

SYSTEM = "outfitter-system"
DEPLOYMENT = "outfitter"
DOMAIN = "apps.example.com"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
LAST = ("test_node_lost.py", "test_operator.py", "test_uninstall.py")
_FIGURES = pytest.StashKey[list[str]]()
_NUMBERS = itertools.count(1)


@dataclass
class Stage:
    """What all scenarios share."""

    cluster: Cluster
    api: Api
    release: helm.Release
    identity: Identity
    """Host key and authority of the operator's settings."""

    def install(self) -> None:
        """helm install, as its users would; returns when the operator is available."""
        self.release.install(
            image_repository=images.OPERATOR,
            image_tag=images.TAGS[0],
            settings_domain=DOMAIN,
            settings_staticPvDrivers=csi.NAME,
            settings_buildkitCredential="buildkit",
            settings_registryHosts=json.dumps({BUILD_REGISTRY: {"plainHttp": True, "addresses": "private"}}),
            **self.identity.settings,
        )

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
    for item in ordered:
        if item.path.name in LAST:
            item.add_marker(pytest.mark.whole_node)
    if ours and (reasons := clusters.missing()):
        for item in ours:
            item.add_marker(pytest.mark.skip(reason=f"end to end: {'; '.join(reasons)}"))


@pytest.fixture(scope="session")
def say(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Notes a measured figure for the end of the output."""
    return pytestconfig.stash.setdefault(_FIGURES, []).append


@pytest.fixture(scope="session")
def cluster(node_folder: Path, progress: Callable[[str], None]) -> Iterator[Cluster]:
    """The cluster for all scenarios."""
    with clusters.running(node_folder, progress) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def stage(cluster: Cluster, node_folder: Path, progress: Callable[[str], None]) -> Stage:
    """The cluster, and the chart installed into a restricted namespace as its users would, by the first worker."""
    api = Api(cluster)  # type: ignore[arg-type]
    program, why = helm.find(progress)
    assert program is not None, why
    identity = Identity(node_folder / "identity")
    stage = Stage(cluster, api, helm.Release(program, cluster.kubeconfig, SYSTEM), identity)
    with locked(node_folder / "install.lock"):
        if api.get("Deployment", SYSTEM, DEPLOYMENT) is None:  # else of another worker, or on a cluster that goes on
            api.apply({"kind": "Namespace", "metadata": {"name": SYSTEM, "labels": RESTRICTED}})
            Identity.create(identity.folder)
            progress("helm install")
            stage.install()
            if cluster.sandbox is not None:  # else its garbage collector learns of new kinds half a minute later
                cluster.sandbox.restart("kube-controller-manager")
            progress("The operator is available")
    return stage


@pytest.fixture(autouse=True)
def one_node(node_turn: None) -> None:
    """Scenarios run side by side in several workers, except those that stop, upgrade or remove what others use."""


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
    figures = item.config.stash.setdefault(_FIGURES, [])
    item.user_properties += [(FIGURE, text) for text in figures]
    figures.clear()
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    stage = getattr(item, "funcargs", {}).get("stage")
    if report.failed and stage is not None:
        names = [each.name for each in item.stash.get(_MADE, [])] or list(getattr(item.module, "NAMESPACES", ()))
        report.sections += diagnosis.sections(stage.cluster.connection(), names, SYSTEM)
