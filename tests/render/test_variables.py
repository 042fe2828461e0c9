"""Variables that refer to others come after them, whatever layer they are from."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outfitter.render.variables import in_reference_order
from world import World, asset, secret

CASES = [
    (["A=1", "B=2"], "AB"),
    (["A=$(B)", "B=2"], "BA"),
    (["A=$(B)$(C)", "B=$(C)", "C=3"], "CBA"),
    (["A=$$(B)", "B=2"], "AB"),
    (["A=$$$(B)", "B=2"], "BA"),
    (["A=$(MISSING)", "B=2"], "AB"),
    (["A=$(A)"], "A"),
    (["C=1", "A=$(B)", "B=$(A)"], "CBA"),
]


def variables(texts: list[str]) -> list[dict[str, Any]]:
    return [dict(zip(("name", "value"), text.split("=", 1), strict=True)) for text in texts]


@pytest.mark.parametrize(("given_", "order"), CASES)
def test_order(given_: list[str], order: str) -> None:
    assert "".join(str(item["name"]) for item in in_reference_order(variables(given_))) == order


@given(st.lists(st.tuples(st.sampled_from("ABCDE"), st.sampled_from("ABCDE")), unique_by=lambda item: item[0]))
def test_none_is_lost(pairs: list[tuple[str, str]]) -> None:
    items = [{"name": name, "value": f"$({other})"} for name, other in pairs]
    assert sorted(str(item["name"]) for item in in_reference_order(items)) == sorted(name for name, _ in pairs)


async def test_a_variable_of_an_environment_refers_to_one_of_the_workspace() -> None:
    environment = {
        "image": "registry.example.com/u:1",
        "environmentVariables": [
            {"name": "DB_HOST", "value": "db.default"},
            {"name": "AMQP_URL", "value": "amqp://$(MQ_USER):$(MQ_PASS)@$(DB_HOST)/"},
        ],
    }
    own = [
        {"name": "MQ_USER", "credential": {"name": "mq", "key": "User"}},
        {"name": "MQ_PASS", "credential": {"name": "mq", "key": "Password"}},
        {"name": "DB_HOST", "value": "db.prod"},
    ]
    world = World(
        secret("mq", {"User": "rabbit", "Password": "s"}),
        asset("Credential", "mq", {"type": "password", "secretRef": {"name": "mq"}}),
        asset("Environment", "urls", environment),
        asset("Workspace", "w", {"assets": {"environment": {"name": "urls"}}, "environmentVariables": own}),
    )
    await world.settle()
    env = world.get("StatefulSet", "w")["spec"]["template"]["spec"]["containers"][0]["env"]
    names = [item["name"] for item in env]
    assert names.index("AMQP_URL") > max(map(names.index, ("MQ_USER", "MQ_PASS", "DB_HOST")))
