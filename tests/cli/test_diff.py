"""`outfitter diff` without a cluster: what counts as a difference of a child, and placeholders for hidden Secrets."""

from __future__ import annotations

from typing import Any

import pytest

from outfitter.api.v1alpha1 import KINDS
from outfitter.cli.diff.compare import aligned, changed_fields, child_change
from outfitter.cli.diff.placeholders import hidden_secrets
from outfitter.cli.diff.simulate import apply
from outfitter.codegen.crd import crd_for
from outfitter.naming import LAST_APPLIED
from outfitter.simulator.cluster import SimulatedCluster
from outfitter.simulator.managed_fields import LISTS, merged, owned_paths, read, recorded

from .conftest import EXAMPLES, Invoke, World

Body = dict[str, Any]
VERSION = "outfitter.dev/v1alpha1"
WEIRD = '{"metadata": {"labels": [1], "annotations": null}, "spec": [null, {"name": []}]}'


def child(kind: str = "StatefulSet", uid: str = "1", spec: Body | None = None, **more: Any) -> Body:
    meta = {"name": "box", "namespace": "team-a", "uid": uid, "resourceVersion": "7"}
    return {"kind": kind, "metadata": meta, **({} if spec is None else {"spec": spec}), **more}


def pods(image: str = "a:1", **more: Any) -> Body:
    return {"template": {"spec": {"containers": [{"name": "main", "image": image, **more}]}}}


DEFAULTS = {"imagePullPolicy": "Always", "resources": {"limits": {"cpu": "500m"}}}
ALIGNED = [
    ("a quantity", {"resources": {"limits": {"cpu": 0.5}}}, {"resources": {"limits": {"cpu": "500m"}}}, True),
    ("another quantity", {"resources": {"limits": {"cpu": 1}}}, {"resources": {"limits": {"cpu": "500m"}}}, False),
    ("a default in a whole list", {"rules": [{"host": "a"}]}, {"rules": [{"host": "a", "pathType": "x"}]}, True),
    ("a value in a whole list", {"rules": [{"host": "b"}]}, {"rules": [{"host": "a", "pathType": "x"}]}, False),
    ("a whole list that is longer", {"args": ["a", "b"]}, {"args": ["a"]}, False),
    ("a field that goes", {"a": 1}, {"a": 1, "b": 2}, False),
    ("an entry that goes", {"env": [{"name": "A"}]}, {"env": [{"name": "A"}, {"name": "B"}]}, False),
]


@pytest.mark.parametrize(("after", "before", "same"), [case[1:] for case in ALIGNED], ids=[case[0] for case in ALIGNED])
def test_what_the_server_stores_alike(after: Body, before: Body, same: bool) -> None:
    assert (aligned(after, before) == before) is same


PODS = [
    ("an image", child(spec=pods()), child(spec=pods("a:2")), "change", "restart"),
    ("replicas", child(spec={"replicas": 1, **pods()}), child(spec={"replicas": 2, **pods()}), "change", ""),
    ("a stop", child(spec={"replicas": 1, **pods()}), child(spec={"replicas": 0, **pods()}), "change", "stop"),
    ("a start", child(spec={"replicas": 0, **pods()}), child(spec={"replicas": 1, **pods()}), "change", "start"),
    ("a new one", None, child(spec=pods()), "create", "start"),
    ("a removed one", child(spec=pods()), None, "delete", "stop"),
    ("fixed fields", child("Job", "1", pods()), child("Job", "2", pods("a:2")), "replace", "restart"),
    ("a suspended Job", None, child("Job", spec={"suspend": True, **pods()}), "create", ""),
    ("a Service", child("Service", spec={"type": "A"}), child("Service", spec={"type": "B"}), "change", ""),
]


@pytest.mark.parametrize(("before", "after", "action", "effect"), [case[1:] for case in PODS], ids=[c[0] for c in PODS])
def test_what_happens_to_pods(before: Body | None, after: Body | None, action: str, effect: str) -> None:
    change = child_change(before, after)
    assert change is not None
    assert (change.action, change.pods) == (action, effect)


def test_versions_and_digests_are_no_difference() -> None:
    before, after = child(spec=pods(), status={"replicas": 1}), child(spec=pods(), status={"replicas": 2})
    after["metadata"] |= {"resourceVersion": "8", "generation": 3, "annotations": {"outfitter.dev/digest": "x"}}
    assert child_change(before, after) is None
    assert list(changed_fields(before, child(spec=pods("b:1")))) == ["spec.template.spec.containers[0].image"]


