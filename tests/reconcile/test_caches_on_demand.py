"""Model caches on demand: derived from the workload that asks for them, until they are filled or a user writes one."""

from __future__ import annotations

from typing import Any

import pytest
from test_nim_cache import CACHE, IMAGE, KEY

from outfitter.naming import LABEL_ON_DEMAND, LAST_APPLIED
from world import TEAM, World, asset, issues, reason, secret

Body = dict[str, Any]
NAMED = {"name": "NGC_API_KEY", "source": "credential", "credential": {"name": "ngc", "key": "NGC_API_KEY"}}


def variable(name: str, value: str) -> Body:
    return {"name": name, "value": value}


def groups(*variables: Body, image: str = IMAGE) -> list[Body]:
    return [{"containers": [{"imageUri": image, "port": 8000, "environmentVars": list(variables)}]}]


def nim(name: str, *variables: Body, **spec: Any) -> Body:
    """A nim Artifact that runs from a cache, with these variables."""
    fields = {"type": "nim", "containerGroups": groups(*variables), "storage": {"mode": "nimCache"}, "run": {}, **spec}
    return asset("Artifact", name, fields)


def key(name: str, value: str = "abc") -> tuple[Body, Body]:
    """A key of NGC, and its Secret."""
    credential = {"type": "ngcApiKey", "secretRef": {"name": f"{name}-secret"}}
    return secret(f"{name}-secret", {"NGC_API_KEY": value}), asset("Credential", name, credential)


def cache(world: World) -> Body:
    """The only NimCache."""
    (found,) = world.all("NimCache")
    return found


def sent(template: Body) -> dict[str, Any]:
    """Variable -> value or source, of the first container."""
    env = template["spec"]["containers"][0].get("env", ())
    return {item["name"]: item.get("value", item.get("valueFrom")) for item in env}


def job(world: World, name: str = CACHE) -> Body:
    """The download of a cache."""
    return next(item for item in world.all("Job") if item["metadata"]["name"].startswith(f"{name}-download"))


@pytest.mark.parametrize(
    ("variables", "credential"),
    [
        pytest.param((), {"name": "ngc"}, id="unnamed"),
        pytest.param((NAMED,), {"name": "ngc"}, id="named"),
        pytest.param((variable("NGC_API_KEY", "plain"),), None, id="plain"),
        pytest.param(
            ({"name": "NGC_API_KEY", "source": "credential", "credential": {"name": "ngc", "key": "OTHER"}},),
            None,
            id="other-key",
        ),
    ],
)
async def test_the_download_sends_the_key_of_the_pod(variables: tuple[Body, ...], credential: Body | None) -> None:
    """A pod with a volume of its own downloads its model itself: it shows which key a pod uses."""
    both = (
        secret("key", {"NGC_API_KEY": "abc", "OTHER": "def"}),
        asset("Credential", "ngc", {"type": "ngcApiKey", "secretRef": {"name": "key"}, "keys": {"OTHER": "OTHER"}}),
    )
    given = both if credential is None and len(variables[0]) == 3 else KEY
    world = World(*given, nim("llama", *variables), nim("own", *variables, storage={"mode": "dedicatedPvc"}), jobs="")
    await world.settle()
    assert cache(world)["spec"].get("credential") == credential
    if world.find("Deployment", "own") is not None:
        pod = world.get("Deployment", "own")["spec"]["template"]
        assert sent(job(world)["spec"]["template"])["NGC_API_KEY"] == sent(pod)["NGC_API_KEY"]


@pytest.mark.parametrize("names", [("alice", "ngc"), ("ngc", "alice")])
async def test_the_oldest_of_several_keys_counts_for_pod_and_download(names: tuple[str, str]) -> None:
    world = World(*key(names[0]))
    await world.settle()
    world.tick(10)
    for item in (*key(names[1]), nim("llama"), nim("own", storage={"mode": "dedicatedPvc"})):
        world.cluster.user_apply(item)
    await world.settle()
    assert cache(world)["spec"]["credential"] == {"name": names[0]}
    ref = {"secretKeyRef": {"name": f"cred-{names[0]}", "key": "NGC_API_KEY"}}
    assert sent(world.get("Deployment", "own")["spec"]["template"])["NGC_API_KEY"] == ref
    (note,) = world.status("Artifact", "own")["issues"]
    assert (note["issue"], names[0] in note["message"]) == ("SeveralKeys", True)


