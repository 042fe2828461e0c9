"""ImageQueries: the answer in their status, how often the registry is asked, and their end."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from typing import Any

import pytest
from registry_world import CREDENTIAL, LOGIN, Looking, here, registry

from image_registry import PASSWORD, USER, ImageRegistry, digest_of, listening
from outfitter.plan.imagequery import AT_ONCE
from outfitter.reasons import Reason
from outfitter.registry.errors import RegistryError
from outfitter.registry.survey import Survey
from outfitter.snapshot import Key, NameResult, RegistryQuestion
from world import SYSTEM, TEAM, asset, condition, namespace, reason, secret

QUERY = Key("ImageQuery", TEAM, "q")
HOSTS: dict[str, Any] = {"registry.example.com": {}, "docker.io": {}}


def query(name: str = "q", where: str = TEAM, **spec: Any) -> dict[str, Any]:
    return asset("ImageQuery", name, {"registry": {"name": "images"}, **spec}, where)


async def asked(world: Looking, *keys: Key) -> dict[str, Any]:
    """Reconcile until these objects are answered: the status of the last one."""
    await world.settle()
    left = set(keys or (QUERY,))
    while left:
        left.discard(await asyncio.wait_for(world.answered.get(), 20))
        await world.settle()
    return world.status("ImageQuery", (keys or (QUERY,))[-1].name)


def end(world: Looking, name: str = "q") -> None:
    """Move the clock to the moment when a query is deleted."""
    created = datetime.fromisoformat(world.get("ImageQuery", name)["metadata"]["creationTimestamp"])
    world.tick((created - world.time()).total_seconds() + world.settings.image_query_seconds)


async def answers(question: RegistryQuestion) -> Survey:
    result = NameResult(("1.0",), 1) if question.query else None
    return Survey("oci", listed=True, result=result)


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ({}, {"repositories": ["base", "team/app", "team/tool"], "found": 3}),
        ({"search": "TOOL"}, {"repositories": ["team/tool"], "found": 1}),
        ({"search": "none"}, {"found": 0}),
        ({"limit": 1}, {"repositories": ["base"], "found": 3}),
        ({"repository": "team/app"}, {"tags": ["1.10", "1.9", "1.9-rc1", "latest"], "found": 4}),
        ({"repository": "team/app", "search": "rc"}, {"tags": ["1.9-rc1"], "found": 1}),
        ({"repository": "team/app", "limit": 2}, {"tags": ["1.10", "1.9"], "found": 4}),
        ({"repository": "team/app", "digestOf": "1.9"}, {"digest": digest_of("team/app", "1.9"), "found": 1}),
    ],
)
async def test_answers(spec: dict[str, Any], wanted: dict[str, Any]) -> None:
    images = ImageRegistry(
        repositories={"team/app": ["1.10", "1.9", "1.9-rc1", "latest"], "base": [], "team/tool": []}, login="bearer"
    )
    async with listening(images.application()) as port:
        url = f"127.0.0.1:{port}"
        world = Looking(LOGIN, CREDENTIAL, registry(url, credential={"name": "robot"}), query(**spec), hosts=here(port))
        await world.settle()
        assert reason(world.status("ImageQuery", "q")) == "Connecting"
        status = await asked(world)
    assert reason(status) == "Answered"
    keys = ("repositories", "tags", "digest", "found")
    assert {key: status[key] for key in keys if key in status} == wanted
    if "digest" in wanted:
        assert status["image"] == f"{url}/team/app@{wanted['digest']}"
    assert "issues" not in status
    assert PASSWORD not in json.dumps(status, ensure_ascii=False)


async def test_an_answer_is_final() -> None:
    """No later reconciliation, restart or edit of the Registry asks again, and nothing is written."""
    world = Looking(registry("registry.example.com"), query(repository="a/b"), hosts=HOSTS, ask=answers)
    await asked(world)
    mark, number = len(world.cluster.writes), len(world.questions)
    result = await world.once("ImageQuery", "q")
    assert result.requeue_after
    world.start()
    await world.settle()
    assert [item.query for item in world.questions[number:] if item.query] == []
    assert [write for write in world.writes(mark) if write[1] == "ImageQuery"] == []


async def test_a_query_is_deleted_after_its_time() -> None:
    world = Looking(registry("registry.example.com"), query(repository="a/b"), hosts=HOSTS, ask=answers)
    await asked(world)
    end(world)
    world.tick(-1)
    await world.settle()
    assert world.find("ImageQuery", "q")
    world.tick(1)
    await world.settle()
    assert world.find("ImageQuery", "q") is None
    assert world.find("Registry", "images")


async def test_a_query_without_an_answer_is_deleted_as_well() -> None:
    world = Looking(query(repository="a/b"), hosts=HOSTS, ask=answers)
    await world.settle()
    assert reason(world.status("ImageQuery", "q")) == "ReferenceNotFound"
    end(world)
    await world.settle()
    assert world.find("ImageQuery", "q") is None


async def test_the_registry_is_created_later() -> None:
    world = Looking(query(repository="a/b"), hosts=HOSTS, ask=answers)
    await world.settle()
    world.cluster.user_apply(registry("registry.example.com"))
    assert reason(await asked(world)) == "Answered"


async def test_a_query_is_no_user_of_registry_and_credential() -> None:
    """It lives for minutes: it must not block the deletion of an asset, or cost a write of usedBy."""
    items = (LOGIN, CREDENTIAL, registry("registry.example.com", credential={"name": "robot"}))
    world = Looking(*items, query(repository="a/b"), hosts=HOSTS, ask=answers)
    await asked(world, Key("Registry", TEAM, "images"), QUERY)
    assert world.status("Registry", "images")["usedBy"]["total"] == 0
    assert world.status("Credential", "robot")["usedBy"]["total"] == 1


@pytest.mark.parametrize(
    ("url", "only", "repository", "covered"),
    [
        ("registry.example.com/team", [], "team/app", True),
        ("registry.example.com/team", [], "team", True),
        ("registry.example.com/team", [], "teams/app", False),
        ("registry.example.com/team", [], "other", False),
        ("registry.example.com", ["team/app"], "team/app", True),
        ("registry.example.com", ["team/app"], "team/tool", False),
        ("docker.io/library", [], "python", True),
        ("docker.io", ["library/python"], "python", True),
        ("docker.io/library", [], "team/app", False),
    ],
)
async def test_a_registry_covers_what_its_spec_names(url: str, only: list[str], repository: str, covered: bool) -> None:
    """Its login may see more than its author shares."""
    world = Looking(registry(url, repositories=only), query(repository=repository), hosts=HOSTS, ask=answers)
    if covered:
        assert reason(await asked(world)) == "Answered"
        expected = f"library/{repository}" if repository == "python" else repository
        assert [item.query.repository for item in world.questions if item.query] == [expected]
    else:
        await world.settle()
        status = world.status("ImageQuery", "q")
        assert reason(status) == "ImageNotFound"
        assert condition(status, "Stalled")
        assert "covers only" in status["message"]
        assert [item for item in world.questions if item.query] == []


@pytest.mark.parametrize("spec", [{"repository": "no/such"}, {"repository": "base", "digestOf": "no"}])
async def test_what_the_registry_does_not_show(spec: dict[str, Any]) -> None:
    async with listening(ImageRegistry().application()) as port:
        world = Looking(registry(f"127.0.0.1:{port}"), query(**spec), hosts=here(port))
        status = await asked(world)
    assert reason(status) == "ImageNotFound"
    assert condition(status, "Stalled")
    assert status["answeredAt"]


async def test_a_registry_without_a_list() -> None:
    async with listening(ImageRegistry(catalogue=False).application()) as port:
        world = Looking(
            registry(f"127.0.0.1:{port}"),
            registry(f"127.0.0.1:{port}", "named", repositories=["team/app", "base", "team/gone"]),
            query(),
            query("n", registry={"name": "named"}, search="team"),
            hosts=here(port),
        )
        status = await asked(world, Key("ImageQuery", TEAM, "n"), QUERY)
    assert (reason(status), "Set spec.repository" in status["message"]) == ("CatalogueMissing", True)
    assert world.status("ImageQuery", "n")["repositories"] == ["team/app"]


async def test_a_registry_that_is_down_for_a_minute() -> None:
    down = True

    async def ask(question: RegistryQuestion) -> Survey:
        if down:
            raise RegistryError(Reason.REGISTRY_UNREACHABLE, "Registry host a answers with status 503.")
        return await answers(question)

    world = Looking(registry("registry.example.com"), query(repository="a/b"), hosts=HOSTS, ask=ask)
    status = await asked(world)
    assert reason(status) == "RegistryUnreachable"
    assert "answeredAt" not in status
    assert (await world.once("ImageQuery", "q")).requeue_after == 60
    down = False
    world.tick(61)
    assert reason(await asked(world)) == "Answered"


async def test_a_login_that_is_rejected() -> None:
    wrong = secret("login", {"username": USER, "password": "wrong"})
    async with listening(ImageRegistry(login="bearer").application()) as port:
        url = f"127.0.0.1:{port}"
        world = Looking(
            wrong, CREDENTIAL, registry(url, credential={"name": "robot"}), query(repository="base"), hosts=here(port)
        )
        status = await asked(world)
    assert reason(status) == "LoginRejected"
    assert "wrong" not in json.dumps(status)


@pytest.mark.parametrize(
    ("objects", "wanted"),
    [
        ([registry("elsewhere.example.com")], "RegistryNotAllowed"),
        ([registry("registry.example.com", credential={"name": "robot"})], "ReferenceNotFound"),
        ([CREDENTIAL, registry("registry.example.com", credential={"name": "robot"})], "CredentialNotReady"),
    ],
)
async def test_a_registry_that_cannot_be_used(objects: list[Any], wanted: str) -> None:
    world = Looking(*objects, query(repository="a/b"), hosts=HOSTS, ask=answers)
    await world.settle()
    status = world.status("ImageQuery", "q")
    assert reason(status) == wanted
    assert status["message"].startswith("spec.registry: Registry team-a/images cannot be used. ")
    assert world.questions == []


@pytest.mark.parametrize(
    ("labels", "scope", "allowed"),
    [
        ({"outfitter.dev/project": "x"}, {"type": "cluster"}, True),
        ({}, {"type": "cluster"}, False),
        ({"outfitter.dev/project": "x"}, {"type": "department", "name": "research"}, False),
        (
            {"outfitter.dev/project": "x", "outfitter.dev/department": "research"},
            {"type": "department", "name": "research"},
            True,
        ),
        ({"outfitter.dev/project": "x"}, {"type": "project"}, False),
    ],
)
async def test_a_shared_registry(labels: dict[str, str], scope: dict[str, str], allowed: bool) -> None:
    """A user asks by the login of an administrator's Registry only if its scope covers the project."""
    key = Key("ImageQuery", "x", "q")
    world = Looking(
        namespace("x", labels),
        registry("registry.example.com", where=SYSTEM, scope=scope),
        query(where="x", repository="a/b"),
        hosts=HOSTS,
        ask=answers,
    )
    await world.settle()
    if allowed:
        while await asyncio.wait_for(world.answered.get(), 20) != key:
            pass
        await world.settle()
        assert reason(world.status("ImageQuery", "q", "x")) == "Answered"
    else:
        assert reason(world.status("ImageQuery", "q", "x")) == "ReferenceNotFound"
        assert [item for item in world.questions if item.query] == []


