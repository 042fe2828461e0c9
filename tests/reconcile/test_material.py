"""Secrets and addresses as users type them: statuses that name the key, copies that follow, URLs that work."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from outfitter.simulator.controllers import Controllers
from world import SYSTEM, TEAM, Body, World, asset, complete, condition, issues, reason, secret

DOMAIN = {"domain": "apps.example.com"}
VALUE = "n0t-t0-be-sh0wn"
CONFIG = json.dumps({"auths": {"registry.corp": {"username": "u", "password": VALUE}}})
SECRETS: dict[str, dict[str, str]] = {
    "accessKey": {"AccessKeyId": "id", "SecretKey": VALUE},
    "password": {"User": "u", "Password": VALUE},
    "dockerRegistry": {"url": "registry.corp", "user": "u", "password": VALUE},
    "ngcApiKey": {"NGC_API_KEY": VALUE},
    "genericSecret": {"ssh": VALUE},
}


def credential(kind: str, **keys: str) -> Body:
    return asset("Credential", "c", {"type": kind, "secretRef": {"name": "s"}, "keys": keys})


def told(world: World, kind: str, name: str) -> str:
    found = condition(world.status(kind, name), "Ready")
    assert found is not None
    return str(found["message"])


@pytest.mark.parametrize(
    ("keys", "content", "key", "cause"),
    [
        ({}, {".dockerconfigjson": VALUE}, ".dockerconfigjson", "is not JSON"),
        ({".dockerconfigjson": "own"}, {"own": f'{{"{VALUE}": 1}}'}, "own", "has no object auths"),
        ({".dockerconfigjson": "own"}, {"own": base64.b64encode(CONFIG.encode()).decode()}, "own", "base64 twice"),
        ({"url": "server"}, {"server": f"{VALUE} x", "user": "u", "password": "p"}, "server", "address of a registry"),
    ],
)
async def test_a_malformed_login_is_reported_by_secret_and_key(
    keys: dict[str, str], content: dict[str, str], key: str, cause: str
) -> None:
    world = World(secret("s", content), credential("dockerRegistry", **keys))
    await world.settle()
    status = world.status("Credential", "c")
    assert reason(status) == "MalformedSecret"
    assert f"spec.secretRef: Key {key} of Secret {TEAM}/s " in told(world, "Credential", "c")
    assert cause in told(world, "Credential", "c")
    assert VALUE not in json.dumps(status)
    assert world.find("Secret", "cred-c") is None
    world.cluster.user_apply(secret("s", {**content, key: CONFIG if "dockerconfigjson" in str(keys or key) else "a.b"}))
    await world.settle()
    assert reason(world.status("Credential", "c")) == "Synced"


@pytest.mark.parametrize("kind", SECRETS)
async def test_a_malformed_rotation_keeps_the_copy(kind: str) -> None:
    """Except of a genericSecret, whose content is the user's own."""
    world = World(secret("s", SECRETS[kind]), credential(kind))
    await world.settle()
    before = world.get("Secret", "cred-c")["data"]
    rotated = secret("s", SECRETS[kind])
    rotated["data"] = dict.fromkeys(rotated["data"], "//79")
    world.cluster.user_apply(rotated)
    await world.settle()
    after = world.get("Secret", "cred-c")["data"]
    if kind == "genericSecret":
        assert after == {"ssh": "//79"}
    else:
        assert (reason(world.status("Credential", "c")), after) == ("MalformedSecret", before)


@pytest.mark.parametrize("kind", SECRETS)
async def test_a_copy_is_mutable_and_an_immutable_one_does_not_block_rotation(kind: str) -> None:
    source = {**secret("s", SECRETS[kind]), "immutable": True}
    world = World(source, credential(kind))
    await world.settle()
    copies = ["cred-c", "cred-c-pull"] if kind == "ngcApiKey" else ["cred-c"]
    before = {}
    for name in copies:
        before[name] = world.get("Secret", name)
        assert "immutable" not in before[name]
        world.cluster.user_apply({**before[name], "immutable": True})
    await world.settle()
    assert {name: world.get("Secret", name)["metadata"]["uid"] for name in copies} == {
        name: body["metadata"]["uid"] for name, body in before.items()
    }
    world.cluster.user_delete("Secret", TEAM, "s")
    world.cluster.user_apply(secret("s", {key: f"{value}-2" for key, value in SECRETS[kind].items()}))
    await world.settle()
    assert reason(world.status("Credential", "c")) == "Synced"
    for name in copies:
        after = world.get("Secret", name)
        assert after["data"] != before[name]["data"]
        assert after["data"].keys() == before[name]["data"].keys()
        assert "immutable" not in after