async def test_a_key_that_comes_later_is_used() -> None:
    world = World(nim("llama"), jobs="HTTP 401 Unauthorized")
    await world.settle()
    failure = world.status("NimCache", CACHE)["failure"]
    assert failure["reason"] == "DownloadFailed"
    assert "rejected" not in failure["message"]
    assert "Credential" in failure["message"]
    world.controllers.jobs = "Complete"
    for item in KEY:
        world.cluster.user_apply(item)
    await world.settle()
    assert cache(world)["spec"]["credential"] == {"name": "ngc"}
    assert world.status("Artifact", "llama")["runPhase"] == "Running"


@pytest.mark.parametrize(
    "name",
    [
        "NIM_MODEL_NAME",
        "NIM_MODEL_PROFILE",
        "NIM_MODEL_PATH",
        "NIM_TAGS_SELECTOR",
        "NIM_FT_MODEL",
        "NIM_MODEL_REVISION",
    ],
)
async def test_two_models_of_one_image_have_two_caches(name: str) -> None:
    world = World(
        *KEY, *(nim(each, variable(name, f"x/{each}")) for each in ("qwen", "mistral")), nim("plain"), jobs=""
    )
    await world.settle()
    found = {item["metadata"]["annotations"]["outfitter.dev/requested-by"]: item for item in world.all("NimCache")}
    assert set(found) == {"Artifact/qwen", "Artifact/mistral", "Artifact/plain"}
    assert found["Artifact/plain"]["metadata"]["name"] == CACHE
    for each in ("qwen", "mistral"):
        own = found[f"Artifact/{each}"]["metadata"]["name"]
        assert sent(job(world, own)["spec"]["template"])[name] == f"x/{each}"
    world.controllers.jobs = "Complete"
    await world.settle()
    claims = {world.status("Artifact", each)["nimCache"]["claimName"] for each in ("qwen", "mistral", "plain")}
    assert len(claims) == 3


async def test_other_variables_share_a_cache_and_do_not_fight_over_it() -> None:
    one, two = (nim(each, variable("NIM_LOG_LEVEL", each)) for each in ("one", "two"))
    world = World(*KEY, one, two, jobs="")
    await world.settle()
    uid = cache(world)["metadata"]["uid"]
    for _ in range(3):
        world.tick(60)
        await world.settle()
    assert cache(world)["metadata"]["uid"] == uid
    assert len([write for write in world.writes() if write[:2] == ("create", "NimCache")]) == 1


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param({"containerGroups": groups(variable("HTTPS_PROXY", "http://proxy"))}, id="variable"),
        pytest.param({"containerGroups": groups(variable("NGC_API_KEY", "mine"))}, id="key"),
        pytest.param(
            {
                "run": {
                    "containerGroups": [
                        {"name": "default", "containers": [{"name": "main", "compute": {"cpuMemoryRequest": "4Gi"}}]}
                    ]
                }
            },
            id="compute",
        ),
    ],
)
async def test_an_edit_is_followed_until_the_model_is_there(edit: Body) -> None:
    world = World(*KEY, nim("llama"), jobs="")
    await world.settle()
    before = cache(world)
    world.edit("Artifact", "llama", **edit)
    await world.settle()
    after = cache(world)
    assert after["metadata"]["name"] == before["metadata"]["name"]
    assert after["spec"] != before["spec"]
    assert job(world)["metadata"]["ownerReferences"][0]["uid"] == after["metadata"]["uid"]
    world.controllers.jobs = "Complete"
    await world.settle()
    assert world.status("Artifact", "llama")["runPhase"] == "Running"
    world.edit("Artifact", "llama", containerGroups=groups(variable("HTTPS_PROXY", "http://another")))
    await world.settle()
    assert cache(world)["metadata"]["uid"] == after["metadata"]["uid"]


