"""Objects made at random from the models: they survive reading, and Python and the server agree about each."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from polyfactory.factories.base import BaseFactory
from polyfactory.factories.pydantic_factory import ModelFactory

from outfitter.api.base import Model
from outfitter.api.conditions import Condition
from outfitter.api.schema import resource_schema
from outfitter.api.shape import shape_errors
from outfitter.api.v1alpha1 import API_VERSION, KINDS, Kind
from outfitter.api.validation import strict_errors

from .conftest import NAMESPACE, Server

SEED = 20260101
ROUNDS = 40


class SmallFactory(ModelFactory[Model]):
    """Makes short lists and texts: a list as long as its bound would drown every difference."""

    __is_base_factory__ = True

    @classmethod
    def get_constrained_field_value(cls, annotation: Any, field_meta: Any, *args: Any, **kwargs: Any) -> Any:
        """Lower the upper bound of lists, maps and plain texts."""
        bounds = field_meta.constraints or {}
        cap = 20 if annotation is str else 3
        if bounds.get("max_length", 0) > cap and not bounds.get("pattern"):
            field_meta = copy.copy(field_meta)
            field_meta.constraints = {**bounds, "max_length": max(cap, bounds.get("min_length") or 0)}
        return super().get_constrained_field_value(annotation, field_meta, *args, **kwargs)


def _factory(model: type[Model]) -> type[BaseFactory[Any]]:
    factory = SmallFactory.create_factory(model)
    factory.seed_random(SEED)
    return factory


def _link(value: Any) -> Any:
    """The value with true links: their pattern is in the schema alone, where the factory does not see it."""
    if isinstance(value, dict):
        return {key: "https://a.example.com" if key == "url" and item else _link(item) for key, item in value.items()}
    return [_link(item) for item in value] if isinstance(value, list) else value


def _specs(kind: Kind, rounds: int) -> Iterator[dict[str, Any]]:
    """Full specs, and specs from which fields were struck out at random: those break the cross-field rules."""
    chance = random.Random(SEED)
    factory = _factory(kind.model.model_fields["spec"].annotation)  # type: ignore[arg-type]
    for number in range(rounds):
        spec = _link(factory.build().to_dict())
        yield _struck(spec, chance, 0.3 + 0.6 * number / rounds)


def _struck(value: Any, chance: random.Random, share: float) -> Any:
    if isinstance(value, dict):
        return {key: _struck(item, chance, share) for key, item in value.items() if chance.random() > share}
    if not isinstance(value, list):
        return value
    once = {json.dumps(_identity(item)): item for item in value}  # twins would hide all other differences
    return [_struck(item, chance, share) for item in once.values()]


def _identity(item: Any) -> Any:
    keys = ("name", "resource", "id", "key")
    return next((item[key] for key in keys if key in item), item) if isinstance(item, dict) else item


# For the models, fields of a policy are free maps: tests/policy/test_nonsense.py makes those.
TYPED = [kind for kind in KINDS if kind.name != "WorkloadPolicy"]


@pytest.mark.parametrize("kind", TYPED, ids=lambda kind: kind.name)
def test_round_trip(kind: Kind, effort: int) -> None:
    """Model -> manifest -> model gives the same model; the manifest breaks no bound of the schema."""
    schema = resource_schema(kind.model)["properties"]
    for part in ("spec", "status"):
        factory = _factory(kind.model.model_fields[part].annotation)  # type: ignore[arg-type]
        for _ in range(ROUNDS * effort):
            made = factory.build()
            again = type(made).model_validate(made.to_dict())
            assert again.to_dict() == made.to_dict()
            wrong = [
                error
                for error in shape_errors(schema[part], _link(made.to_dict()), (part,))
                if not _known(error.message)
            ]
            assert wrong == []


def _known(message: str) -> bool:
    """Names that occur twice, and times that are no times, are the factory's doing."""
    return "occurs twice" in message or message == "The field is required."


def test_conditions_round_trip() -> None:
    """The model that every status shares."""
    made = _factory(Condition).build()
    assert Condition.model_validate(made.to_dict()) == made


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_python_and_server_agree(server: Server, kind: Kind, effort: int) -> None:
    """Whatever the server takes can be read and has no error offline, and the reverse."""
    verdicts = set()
    for spec in _specs(kind, ROUNDS * effort):
        metadata = {"name": "x", "namespace": NAMESPACE}
        body = {"apiVersion": API_VERSION, "kind": kind.name, "metadata": metadata, "spec": spec}
        status, answer = server.create(body)
        offline = strict_errors(body)
        assert (status == 201) == (not offline), (spec, [str(error) for error in offline], answer)
        if status == 201:
            kind.model.parse(answer)
        verdicts.add(status)
    assert verdicts >= {422}, verdicts