async def test_an_immutable_config_map_is_replaced_too() -> None:
    given: Body = {"kind": "ConfigMap", "metadata": {"name": "m", "namespace": SYSTEM}, "data": {"a": "1"}}
    spec = {"scope": {"type": "cluster"}, "configMapVolume": {"configMap": "m", "mountPath": "/m"}}
    world = World(complete(given), asset("DataSource", "d", spec, SYSTEM))
    await world.settle()
    (copy,) = (item for item in world.all("ConfigMap") if item["metadata"]["namespace"] == TEAM)
    world.cluster.user_apply({**copy, "immutable": True})
    world.cluster.user_apply(complete({**given, "data": {"a": "2"}}))
    await world.settle()
    after = world.get("ConfigMap", copy["metadata"]["name"])
    assert (after["data"], "immutable" in after) == ({"a": "2"}, False)


@pytest.mark.parametrize("changed", [False, True])
async def test_a_policy_that_makes_every_copy_immutable(changed: bool) -> None:
    """A rotation replaces the copy once; a value that the policy changes as well is left alone and reported."""
    world = World(secret("s", SECRETS["password"]), credential("password"))

    def admit(body: Body) -> Body:
        if body["metadata"]["name"] != "cred-c":
            return body
        data = {**body["data"], "User": "eA=="} if changed else body["data"]
        return {**body, "data": data, "immutable": True}

    await world.settle()
    world.cluster.admission = admit
    for password in ("1", "2"):
        world.cluster.user_apply(secret("s", {"User": "u", "Password": password}))
        await world.settle()
    before = len(world.cluster.writes)
    for _ in range(3):
        await world.step()
    assert len(world.cluster.writes) == before < 20
    stored = world.get("Secret", "cred-c")["data"]
    assert base64.b64decode(stored["Password"]) == b"2"
    assert issues(world.status("Credential", "c")) == (["FieldOverridden"] if changed else [])


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ({"ip": "192.0.2.7"}, "192.0.2.7"),
        ({"ip": "2001:db8::7"}, "[2001:db8::7]"),
        ({"hostname": "lb.example.com"}, "lb.example.com"),
    ],
)
async def test_the_address_of_a_load_balancer(address: Body, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def allocated(self: Controllers, body: Body) -> Body:
        return {**body, "status": {"loadBalancer": {"ingress": [address]}}}

    monkeypatch.setattr(Controllers, "_allocated", allocated)
    connection = {"name": "lb", "toolType": "custom", "connectionType": "LoadBalancer", "containerPort": 8888}
    world = World(asset("Workspace", "w", {"image": "a/b:1", "connections": [connection]}))
    await world.settle()
    assert [item["url"] for item in world.status("Workspace", "w")["connections"]] == [f"http://{host}:8888"]


@pytest.mark.parametrize(
    ("url", "expected", "cause"),
    [
        ("https://Lab.apps.example.com/", "InvalidSpec", "upper-case letters"),
        ("https://lab.apps.example.com/lab?token=x", "InvalidSpec", "query"),
        ("lab.apps.example.com", "InvalidSpec", "does not begin with https://"),
        ("https://lab.example.org/", "HostForbidden", "only hosts below apps.example.com"),
        ("https://lab.apps.example.com:8443/lab/", "", ""),
    ],
)
@pytest.mark.parametrize("field", ["connections", "exposedUrls"])
async def test_a_custom_url_is_refused_for_its_cause(field: str, url: str, expected: str, cause: str) -> None:
    if field == "connections":
        entry = {"name": "lab", "toolType": "custom", "connectionType": "ExternalUrl", "containerPort": 8888}
        spec: Any = {"connections": [{**entry, "customUrl": True, "externalUrl": url}]}
        place = "spec.connections[lab].externalUrl"
    else:
        spec = {"exposedUrls": [{"name": "lab", "container": 8888, "url": url}]}
        place = "spec.exposedUrls[lab].url"
    world = World(asset("Workspace", "w", {"image": "a/b:1", **spec}), settings=DOMAIN)
    await world.settle()
    assert issues(world.status("Workspace", "w")) == ([expected] if expected else [])
    if expected:
        assert told(world, "Workspace", "w").startswith(f"{place}: ")
        assert cause in told(world, "Workspace", "w")
    else:
        (ingress,) = world.all("Ingress")
        (rule,) = ingress["spec"]["rules"]
        assert (rule["host"], rule["http"]["paths"][0]["path"]) == ("lab.apps.example.com", "/lab/")
