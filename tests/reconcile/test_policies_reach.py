"""Every way by which a value reaches a pod is judged: data sources, connections, containers, imposed assets."""

from __future__ import annotations

from typing import Any

import pytest
from test_policies import IMAGE, RESEARCH, policy

from world import SYSTEM, TEAM, World, asset, namespace, reason

NFS = {"server": "s", "path": "/p", "mountPath": "/data"}
FIXED = {"canEdit": False}


def box(**spec: Any) -> dict[str, Any]:
    return asset("Workspace", "box", {"image": IMAGE, **spec})


def artifact(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    main = {"name": "main", "imageUri": IMAGE, "primary": True, "port": 8080}
    first, *others = containers or ({},)
    items = [{**main, **first}, *({"name": "side", "imageUri": IMAGE, "primary": False, **item} for item in others)]
    return asset("Artifact", "model", {"containerGroups": [{"name": "default", "containers": items}], **spec})


def served(**spec: Any) -> dict[str, Any]:
    return asset("Inference", "box", {"artifact": {"name": "model"}, **spec})


def serving(**spec: Any) -> dict[str, Any]:
    return policy(type_="inference", **spec)


async def judged(*objects: dict[str, Any], kind: str = "Workspace") -> tuple[World, list[tuple[str, str]], str]:
    """The world, the violations of `box`, and the reason of its condition Ready."""
    world = World(*objects)
    await world.settle()
    status = world.status(kind, "box")
    return world, [(row["field"], row["rule"]) for row in status.get("violations", ())], reason(status)


def pod(world: World, kind: str = "StatefulSet") -> dict[str, Any]:
    found: dict[str, Any] = world.get(kind, "box")["spec"]["template"]["spec"]
    return found


def source(name: str, where: str = TEAM, **volume: Any) -> dict[str, Any]:
    return asset("DataSource", name, volume, where)


# -- volumes of data sources ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("written", [{}, {"readOnly": False}])
async def test_a_data_source_is_judged_as_it_is_mounted(written: dict[str, Any]) -> None:
    """A default that it does not take up cannot make it right."""
    rules = {"storage": {"pvc": {"attributes": {"readOnly": FIXED}}}}
    defaults = {"storage": {"pvc": {"attributes": {"readOnly": True}}}}
    home = source("home", pvc={"path": "/home/me", "existingPvc": True, "claimName": "home", **written})
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "home", "namespace": TEAM}}
    claim["spec"] = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    use = box(assets={"dataSources": [{"name": "home"}]})
    _, rows, _ = await judged(policy(defaults=defaults, rules=rules), home, claim, use)
    assert rows == [("storage.pvc.attributes.readOnly[home]", "canEdit")]
    world = World(policy(defaults=defaults, rules=rules), home, claim, use)
    world.edit("DataSource", "home", pvc={**home["spec"]["pvc"], "readOnly": True})
    await world.settle()
    assert "violations" not in world.status("Workspace", "box")


async def test_the_default_of_the_type_counts() -> None:
    """NFS is mounted read-only unless somebody says otherwise."""
    storage = {"nfs": {"attributes": {"readOnly": True}}}
    rules = {"storage": {"nfs": {"attributes": {"readOnly": FIXED}}}}
    use = box(assets={"dataSources": [{"name": "d"}]})
    _, rows, why = await judged(policy(defaults={"storage": storage}, rules=rules), source("d", nfs=NFS), use)
    assert (rows, why) == ([], "Running")


async def test_a_data_source_does_not_take_the_place_of_a_locked_volume() -> None:
    instance = {"name": "d", **NFS, "readOnly": True}
    storage = {"nfs": {"instances": [instance]}}
    rules = {"storage": {"nfs": {"instances": {"locked": ["d"]}}}}
    own = source("d", nfs={**NFS, "server": "evil", "mountPath": "/other"})
    world, _, _ = await judged(
        policy(defaults={"storage": storage}, rules=rules), own, box(assets={"dataSources": [{"name": "d"}]})
    )
    servers = {volume["nfs"]["server"] for volume in pod(world)["volumes"] if "nfs" in volume}
    assert servers == {"s", "evil"}


async def test_excluding_a_default_volume_without_a_name() -> None:
    storage = {"nfs": {"instances": [NFS]}}
    excluded = box(storage={"nfs": [{**NFS, "exclude": True}]})
    world, rows, _ = await judged(policy(defaults={"storage": storage}), excluded)
    assert (rows, pod(world).get("volumes", [])) == ([], [])


