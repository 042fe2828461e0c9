"""Objects made at random: planning any valid one raises nothing, and once settled there is nothing to write."""

from __future__ import annotations

import random
from typing import Any

import kubernetes_validate
import pytest
from polyfactory.factories.pydantic_factory import ModelFactory
from world import SYSTEM, TEAM, World, asset, secret

from outfitter.api.schema import resource_schema
from outfitter.api.shape import shape_errors
from outfitter.api.v1alpha1 import kind_of
from outfitter.api.validation import strict_errors

SEED = 20260102
ROUNDS = 40
KINDS = ("Environment", "ComputeResource", "DataSource", "Credential", "Workspace")
# Names that a few objects beside it have, so that some references lead somewhere.
THERE = {
    "Environment": asset("Environment", "e", {"image": "registry.example.com/u:1"}),
    "ComputeResource": asset("ComputeResource", "e", {"cpuCoreRequest": 1}, SYSTEM),
    "DataSource": asset("DataSource", "e", {"pvc": {"path": "/e", "claimInfo": {"size": "1Gi"}}}),
    "Credential": asset("Credential", "e", {"type": "genericSecret", "secretRef": {"name": "e"}}, SYSTEM),
}


def _specs(kind: str, seed: int) -> list[dict[str, Any]]:
    """Valid specs: made by the model, thinned out at random, wrong parts struck until the API takes them."""
    model = kind_of(kind).model.model_fields["spec"].annotation
    factory: type[ModelFactory[Any]] = ModelFactory.create_factory(model, __randomize_collection_length__=True)  # type: ignore[type-var]
    factory.seed_random(seed)
    factory.__min_collection_length__ = 0
    factory.__max_collection_length__ = 3
    chance = random.Random(seed)
    found = []
    for number in range(ROUNDS):
        spec = _thin(factory.build().to_dict(), chance, 0.1 + 0.6 * number / ROUNDS)
        for _ in range(30):
            wrong = strict_errors({**asset(kind, "x", spec), "spec": spec})
            if not wrong:
                found.append(spec)
                break
            for error in reversed(wrong):
                _strike(spec, error.path[1:])
    return found


def _thin(value: Any, chance: random.Random, share: float) -> Any:
    if isinstance(value, dict):
        kept = {key: _thin(item, chance, share) for key, item in value.items() if chance.random() > share}
        if "name" in kept and isinstance(kept["name"], str) and chance.random() < 0.5:
            kept["name"] = "e"
        return kept
    return [_thin(item, chance, share) for item in value] if isinstance(value, list) else value


def _strike(spec: dict[str, Any], path: tuple[Any, ...]) -> None:
    """Remove what an error is about, or what it is in where the thing itself is missing."""
    for length in range(len(path), 0, -1):
        node: Any = spec
        try:
            for step in path[: length - 1]:
                node = node[step]
            node[path[length - 1]]
        except (KeyError, IndexError, TypeError):
            continue
        del node[path[length - 1]]
        return


def _around(kind: str, spec: dict[str, Any], where: str, settings: dict[str, Any]) -> World:
    others = [body for name, body in THERE.items() if name != kind]
    data = {"AccessKeyId": "a", "User": "u", "Password": "p", "url": "u", "user": "u", "password": "p"}
    both = [secret("e", data, place) for place in (TEAM, SYSTEM)]
    return World(*others, *both, asset(kind, "x", spec, where), settings=settings)


@pytest.mark.parametrize("where", [TEAM, SYSTEM])
@pytest.mark.parametrize("kind", KINDS)
async def test_any_valid_object(kind: str, where: str) -> None:
    """It settles, writes nothing then, also after a restart; its manifests and its status are valid."""
    specs = _specs(kind, SEED)
    assert len(specs) >= ROUNDS // 4
    rendered = 0
    chance = random.Random(SEED)
    schema = resource_schema(kind_of(kind).model)["properties"]["status"]
    for spec in specs:
        settings = {"domain": "apps.example.com"} if chance.random() < 0.7 else {"nfs_backend": "csi"}
        world = _around(kind, spec, where, settings)
        if chance.random() < 0.7:
            body = world.cluster._objects["Namespace", "", where]
            labels = {**body["metadata"]["labels"], "outfitter.dev/elevation": "allowed"}
            world.cluster._store(("Namespace", "", where), {**body, "metadata": {**body["metadata"], "labels": labels}})
        await world.settle()
        mark = len(world.cluster.writes)
        await world.round()
        await world.restart()
        await world.round()
        assert world.writes(mark) == [], spec
        assert list(shape_errors(schema, world.status(kind, "x", where), ())) == [], spec
        for write in world.cluster.writes:
            if write.verb in ("create", "apply"):
                kubernetes_validate.validate(dict(write.manifest), "1.37", strict=True)
                rendered += write.name.startswith("x")
    assert rendered or kind in ("ComputeResource", "DataSource", "Credential")
