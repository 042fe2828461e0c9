"""Registries: what their status says about an image registry on a loopback port, and how often the operator looks."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from typing import Any

import pytest
from registry_world import CREDENTIAL, KEY, LOGIN, Looking, here, registry

from image_registry import PASSWORD, USER, ImageRegistry, listening
from outfitter.api.registry_hosts import RegistryHost
from outfitter.reasons import Reason
from outfitter.registry.errors import RegistryError
from outfitter.registry.lookups import APART, AT_ONCE, RegistryLookups
from outfitter.registry.survey import Survey
from outfitter.snapshot import Key, RegistryQuestion
from outfitter.status.compose import timestamp
from world import START, SYSTEM, TEAM, asset, condition, issues, namespace, reason, secret


async def test_a_registry_with_a_catalogue() -> None:
    async with listening(ImageRegistry().application()) as port:
        world = Looking(registry(f"127.0.0.1:{port}"), hosts=here(port))
        await world.settle()
        first = world.status("Registry", "images")
        assert (reason(first), first.get("reachable")) == ("Connecting", None)
        assert condition(first, "Reconciling") is not None
        status = await world.look()
    assert reason(status) == "Valid"
    assert status["reachable"] is True
    assert (status["dialect"], status["catalogue"], status["truncated"]) == ("oci", "supported", False)
    assert status["repositories"] == ["base", "team/app"]
    assert status["lookedAt"] == timestamp(world.time())
    assert status["scope"] == "project"
    assert "issues" not in status


async def test_no_write_while_nothing_changes_and_one_when_it_does() -> None:
    images = ImageRegistry()
    async with listening(images.application()) as port:
        world = Looking(registry(f"127.0.0.1:{port}"), hosts=here(port))
        seen = (await world.look())["lookedAt"]
        mark = len(world.cluster.writes)
        await world.settle()
        assert len(world.questions) == 1  # the answer counts for an hour
        result = await world.once("Registry", "images")
        assert result.requeue_after == 3600
        world.tick(3601)
        assert (await world.look())["lookedAt"] == seen
        assert (len(world.questions), world.writes(mark)) == (2, [])
        world.start()  # the operator restarts
        assert (await world.look())["lookedAt"] == seen
        assert (len(world.questions), world.writes(mark)) == (3, [])
        images.repositories["team/new"] = ["1"]
        world.tick(3601)
        status = await world.look()
    assert status["repositories"] == ["base", "team/app", "team/new"]
    assert status["lookedAt"] == timestamp(world.time()) != seen
    assert world.writes(mark) == [("status", "Registry", "images")]


async def test_a_registry_that_goes_away_and_comes_back() -> None:
    images = ImageRegistry()
    async with listening(images.application()) as port:
        world = Looking(registry(f"127.0.0.1:{port}"), hosts=here(port), hold_seconds=0)
        await world.look()
    delays = []
    world.tick(3601)
    for _ in range(8):
        status = await world.look()
        assert (reason(status), status["reachable"]) == ("RegistryUnreachable", False)
        assert status["repositories"] == ["base", "team/app"]  # what was seen before stays
        delays.append((await world.once("Registry", "images")).requeue_after or 0)
        world.tick(delays[-1] + 1)
    assert delays == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    mark = len(world.cluster.writes)
    await world.look()
    assert world.writes(mark) == []


@pytest.mark.parametrize("kind", ["password", "dockerRegistry", "config"])
async def test_a_login_by_credential(kind: str) -> None:
    async with listening(ImageRegistry(login="basic").application()) as port:
        url = f"127.0.0.1:{port}"
        auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        config = json.dumps({"auths": {"other.example.com": {"auth": "YTpi"}, f"http://{url}/v2/": {"auth": auth}}})
        data = {
            "password": {"username": USER, "password": PASSWORD},
            "dockerRegistry": {"url": url, "user": USER, "password": PASSWORD},
            "config": {".dockerconfigjson": config},
        }
        credential = {"type": "password" if kind == "password" else "dockerRegistry", "secretRef": {"name": "login"}}
        world = Looking(
            secret("login", data[kind]),
            asset("Credential", "robot", credential),
            registry(url, credential={"name": "robot"}),
            hosts=here(port),
        )
        status = await world.look()
        assert status["repositories"] == ["base", "team/app"]
        used = world.status("Credential", "robot")["usedBy"]
        assert used["registries"] == [{"namespace": TEAM, "name": "images"}]
        assert PASSWORD not in json.dumps([world.all("Registry"), status], ensure_ascii=False)


async def test_a_login_that_is_rejected_and_then_corrected() -> None:
    async with listening(ImageRegistry(login="bearer").application()) as port:
        wrong = secret("login", {"username": USER, "password": "wrong"})
        world = Looking(
            wrong, CREDENTIAL, registry(f"127.0.0.1:{port}", credential={"name": "robot"}), hosts=here(port)
        )
        status = await world.look()
        assert (reason(status), status["reachable"]) == ("LoginRejected", False)
        assert condition(status, "Reconciling") is not None
        assert "wrong" not in json.dumps(status)
        world.cluster.user_apply(LOGIN)
        status = await world.look()
    assert (reason(status), status["reachable"]) == ("Valid", True)


@pytest.mark.parametrize(
    ("objects", "wanted", "text"),
    [
        ([], "ReferenceNotFound", "Credential robot does not exist"),
        ([CREDENTIAL], "CredentialNotReady", "Secret team-a/login does not exist"),
        (
            [
                secret("login", {"AccessKeyId": "a", "SecretKey": "b"}),
                {**CREDENTIAL, "spec": {**CREDENTIAL["spec"], "type": "accessKey"}},
            ],
            "TypeMismatch",
            "Use a Credential of type password or dockerRegistry",
        ),
        (
            [
                secret("login", {"url": "other.example.com", "user": "a", "password": "b"}),
                {**CREDENTIAL, "spec": {**CREDENTIAL["spec"], "type": "dockerRegistry"}},
            ],
            "KeyNotFound",
            "holds no login for registry.example.com",
        ),
        (
            [
                secret("login", {"url": "registry.example.com", "user": "a", "password": "b"}),
                {**CREDENTIAL, "spec": {**CREDENTIAL["spec"], "type": "dockerRegistry", "private": True}},
            ],
            "CredentialForbidden",
            "is private",
        ),
    ],
)
async def test_credentials_that_cannot_be_used(objects: list[Any], wanted: str, text: str) -> None:
    given = registry("registry.example.com", credential={"name": "robot"})
    world = Looking(*objects, given, hosts={"registry.example.com": {}})
    await world.settle()
    status = world.status("Registry", "images")
    assert reason(status) == wanted
    assert text in status["message"]
    assert world.questions == []


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("elsewhere.example.com", "RegistryNotAllowed"),
        ("registry.example.com:5000", "RegistryNotAllowed"),
        ("http://registry.example.com", "RegistryNotAllowed"),
        ("https://registry.example.com/v2/", ""),
        ("registry.example.com:443/team", ""),
    ],
)
async def test_hosts_that_an_administrator_lists(url: str, wanted: str) -> None:
    async def ask(question: RegistryQuestion) -> Survey:
        return Survey("oci", listed=True)

    world = Looking(registry(url), hosts={"registry.example.com": {}}, ask=ask)
    await world.settle()
    if wanted:
        assert reason(world.status("Registry", "images")) == wanted
        assert world.questions == []
    else:
        assert reason(await world.look()) == "Valid"
        assert [item.host for item in world.questions] == ["registry.example.com"]


async def test_no_host_is_allowed_by_default() -> None:
    world = Looking(registry("docker.io/library"))
    await world.settle()
    status = world.status("Registry", "images")
    assert reason(status) == "RegistryNotAllowed"
    assert "docker.io" in status["message"]


@pytest.mark.parametrize("only", [[], ["team/app", "team/gone"]])
async def test_a_registry_without_a_catalogue(only: list[str]) -> None:
    async with listening(ImageRegistry(catalogue=False).application()) as port:
        world = Looking(registry(f"127.0.0.1:{port}", repositories=only), hosts=here(port))
        status = await world.look()
    assert (reason(status), status["catalogue"]) == ("Valid", "off")
    assert status.get("repositories", []) == only[:1]
    assert issues(status) == ["RepositoryNotFound" if only else "NoCatalogue"]


async def test_more_repositories_than_a_status_holds() -> None:
    images = ImageRegistry(repositories={f"image-{number:04}": [] for number in range(700)})
    async with listening(images.application()) as port:
        world = Looking(registry(f"127.0.0.1:{port}"), hosts=here(port))
        status = await world.look()
    assert (len(status["repositories"]), status["truncated"]) == (500, True)


async def test_a_shared_registry_reads_its_own_credential() -> None:
    async with listening(ImageRegistry(login="basic").application()) as port:
        world = Looking(
            namespace("x", {"outfitter.dev/project": "x", "outfitter.dev/department": "research"}),
            secret("login", {"username": USER, "password": PASSWORD}, SYSTEM),
            asset("Credential", "robot", {"type": "password", "secretRef": {"name": "login"}}, SYSTEM),
            registry(
                f"127.0.0.1:{port}",
                where=SYSTEM,
                scope={"type": "department", "name": "research"},
                credential={"name": "robot"},
            ),
            registry(f"127.0.0.1:{port}", credential={"name": "robot", "scope": "cluster"}),
            hosts=here(port),
        )
        status = await world.look(Key("Registry", SYSTEM, "images"))
        assert (status["scope"], status["department"], status["reachable"]) == ("department", "research", True)
        await asyncio.wait_for(world.answered.get(), 20) if world.answered.qsize() else None
        await world.settle()
    assert world.status("Registry", "images")["catalogue"] == "supported"


@pytest.mark.parametrize(
    ("scope", "wanted"),
    [
        ({"type": "cluster"}, ""),
        ({"type": "department", "name": "research"}, ""),
        ({"type": "department", "name": "finance"}, "CredentialForbidden"),
        ({"type": "project"}, "CredentialForbidden"),
    ],
)
async def test_a_registry_for_a_department_uses_no_login_of_others(scope: dict[str, str], wanted: str) -> None:
    """The lead of a department writes it, beside the Credentials of other departments."""

    async def ask(question: RegistryQuestion) -> Survey:
        return Survey("oci", listed=True)

    research = {"type": "department", "name": "research"}
    world = Looking(
        *(
            namespace(name, {"outfitter.dev/project": name, "outfitter.dev/department": name})
            for name in ("research", "finance")
        ),
        secret("login", {"username": USER, "password": PASSWORD}, SYSTEM),
        asset("Credential", "robot", {"type": "password", "secretRef": {"name": "login"}, "scope": scope}, SYSTEM),
        registry("registry.example.com", where=SYSTEM, scope=research, credential={"name": "robot"}),
        hosts={"registry.example.com": {}},
        ask=ask,
    )
    if wanted:
        await world.settle()
        assert reason(world.status("Registry", "images", SYSTEM)) == wanted
        assert world.questions == []
    else:
        assert reason(await world.look(Key("Registry", SYSTEM, "images"))) == "Valid"


async def test_a_wide_scope_outside_the_system_namespace() -> None:
    world = Looking(registry("registry.example.com", scope={"type": "cluster"}), hosts={"registry.example.com": {}})
    await world.settle()
    assert reason(world.status("Registry", "images")) == "ScopeForbidden"
    assert world.questions == []


async def test_a_deleted_registry_is_forgotten_while_it_is_asked() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def ask(question: RegistryQuestion) -> Survey:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    world = Looking(registry("registry.example.com"), hosts={"registry.example.com": {}}, ask=ask)
    await world.settle()
    await asyncio.wait_for(begun.wait(), 10)
    world.cluster.user_delete("Registry", TEAM, "images")
    world.reconciler.forget(KEY)
    await asyncio.wait_for(ended.wait(), 10)
    assert world.answered.empty()


async def test_slow_registries_wait_for_each_other_and_hold_up_nothing_else() -> None:
    running, most, full, release = 0, 0, asyncio.Event(), asyncio.Event()

    async def ask(question: RegistryQuestion) -> Survey:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == AT_ONCE:
            full.set()
        await release.wait()
        running -= 1
        return Survey("oci", listed=True)

    hosts = {f"r{number}.example.com": {} for number in range(12)}
    items = [registry(host, host.partition(".")[0]) for host in hosts]
    world = Looking(*items, asset("ComputeResource", "small", {"cpuCoreRequest": 1}), hosts=hosts, ask=ask)
    await world.settle()
    assert reason(world.status("ComputeResource", "small")) == "Valid"
    await asyncio.wait_for(full.wait(), 10)
    release.set()
    for _ in items:
        await asyncio.wait_for(world.answered.get(), 10)
    await world.settle()
    assert most == AT_ONCE
    assert {reason(world.status("Registry", item["metadata"]["name"])) for item in items} == {"Valid"}
    await world.lookups.close()


@pytest.mark.parametrize(
    ("error", "wanted", "seconds"),
    [
        (RegistryError(Reason.REGISTRY_UNREACHABLE, "a text", 1800.0), "RegistryUnreachable", 1800),
        (RegistryError(Reason.REGISTRY_NOT_ALLOWED, "a text"), "RegistryNotAllowed", 60),
        (KeyError("\x1b[31mpassword"), "RegistryUnreachable", 60),
    ],
)
async def test_failures(error: Exception, wanted: str, seconds: float, caplog: pytest.LogCaptureFixture) -> None:
    async def ask(question: RegistryQuestion) -> Survey:
        raise error

    world = Looking(registry("registry.example.com"), hosts={"registry.example.com": {}}, ask=ask)
    status = await world.look()
    assert reason(status) == wanted
    assert (await world.once("Registry", "images")).requeue_after == seconds
    assert "password" not in json.dumps(status) + caplog.text


async def test_an_edit_while_it_is_asked_asks_anew() -> None:
    first, asked = asyncio.Event(), []

    async def ask(question: RegistryQuestion) -> Survey:
        asked.append(question.repositories)
        if len(asked) == 1:
            first.set()
            await asyncio.Event().wait()
        return Survey("oci", listed=False, names=question.repositories)

    world = Looking(registry("registry.example.com"), hosts={"registry.example.com": {}}, ask=ask)
    await world.settle()
    await asyncio.wait_for(first.wait(), 10)
    world.edit("Registry", "images", repositories=["team/app"])
    status = await world.look()
    assert asked == [(), ("team/app",)]
    assert status["repositories"] == ["team/app"]


async def test_edits_ask_every_ten_seconds() -> None:
    async def ask(question: RegistryQuestion) -> Survey:
        return Survey("oci", listed=False, names=question.repositories)

    world = Looking(registry("registry.example.com"), hosts={"registry.example.com": {}}, ask=ask)
    began = world.time()
    await world.look()
    for number in range(20):
        world.edit("Registry", "images", repositories=[f"team/app-{number}"])
        await world.look()
    assert len(world.questions) == 21
    assert (world.time() - began).total_seconds() == sum(world.waits) == 20 * APART
    world.cluster.user_delete("Registry", TEAM, "images")
    world.reconciler.forget(KEY)
    world.cluster.user_apply(registry("registry.example.com"))
    await world.look()  # the same name again
    assert world.waits == [APART] * 21
    world.tick(APART)
    world.edit("Registry", "images", repositories=["team/late"])
    await world.look()
    assert world.waits == [APART] * 21


async def test_no_edit_asks_a_host_that_asked_for_a_pause() -> None:
    async def ask(question: RegistryQuestion) -> Survey:
        if question.host == "busy.example.com":
            raise RegistryError(Reason.REGISTRY_UNREACHABLE, "asks again later", 1800.0)
        return Survey("oci", listed=True)

    other = Key("Registry", TEAM, "other")
    hosts = {"busy.example.com": {}, "free.example.com": {}}
    world = Looking(registry("busy.example.com"), hosts=hosts, ask=ask, hold_seconds=0)
    await world.look()
    for number in range(20):
        world.edit("Registry", "images", repositories=[f"team/app-{number}"])
        status = await world.look()
        assert (reason(status), status["message"]) == ("RegistryUnreachable", "spec.url: asks again later")
    world.cluster.user_apply(registry("busy.example.com", "other"))
    assert reason(await world.look(other)) == "RegistryUnreachable"
    assert len(world.questions) == 1
    world.cluster.user_apply(registry("free.example.com", "third"))
    assert reason(await world.look(Key("Registry", TEAM, "third"))) == "Valid"
    waited = (await world.once("Registry", "other")).requeue_after
    assert waited is not None
    world.tick(waited)
    world.cluster.user_delete("Registry", TEAM, "images")
    world.reconciler.forget(KEY)
    await world.look(other)
    assert len(world.questions) == 3


async def test_names_that_no_status_shows_are_not_kept() -> None:
    async def ask(question: RegistryQuestion) -> Survey:
        return Survey("oci", listed=True, names=tuple(f"image-{number:04}" for number in range(5000)))

    world = Looking(registry("registry.example.com"), hosts={"registry.example.com": {}}, ask=ask)
    status = await world.look()
    assert (len(status["repositories"]), status["truncated"]) == (500, True)
    answer = world.lookups.answer(KEY, world.questions[0])
    assert answer is not None
    assert len(answer.repositories) == 501


async def test_the_lookups_close_their_threads() -> None:
    """The name has no address: RFC 6761."""
    answered: asyncio.Queue[Key] = asyncio.Queue()
    lookups = RegistryLookups(3600, lambda: START, answered.put_nowait)
    question = RegistryQuestion("registry.invalid", RegistryHost())
    lookups.ask(KEY, [question])
    await asyncio.wait_for(answered.get(), 20)
    answer = lookups.answer(KEY, question)
    assert answer is not None
    assert answer.defect is not None
    assert "does not resolve" in answer.defect.text
    assert [each for each in threading.enumerate() if each.name.startswith("registry-names")]
    await lookups.close()
    for each in threading.enumerate():
        if each.name.startswith("registry-names"):
            await asyncio.to_thread(each.join, 20)
            assert not each.is_alive()
