"""URLs are open only where the documentation says so."""

from __future__ import annotations

import json
from typing import Any

import pytest

from outfitter.settings import Settings
from world import World, asset, issues

IMAGE = "registry.example.com/u:1"
AUTH = {"nginx.ingress.kubernetes.io/auth-url": "https://login.example.com/auth"}
WITHOUT = {"domain": "apps.example.com"}
WITH = {**WITHOUT, "ingress_auth_annotations": json.dumps(AUTH)}
WEB = {"name": "web", "toolType": "custom", "connectionType": "ExternalUrl", "containerPort": 8080}


def annotations(world: World) -> dict[str, str]:
    (ingress,) = world.all("Ingress")
    found = ingress["metadata"].get("annotations") or {}
    return {key: value for key, value in found.items() if not key.startswith("outfitter.dev/")}


def exposed(type_: str | None) -> dict[str, Any]:
    url = {"name": "web", "container": 8080, **({"authorizationType": type_} if type_ else {})}
    return asset("Workspace", "w", {"image": IMAGE, "exposedUrls": [url]})


def served(type_: str | None) -> dict[str, Any]:
    port = {"container": 8000, **({"authorizationType": type_} if type_ else {})}
    return asset("Inference", "i", {"image": IMAGE, "servingPort": port})


async def settled(item: dict[str, Any], settings: dict[str, Any]) -> World:
    world = World(item, settings=settings)
    await world.settle()
    return world


@pytest.mark.parametrize("item", [asset("Workspace", "w", {"image": IMAGE, "connections": [WEB]}), exposed(None)])
async def test_a_url_asks_for_a_login_where_one_is_configured(item: dict[str, Any]) -> None:
    assert annotations(await settled(item, WITH)) == AUTH
    assert annotations(await settled(item, WITHOUT)) == {}


@pytest.mark.parametrize("build", [exposed, served])
async def test_signed_in_users_only_is_honoured_or_refused(build: Any) -> None:
    item = build("authenticatedUsers")
    assert annotations(await settled(item, WITH)) == AUTH
    refused = await settled(item, WITHOUT)
    assert issues(refused.status(item["kind"], item["metadata"]["name"])) == ["Unsupported"]
    assert not refused.all("Ingress")


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize(
    ("local", "settings", "refused"),
    [
        (True, WITH, "InvalidSpec"),
        (False, {"ingress_auth_annotations": json.dumps(AUTH)}, "DomainMissing"),
        (False, WITH, ""),
    ],
)
async def test_a_login_that_no_ingress_checks_is_refused(
    own: bool, local: bool, settings: dict[str, Any], refused: str
) -> None:
    port = {"clusterLocalAccessOnly": local, "authorizationType": "authenticatedUsers"}
    groups = [{"containers": [{"imageUri": IMAGE, "port": 8000}]}]
    if own:
        item = asset("Artifact", "i", {"containerGroups": groups, "run": {"servingPort": port}})
    else:
        item = asset("Inference", "i", {"image": IMAGE, "servingPort": {"container": 8000, **port}})
    world = await settled(item, settings)
    found = world.status(item["kind"], "i").get("issues", ())
    field = "spec.run.servingPort" if own else "spec.servingPort"
    said = [each["issue"] for each in found if each["message"].startswith(f"{field}.authorizationType: ")]
    assert said == ([refused] if refused else [])
    assert bool(world.all("Deployment")) is not bool(refused)


@pytest.mark.parametrize("type_", ["authorizedUsers", "authorizedGroups"])
@pytest.mark.parametrize("build", [exposed, served])
async def test_a_list_of_users_is_refused(build: Any, type_: str) -> None:
    world = await settled(build(type_), WITH)
    assert not world.all("Ingress")


@pytest.mark.parametrize("type_", [None, "public"])
async def test_a_public_port_stays_public(type_: str | None) -> None:
    assert annotations(await settled(served(type_), WITH)) == {}


@pytest.mark.parametrize("wrong", ["x", "[]", '{"a": 1}', '"a"'])
def test_other_text_is_refused_at_start(wrong: str) -> None:
    with pytest.raises(ValueError, match="JSON object"):
        Settings(ingress_auth_annotations=wrong)
