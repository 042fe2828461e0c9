"""Equal means equal: quantities, defaults that the server adds, and what is ours of a live object."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outfitter.canonical import covers, digest, stamp, without_empty


@given(st.integers(0, 10**6), st.sampled_from(["k", "M", "G"]))
def test_other_spellings_are_equal(number: int, suffix: str) -> None:
    """However the server spells it."""
    thousand = {"k": "", "M": "k", "G": "M"}[suffix]
    assert covers({"limits": {"x": f"{number}{suffix}"}}, {"limits": {"x": f"{number * 1000}{thousand}"}})
    assert covers({"limits": {"x": f"{number}Gi"}}, {"limits": {"x": f"{number * 1024}Mi"}})
    assert not covers({"limits": {"x": f"{number + 1}{suffix}"}}, {"limits": {"x": f"{number}{suffix}"}})


# -- covers -------------------------------------------------------------------------------------------------------


WANT: dict[str, Any] = {
    "metadata": {"labels": {"a": "b"}, "ownerReferences": [{"uid": "u", "name": "w"}]},
    "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"a": "b"}},
        "template": {
            "metadata": {"labels": {"a": "b"}},
            "spec": {
                "containers": [
                    {
                        "name": "main",
                        "image": "i",
                        "command": ["a", "b"],
                        "env": [{"name": "A", "value": "1"}, {"name": "B"}],
                        "ports": [{"containerPort": 80, "protocol": "TCP"}],
                        "resources": {"requests": {"cpu": "500m", "memory": "1024Mi"}},
                        "volumeMounts": [{"name": "home", "mountPath": "/home"}],
                        "securityContext": {"capabilities": {"drop": ["ALL"]}},
                    }
                ],
                "volumes": [{"name": "home", "emptyDir": {}}, {"name": "shm", "emptyDir": {"sizeLimit": "1Gi"}}],
                "tolerations": [{"key": "gpu", "operator": "Exists"}],
                "nodeSelector": {"type": "dgx"},
            },
        },
    },
}


def defaulted() -> dict[str, Any]:
    """WANT as a server stores and shows it."""
    live = deepcopy(WANT)
    live["metadata"] |= {"uid": "x", "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"}
    live["spec"] |= {
        "podManagementPolicy": "OrderedReady",
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
        "revisionHistoryLimit": 10,
    }
    pod = live["spec"]["template"]["spec"]
    pod |= {"restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler"}
    pod |= {"terminationGracePeriodSeconds": 30, "securityContext": {}}
    main = pod["containers"][0]
    main |= {"terminationMessagePath": "/dev/termination-log", "imagePullPolicy": "IfNotPresent"}
    main["resources"] = {"requests": {"cpu": "0.5", "memory": "1Gi"}}
    return live


def test_defaults_are_no_difference() -> None:
    """Nothing to write after the server has filled in the rest."""
    assert covers(WANT, defaulted())


def at(body: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with one value set, or removed where it is None; list indexes are numbers in the path."""
    changed = deepcopy(body)
    node: Any = changed
    *steps, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for step in steps:
        node = node[step]
    if value is None:
        del node[last]
    else:
        node[last] = value
    return changed


POD = "spec.template.spec"
MAIN = f"{POD}.containers.0"
SAME = [
    (f"{MAIN}.env", [{"name": "B"}, {"name": "X", "value": "theirs"}, {"name": "A", "value": "1"}]),
    (f"{POD}.volumes", [{"name": "x", "emptyDir": {}}, *WANT["spec"]["template"]["spec"]["volumes"]]),
    (f"{MAIN}.resources.requests.cpu", "0.500"),
    ("metadata.labels", {"a": "b", "theirs": "x"}),
    ("metadata.ownerReferences", [{"uid": "v", "name": "x"}, {"uid": "u", "name": "w"}]),
]
DIFFERENT = [
    ("spec.replicas", 2),
    (f"{MAIN}.image", "j"),
    (f"{MAIN}.image", None),
    (f"{MAIN}.command", ["a"]),
    (f"{MAIN}.command", ["b", "a"]),
    (f"{MAIN}.command", ["a", "b", "c"]),
    (f"{MAIN}.env.0.value", "2"),
    (f"{MAIN}.env", [{"name": "A", "value": "1"}]),
    (f"{MAIN}.ports.0.containerPort", 81),
    (f"{MAIN}.ports.0.protocol", "UDP"),
    (f"{MAIN}.resources.requests.cpu", "501m"),
    (f"{MAIN}.resources.requests.memory", None),
    (f"{MAIN}.volumeMounts.0.mountPath", "/else"),
    (f"{MAIN}.securityContext.capabilities.drop", []),
    (f"{MAIN}.securityContext", None),
    (f"{POD}.volumes.1.emptyDir.sizeLimit", "2Gi"),
    (f"{POD}.volumes.0", {"name": "home", "hostPath": {"path": "/"}}),
    (f"{POD}.tolerations", []),
    (f"{POD}.tolerations", [{"key": "gpu", "operator": "Exists"}, {"operator": "Exists"}]),
    (f"{POD}.nodeSelector", {"type": "dgx", "more": "x"}),
    ("spec.selector.matchLabels", {"a": "b", "c": "d"}),
    ("metadata.labels", {}),
    ("metadata.ownerReferences", [{"uid": "v", "name": "w"}]),
]