async def test_equal_queries_cost_one_request() -> None:
    """Also if the registry fails: who creates many objects does not load it."""
    calls = 0

    async def ask(question: RegistryQuestion) -> Survey:
        nonlocal calls
        if question.query is None:
            return Survey("oci", listed=True)
        calls += 1
        if question.query.repository == "bad":
            raise RegistryError(Reason.REGISTRY_UNREACHABLE, "is down")
        return await answers(question)

    names = [f"q{number}" for number in range(10)]
    items = [query(name, repository="bad" if name in names[:5] else "good") for name in names]
    world = Looking(registry("registry.example.com"), *items, hosts=HOSTS, ask=ask)
    await asked(world, *(Key("ImageQuery", TEAM, name) for name in names))
    found = [reason(world.status("ImageQuery", name)) for name in names]
    assert found == ["RegistryUnreachable"] * 5 + ["Answered"] * 5
    assert calls <= 4  # two at a time can ask the same
    before = calls
    world.cluster.user_apply(query("late", repository="good"))
    await asked(world, Key("ImageQuery", TEAM, "late"))
    assert calls == before
    world.tick(61)
    world.cluster.user_apply(query("later", repository="good"))
    await asked(world, Key("ImageQuery", TEAM, "later"))
    assert calls > before


async def test_a_namespace_has_a_limit_of_answers() -> None:
    names = [f"q{number:03}" for number in range(AT_ONCE + 3)]
    items = [query(name, repository="a/b") for name in names]
    world = Looking(registry("registry.example.com"), *items, query(where="other"), hosts=HOSTS, ask=answers)
    await asked(world, *(Key("ImageQuery", TEAM, name) for name in names[:AT_ONCE]))
    found = [reason(world.status("ImageQuery", name)) for name in names]
    assert found == ["Answered"] * AT_ONCE + ["TooManyQueries"] * 3
    assert reason(world.status("ImageQuery", "q", "other")) == "ReferenceNotFound"
    world.cluster.user_delete("ImageQuery", TEAM, names[0])
    await asked(world, Key("ImageQuery", TEAM, names[AT_ONCE]))
    assert reason(world.status("ImageQuery", names[AT_ONCE])) == "Answered"