# -- connections ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("connection", "rules", "wanted"),
    [
        (
            {"connectionType": "NodePort", "containerPort": 80},
            {"ports": {"instances": {"canAdd": False}}},
            ("ports.instances[a]", "canAdd"),
        ),
        (
            {"connectionType": "LoadBalancer", "containerPort": 80},
            {"ports": {"attributes": {"serviceType": {"options": [{"value": "ClusterIP"}]}}}},
            ("ports.attributes.serviceType[a]", "options"),
        ),
        (
            {"connectionType": "NodePort", "containerPort": 8080},
            {"ports": {"attributes": {"container": {"max": 1000}}}},
            ("ports.attributes.container[a]", "max"),
        ),
        (
            {"connectionType": "ExternalUrl", "containerPort": 80},
            {"exposedUrls": {"instances": {"canAdd": False}}},
            ("exposedUrls.instances[a]", "canAdd"),
        ),
    ],
)
async def test_connections_are_ports_and_urls(
    connection: dict[str, Any], rules: dict[str, Any], wanted: tuple[str, str]
) -> None:
    """Inline, and of an Environment."""
    item = {"name": "a", "toolType": "custom", **connection}
    for objects in (
        [box(connections=[item])],
        [
            asset("Environment", "base", {"image": IMAGE, "connections": [item]}),
            asset("Workspace", "box", {"assets": {"environment": {"name": "base"}}}),
        ],
    ):
        _, rows, _ = await judged(policy(rules=rules), *objects)
        assert rows == [wanted]


async def test_a_connection_is_a_serving_port() -> None:
    item = {"name": "a", "toolType": "custom", "connectionType": "ServingPort", "containerPort": 9999}
    port = {"container": {"max": 9000, "required": True}, "protocol": {"options": [{"value": "http"}]}}
    workload = asset("Inference", "box", {"image": IMAGE, "connections": [{**item, "protocol": "grpc"}]})
    _, rows, _ = await judged(serving(rules={"servingPort": port}), workload, kind="Inference")
    assert rows == [("servingPort.container", "max"), ("servingPort.protocol", "options")]
    workload["spec"]["connections"] = [{**item, "containerPort": 80}]
    world, rows, why = await judged(serving(rules={"servingPort": port}), workload, kind="Inference")
    assert (rows, why) == ([], "Running")
    assert pod(world, "Deployment")["containers"][0]["ports"] == [{"containerPort": 80, "protocol": "TCP"}]


# -- containers of artifacts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("container", "spec", "wanted"),
    [
        (
            {"securityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": "p.json"}}},
            {
                "defaults": {"security": {"seccompProfileType": "RuntimeDefault"}},
                "rules": {"security": {"seccompProfileType": FIXED}},
            },
            ("security.seccompProfileType", "canEdit"),
        ),
        (
            {"readinessProbe": {"path": "/evil", "periodSeconds": 1}},
            {"rules": {"probes": {"readiness": {"periodSeconds": {"min": 5}}}}},
            ("probes.readiness.periodSeconds", "min"),
        ),
        (
            {"readinessProbe": {"path": "/evil"}},
            {"rules": {"probes": {"readiness": {"handler": {"httpGet": {"path": {"options": [{"value": "/ok"}]}}}}}}},
            ("probes.readiness.handler.httpGet.path", "options"),
        ),
        (
            {"readinessProbe": {"path": "/ok", "periodSeconds": 5}},
            {"rules": {"probes": {"readiness": {"periodSeconds": {"required": True, "max": 5}}}}},
            None,
        ),
    ],
)
async def test_what_a_container_sets_is_judged(
    container: dict[str, Any], spec: dict[str, Any], wanted: tuple[str, str] | None
) -> None:
    _, rows, _ = await judged(serving(**spec), artifact(container), served(), kind="Inference")
    assert rows == ([wanted] if wanted else [])


async def test_a_default_joins_the_probe_of_a_container() -> None:
    defaults = {"probes": {"readiness": {"periodSeconds": 7, "timeoutSeconds": 8}}}
    probe = {"path": "/ok", "timeoutSeconds": 3, "httpHeaders": {"A": "b"}}
    world, _, _ = await judged(
        serving(defaults=defaults), artifact({"readinessProbe": probe}), served(), kind="Inference"
    )
    made = pod(world, "Deployment")["containers"][0]["readinessProbe"]
    assert (made["periodSeconds"], made["timeoutSeconds"]) == (7, 3)
    assert made["httpGet"]["httpHeaders"] == [{"name": "A", "value": "b"}]


