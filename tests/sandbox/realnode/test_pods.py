"""Real pods on the real node: what the end-to-end suite relies on."""

from __future__ import annotations

import http.client
import json
from pathlib import Path

import pytest

from outfitter.errors import Forbidden
from outfitter_sandbox import Sandbox
from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.images import write_sample
from outfitter_sandbox.realnode import names
from sandbox.conftest import condition, eventually

from .conftest import SECONDS, Space, is_ready, silent, state

pytestmark = [pytest.mark.realnode, pytest.mark.cluster, pytest.mark.whole_node]
USER = 65532  # of the image


def claim(name: str, size: str) -> dict[str, object]:
    return {
        "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}},
    }


def test_a_pod_in_a_restricted_namespace_is_ready_by_its_probes(space: Space) -> None:
    space.pod("web")
    space.ready("web")
    seen = space.run("web", "id")
    inside = json.loads(seen.out)
    assert (seen.code, inside["uid"]) == (0, USER)
    assert space.run("web", "write", "/etc/there", "x").code == 1  # its root is read-only
    with pytest.raises(Forbidden, match="violates PodSecurity"):
        space.create(
            space.path("pods"), {"metadata": {"name": "bad"}, "spec": {"containers": [{"name": "a", "image": "b"}]}}
        )


def test_a_probe_that_fails_keeps_a_pod_from_ready_and_restarts_it(space: Space) -> None:
    space.pod("sick", args=["serve", "--unhealthy-after-seconds=2"])
    space.ready("sick")
    space.wait("sick", lambda each: not is_ready(each))
    space.wait("sick", lambda each: state(each).get("restartCount", 0) >= 1)


def test_a_command_in_a_container_gives_output_and_exit_code(space: Space) -> None:
    space.pod("web")
    space.ready("web")
    seen = space.run("web", "exit", "7", "on purpose")
    assert (seen.code, seen.err.strip()) == (7, "on purpose")
    absent = space.run("web", "no-such-program")
    assert (absent.code != 0, "no-such-program" in absent.err) == (True, True)


def test_names_and_services_lead_to_pods(space: Space) -> None:
    space.pod("back")
    space.pod("front")
    port = {"port": 80, "targetPort": 8080}
    service = {"metadata": {"name": "shop"}, "spec": {"selector": {"app": "back"}, "ports": [port]}}
    address = space.create(space.path("services"), service)["spec"]["clusterIP"]
    space.ready("back")
    space.ready("front")
    long = f"shop.{space.name}.svc.cluster.local"
    assert eventually(lambda: space.run("front", "dns", long).out, lambda out: address in out)
    answer = eventually(lambda: space.run("front", "get", "http://shop/hello"), lambda each: each.code == 0)
    assert json.loads(answer.out)["host"] == "back"
    own = space.run("back", "get", "http://shop/hello")  # to itself, over its Service
    assert (own.code, json.loads(own.out)["host"]) == (0, "back")
    assert space.run("front", "dns", "example.org").code == 1  # nothing leaves the machine
    from_here = http.client.HTTPConnection(address, timeout=5)  # the way of admission webhooks
    from_here.request("GET", "/hello")
    assert json.load(from_here.getresponse())["host"] == "back"


def test_the_node_keeps_its_hardware_address_while_pods_come_and_go(space: Space) -> None:
    bridge = Path("/sys/class/net") / names.BRIDGE
    before = (bridge / "address").read_text()
    assert (bridge / "addr_assign_type").read_text() == "3\n"  # given, not the lowest of the pods' own
    space.pod("stays")
    space.ready("stays")
    for number in range(4):
        space.pod(f"comes-{number}")
        space.ready(f"comes-{number}")
        space.delete("pods", f"comes-{number}")
        assert space.run("stays", "dns", "kubernetes.default.svc.cluster.local").code == 0
        assert (bridge / "address").read_text() == before


