"""Settings that are refused at start."""

from __future__ import annotations

import re

import pytest

from outfitter.cli.run import settings_from
from outfitter.errors import ConfigurationError
from outfitter.settings import Settings


@pytest.mark.parametrize("value", ["", "localhost", "apps.example.com", "a-1.b.c"])
def test_domains(value: str) -> None:
    assert Settings(domain=value).domain == value


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        ("https://apps.example.com", "it has a scheme"),
        ("apps.example.com/", "it has a slash"),
        ("apps.example.com/lab", "it has a slash"),
        ("Apps.example.com", "it has upper-case letters"),
        ("apps.example.com ", "it has white space"),
        ("apps.example.com\n", "it has white space"),
        ("apps example", "it has white space"),
        ("apps.example.com:8443", "it has a port"),
        ("*.apps.example.com", "it has a wildcard"),
        (".apps.example.com", "it begins or ends with a dot"),
        ("apps.example.com.", "it begins or ends with a dot"),
        ("apps_1.example.com", "it has other characters than a-z, 0-9, - and dots"),
        ("a" * 190, "at most 189 characters"),
    ],
)
def test_domains_that_are_refused_at_start(value: str, cause: str) -> None:
    with pytest.raises(ValueError, match=cause):
        Settings(domain=value)


@pytest.mark.parametrize("value", ["", "*", "sets", "a-*, b.c ,https://minio.example.com:9000/lake-*"])
def test_lists_of_buckets(value: str) -> None:
    assert Settings(s3_buckets=value).s3_buckets == value


@pytest.mark.parametrize(
    "item", ["Sets", "s3://sets", "https://*/sets", "https://u@host/sets", "https://host", "a b", "{x}"]
)
def test_what_is_no_bucket_is_refused_at_start(item: str) -> None:
    with pytest.raises(ValueError, match=f"The list has {re.escape(item)}. Write the name of a bucket"):
        Settings(s3_buckets=f"sets,{item}")


def test_a_driver_needs_its_name_and_the_whole_cluster() -> None:
    with pytest.raises(ValueError, match="needs the name of a CSI driver in s3Driver"):
        Settings(s3_backend="csi")
    with pytest.raises(ValueError, match="Remove watchNamespaces"):
        Settings(s3_backend="csi", s3_driver="s3.csi.aws.com", watch_namespaces=("team-a",))
    with pytest.raises(ValueError, match="s3_driver"):
        Settings(s3_driver="s3 csi")


def test_settings_that_contradict_each_other_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTFITTER_S3_BACKEND", "csi")
    with pytest.raises(ConfigurationError) as refusal:
        settings_from({})
    assert str(refusal.value).splitlines()[1:] == ["s3Backend csi needs the name of a CSI driver in s3Driver."]


def test_volumes_are_created_for_sharing_and_for_buckets() -> None:
    assert not Settings().creates_volumes
    assert Settings(static_pv_drivers="efs.csi.aws.com").creates_volumes
    assert Settings(s3_backend="csi", s3_driver="s3.csi.aws.com").creates_volumes
    assert not Settings(s3_driver="s3.csi.aws.com", s3_buckets="*").creates_volumes
