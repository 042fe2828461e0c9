"""The setting `registryHosts`: what it accepts, and what its errors name."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from outfitter.settings import Settings


def test_no_host_by_default() -> None:
    assert Settings().registries == {}


def test_options_and_names() -> None:
    options = {"authHosts": ["login.example.com:8443"], "addresses": "private", "plainHttp": True, "dialect": "harbor"}
    given = {"a.example.com:443": options, "index.docker.io": {}, "[fd00::1]:5000": {}, "localhost:5000": {}}
    found = Settings(registry_hosts=json.dumps(given)).registries
    assert set(found) == {"a.example.com", "docker.io", "[fd00::1]:5000", "localhost:5000"}
    assert found["a.example.com"].model_dump(by_alias=True) == {
        **options,
        "authHosts": ("login.example.com:8443",),
        "caBundle": "",
    }
    assert (found["docker.io"].addresses, found["docker.io"].dialect) == ("public", None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nonsense", "no JSON object"),
        ("[]", "no JSON object"),
        ('{"https://a.example.com": {}}', "a key that is no host"),
        ('{"A.example.com": {}}', "a key that is no host"),
        ('{"a.example.com/team": {}}', "a key that is no host"),
        ('{"a.example.com:99999": {}}', "a key that is no host"),
        ('{"a.example.com:0": {}}', "a key that is no host"),
        ('{"*.example.com": {}}', "a key that is no host"),
        ('{"a": {"tls": false}}', "registry host a are wrong: tls"),
        ('{"a": {"plainHttp": "yes"}}', "registry host a are wrong: plainHttp"),
        ('{"a": {"addresses": "all"}}', "registry host a are wrong: addresses"),
        ('{"a": {"authHosts": ["https://b"]}}', "registry host a are wrong: authHosts.0"),
        ('{"a": {"caBundle": "-----BEGIN"}}', "registry host a are wrong: caBundle"),
        ('{"a": null}', "registry host a are wrong"),
    ],
)
def test_what_it_rejects(text: str, words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings(registry_hosts=text)
    (error,) = caught.value.errors()
    assert words in error["msg"]
