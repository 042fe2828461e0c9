"""The copy of a Secret for each type of Credential: white space, addresses of registries, and malformed content."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from outfitter.api.v1alpha1.credential import CredentialSpec
from outfitter.render.credential import Material, compose
from outfitter.snapshot import KeyedData

AROUND = ["{}\n", "{}\r\n", " {}", "\t{} ", "\ufeff{}\n", "\u00a0{}\u200b"]
VALUES: dict[str, dict[str, str]] = {
    "accessKey": {"AccessKeyId": "id", "SecretKey": "wJalr/K7+x="},
    "password": {"User": "jörg", "Password": 'p ä:ß"\\日本'},
    "dockerRegistry": {"url": "registry.corp", "user": "jörg", "password": 'p ä:ß"\\日本'},
    "ngcApiKey": {"NGC_API_KEY": "nvapi-1"},
}
LOGIN = {"auth": base64.b64encode(b"u:p").decode()}


def encoded(value: str | bytes) -> str:
    return base64.b64encode(value.encode() if isinstance(value, str) else value).decode()


def composed(kind: str, values: dict[str, Any], keys: dict[str, str] | None = None) -> Material:
    spec = CredentialSpec.model_validate({"type": kind, "secretRef": {"name": "s"}, "keys": keys or {}})
    data = {key: encoded(value) for key, value in values.items()}
    return compose(spec, KeyedData("Secret", "team-a", "s", "1", frozenset(data), data=data))


def decoded(data: Any) -> dict[str, str]:
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def auths(material: Material) -> dict[str, Any]:
    assert material.malformed is None
    content: dict[str, Any] = json.loads(decoded(material.data)[".dockerconfigjson"])
    return content["auths"]


def defect(material: Material) -> tuple[str, str]:
    """The key of the Secret, and what is wrong with it. Nothing is published."""
    assert material.malformed is not None
    assert (material.data, material.pull, material.missing) == ({}, None, ())
    return material.malformed.key, material.malformed.text


@pytest.mark.parametrize("around", AROUND, ids=ascii)
@pytest.mark.parametrize("kind", VALUES)
def test_white_space_around_a_value_is_removed(kind: str, around: str) -> None:
    plain = composed(kind, VALUES[kind])
    assert plain.malformed is None
    assert composed(kind, {key: around.format(value) for key, value in VALUES[kind].items()}) == plain


@pytest.mark.parametrize("kind", ["accessKey", "password"])
def test_values_without_white_space_are_published_as_they_are(kind: str) -> None:
    data = decoded(composed(kind, VALUES[kind]).data)
    assert {key: data[key] for key in VALUES[kind]} == VALUES[kind]


@pytest.mark.parametrize("keys", [{}, {"ssh": "key"}])
def test_a_generic_secret_is_never_changed(keys: dict[str, str]) -> None:
    key = b" -----BEGIN-----\r\nabc\r\n-----END-----\r\n\xff"
    assert base64.b64decode(composed("genericSecret", {"key": key}, keys).data["ssh" if keys else "key"]) == key


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("registry.corp", "registry.corp"),
        ("registry.corp:5000", "registry.corp:5000"),
        ("registry.corp/team", "registry.corp/team"),
        ("*.registry.corp", "*.registry.corp"),
        ("[fd00::1]:5000", "[fd00::1]:5000"),
        ("https://registry.corp", "registry.corp"),
        ("HTTP://registry.corp/", "registry.corp"),
        ("oci://registry.corp/team/", "registry.corp/team"),
        ("https://registry.corp:5000/v2/", "registry.corp:5000"),
        ("registry.corp/v1", "registry.corp"),
        ("registry.corp/v2//", "registry.corp"),
        ("registry.corp/v2/team", "registry.corp/v2/team"),
        ("docker.io", "https://index.docker.io/v1/"),
        ("https://docker.io/", "https://index.docker.io/v1/"),
        ("index.docker.io", "https://index.docker.io/v1/"),
        ("https://index.docker.io/v1/", "https://index.docker.io/v1/"),
        ("https://index.docker.io/v2", "https://index.docker.io/v1/"),
    ],
)
def test_the_address_of_a_registry(url: str, key: str) -> None:
    assert list(auths(composed("dockerRegistry", {"url": url, "user": "u", "password": "p"}))) == [key]


@pytest.mark.parametrize(
    "url", ["registry corp", "https://", "https://u:p@registry.corp", "registry.corp?x=1", "registry.corp:port", "[::1"]
)
def test_text_that_is_no_address_of_a_registry(url: str) -> None:
    key, text = defect(composed("dockerRegistry", {"server": url, "user": "u", "password": "p"}, {"url": "server"}))
    assert (key, text.partition(". ")[0]) == ("server", "is not the address of a registry")


@pytest.mark.parametrize("kind", VALUES)
def test_every_value_must_be_text(kind: str) -> None:
    for name in VALUES[kind]:
        given = {**{key: value for key, value in VALUES[kind].items() if key != name}, "own": b"\xff\xfeh\x00"}
        assert defect(composed(kind, given, {name: "own"})) == ("own", "is not text in UTF-8. Correct it.")


@pytest.mark.parametrize("kind", VALUES)
def test_only_a_password_may_be_empty(kind: str) -> None:
    for name in VALUES[kind]:
        material = composed(kind, {**VALUES[kind], name: " \n"})
        if kind == "password":
            assert decoded(material.data)[name] == ""
        else:
            assert defect(material) == (name, "is empty. Set it.")


@pytest.mark.parametrize(
    ("kind", "key", "value", "text"),
    [
        ("accessKey", "SecretKey", "first\nsecond", "has white space in the middle"),
        ("ngcApiKey", "NGC_API_KEY", "nv api", "has white space in the middle"),
        ("dockerRegistry", "user", "u:p", "has a colon"),
    ],
)
def test_values_that_can_never_work(kind: str, key: str, value: str, text: str) -> None:
    name, found = defect(composed(kind, {**VALUES[kind], key: value}))
    assert (name, found[: len(text)]) == (key, text)


CONFIG = json.dumps({"auths": {"registry.corp": LOGIN}})


@pytest.mark.parametrize(
    "content",
    [
        CONFIG,
        f" {CONFIG}\n",
        '{"auths": {}}',
        json.dumps({"auths": {"a": {"username": "u", "password": "p"}, "b": {}}}),
        json.dumps({"auths": {"a": {"auth": "dTpw", "email": ""}}, "credsStore": "desktop"}),
    ],
)
def test_a_ready_login_is_published_as_it_is(content: str) -> None:
    material = composed("dockerRegistry", {"config.json": content}, {".dockerconfigjson": "config.json"})
    assert (decoded(material.data), material.type) == (
        {".dockerconfigjson": content},
        "kubernetes.io/dockerconfigjson",
    )


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("not json", "is not JSON"),
        ("", "is not JSON"),
        ("null", "is not JSON"),
        ("\ufeff" + CONFIG, "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (encoded(CONFIG), "is encoded in base64 twice"),
        (encoded(CONFIG)[:20] + "\n" + encoded(CONFIG)[20:] + "\n", "is encoded in base64 twice"),
        (encoded("not json"), "is not JSON"),
        ("[]", "has no object auths"),
        ('{"auths": []}', "has no object auths"),
        ('{"auths": null}', "has no object auths"),
        ('{"registry.corp": {"auth": "dTpw"}}', "has no object auths"),
        ('{"credHelpers": {}}', "has no object auths"),
        ('{"auths": {"a": "dTpw"}}', "has an entry under auths"),
        ('{"auths": {"a": {"auth": "dXA="}}}', "has an entry under auths"),
        ('{"auths": {"a": {"auth": 1}}}', "has an entry under auths"),
        ('{"auths": {"a": {}}, "credsStore": "desktop"}', "has no login under auths"),
    ],
    ids=ascii,
)
def test_a_ready_login_that_the_kubelet_cannot_read(content: str | bytes, text: str) -> None:
    key, found = defect(composed("dockerRegistry", {"own": content}, {".dockerconfigjson": "own"}))
    assert (key, found[: len(text)]) == ("own", text)
    assert found.endswith(".")


def test_the_old_format_of_a_login_becomes_the_new_one() -> None:
    material = composed("dockerRegistry", {".dockercfg": json.dumps({"registry.corp": LOGIN})})
    assert (auths(material), material.type) == ({"registry.corp": LOGIN}, "kubernetes.io/dockerconfigjson")
    assert defect(composed("dockerRegistry", {".dockercfg": "not json"}))[0] == ".dockercfg"