async def test_what_is_fixed_holds_in_every_container() -> None:
    """Other defaults, and compute, are about the main container."""
    spec = {
        "defaults": {
            "imagePullPolicy": "Always",
            "workingDir": "/w",
            "security": {"readOnlyRootFilesystem": True},
            "environmentVariables": {"instances": [{"name": "HTTP_PROXY", "value": "p"}, {"name": "A", "value": "a"}]},
            "compute": {"cpuCoreRequest": 1},
        },
        "rules": {
            "imagePullPolicy": FIXED,
            "security": {"readOnlyRootFilesystem": FIXED},
            "environmentVariables": {"instances": {"locked": ["HTTP_PROXY"]}},
        },
    }
    world, rows, _ = await judged(serving(**spec), artifact({}, {}), served(), kind="Inference")
    main, side = pod(world, "Deployment")["containers"]
    assert rows == []
    assert {item["imagePullPolicy"] for item in (main, side)} == {"Always"}
    assert {item["securityContext"]["readOnlyRootFilesystem"] for item in (main, side)} == {True}
    variables = [{item["name"] for item in each["env"]} & {"A", "HTTP_PROXY"} for each in (main, side)]
    assert variables == [{"A", "HTTP_PROXY"}, {"HTTP_PROXY"}]
    assert (main["workingDir"], side.get("workingDir"), side.get("resources")) == ("/w", None, None)


async def test_a_limit_is_required_of_every_container() -> None:
    """A pod is bounded only if each of its containers is."""
    rules = {"compute": {"cpuMemoryLimit": {"required": True}, "cpuCoreRequest": {"required": True}}}
    use = served(compute={"cpuMemoryLimit": "1Gi", "cpuCoreRequest": 1})
    _, rows, _ = await judged(serving(rules=rules), artifact({}, {}), use, kind="Inference")
    assert rows == [("compute.cpuMemoryLimit", "required")]


@pytest.mark.parametrize(
    ("compute", "rule", "wanted"),
    [
        ({"gpuDevicesRequest": 1}, {"max": 1}, "max"),
        ({"cpuCoreLimit": 0.6}, {"max": 1}, "max"),
        ({"cpuMemoryLimit": "600Mi"}, {"max": "1Gi"}, "max"),
        ({"cpuMemoryLimit": "512Mi"}, {"max": "1Gi"}, None),
        ({"gpuDevicesRequest": 1}, {"max": 2}, None),
    ],
)
async def test_the_containers_of_a_pod_count_together(
    compute: dict[str, Any], rule: dict[str, Any], wanted: str | None
) -> None:
    (name,) = compute
    both = [{"name": each, "compute": compute} for each in ("main", "side")]
    use = served(containerGroups=[{"name": "default", "containers": both}])
    _, rows, _ = await judged(serving(rules={"compute": {name: rule}}), artifact({}, {}), use, kind="Inference")
    assert rows == ([(f"compute.{name}", wanted)] if wanted else [])


async def test_the_scaling_of_a_group_is_judged() -> None:
    scaling = {"minReplicas": 1, "maxReplicas": 50, "metric": "cpu", "metricThreshold": 50}
    use = served(compute={"cpuCoreRequest": 1}, containerGroups=[{"name": "default", "autoscaling": scaling}])
    rules = {"autoscaling": {"maxReplicas": {"max": 2}}}
    world, rows, _ = await judged(serving(rules=rules), artifact(), use, kind="Inference")
    assert (rows, world.all("HorizontalPodAutoscaler")) == (
        [("containerGroups[default].autoscaling.maxReplicas", "max")],
        [],
    )


async def test_what_outfitter_adds_to_a_nim_is_no_business_of_policies() -> None:
    rules = {"environmentVariables": {"instances": {"canAdd": False}}, "compute": {"largeShmRequest": FIXED}}
    nim = artifact({"imageUri": "nvcr.io/nim/meta/llama:1", "port": 9000}, type="nim")
    defaults = {"compute": {"largeShmRequest": False}}
    _, rows, _ = await judged(serving(defaults=defaults, rules=rules), nim, served(), kind="Inference")
    assert rows == []


# -- imposed data sources ------------------------------------------------------------------------------------------

IMPOSED = [{"name": "sets"}]


async def test_a_project_does_not_replace_an_imposed_data_source() -> None:
    """By a policy of its own that imposes one of the same name, of the same type or of another."""
    for volume in ({"nfs": {**NFS, "server": "evil"}}, {"configMapVolume": {"configMap": "c", "mountPath": "/data"}}):
        world, _, _ = await judged(
            namespace(TEAM, RESEARCH),
            policy("wide", SYSTEM, imposedAssets=IMPOSED),
            policy("own", imposedAssets=IMPOSED),
            source("sets", SYSTEM, nfs=NFS),
            source("sets", **volume),
            box(),
        )
        assert [each["nfs"]["server"] for each in pod(world)["volumes"] if "nfs" in each] == ["s"]
        (conflict,) = world.status("WorkloadPolicy", "own")["conflicts"]
        assert conflict["field"] == "imposedAssets[sets]"


