"""Objects made at random: planning any valid one raises nothing, and once settled there is nothing to write."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Any

import pytest

from outfitter.api.patterns import matches
from outfitter.api.schema import resource_schema
from outfitter.api.shape import shape_errors
from outfitter.api.v1alpha1 import kind_of
from outfitter.api.validation import strict_errors
from schemas import check_manifest
from world import SYSTEM, TEAM, World, asset, namespace, secret

SEED = 20260102
ROUNDS = 12
TEXTS = (
    "e",
    "e",
    "a",
    "x-1",
    "A",
    "B_C",
    "/a",
    "/b/c",
    "/e",
    "1Gi",
    "5",
    "500m",
    "0644",
    "1g.5gb",
    "1000,20",
    "example.com/device",
    "AccessKeyId",
    "metadata.name",
    "spec.nodeName",
    "registry.example.com/u:1",
    "https://x.apps.example.com/$A",
    "",
    "python -u 'a b'",
    "some words",
)
KINDS = ("Environment", "ComputeResource", "DataSource", "Credential", "Workspace", "DistributedTraining")
GROUP = {
    "image": "registry.example.com/u:1",
    "distributedFramework": "PyTorch",
    "backend": "native",
    "masterSpecSameAsWorker": True,
}
CONTROLLERS = ("StatefulSet", "Job", "JobSet", "MPIJob")
# Names that a few objects beside it have, so that some references lead somewhere.
THERE = {
    "Environment": asset("Environment", "e", {"image": "registry.example.com/u:1"}),
    "ComputeResource": asset("ComputeResource", "e", {"cpuCoreRequest": 1}, SYSTEM),
    "DataSource": asset("DataSource", "e", {"pvc": {"path": "/e", "claimInfo": {"size": "1Gi"}}}),
    "Credential": asset("Credential", "e", {"type": "genericSecret", "secretRef": {"name": "e"}}, SYSTEM),
}


def _specs(kind: str, seed: int, rounds: int) -> list[dict[str, Any]]:
    """Valid specs: made from the schema, wrong parts struck until the API takes them."""
    chance = random.Random(seed)
    schema = resource_schema(kind_of(kind).model)["properties"]["spec"]
    found = []
    for number in range(rounds):
        spec = _value(schema, chance, 0.05 + 0.5 * number / rounds)
        for _ in range(30):
            wrong = strict_errors({**asset(kind, "x", spec), "spec": spec})
            if not wrong:
                found += [spec, *_runnable(kind, spec)]
                break
            struck = [_strike(spec, error.path[1:]) for error in reversed(wrong)]
            if not any(struck) and spec:
                del spec[chance.choice(sorted(spec))]
    return found


def _runnable(kind: str, spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The same with what the pods of a group need to find each other: chance rarely has all of it."""
    if kind == "DistributedTraining":
        more = {**spec, **GROUP}
        if "masterSpec" in spec:
            del more["masterSpecSameAsWorker"]
            more["masterSpec"] = {**spec["masterSpec"], "image": GROUP["image"]}
        if not strict_errors(asset(kind, "x", more)):
            yield more


def _value(schema: dict[str, Any], chance: random.Random, share: float) -> Any:
    """A value that a schema allows, None where none comes to mind. `share`: how likely optional fields are there."""
    if "enum" in schema:
        return chance.choice(schema["enum"])
    if schema.get("x-kubernetes-int-or-string") or schema.get("type") == "string":
        fit = [text for text in TEXTS if _fits(schema, text)]
        return chance.choice(fit) if fit else None
    if schema.get("type") in ("integer", "number"):
        low, high = schema.get("minimum", 0), schema.get("maximum", 100)
        return chance.choice([low, min(low + 1, high), min(8080, high)])
    if schema.get("type") == "boolean":
        return chance.random() < 0.5
    if schema.get("type") == "array":
        items = [_value(schema["items"], chance, share) for _ in range(chance.randint(0, 3))]
        return [item for item in items if item is not None]
    if "additionalProperties" in schema:
        return {}
    required = schema.get("required", ())
    chosen = {
        name: _value(inner, chance, share)
        for name, inner in schema.get("properties", {}).items()
        if name in required or chance.random() < share
    }
    return {name: value for name, value in chosen.items() if value is not None}