def test_a_claim_gets_a_folder_that_fs_group_may_write_and_data_survives_the_pod(real: Sandbox, space: Space) -> None:
    space.create(space.path("persistentvolumeclaims"), claim("data", "3Gi"))
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    mount = {"name": "data", "mountPath": "/data"}
    space.pod("first", volumes=[volume], mounts=[mount], group=4000)
    space.ready("first")
    bound = space.find("persistentvolumeclaims", "data")
    assert bound is not None
    assert bound["status"]["capacity"]["storage"] == "3Gi"
    written = space.run("first", "write", "/data/note", "kept")
    assert written.code == 0, written.err
    assert " 4000 " in space.run("first", "ls", "/data").out
    space.delete("pods", "first")
    space.pod("second", volumes=[volume], mounts=[mount], group=4000)
    space.ready("second")
    assert space.run("second", "cat", "/data/note").out == "kept\n"
    grown = {"spec": {"resources": {"requests": {"storage": "5Gi"}}}}
    path = space.path("persistentvolumeclaims", "data")
    space.connection.request("PATCH", path, grown, "application/merge-patch+json")
    eventually(
        lambda: space.find("persistentvolumeclaims", "data"),
        lambda each: each["status"]["capacity"]["storage"] == "5Gi",
    )
    folder = Path(real.directory) / "outfitter-node" / "volumes" / bound["spec"]["volumeName"]
    assert (folder / "note").read_text() == "kept\n"
    space.delete("pods", "second")
    space.delete("persistentvolumeclaims", "data")
    eventually(lambda: not folder.exists(), seconds=SECONDS)
    one = f"/api/v1/persistentvolumes/{bound['spec']['volumeName']}"
    eventually(lambda: space.connection.answer("GET", one)[0] == 404)


def test_gpus_are_given_out_and_come_back_after_a_restart_of_the_kubelet(real: Sandbox, space: Space) -> None:
    def allocatable() -> dict[str, str]:
        found: dict[str, str] = real.connection().request("GET", "/api/v1/nodes/sandbox")["status"]["allocatable"]
        return found

    wanted = {"nvidia.com/gpu": "8", "nvidia.com/mig-1g.10gb": "4"}
    assert wanted.items() <= allocatable().items()
    space.pod("some", resources={"limits": {"nvidia.com/gpu": "6"}})
    space.ready("some")
    space.pod("more", resources={"limits": {"nvidia.com/gpu": "6"}})
    refused = space.wait("more", lambda each: condition(each, "PodScheduled").get("status") == "False")
    assert "Insufficient nvidia.com/gpu" in condition(refused, "PodScheduled")["message"]
    real.restart("kubelet")
    eventually(allocatable, lambda each: wanted.items() <= each.items(), SECONDS)
    space.delete("pods", "some")
    space.ready("more")


def test_images_are_imported_into_the_running_node(real: Sandbox, space: Space, tmp_path: Path) -> None:
    name = "registry.example/team/app:7"
    write_sample(tmp_path / "app.tar", "web:2", silent, names=[name])
    assert real.import_image(tmp_path / "app.tar") == [name]
    space.pod("app", image=name)
    space.ready("app")
    (tmp_path / "no.tar").write_text("no archive")
    with pytest.raises(SandboxError, match="not an image archive"):
        real.import_image(tmp_path / "no.tar")
    space.pod("absent", image="registry.example/absent:1")  # fails at once: registries are a closed port
    waits = space.wait("absent", lambda each: state(each).get("state", {}).get("waiting", {}).get("reason") != None)  # noqa: E711
    eventually(
        lambda: state(space.find("pods", "absent") or waits).get("state", {}).get("waiting", {}).get("reason"),
        lambda reason: reason in ("ErrImagePull", "ImagePullBackOff"),
        SECONDS,
    )


def test_a_container_that_takes_too_much_memory_is_killed(space: Space) -> None:
    space.pod("greedy", args=["serve", "--eat-mib=200"], resources={"limits": {"memory": "64Mi"}})
    killed = space.wait("greedy", lambda each: state(each).get("lastState", {}).get("terminated"))
    assert state(killed)["lastState"]["terminated"]["reason"] == "OOMKilled"


def test_everything_listens_on_the_bridge_or_on_loopback(real: Sandbox) -> None:
    ours = {state["pid"] for state in real.status().values()}
    sockets = set()
    for pid in ours:
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            target = str(handle.readlink())
            if target.startswith("socket:["):
                sockets.add(target.removeprefix("socket:[").removesuffix("]"))
    addresses = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[9] in sockets and words[3] in ("0A", "07"):
                addresses.add(words[1].partition(":")[0])
    assert {"0100007F", "0100F40A"} <= addresses  # 127.0.0.1 and 10.244.0.1
    assert addresses <= {"0100007F", "0100F40A", "00000000000000000000000001000000"}