async def test_the_operator_is_killed_while_the_registry_is_asked() -> None:
    killed = asyncio.Event()

    async def ask(question: RegistryQuestion) -> Survey:
        if question.query is not None and not killed.is_set():
            killed.set()
            await asyncio.Event().wait()
        return await answers(question)

    world = Looking(registry("registry.example.com"), query(repository="a/b"), hosts=HOSTS, ask=ask)
    await world.settle()
    await asyncio.wait_for(killed.wait(), 10)
    await world.lookups.close()
    world.start()
    assert reason(await asked(world)) == "Answered"


async def test_a_query_that_is_deleted_while_it_is_asked() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def ask(question: RegistryQuestion) -> Survey:
        if question.query is None:
            return Survey("oci", listed=True)
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    world = Looking(registry("registry.example.com"), query(repository="a/b"), hosts=HOSTS, ask=ask)
    await world.settle()
    await asyncio.wait_for(begun.wait(), 10)
    world.cluster.user_delete("ImageQuery", TEAM, "q")
    world.reconciler.forget(QUERY)
    await asyncio.wait_for(ended.wait(), 10)


async def test_a_thousand_long_names_fit_in_a_status() -> None:
    names = [f"{'long-' * 24}{number:05}" for number in range(1000)]
    images = ImageRegistry(repositories={"base": names})
    async with listening(images.application()) as port:
        world = Looking(registry(f"127.0.0.1:{port}"), query(repository="base", limit=500), hosts=here(port))
        status = await asked(world)
    assert (len(status["tags"]), status["found"]) == (500, 1000)
    assert len(json.dumps(status)) < 80_000
    assert "The status holds 500 of them" in status["message"]
