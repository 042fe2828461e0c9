"""An operator that is killed while a model cache is made, filled and handed out: one claim, one fill, all served."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .conftest import Line, Stack
from .harness.client import eventually
from .harness.models import CACHE, give_key, nim, running
from .harness.proxy import Fault
from .harness.space import Space


@pytest.mark.parametrize(
    ("early", "verb", "parts"),
    [
        (False, "POST", ("/nimcaches",)),
        (False, "POST", ("/persistentvolumeclaims",)),
        (True, "POST", ("/jobs",)),
        (False, "POST", ("/jobs",)),
        (True, "PATCH", ("/nimcaches/", "/status")),
        (False, "PATCH", ("/persistentvolumeclaims/", "fieldManager")),
        (True, "DELETE", ("/jobs/",)),
        (False, "POST", ("/controllerrevisions",)),
    ],
)
def test_killed_at_each_step_of_a_fill(
    stack: Stack, line: Line, spaces: Callable[..., Space], verb: str, parts: tuple[str, ...], early: bool
) -> None:
    """SIGKILL when a write is done and its answer lost, or (early) before the server has heard of it."""
    space = spaces()
    give_key(space)
    fault = Fault(verb, (space.name, *parts), call=line.operator.kill, early=early, lose=not early)
    line.proxy.inject(fault)
    nim(space, "llama")
    eventually(lambda: line.operator.running, lambda running: not running, 60, "it was not killed")
    assert fault.spent
    line.operator.start()
    running(space, "llama", 90)
    space.gone("Job", f"{CACHE}-download-1")
    line.operator.quiet()
    made = [
        (entry.resource, entry.name)
        for entry in stack.writes()
        if (entry.verb, entry.code, entry.namespace) == ("create", 201, space.name) and entry.resource != "events"
    ]
    assert len(made) == len(set(made))
    assert [name for resource, name in made if resource == "jobs"] == [f"{CACHE}-download-1"]
    assert [item["metadata"]["name"] for item in space.list("PersistentVolumeClaim")] == [CACHE]
    assert [item["metadata"]["name"] for item in space.list("NimCache")] == [CACHE]
