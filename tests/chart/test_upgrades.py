"""Values of an older release, values that are null, and several installations in one cluster. Needs helm on PATH."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from outfitter.codegen.admission.policies import POLICIES, PROJECT_POLICIES

from .conftest import CHART, KUBE_VERSION, Helm, Manifest, documents, identity

VALUES: Manifest = yaml.load((CHART / "values.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
REMOVABLE = ("resources", "podSecurityContext", "securityContext")
"""Here null removes a field of the pod."""


def paths(node: Any, at: str = "") -> Iterator[str]:
    """Every value of the chart, and every section of values."""
    for name, value in node.items():
        path = f"{at}.{name}" if at else name
        yield path
        if isinstance(value, dict):
            yield from paths(value, path)


def rendered(helm: Helm, chart: Path, namespace: str, *options: str) -> list[Manifest]:
    place = ("--namespace", namespace, "--kube-version", KUBE_VERSION)
    done = helm("template", "outfitter", str(chart), *place, *options)
    assert done.returncode == 0, done.stderr
    return documents(done.stdout)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart as `helm upgrade --reuse-values` sees it: without its own defaults."""
    chart = tmp_path_factory.mktemp("bare") / "outfitter"
    shutil.copytree(CHART, chart)
    kept = {name: VALUES[name] for name in REMOVABLE}
    (chart / "values.yaml").write_text(yaml.safe_dump(kept), encoding="utf-8")
    return chart


def test_values_that_an_older_release_does_not_have_are_the_defaults(helm: Helm, bare: Path) -> None:
    assert rendered(helm, bare, "outfitter-system") == helm.template()


def test_a_value_of_the_older_release_is_kept(helm: Helm, bare: Path) -> None:
    """Also one that is false, zero or empty."""
    given = ("crds.keep=false", "replicaCount=0", "settings.ingressTls=false", "settings.leaseName=mine")
    options = [part for item in given for part in ("--set", item)]
    assert rendered(helm, bare, "outfitter-system", *options) == helm.template(*given)


@pytest.fixture(scope="module")
def usual(helm: Helm) -> list[Manifest]:
    """The chart with its own values."""
    return helm.template()


@pytest.mark.slow
@pytest.mark.parametrize("path", [path for path in paths(VALUES) if path.partition(".")[0] not in REMOVABLE])
def test_null_is_the_default(helm: Helm, usual: list[Manifest], path: str) -> None:
    assert helm.template(f"{path}=null") == usual


@pytest.mark.slow
@pytest.mark.parametrize("path", [path for path in paths(VALUES) if path.partition(".")[0] in REMOVABLE])
def test_null_removes_a_field_of_the_pod(helm: Helm, usual: list[Manifest], path: str) -> None:
    assert helm.template(f"{path}=null") != usual


def cluster_wide(manifests: list[Manifest]) -> set[tuple[str, str, str]]:
    """The objects that are in no namespace, without the CRDs, which all installations share."""
    found = {identity(item) for item in manifests if item["kind"] != "CustomResourceDefinition"}
    return {place for place in found if not place[1]}


def test_two_releases_of_one_name_share_no_object(helm: Helm) -> None:
    first, second = (cluster_wide(rendered(helm, CHART, space)) for space in ("outfitter-system", "ml-platform"))
    assert len(first) == len(second) > 5
    assert first & second == set()
    assert {name.removeprefix("ml-platform-") for _, _, name in second} == {name for _, _, name in first}


def test_policies_judge_the_namespaces_of_their_installation(helm: Helm) -> None:
    """Another installation writes in the others, with an account that these policies do not exempt."""
    made = rendered(helm, CHART, "ml-platform", "--set", "watchNamespaces={team-a,team-b}")
    bindings = [item["spec"] for item in made if item["kind"] == "ValidatingAdmissionPolicyBinding"]
    chosen = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["ml-platform", "team-a", "team-b"]}
    assert len(bindings) == len(POLICIES) + len(PROJECT_POLICIES)
    for spec in bindings:
        assert spec["matchResources"] == {"namespaceSelector": {"matchExpressions": [chosen]}}
    everywhere = [item["spec"] for item in helm.template() if item["kind"] == "ValidatingAdmissionPolicyBinding"]
    assert not any("matchResources" in spec for spec in everywhere)


def test_bindings_name_the_account_and_role_of_their_release(helm: Helm) -> None:
    made = rendered(helm, CHART, "ml-platform")
    roles = {item["metadata"]["name"] for item in made if item["kind"] in ("ClusterRole", "Role")}
    for item in made:
        if item["kind"] in ("ClusterRoleBinding", "RoleBinding"):
            assert item["roleRef"]["name"] in roles
            assert [subject["namespace"] for subject in item["subjects"]] == ["ml-platform"]
    judging = [str(item["spec"]) for item in made if item["kind"] == "ValidatingAdmissionPolicy"]
    exempting = [text for text in judging if "system:kube-controller-manager" in text]
    assert len(exempting) == 6 + len(PROJECT_POLICIES)
    assert all("system:serviceaccount:ml-platform:outfitter" in text for text in exempting)