async def test_another_workload_decides_once_the_first_is_gone() -> None:
    proxy = variable("HTTPS_PROXY", "http://proxy")
    world = World(*KEY, nim("first"), jobs="")
    await world.settle()
    world.cluster.user_apply(nim("second", proxy))
    await world.settle()
    assert "environmentVariables" not in cache(world)["spec"]
    world.cluster.user_delete("Artifact", TEAM, "first")
    await world.settle()
    assert cache(world)["spec"]["environmentVariables"] == [proxy]


async def test_what_a_user_edits_in_it_is_kept() -> None:
    world = World(*KEY, nim("llama"), jobs="")
    await world.settle()
    world.edit("NimCache", CACHE, retain=True, size="77Gi")
    await world.settle()
    assert (cache(world)["spec"]["retain"], cache(world)["spec"]["size"]) == (True, "77Gi")


@pytest.mark.parametrize(
    ("compute", "expected"),
    [
        ({"gpuDevicesRequest": 1}, {"cpuCoreRequest": 0.1, "cpuMemoryRequest": "512Mi"}),
        (
            {"gpuDevicesRequest": 1, "cpuCoreRequest": 2, "cpuMemoryRequest": "8Gi", "cpuMemoryLimit": "9Gi"},
            {"cpuCoreRequest": 2, "cpuMemoryRequest": "8Gi", "cpuMemoryLimit": "9Gi"},
        ),
    ],
)
@pytest.mark.parametrize("how", ["sizing", "asset", "inference"])
async def test_a_download_has_the_compute_of_its_workload_without_gpus(how: str, compute: Body, expected: Body) -> None:
    sizing = [{"name": "default", "containers": [{"name": "main", "compute": compute}]}]
    if how == "sizing":
        given = [nim("llama", run={"containerGroups": sizing})]
    elif how == "asset":
        given = [asset("ComputeResource", "big", compute), nim("llama", run={"compute": {"name": "big"}})]
    else:
        source = nim("llama")
        del source["spec"]["run"]
        given = [source, asset("Inference", "i", {"artifact": {"name": "llama"}, "compute": compute})]
    world = World(*KEY, *given, jobs="")
    await world.settle()
    assert cache(world)["spec"]["compute"] == expected
    requests = job(world)["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]
    assert set(requests) == {"cpu", "memory"}


async def test_a_download_runs_where_its_workload_runs() -> None:
    source = nim("llama")
    del source["spec"]["run"]
    place = {"nodePools": ["a100"], "tolerations": [{"name": "gpu", "key": "gpu", "operator": "Exists"}]}
    world = World(*KEY, source, asset("Inference", "i", {"artifact": {"name": "llama"}, **place}), jobs="")
    await world.settle()
    assert {name: cache(world)["spec"][name] for name in place} == place


WRITTEN = asset("NimCache", "mine", {"image": IMAGE, "credential": {"name": "ngc"}})


async def test_a_cache_of_a_user_comes_first() -> None:
    world = World(*KEY, WRITTEN, nim("llama"))
    await world.settle()
    assert [item["metadata"]["name"] for item in world.all("NimCache")] == ["mine"]
    assert world.status("Artifact", "llama")["nimCache"]["name"] == "mine"


async def test_a_cache_of_a_user_that_comes_during_the_download_replaces_the_other() -> None:
    world = World(*KEY, nim("llama"), jobs="")
    await world.settle()
    world.tick(10)
    world.cluster.user_apply(WRITTEN)
    await world.settle()
    assert [item["metadata"]["name"] for item in world.all("NimCache")] == ["mine"]
    world.controllers.jobs = "Complete"
    await world.settle()
    assert world.status("Artifact", "llama")["nimCache"]["name"] == "mine"
    assert [item["metadata"]["name"] for item in world.all("PersistentVolumeClaim")] == ["mine"]


async def test_a_cache_of_a_user_that_comes_later_still_replaces_it_after_a_restart() -> None:
    """What runs keeps its volume until it starts again."""
    world = World(*KEY, nim("llama"))
    await world.settle()
    world.cluster.user_apply(WRITTEN)
    await world.settle()
    assert {item["metadata"]["name"] for item in world.all("NimCache")} == {"mine", CACHE}
    world.annotate("Artifact", "llama", restartedAt="now")
    await world.settle()
    assert world.status("Artifact", "llama")["nimCache"]["name"] == "mine"
    assert [item["metadata"]["name"] for item in world.all("NimCache")] == ["mine"]


@pytest.mark.parametrize(
    ("written", "variables", "serves"),
    [
        ({}, (), True),
        ({}, (variable("NIM_MODEL_PROFILE", "p"),), True),
        ({}, (variable("NIM_MODEL_NAME", "m"),), False),
        ({"profiles": ["p", "q"]}, (variable("NIM_MODEL_PROFILE", "p"),), True),
        ({"profiles": ["q"]}, (variable("NIM_MODEL_PROFILE", "p"),), False),
        ({"environmentVariables": [variable("NIM_MODEL_NAME", "m")]}, (variable("NIM_MODEL_NAME", "m"),), True),
        ({"environmentVariables": [variable("NIM_MODEL_NAME", "m")]}, (variable("NIM_MODEL_NAME", "n"),), False),
        ({"environmentVariables": [variable("NIM_MODEL_NAME", "m")]}, (), False),
        ({"environmentVariables": [variable("HTTPS_PROXY", "m")]}, (), True),
        ({"claimName": "weights"}, (variable("NIM_MODEL_NAME", "m"),), True),
        ({"claimName": "weights"}, (variable("NIM_MODEL_PROFILE", "p"),), True),
    ],
)
async def test_which_cache_of_a_user_holds_a_model(written: Body, variables: tuple[Body, ...], serves: bool) -> None:
    claim = {
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "weights"},
        "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    world = World(*KEY, claim, asset("NimCache", "mine", {"image": IMAGE, **written}), nim("llama", *variables))
    await world.settle()
    assert (world.status("Artifact", "llama")["nimCache"]["name"] == "mine") is serves
    made = [item for item in world.all("NimCache") if LABEL_ON_DEMAND in item["metadata"].get("labels", {})]
    assert len(made) == (0 if serves else 1)


async def test_an_eviction_is_no_failure_of_a_download() -> None:
    world = World(*KEY, nim("llama"), jobs="")
    await world.settle()
    (rule,) = job(world)["spec"]["podFailurePolicy"]["rules"]
    assert (rule["action"], rule["onPodConditions"][0]["type"]) == ("Ignore", "DisruptionTarget")


async def test_a_download_of_an_older_version_goes_on() -> None:
    """Its Job has no policy, which cannot change: neither it nor its pod is replaced."""
    world = World(*KEY, nim("llama"), jobs="")
    await world.settle()
    found = job(world)
    del found["spec"]["podFailurePolicy"]
    world.cluster.user_replace(found)
    mark = len(world.cluster.writes)
    await world.settle()
    assert [write for write in world.writes(mark) if write[0] in ("create", "delete")] == []
    assert job(world)["metadata"]["uid"] == found["metadata"]["uid"]


@pytest.mark.parametrize("names", [("a", "b"), ("b", "a")])
async def test_the_newest_pod_that_failed_by_itself_says_why(names: tuple[str, str]) -> None:
    world = World(*KEY, nim("llama"), jobs="")
    await world.settle()
    found = job(world)
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": found["metadata"]["name"], "controller": True}
    labels = found["spec"]["template"]["metadata"]["labels"] | {"batch.kubernetes.io/job-name": owner["name"]}
    disrupted = [{"type": "DisruptionTarget", "status": "True"}]
    said = ((names[0], "401 Unauthorized", []), (names[1], "No space left on device", []), ("c", "401", disrupted))
    for name, log, conditions in said:
        world.tick(1)
        time = world.time().strftime("%Y-%m-%dT%H:%M:%SZ")
        state = {"name": "main", "state": {"terminated": {"exitCode": 1, "message": log, "finishedAt": time}}}
        meta = {"name": name, "namespace": TEAM, "labels": labels}
        meta["ownerReferences"] = [{**owner, "uid": found["metadata"]["uid"]}]
        status = {"phase": "Failed", "conditions": conditions, "containerStatuses": [state]}
        world.cluster.user_apply({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {}, "status": status})
    failed = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}
    failed["lastTransitionTime"] = world.time().strftime("%Y-%m-%dT%H:%M:%SZ")
    world.cluster.user_replace({**job(world), "status": {"conditions": [failed]}})
    await world.settle()
    assert world.status("NimCache", CACHE)["failure"]["reason"] == "NoSpace"
    assert reason(world.status("Artifact", "llama")) == "CacheNotReady"
    assert issues(world.status("NimCache", CACHE)) == ["NoSpace"]


