"""A Helm release against a real API server: install, upgrade, uninstall, take over. Needs helm on PATH."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest

from outfitter.errors import NotFound
from outfitter_sandbox import Sandbox

from .conftest import CHART, Helm, Manifest, eventually
from .objects import apply, custom, get, namespace

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def fresh(helm: Helm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A control plane without anything of ours."""
    with Sandbox.up(root=tmp_path_factory.mktemp("helm-sandbox")) as sandbox:
        yield sandbox


def test_install_upgrade_uninstall(helm: Helm, fresh: Sandbox) -> None:
    """A release from its first day to its last: our objects and CRDs outlive it, and a new one takes them up again."""
    apply(
        fresh,
        {
            **namespace("outfitter-system"),
            "metadata": {"name": "outfitter-system", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
        },
    )
    place = ("--namespace", "outfitter-system", "--wait", "--timeout", "60s")

    def run(*arguments: str) -> str:
        done = helm(*arguments, kubeconfig=fresh.kubeconfig)
        assert done.returncode == 0, done.stderr
        return done.stdout

    notes = run("install", "outfitter", str(CHART), *place)
    assert "WARNING: image.repository" in notes
    assert "Only users with a role in outfitter-system can list the shared assets." in notes
    secret = fresh.connection().request(
        "GET", "/api/v1/namespaces/outfitter-system/secrets/sh.helm.release.v1.outfitter.v1"
    )
    size = len(base64.b64decode(secret["data"]["release"]))
    assert size < 800_000, "a Secret may hold 1 MiB"
    compute = custom("ComputeResource", "small", "outfitter-system", {"cpuCoreRequest": 1})
    apply(fresh, compute)
    uid = get(fresh, compute)["metadata"]["uid"]

    notes = run(
        "upgrade",
        "outfitter",
        str(CHART),
        *place,
        "--set",
        "replicaCount=2",
        "--set",
        "settings.domain=apps.example.com",
        "--set",
        "rbac.catalogue={scientists}",
    )
    assert "These groups can read the assets in outfitter-system: scientists" in notes
    group = {"user": "someone", "groups": ["scientists"]}
    assert _may(fresh, group, "outfitter.dev", "environments")
    assert _may(fresh, group, "outfitter.dev", "credentials")
    assert not _may(fresh, group, "", "secrets")
    assert not _may(fresh, group, "outfitter.dev", "environments", verb="patch")
    assert not _may(fresh, group, "outfitter.dev", "environments", where="team-a")
    assert not _may(fresh, {"user": "someone"}, "outfitter.dev", "environments")
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "outfitter", "namespace": "outfitter-system"},
    }
    assert get(fresh, deployment)["status"]["availableReplicas"] == 2

    run("uninstall", "outfitter", "--namespace", "outfitter-system", "--wait")
    eventually(lambda: _gone(fresh, deployment))
    assert get(fresh, compute)["metadata"]["uid"] == uid

    run("install", "outfitter", str(CHART), *place)
    assert get(fresh, compute)["metadata"]["uid"] == uid
    run("uninstall", "outfitter", "--namespace", "outfitter-system", "--wait")


def test_from_plain_manifests_to_helm(helm: Helm, fresh: Sandbox, install: list[Manifest]) -> None:
    """Helm takes over what install.yaml made only when told to, and then nothing is made again."""
    for manifest in install:
        apply(fresh, manifest)
    deployment = next(item for item in install if item["kind"] == "Deployment")
    uid = get(fresh, deployment)["metadata"]["uid"]
    command = ("install", "outfitter", str(CHART), "--namespace", "outfitter-system", "--wait", "--timeout", "60s")
    assert "invalid ownership metadata" in helm(*command, kubeconfig=fresh.kubeconfig).stderr
    done = helm(*command, "--take-ownership", kubeconfig=fresh.kubeconfig)
    assert done.returncode == 0, done.stderr
    assert get(fresh, deployment)["metadata"]["uid"] == uid
    helm("uninstall", "outfitter", "--namespace", "outfitter-system", "--wait", kubeconfig=fresh.kubeconfig)
    assert _gone(fresh, deployment)


def _gone(sandbox: Sandbox, manifest: Manifest) -> bool:
    try:
        get(sandbox, manifest)
    except NotFound:
        return True
    return False


def test_the_server_takes_every_optional_object(helm: Helm, fresh: Sandbox) -> None:
    """In strict mode; but for the Prometheus operator's kinds, which a bare cluster does not know."""
    for name in ("outfitter-system", "team-a"):
        apply(fresh, namespace(name))
    manifests = helm.template(
        "replicaCount=2", "networkPolicy.enabled=true", "watchNamespaces={team-a}", "crds.enabled=false"
    )
    kinds = {apply(fresh, manifest)["kind"] for manifest in manifests}
    assert kinds >= {
        "PodDisruptionBudget",
        "NetworkPolicy",
        "Role",
        "RoleBinding",
        "Deployment",
        "Service",
        "ServiceAccount",
    }


def _may(
    sandbox: Sandbox,
    who: dict[str, object],
    group: str,
    resource: str,
    *,
    verb: str = "list",
    where: str = "outfitter-system",
) -> bool:
    what = {"group": group, "resource": resource, "verb": verb, "namespace": where}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {**who, "resourceAttributes": what},
    }
    answer = sandbox.connection().request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    return bool(answer["status"]["allowed"])
