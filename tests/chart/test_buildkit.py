"""The daemon that builds images, as Helm renders it. Needs helm on PATH."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from outfitter.naming import LABEL_PROJECT

from .conftest import CHART, KUBE_VERSION, Helm, Manifest

ON = ("buildkit.enabled=true", "buildkit.namespace=builds", "buildkit.tlsSecret=buildkit-tls")


def _daemon(helm: Helm, *values: str, **lists: Any) -> dict[str, Manifest]:
    """Kind -> manifest of the objects of the daemon. `lists`: further values of `buildkit`."""
    more = {f"buildkit.{name}": value for name, value in lists.items()}
    names = {"name": "outfitter-buildkit", "namespace": "builds"}
    found = [item for item in helm.template(*ON, *values, **more) if names.items() <= item["metadata"].items()]
    assert len(found) == 4
    return {item["kind"]: item for item in found}


def _pod(manifests: dict[str, Manifest]) -> Manifest:
    spec: Manifest = manifests["StatefulSet"]["spec"]["template"]["spec"]
    return spec


def _config(manifests: dict[str, Manifest]) -> dict[str, Any]:
    return tomllib.loads(manifests["ConfigMap"]["data"]["buildkitd.toml"])


def test_there_is_none_by_default(helm: Helm) -> None:
    assert not [item for item in helm.template() if "buildkit" in item["metadata"]["name"]]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (("buildkit.tlsSecret=a",), "buildkit.namespace: name an existing namespace"),
        (("buildkit.namespace=outfitter-system", "buildkit.tlsSecret=a"), "name another namespace than that of the"),
        (("buildkit.namespace=builds",), "buildkit.tlsSecret: name a Secret"),
        (("buildkit.namespace=Builds", "buildkit.tlsSecret=a"), "/buildkit/namespace"),
        (("buildkit.namespace=builds", "buildkit.plainRegistries={http://a}"), "buildkit/plainRegistries/0"),
    ],
)
def test_what_it_needs_is_named(helm: Helm, values: tuple[str, ...], words: str) -> None:
    settings = [part for value in ("buildkit.enabled=true", *values) for part in ("--set", value)]
    done = helm(
        "template",
        "outfitter",
        str(CHART),
        "--namespace",
        "outfitter-system",
        "--kube-version",
        KUBE_VERSION,
        *settings,
    )
    assert done.returncode != 0
    assert words in done.stderr


def test_without_certificates_only_on_request(helm: Helm) -> None:
    values = ("buildkit.tlsSecret=", "buildkit.allowWithoutTls=true")
    manifests = _daemon(helm, *values)
    assert "tls" not in _config(manifests)["grpc"]
    assert "tls" not in {volume["name"] for volume in _pod(manifests)["volumes"]}
    tls = _config(_daemon(helm))["grpc"]["tls"]
    assert tls == {key: f"/outfitter/tls/{file}" for key, file in
                   {"cert": "tls.crt", "key": "tls.key", "ca": "ca.crt"}.items()}  # fmt: skip


def test_the_pod_fits_pod_security_baseline(helm: Helm) -> None:
    """Root of a user namespace, with three capabilities of the default set, and without privilege escalation."""
    spec = _pod(_daemon(helm))
    (container,) = spec["containers"]
    assert spec["hostUsers"] is False
    assert spec["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "procMount": "Unmasked",
        "capabilities": {"drop": ["ALL"], "add": ["SETFCAP", "SETGID", "SETUID"]},
    }
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in spec["volumes"]} | {"state"}


def test_only_projects_reach_it(helm: Helm) -> None:
    manifests = _daemon(helm)
    labels = manifests["StatefulSet"]["spec"]["template"]["metadata"]["labels"]
    policy = manifests["NetworkPolicy"]["spec"]
    for selector in (policy["podSelector"]["matchLabels"], manifests["Service"]["spec"]["selector"],
                     manifests["StatefulSet"]["spec"]["selector"]["matchLabels"]):  # fmt: skip
        assert selector.items() <= labels.items()
    (rule,) = policy["ingress"]
    assert rule["from"] == [{"namespaceSelector": {"matchExpressions": [{"key": LABEL_PROJECT, "operator": "Exists"}]}}]
    assert policy["policyTypes"] == ["Ingress"]
    peers = [{"ipBlock": {"cidr": "10.0.0.0/8"}}]
    policy = _daemon(helm, egress=peers)["NetworkPolicy"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["egress"][1] == {"to": peers}


def test_the_operators_objects_do_not_select_it(helm: Helm) -> None:
    labels = _daemon(helm)["StatefulSet"]["spec"]["template"]["metadata"]["labels"]
    (deployment,) = [item for item in helm.template(*ON) if item["kind"] == "Deployment"]
    assert not deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_its_configuration(helm: Helm) -> None:
    config = _config(_daemon(helm, "buildkit.plainRegistries={r.example.com:5000}", "buildkit.maxParallelism=2"))
    assert config["registry"] == {"r.example.com:5000": {"http": True}}
    assert config["worker"] == {"oci": {"max-parallelism": 2}, "containerd": {"enabled": False}}
    assert config["frontend"]["gateway.v0"] == {"enabled": True, "allowedRepositories": ["docker.io/docker/dockerfile"]}
    assert _config(_daemon(helm, frontends=[]))["frontend"]["gateway.v0"]["enabled"] is False


def test_a_change_of_its_configuration_restarts_it(helm: Helm) -> None:
    def annotations(*values: str) -> Any:
        return _daemon(helm, *values)["StatefulSet"]["spec"]["template"]["metadata"]["annotations"]

    assert annotations() == annotations("buildkit.storage.size=1Gi")
    assert annotations() != annotations("buildkit.maxParallelism=2")


def test_authorities_of_the_settings_are_trusted(helm: Helm) -> None:
    manifests = _daemon(helm, "settings.dataAuthorities=A\nB")
    assert manifests["ConfigMap"]["data"]["authorities.pem"].strip() == "A\nB"
    (container,) = _pod(manifests)["containers"]
    assert {"name": "SSL_CERT_DIR", "value": "/etc/ssl/certs:/etc/outfitter"} in container["env"]


def test_storage_image_and_replicas(helm: Helm) -> None:
    manifests = _daemon(
        helm, "buildkit.replicas=2", "buildkit.storage.className=fast", "buildkit.image.digest=sha256:" + "0" * 64
    )
    spec = manifests["StatefulSet"]["spec"]
    assert spec["replicas"] == 2
    (claim,) = spec["volumeClaimTemplates"]
    assert claim["spec"]["storageClassName"] == "fast"
    assert claim["spec"]["resources"]["requests"]["storage"] == "50Gi"
    assert spec["template"]["spec"]["containers"][0]["image"].endswith("outfitter-builder@sha256:" + "0" * 64)