def applied(body: Body, how: str) -> tuple[Body, str]:
    """A manifest of an object as kubectl sends it, and its field manager; on the client's side without the spec.

    kubectl sends what differs there, which is only its annotation if the manifest repeats the spec.
    """
    name = {"name": body["metadata"]["name"], "namespace": TEAM}
    manifest = {key: body[key] for key in ("apiVersion", "kind")}
    if how == "server":
        return {**manifest, "metadata": name, "spec": body["spec"]}, "kubectl"
    return {**manifest, "metadata": {**name, "annotations": {LAST_APPLIED: "{}"}}}, "kubectl-client-side-apply"


@pytest.mark.parametrize("how", ["client", "server", "none", "label"])
@pytest.mark.parametrize("kind", ["NimCache", "ArtifactRepository"])
async def test_a_manifest_that_is_applied_over_it_makes_it_the_users(kind: str, how: str) -> None:
    """It stays when the asker goes. A label that somebody sets does not change whose it is."""
    world = World(*KEY, nim("llama"), settings={"nim_cache_grace_seconds": 60})
    await world.settle()
    (made,) = world.all(kind)
    name = made["metadata"]["name"]
    if how == "label":
        meta = {"name": name, "namespace": TEAM, "labels": {"team": "a"}}
        world.cluster.user_apply({"apiVersion": made["apiVersion"], "kind": kind, "metadata": meta}, "kubectl-label")
    elif how != "none":
        world.cluster.user_apply(*applied(made, how))
    await world.settle()
    world.cluster.user_delete("Artifact", TEAM, "llama")
    for _ in range(5):
        await world.settle()
        world.tick(3600)
    assert (world.find(kind, name) is not None) == (how in ("client", "server"))


@pytest.mark.parametrize("how", ["client", "server"])
async def test_a_cache_that_a_user_applied_follows_the_user_and_not_the_asker(how: str) -> None:
    world = World(*KEY, nim("llama"), jobs="")
    await world.settle()
    manifest, manager = applied(cache(world), how)
    if how == "client":
        manifest["spec"] = {"environmentVariables": [variable("NIM_LOG_LEVEL", "DEBUG")]}
    else:
        manifest["spec"]["environmentVariables"] = [variable("NIM_LOG_LEVEL", "DEBUG")]
    uid = world.cluster.user_apply(manifest, manager)["metadata"]["uid"]
    world.edit("Artifact", "llama", containerGroups=groups(variable("NIM_LOG_LEVEL", "INFO")))
    await world.settle()
    assert cache(world)["metadata"]["uid"] == uid
    assert cache(world)["spec"]["environmentVariables"] == [variable("NIM_LOG_LEVEL", "DEBUG")]