def _fits(schema: dict[str, Any], text: str) -> bool:
    within = schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", 1000)
    return within and ("pattern" not in schema or matches(schema["pattern"], text))


def _strike(spec: dict[str, Any], path: tuple[Any, ...]) -> bool:
    """Remove what an error is about, or what it is in where the thing itself is missing. Whether anything was."""
    for length in range(len(path), 0, -1):
        node: Any = spec
        try:
            for step in path[: length - 1]:
                node = node[step]
            node[path[length - 1]]
        except (KeyError, IndexError, TypeError):
            continue
        del node[path[length - 1]]
        return True
    return False


def _around(
    kind: str, spec: dict[str, Any], where: str, settings: dict[str, Any], labels: dict[str, str] | None
) -> World:
    others = [body for name, body in THERE.items() if name != kind]
    data = {"AccessKeyId": "a", "User": "u", "Password": "p", "url": "u", "user": "u", "password": "p"}
    both = [secret("e", data, place) for place in (TEAM, SYSTEM)]
    spaces = [namespace(where, labels)] if labels else []
    return World(*spaces, *others, *both, asset(kind, "x", spec, where), settings=settings)


def _repaired(spec: dict[str, Any], status: dict[str, Any]) -> dict[str, Any] | None:
    """The spec without the field that the status complains of; None where it complains of none."""
    text = status.get("message", "")
    top = re.match(r"spec\.(?:run\.)?(\w+)", text)
    drop = {top[1]} if top and top[1] in spec else {"security", "storage", "assets", "connections"} & set(spec)
    if not drop and "run" in spec and spec["run"]:
        return {**spec, "run": {}}
    if all(item["reason"] in ("Running", "Stopped", "Valid") for item in status["conditions"]) or not drop:
        return None
    kept = {key: value for key, value in spec.items() if key not in drop}
    return {**kept, "masterSpecSameAsWorker": True} if "masterSpec" in drop else kept


async def _checked(kind: str, spec: dict[str, Any], where: str, chance: random.Random) -> World:
    """A world with this object, settled: nothing is left to write, everything written is valid."""
    settings = {"domain": "apps.example.com"} if chance.random() < 0.7 else {"nfs_backend": "csi"}
    labels = {"outfitter.dev/project": where, "outfitter.dev/elevation": "allowed"}
    world = _around(kind, spec, where, settings, labels if chance.random() < 0.7 else None)
    await world.settle()
    mark = len(world.cluster.writes)
    await world.round()
    await world.restart()
    await world.round()
    assert world.writes(mark) == [], spec
    schema = resource_schema(kind_of(kind).model)["properties"]["status"]
    assert list(shape_errors(schema, world.status(kind, "x", where), ())) == [], spec
    for write in world.cluster.writes:
        if write.verb in ("create", "apply") and write.name.startswith(("x", "cred-x")):
            check_manifest(write.manifest, "1.37")
    return world


@pytest.mark.parametrize("where", [TEAM, SYSTEM])
@pytest.mark.parametrize("kind", KINDS)
async def test_any_valid_object(kind: str, where: str, effort: int) -> None:
    """It settles, and so does what is left of it when all that is complained of is taken out, which then runs."""
    chance = random.Random(SEED)
    specs = _specs(kind, SEED, ROUNDS * effort)
    assert len(specs) >= ROUNDS * effort // 2
    ran = 0
    for spec in specs:
        left: dict[str, Any] | None = spec
        while left is not None and not strict_errors(asset(kind, "x", left)):
            world = await _checked(kind, left, where, chance)
            ran += any(world.all(name) for name in CONTROLLERS)
            left = _repaired(left, world.status(kind, "x", where))
    runs = ("Workspace", "DistributedTraining", *(["Environment"] if where != SYSTEM else []))
    assert ran or kind not in runs
