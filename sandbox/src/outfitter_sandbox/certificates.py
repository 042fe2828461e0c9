"""Certificates and keys of a temporary control plane (P-256.

Every file has mode 0600). Two authorities: `ca` for the API server and its clients, `etcd-ca` for etcd alone, as etcd
access bypasses RBAC.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

BACKDATED = datetime.timedelta(minutes=10)  # clocks of containers and virtual machines differ
LIFETIME = datetime.timedelta(days=365)


def create_control_plane(folder: Path, service_address: str, *more: str) -> None:
    """Certificates of all components.

    `service_address` is the cluster IP of the `kubernetes` Service. `more` are further addresses of the API server.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    create_authority(folder, "ca")
    create_authority(folder, "etcd-ca")
    names = [
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    ]
    addresses = ["127.0.0.1", service_address, *more]
    issue(folder, "apiserver", common_name="kube-apiserver", dns=names, addresses=addresses)
    issue(folder, "admin", common_name="sandbox-admin", organizations=["system:masters"])
    issue(folder, "controller-manager", common_name="system:kube-controller-manager")
    issue(folder, "node", common_name="sandbox-node", organizations=["system:masters"])
    for name in ("etcd", "etcd-client"):
        issue(folder, name, authority="etcd-ca", common_name=name, dns=["localhost"], addresses=["127.0.0.1"])
    key = ec.generate_private_key(ec.SECP256R1())
    write_secret(folder / "service-account.key", _private(key))
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    write_secret(folder / "service-account.pub", public)


def create_authority(folder: Path, name: str) -> None:
    """Write a self-signed CA to `<name>.crt` and `<name>.key`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(f"outfitter-sandbox-{name}", ())
    builder = (
        _builder(subject, subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
    )
    _write(folder, name, builder.sign(key, hashes.SHA256()), key)


def issue(
    folder: Path,
    name: str,
    *,
    authority: str = "ca",
    common_name: str,
    organizations: Sequence[str] = (),
    dns: Sequence[str] = (),
    addresses: Sequence[str] = (),
) -> tuple[Path, Path]:
    """Write `<name>.crt` and `<name>.key`, signed by `authority`; their paths.

    The API server reads the user from `common_name` and the groups from `organizations`. With `dns` or `addresses`
    the certificate is also valid for a server.
    """
    signer = x509.load_pem_x509_certificate((folder / f"{authority}.crt").read_bytes())
    signing_key = serialization.load_pem_private_key((folder / f"{authority}.key").read_bytes(), None)
    if not isinstance(signing_key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{authority}.key is not an elliptic curve key")
    key = ec.generate_private_key(ec.SECP256R1())
    uses = [ExtendedKeyUsageOID.CLIENT_AUTH] + ([ExtendedKeyUsageOID.SERVER_AUTH] if dns or addresses else [])
    builder = (
        _builder(_subject(common_name, organizations), signer.subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
    )
    alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in dns]
    alternatives += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return _write(folder, name, builder.sign(signing_key, hashes.SHA256()), key)


def write_secret(path: Path, content: bytes) -> None:
    """Write a file with mode 0600 from its creation on."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(content)


def _subject(common_name: str, organizations: Sequence[str]) -> x509.Name:
    groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in organizations]
    return x509.Name([*groups, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + LIFETIME)
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write(
    folder: Path, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
) -> tuple[Path, Path]:
    paths = folder / f"{name}.crt", folder / f"{name}.key"
    write_secret(paths[0], certificate.public_bytes(serialization.Encoding.PEM))
    write_secret(paths[1], _private(key))
    return paths


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