def test_values_of_secrets() -> None:
    before, after = (
        child("Secret", data={"a": "c2FtZQ==", "b": "b2xk"}),
        child("Secret", data={"a": "c2FtZQ==", "b": "bmV3"}),
    )
    for pair in ((before, after), (None, after), (before, None)):
        change = child_change(*pair)
        assert change is not None
        text = "\n".join(change.lines)
        assert "hidden" in text
        assert not any(value in text for value in ("c2FtZQ==", "b2xk", "bmV3"))
    change = child_change(before, after)
    assert change is not None
    assert [line for line in change.lines if line[0] in "+-"][2:] == ["-  b: (hidden)", "+  b: (hidden, another value)"]


def test_placeholders() -> None:
    """Names and keys of what a namespace uses; copies belong to the Credential that exists."""
    api = "outfitter.dev/v1alpha1"
    meta = {"name": "forge", "namespace": "team-a"}
    spec = {"type": "password", "secretRef": {"name": "login"}, "keys": {"Password": "token"}}
    status = {"secretName": "cred-forge", "keys": ["Password", "User"]}
    live = {"apiVersion": api, "kind": "Credential", "metadata": {**meta, "uid": "7"}, "spec": spec, "status": status}
    given = {"apiVersion": api, "kind": "Credential", "metadata": meta, "spec": spec}
    variables = [{"name": "A", "secret": {"name": "own", "key": "k"}}]
    workload = {
        "apiVersion": api,
        "kind": "Workspace",
        "metadata": {"name": "box", "namespace": "team-a"},
        "spec": {"environmentVariables": variables, "imagePullSecrets": [{"name": "pull"}]},
    }
    elsewhere = {
        **workload,
        "metadata": {"name": "box", "namespace": "team-b"},
        "spec": {"imagePullSecrets": [{"name": "x"}]},
    }
    found = {item["metadata"]["name"]: item for item in hidden_secrets([live, workload, elsewhere, given], "team-a")}
    assert {name: sorted(item["data"]) for name, item in found.items()} == {
        "cred-forge": ["Password", "User"],
        "login": ["User", "token"],
        "own": ["k"],
        "pull": [".dockerconfigjson"],
    }
    assert found["cred-forge"]["metadata"]["labels"]["outfitter.dev/owner-uid"] == "7"


def test_field_owners_are_read_as_they_are_recorded() -> None:
    manifest = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {**pods(), "ports": [{"port": 80, "protocol": "TCP", "name": "x"}], "args": ["a"], "empty": {}},
    }
    paths = owned_paths(manifest)
    assert read(recorded({"outfitter": paths})) == {"outfitter": paths}


