"""The certificates of a control plane, checked with the verifier of the library."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from outfitter_sandbox import certificates

NAMES = ("apiserver", "admin", "controller-manager", "node", "etcd", "etcd-client")


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates") / "pki"
    certificates.create_control_plane(folder, "10.96.0.1")
    return folder


def load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_only_the_owner_reads_them(pki: Path) -> None:
    assert {oct(each.stat().st_mode & 0o777) for each in pki.iterdir()} == {"0o600"}
    assert pki.stat().st_mode & 0o777 == 0o700


def test_the_api_server_answers_to_its_names(pki: Path) -> None:
    names = load(pki / "apiserver.crt").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"localhost", "kubernetes.default.svc"} <= set(names.get_values_for_type(x509.DNSName))
    assert {ipaddress.ip_address(each) for each in ("127.0.0.1", "10.96.0.1")} == set(
        names.get_values_for_type(x509.IPAddress)
    )


@pytest.mark.parametrize("name", NAMES)
def test_each_chains_to_its_own_authority(pki: Path, name: str) -> None:
    own, other = ("etcd-ca", "ca") if name.startswith("etcd") else ("ca", "etcd-ca")
    load(pki / f"{name}.crt").verify_directly_issued_by(load(pki / f"{own}.crt"))
    with pytest.raises(ValueError, match="Issuer"):
        load(pki / f"{name}.crt").verify_directly_issued_by(load(pki / f"{other}.crt"))


def test_users_and_groups(pki: Path) -> None:
    certificates.issue(pki, "alice", common_name="alice", organizations=["devs", "ops"])
    subject = load(pki / "alice.crt").subject
    assert [each.value for each in subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == ["alice"]
    assert [each.value for each in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)] == ["devs", "ops"]
    admin = load(pki / "admin.crt").subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    assert [each.value for each in admin] == ["system:masters"]
