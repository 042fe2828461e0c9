"""The two formats of the operator's log: one line a record, and no flood from a library."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable

import aiohttp
import pytest

from outfitter.cli.logs import Aggregate, JsonFormatter, PlainFormatter
from outfitter.errors import Unavailable

ACT = {"action": "repair", "kind": "Workspace", "name": "box", "fields": ["spec.replicas"], "manager": "kubectl-edit"}


def raised(error: BaseException) -> BaseException:
    """An error with a traceback."""
    try:
        raise error  # noqa: TRY301
    except BaseException as caught:
        return caught


def record(name: str, text: str, error: BaseException | None = None, **more: object) -> logging.LogRecord:
    """A record, with an error as it is inside `except`."""
    info = None
    if error is not None:
        info = (type(error), raised(error), error.__traceback__)
    found = logging.LogRecord(name, logging.ERROR, __file__, 1, text, (), info)
    found.__dict__ |= more
    return found


def test_json_has_the_fields_of_an_act() -> None:
    line = json.loads(JsonFormatter().format(record("outfitter.reconcile.act_log", "repaired", act=ACT)))
    assert line | ACT == line
    assert line["message"] == "repaired"
    assert json.loads(JsonFormatter().format(record("outfitter.operator.app", "leading")))["action"] == "process"


def test_plain_is_for_people() -> None:
    text = PlainFormatter().format(record("outfitter.reconcile.act_log", "Workspace a/box: restarted", act=ACT))
    assert text.endswith("Z ERROR   Workspace a/box: restarted")
    assert PlainFormatter().format(record("kopf.x", "no")).endswith(" kopf.x: no")


@pytest.mark.parametrize("form", [JsonFormatter, PlainFormatter])
@pytest.mark.parametrize(
    "error",
    [aiohttp.ServerDisconnectedError(), ConnectionResetError("reset"), TimeoutError(), Unavailable("away\nnow")],
)
def test_an_expected_error_has_no_traceback(form: Callable[[], logging.Formatter], error: Exception) -> None:
    text = form().format(record("kopf.activities", "Request failed", error))
    assert type(error).__name__ in text
    assert "Traceback" not in text
    assert "\n" not in text


@pytest.mark.parametrize("form", [JsonFormatter, PlainFormatter])
def test_an_unexpected_error_has_its_traceback_on_the_same_line(form: Callable[[], logging.Formatter]) -> None:
    text = form().format(record("asyncio", "Task exception was never retrieved", KeyError("defect")))
    assert "\n" not in text
    assert "Traceback (most recent call last)" in text
    assert "test_log_formats.py" in text


def test_messages_of_libraries_are_counted() -> None:
    now = 0.0
    aggregate = Aggregate(clock=lambda: now)

    def counts(name: str, text: str, times: int) -> list[int]:
        records = [record(name, text) for _ in range(times)]
        return [getattr(each, "act", {}).get("count", 1) for each in records if aggregate.filter(each)]

    assert counts("kopf.x", "Watch failed", 250) == [1, 10, 100]
    assert counts("kopf.x", "another", 1) == [1]
    assert counts("outfitter.x", "ours", 3) == [1, 1, 1]
    now = 601.0
    assert counts("kopf.x", "Watch failed", 1) == [1]


async def test_a_failure_of_the_loop_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.get_running_loop()
    loop.call_exception_handler({"message": "a callback failed", "exception": ValueError("defect")})
    (found,) = caplog.records
    assert Aggregate().filter(found)
    line = json.loads(JsonFormatter().format(found))
    assert (line["action"], "ValueError: defect" in line["exception"]) == ("library", True)