def test_the_key_of_an_entry_is_no_field_that_an_apply_removes() -> None:
    """The API server records it below the entry. Defaults of the container stay when another field of it goes."""
    entry = {"f:containers": {'k:{"name":"main"}': {".": {}, "f:name": {}, "f:image": {}, "f:workingDir": {}}}}
    mine = {"f:spec": {"f:template": {"f:spec": entry}}}
    body = {**child(spec=pods(workingDir="/w", imagePullPolicy="Always")), "apiVersion": "apps/v1"}
    body["metadata"] |= {
        "generation": 1,
        "managedFields": [{"manager": "outfitter", "operation": "Apply", "fieldsV1": mine}],
    }
    cluster = SimulatedCluster([])
    cluster.restore(body)
    meta = {"name": "box", "namespace": "team-a"}
    changed = cluster.user_apply(
        {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": meta, "spec": pods()}, manager="outfitter"
    )
    assert changed["spec"] == pods(imagePullPolicy="Always")


def test_lists_of_our_kinds_merge_as_their_crds_say() -> None:
    """By the same key wherever a field of this name is. Those that are atomic somewhere are left out."""
    found: dict[str, set[str]] = {}

    def walk(schema: Body, field: str) -> None:
        if schema.get("items", {}).get("type") == "object":
            keys = schema.get("x-kubernetes-list-map-keys", ())
            found.setdefault(field, set()).add(",".join(keys) if schema.get("x-kubernetes-list-type") == "map" else "")
        for name, part in schema.get("properties", {}).items():
            walk(part, name)
        walk(schema["items"], field) if "items" in schema else None

    for kind in KINDS:
        walk(crd_for(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"], "spec")
    assert {field: key for field, (key, *more) in found.items() if key and not more} == LISTS


@pytest.mark.parametrize(
    ("live", "wanted", "merged_names"),
    [
        ("sm", "m", "sm"),
        ("ac", "abc", "abc"),
        ("ab", "ba", "ba"),
        ("axb", "ba", "bax"),
        ("", "ab", "ab"),
        ("x", "a", "ax"),
    ],
)
def test_the_order_of_merged_entries(live: str, wanted: str, merged_names: str) -> None:
    one, other = ([{"name": name} for name in names] for names in (live, wanted))
    assert "".join(item["name"] for item in merged({"env": one}, {"env": other})["env"]) == merged_names


def test_of_several_appliers_the_file_belongs_to_the_one_with_most_of_its_fields() -> None:
    def entry(manager: str, *fields: str) -> Body:
        return {"manager": manager, "operation": "Apply", "fieldsV1": {"f:spec": {f"f:{name}": {} for name in fields}}}

    meta: Body = {"name": "box", "namespace": "team-a", "uid": "1", "resourceVersion": "7", "generation": 1}
    meta["managedFields"] = [entry("other", "workingDir"), entry("kubectl", "image", "command")]
    spec = {"image": "a", "command": "b", "workingDir": "/w"}
    cluster = SimulatedCluster([])
    cluster.restore({"apiVersion": VERSION, "kind": "Workspace", "metadata": meta, "spec": spec})
    place = {"name": "box", "namespace": "team-a"}
    apply(cluster, {"apiVersion": VERSION, "kind": "Workspace", "metadata": place, "spec": {"image": "a"}})
    found = cluster.find("Workspace", "team-a", "box")
    assert found is not None
    assert found["spec"] == {"image": "a", "workingDir": "/w"}


def test_a_restored_object_keeps_what_others_own() -> None:
    """Version and uid as in the cluster; an apply of the operator removes its own fields only."""
    mine = {"f:metadata": {"f:labels": {".": {}, "f:a": {}, "f:gone": {}}}}
    other = {"f:metadata": {"f:labels": {"f:kept": {}}}}
    entries = [
        {"manager": "outfitter", "operation": "Apply", "fieldsV1": mine},
        {"manager": "kubectl-label", "operation": "Update", "fieldsV1": other},
    ]
    body = {**child("ConfigMap"), "apiVersion": "v1"}
    body["metadata"] |= {"labels": {"a": "1", "gone": "1", "kept": "1"}, "managedFields": entries}
    cluster = SimulatedCluster([])
    cluster.restore(body)
    stored = cluster.find("ConfigMap", "team-a", "box")
    assert stored is not None
    assert (stored["metadata"]["uid"], stored["metadata"]["resourceVersion"]) == ("1", "7")
    wanted = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "box", "namespace": "team-a", "labels": {"a": "2"}},
    }
    changed = cluster.user_apply(wanted, manager="outfitter")
    assert changed["metadata"]["labels"] == {"a": "2", "kept": "1"}
    assert int(changed["metadata"]["resourceVersion"]) > 7


@pytest.mark.parametrize("last", ["", "no JSON", "null", "[]", '"text"', "{}", '{"metadata": 1}', WEIRD, "[" * 10000])
def test_what_users_write_as_last_applied_is_no_error(last: str) -> None:
    meta: Body = {"name": "box", "namespace": "team-a", "uid": "1", "resourceVersion": "7"}
    meta |= {"generation": 1, "annotations": {LAST_APPLIED: last}}
    stored = {"apiVersion": VERSION, "kind": "Workspace", "metadata": meta, "spec": {"image": "a"}}
    cluster = SimulatedCluster([])
    cluster.restore(stored)
    apply(cluster, {**stored, "metadata": {"name": "box", "namespace": "team-a"}, "spec": {"image": "b"}})
    found = cluster.find("Workspace", "team-a", "box")
    assert found is not None
    assert found["spec"] == {"image": "b"}


@pytest.mark.cluster
def test_no_example_differs_from_its_children(world: World, invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every kind, with shared assets, and without a message about repairs: the simulation is the operator."""
    monkeypatch.setenv("OUTFITTER_DOMAIN", "apps.example.com")
    done = invoke("diff", "-f", EXAMPLES, "--kubeconfig", world.kubeconfig)
    assert (done.exit_code, done.stdout) == (0, ""), done.stderr
    assert "without the files too" not in done.stderr
    assert "0 children change" in done.stderr
    done = invoke(
        "diff", "--restart", "-f", EXAMPLES / "30-team.yaml", "-n", "team-a", "--kubeconfig", world.kubeconfig
    )
    assert (done.exit_code, "Its pods restart." in done.stdout) == (1, True), done.stderr


def test_usage(invoke: Invoke, tmp_path: Any) -> None:
    """Every error is 2, because 1 means that something changes."""
    assert invoke("diff").exit_code == 2
    bad = tmp_path / "bad.yaml"
    bad.write_text("apiVersion: outfitter.dev/v1alpha1\nkind: Workspace\nmetadata: {name: a}\nspec: {imge: a}\n")
    done = invoke("diff", "-f", bad)
    assert (done.exit_code, "did you mean image" in done.stderr) == (2, True)
    bad.write_text("apiVersion: outfitter.dev/v1alpha1\nkind: Workspace\nmetadata: {name: a}\nspec: {image: a}\n")
    assert invoke("diff", "-f", bad, "--kubeconfig", tmp_path / "none").exit_code == 2