async def test_a_data_source_of_the_same_name_takes_no_copy_away() -> None:
    """The copy of an imposed ConfigMap stays, and so does what workloads need to start."""
    source_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "c", "namespace": SYSTEM},
        "data": {"a": "1"},
    }
    world = World(
        namespace(TEAM, RESEARCH),
        policy("wide", SYSTEM, imposedAssets=IMPOSED),
        source("sets", SYSTEM, configMapVolume={"configMap": "c", "mountPath": "/data"}),
        source_map,
        box(),
    )
    await world.settle()
    copy = world.get("ConfigMap", "dsrc-sets")["metadata"]["uid"]
    world.cluster.user_apply(source("sets", nfs=NFS))
    world.cluster.user_apply(asset("Workspace", "later", {"image": IMAGE}))
    await world.settle()
    assert world.get("ConfigMap", "dsrc-sets")["metadata"]["uid"] == copy
    assert reason(world.status("Workspace", "later")) == "Running"


@pytest.mark.parametrize("by", ["inline", "template"])
async def test_naming_an_imposed_data_source_is_no_conflict(by: str) -> None:
    named = {"dataSources": [{"name": "sets"}]}
    template = asset("WorkloadTemplate", "t", {"workloadType": "workspace", "assets": named})
    use = box(assets=named) if by == "inline" else box(template={"name": "t"})
    world, rows, why = await judged(policy(imposedAssets=IMPOSED), source("sets", nfs=NFS), template, use)
    assert (rows, why) == ([], "Running")
    assert len(pod(world)["volumes"]) == 1


async def test_an_imposed_data_source_cannot_be_moved() -> None:
    use = box(assets={"dataSources": [{"name": "sets", "mountPath": "/elsewhere"}]})
    _, rows, _ = await judged(policy(imposedAssets=IMPOSED), source("sets", nfs=NFS), use)
    assert rows == [("storage.nfs.instances[sets]", "locked")]


@pytest.mark.parametrize("path", ["/data", "//data", "/data/", "/./data"])
async def test_every_spelling_of_a_taken_path(path: str) -> None:
    use = box(storage={"emptyDirVolume": [{"name": "own", "path": path}]})
    _, rows, _ = await judged(policy(imposedAssets=IMPOSED), source("sets", nfs=NFS), use)
    assert rows == [("storage.emptyDirVolume.instances[own]", "mountPath")]


async def test_two_scopes_impose_at_one_path() -> None:
    world, rows, why = await judged(
        namespace(TEAM, RESEARCH),
        policy("wide", SYSTEM, imposedAssets=IMPOSED),
        policy("own", imposedAssets=[{"name": "other"}]),
        source("sets", SYSTEM, nfs=NFS),
        source("other", nfs={**NFS, "server": "other"}),
        box(),
    )
    assert (rows, why) == ([], "Running")
    (conflict,) = world.status("WorkloadPolicy", "own")["conflicts"]
    assert conflict["field"] == "imposedAssets[other]"


# -- defaults ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "defaults",
    [
        {"probes": {"readiness": {"periodSeconds": 7}}},
        {"podAffinity": {"type": "Required"}},
    ],
)
async def test_a_part_of_an_object_is_for_those_that_have_it(defaults: dict[str, Any]) -> None:
    world, _, why = await judged(policy(defaults=defaults), box())
    assert why == "Running", world.status("Workspace", "box")
    assert "readinessProbe" not in pod(world)["containers"][0]


async def test_a_part_of_scaling_scales_nothing() -> None:
    defaults = {"autoscaling": {"scaleDownDelaySeconds": 60}, "servingPort": {"protocol": "http"}}
    connection = {"name": "a", "toolType": "custom", "connectionType": "ServingPort", "containerPort": 80}
    use = asset("Inference", "box", {"image": IMAGE, "replicas": 3, "connections": [connection]})
    world, _, why = await judged(serving(defaults=defaults), use, kind="Inference")
    assert (why, world.get("Deployment", "box")["spec"]["replicas"]) == ("Running", 3)


@pytest.mark.parametrize(
    ("rule", "security", "broken"),
    [
        ({"options": [{"value": "fromTheImage"}]}, {"runAsUid": 2000}, "options"),
        (FIXED, {"runAsUid": 2000}, "canEdit"),
        ({"required": True}, {"runAsUid": 2000}, None),
        ({"required": True}, {"runAsNonRoot": True}, "required"),
        ({"options": [{"value": "custom"}]}, {"runAsGid": 2000}, None),
    ],
)
async def test_ids_without_their_source_are_custom(
    rule: dict[str, Any], security: dict[str, Any], broken: str | None
) -> None:
    _, rows, _ = await judged(policy(rules={"security": {"uidGidSource": rule}}), box(security=security))
    assert rows == ([("security.uidGidSource", broken)] if broken else [])
