"""The same accept and reject tables, asked of Python and of a real API server: they must agree."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from outfitter.api.rules import not_only_scaled
from outfitter.api.schema import resource_schema
from outfitter.api.v1alpha1 import ALL_KINDS, API_VERSION, kind_of
from outfitter.api.validation import strict_errors

from .conftest import NAMESPACE, Server

CASES = Path(__file__).parent / "cases"


def _load(name: str) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = yaml.safe_load((CASES / f"{name}.yaml").read_text(encoding="utf-8"))
    return cases


def _body(kind: str, case: dict[str, Any], part: str = "spec") -> dict[str, Any]:
    name = case.get("name", "x")
    body = {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}}
    return {**body, "spec": case[part]} if part in case else body


OBJECTS = [
    pytest.param(kind.name, case, id=f"{kind.name}: {case['id']}")
    for kind in ALL_KINDS
    for case in _load(kind.singular)
]
CHANGES = [pytest.param(case, id=str(case["id"])) for case in _load("changes")]


def _change_errors(case: dict[str, Any]) -> list[Any]:
    old = {**_body(case["kind"], case, "old"), "status": case.get("status", {})}
    return strict_errors(_body(case["kind"], case, "new"), old)


def _where(errors: list[Any]) -> list[str]:
    return sorted({str(error).split(": ", 1)[0] for error in errors})


@pytest.mark.parametrize(("kind", "case"), OBJECTS)
def test_python_judges_an_object(kind: str, case: dict[str, Any]) -> None:
    """The errors stand where the table says, and what is accepted can be read."""
    body = _body(kind, case)
    errors = strict_errors(body)
    assert _where(errors) == sorted(case.get("errors", [])), [str(error) for error in errors]
    if not errors:
        assert kind_of(kind).model.parse(body).spec.to_dict() == _canonical(body["spec"])


def _canonical(spec: dict[str, Any]) -> dict[str, Any]:
    """Apply the only two liberties that reading takes: nulls vanish, an old spelling becomes the new one."""
    spec = {key: value for key, value in spec.items() if value is not None}
    if spec.get("security", {}).get("uidGidSource") == "idpToken":
        return {**spec, "security": {**spec["security"], "uidGidSource": "fromIdpToken"}}
    return spec


@pytest.mark.parametrize(("kind", "case"), OBJECTS)
def test_server_judges_an_object(server: Server, kind: str, case: dict[str, Any]) -> None:
    """The server refuses what Python refuses, with the same words where a rule speaks."""
    body = _body(kind, case)
    status, answer = server.create(body)
    if not case.get("errors"):
        assert status == 201, answer
        return
    assert status in (400, 422), answer
    _same_words(kind, [error.message for error in strict_errors(body)], answer)


def _same_words(kind: str, messages: list[str], answer: Any) -> None:
    rules = _messages(kind)
    if messages and all(message in rules for message in messages):
        for message in messages:
            assert message in answer["message"]


@pytest.mark.parametrize("case", CHANGES)
def test_python_judges_a_change(case: dict[str, Any]) -> None:
    """The errors of an edit stand where the table says."""
    errors = _change_errors(case)
    assert _where(errors) == sorted(case.get("errors", [])), [str(error) for error in errors]


@pytest.mark.parametrize("case", CHANGES)
def test_server_judges_a_change(server: Server, case: dict[str, Any]) -> None:
    """The server refuses the edits that Python refuses, with the same words."""
    old, new = _body(case["kind"], case, "old"), _body(case["kind"], case, "new")
    status, stored = server.create(old, keep=True)
    assert status == 201, stored
    try:
        if "status" in case:
            stored["status"] = case["status"]
            status, stored = server.answer("PUT", server.path(case["kind"], "x") + "/status", stored)
            assert status == 200, stored
        new["metadata"]["resourceVersion"] = stored["metadata"]["resourceVersion"]
        status, answer = server.replace(new)
        assert status == (422 if case.get("errors") else 200), answer
        for error in _change_errors(case):
            assert error.message in answer["message"]
    finally:
        server.answer("DELETE", server.path(case["kind"], "x"))


def test_every_rule_is_in_the_tables() -> None:
    """Each rule and each transition of each kind refuses something in the tables, so each is proven on the server."""
    heard = {kind.name: set[str]() for kind in ALL_KINDS}
    for parameter in OBJECTS:
        kind, case = parameter.values
        heard[str(kind)] |= {error.message for error in strict_errors(_body(str(kind), case))}  # type: ignore[arg-type]
    for case in _load("changes"):
        heard[case["kind"]] |= {error.message for error in _change_errors(case)}
    everywhere = set[str]().union(*heard.values())
    wanted = {message for kind in ALL_KINDS for message in _messages(kind.name)}
    # No manifest breaks the rule of the scale subresource; tests/integration/test_scaling.py does.
    scaled = {not_only_scaled(kind.name).message for kind in ALL_KINDS}
    assert wanted - everywhere - {_messages_of_name()} - scaled == set()


def _messages_of_name() -> str:
    return str(resource_schema(ALL_KINDS[0].model)["x-kubernetes-validations"][0]["message"])


def _messages(kind: str) -> set[str]:
    return set(_walk(resource_schema(kind_of(kind).model)))


def _walk(schema: dict[str, Any]) -> Iterator[str]:
    yield from (rule["message"] for rule in schema.get("x-kubernetes-validations", ()))
    for child in [*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")]:
        if child:
            yield from _walk(child)
