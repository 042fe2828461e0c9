"""Settings that are refused at start."""

from __future__ import annotations

import pytest

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
