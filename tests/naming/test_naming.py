"""Names that we make are valid, within limits, different for different things, and the same tomorrow."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from outfitter import naming

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
SUBDOMAIN = re.compile(rf"{LABEL.pattern}(\.{LABEL.pattern})*")
VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")

roots = st.from_regex(r"[a-z]([-a-z0-9]{0,48}[a-z0-9])?", fullmatch=True)
labels = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)
names = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,40}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,40}[a-z0-9])?){0,4}", fullmatch=True)
texts = st.text(min_size=1, max_size=120)


def is_label(name: str) -> bool:
    return len(name) <= 63 and LABEL.fullmatch(name) is not None


def is_subdomain(name: str) -> bool:
    return len(name) <= 253 and SUBDOMAIN.fullmatch(name) is not None


@given(texts)
def test_dns_label_is_one(text: str) -> None:
    """Whatever comes in."""
    assert is_label(naming.dns_label(text))


@given(labels)
def test_valid_labels_stay(text: str) -> None:
    """What is a label already is not changed."""
    assert naming.dns_label(text) == text


@given(texts, texts)
def test_different_texts_give_different_labels(one: str, other: str) -> None:
    """Lower-casing, replacing and cutting lose nothing: a hash makes up for it."""
    assume(one != other)
    assert naming.dns_label(one) != naming.dns_label(other)


@given(roots, labels)
def test_names_of_children(workload: str, part: str) -> None:
    """Services are DNS-1035 labels; claims, pins and Secrets fit their kinds."""
    service = naming.connection_service(workload, part)
    assert is_label(service)
    assert service[0].isalpha()
    assert is_label(naming.workload_volume(workload, part))
    assert is_subdomain(naming.revision(workload, part.encode()))
    assert is_subdomain(naming.credential_secret(workload))
    assert is_subdomain(naming.credential_pull_secret(workload))


@given(roots, labels, labels)
def test_hosts(workload: str, connection: str, namespace: str) -> None:
    """The first label keeps to DNS however long its parts are."""
    host = naming.connection_host(workload, connection, namespace, "apps.example.com")
    first, _, rest = host.partition(".")
    assert is_label(first)
    assert rest == "apps.example.com"


@given(st.sampled_from(["Workspace", "Environment"]), roots, st.uuids().map(str))
def test_labels(kind: str, name: str, uid: str) -> None:
    """Every label value is one, and the selector is a part of the owner's labels."""
    found = naming.owner_labels(kind, name, uid)
    assert all(len(value) <= 63 and VALUE.fullmatch(value) for value in found.values())
    assert naming.selector_labels(kind, name).items() <= found.items()


@given(names, st.integers(20, 253))
def test_fit(name: str, limit: int) -> None:
    """Within the limit, unchanged if it was, still a name."""
    found = naming.fit(name, limit)
    assert len(found) <= limit
    assert (found == name) == (len(name) <= limit)
    assert is_subdomain(found)


def test_long_names_that_begin_alike_differ() -> None:
    """The hash is of the whole name."""
    assert naming.fit("a" * 80) != naming.fit("a" * 81)
    assert naming.connection_service("w" * 50, "c" * 60) != naming.connection_service("w" * 50, "c" * 61)


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (naming.FIELD_MANAGER, "outfitter"),
        (naming.LABEL_OWNER_UID, "outfitter.dev/owner-uid"),
        (naming.LABEL_OWNER_KIND, "outfitter.dev/owner-kind"),
        (naming.LABEL_OWNER_NAME, "outfitter.dev/owner-name"),
        (naming.LABEL_MANAGED_BY, "app.kubernetes.io/managed-by"),
        (naming.LABEL_RETAINED, "outfitter.dev/retained"),
        (naming.ANNOTATION_DIGEST, "outfitter.dev/digest"),
        (naming.ANNOTATION_SOURCE_VERSION, "outfitter.dev/source-version"),
        (naming.ANNOTATION_STOPPED_REVISION, "outfitter.dev/stopped-revision"),
        (naming.LABEL_PROJECT, "outfitter.dev/project"),
        (naming.LABEL_DEPARTMENT, "outfitter.dev/department"),
        (naming.LABEL_ELEVATION, "outfitter.dev/elevation"),
        (naming.ANNOTATION_RECONCILE, "outfitter.dev/reconcile"),
        (naming.ANNOTATION_RESTARTED_AT, "outfitter.dev/restartedAt"),
        (naming.credential_secret("c"), "cred-c"),
        (naming.credential_pull_secret("c"), "cred-c-pull"),
        (naming.connection_service("jupyter", "lab"), "jupyter-lab"),
        (naming.connection_host("jupyter", "lab", "team-a", "apps.example.com"), "jupyter-lab-team-a.apps.example.com"),
        (naming.short_hash("x"), "2d711642"),
        (naming.dns_label("Metrics_Port"), "metrics-port-d2b4da4c"),
    ],
)
def test_frozen(found: str, text: str) -> None:
    """A change of one of these would orphan what older versions made."""
    assert found == text