@pytest.mark.parametrize(("path", "value"), SAME, ids=lambda item: str(item)[:40])
def test_what_others_add_is_no_difference(path: str, value: Any) -> None:
    """Additions to lists that merge by key, order in them, and other spellings."""
    assert covers(WANT, at(defaulted(), path, value))


@pytest.mark.parametrize(("path", "value"), DIFFERENT, ids=lambda item: str(item)[:40])
def test_differences(path: str, value: Any) -> None:
    """Changed, missing, or added where the whole list or map is ours."""
    assert not covers(WANT, at(defaulted(), path, value))


@pytest.mark.parametrize(
    ("want", "live", "same"),
    [
        ({}, None, True),
        ({"a": {}}, {}, True),
        ({"emptyDir": {}}, {"hostPath": {"path": "/"}}, False),
        ({"a": []}, {}, True),
        ({"a": [1]}, {}, False),
        ({"a": 1}, None, False),
        ({"a": 1}, {"a": "1"}, False),
        ({"storage": "1Gi"}, {"storage": None}, False),
        ({"storage": "1Gi"}, {"storage": "nonsense"}, False),
        ({"name": "1k"}, {"name": "1000"}, False),
        ({"a": [1]}, {"a": "1"}, False),
        ({"data": {"k": ""}}, {"data": {}}, False),
    ],
)
def test_edges(want: Any, live: Any, same: bool) -> None:
    """Absent, empty and of another type."""
    assert covers(want, live) is same


trees = st.recursive(
    st.one_of(st.booleans(), st.integers(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(min_size=1, max_size=4), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(trees)
def test_everything_covers_itself(tree: Any) -> None:
    """And anything of which it is a part."""
    assert covers(tree, tree)
    assert covers({"a": tree}, {"a": tree, "more": 1})


# -- prune, stamp, digest -------------------------------------------------------------------------------------------


def test_prune() -> None:
    """What the server would not store goes; empty maps, zeros and empty label values stay."""
    value = {"a": None, "b": "", "c": [], "d": {}, "e": 0, "f": False, "g": [{"h": None}, ""], "emptyDir": {}}
    assert without_empty(value) == {"d": {}, "e": 0, "f": False, "g": [{}, ""], "emptyDir": {}}
    meta = {"labels": {"a": ""}, "annotations": {"b": ""}, "nodeSelector": {"c": ""}, "matchLabels": {"d": ""}}
    assert without_empty(meta) == meta


@given(trees)
def test_prune_once_is_enough(tree: Any) -> None:
    """Pruning is idempotent but for maps that became empty on the way, and never changes what it is given."""
    before = deepcopy(tree)
    once = without_empty({"x": tree})
    assert without_empty(once) == once
    assert tree == before


def test_stamp_keeps_content_and_never_covers_it() -> None:
    """An empty value in a Secret is a value; the digest of a manifest says nothing about its data."""
    one = {"kind": "Secret", "metadata": {"name": "s", "annotations": {"n": "1"}}, "data": {"k": "", "l": "c2VjcmV0"}}
    other = {**one, "data": {"k": "eA=="}}
    stamped = stamp(one)
    assert stamped["data"] == one["data"]
    assert stamped["metadata"]["annotations"]["n"] == "1"
    assert stamp(other)["metadata"] == stamped["metadata"]
    assert digest(one) == digest({**one, "stringData": {"x": "y"}})
    assert one["metadata"]["annotations"] == {"n": "1"}


def test_digest_sees_what_is_no_longer_asked_for() -> None:
    """Order of keys is no difference, absence of a field is."""
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest({"a": 1, "b": 2}) != digest({"a": 1})
