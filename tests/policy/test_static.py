"""What is wrong with policies: every reason, at its field, for the policy whose fault it is."""

from __future__ import annotations

from typing import Any

import pytest
from chains import broken, chain_of, judge, reasons, tree

GPUS = "compute.gpuDevicesRequest"
CASES: dict[str, tuple[str, list[dict[str, Any]], list[tuple[str, str, str]]]] = {
    "unknown": (
        "workspace",
        [{"rules": {"compute": {"gpuDeviceRequest": {"max": 1}}}}],
        [("project", "compute.gpuDeviceRequest", "unknown")],
    ),
    "unknown rule": ("workspace", [{"rules": tree(GPUS, {"maximum": 1})}], [("project", f"{GPUS}.maximum", "unknown")]),
    "unknown attribute": (
        "workspace",
        [{"defaults": {"storage": {"git": {"attributes": {"Repository": "x"}}}}}],
        [("project", "storage.git.attributes.Repository", "unknown")],
    ),
    "unknown in an instance": (
        "workspace",
        [{"defaults": {"labels": {"instances": [{"name": "a", "valu": "x"}]}}}],
        [("project", "labels.attributes.valu[a]", "unknown")],
    ),
    "unsupported": (
        "inference",
        [{"defaults": {"tty": True}, "rules": {"security": {"hostNetwork": {"canEdit": False}}}}],
        [("project", "security.hostNetwork", "unsupported"), ("project", "tty", "unsupported")],
    ),
    "unsupported group": (
        "workspace",
        [{"rules": {"autoscaling": {"maxReplicas": {"max": 3}}}}],
        [("project", "autoscaling.maxReplicas", "unsupported")],
    ),
    "unsupported attribute": (
        "inference",
        [{"defaults": {"storage": {"pvc": {"attributes": {"ephemeral": True}}}}}],
        [("project", "storage.pvc.attributes.ephemeral", "unsupported")],
    ),
    "harmless": ("inference", [{"defaults": {"storage": {"pvc": {"attributes": {"ephemeral": False}}}}}], []),
    "section of another type": (
        "workspace",
        [{"rules": {"worker": {"image": {"required": True}}}}],
        [("project", "worker", "unsupported")],
    ),
    "no section": ("distributed", [{"rules": {"image": {"required": True}}}], [("project", "image", "unsupported")]),
    "worker field of the master": (
        "distributed",
        [{"rules": {"master": {"numWorkers": {"max": 1}}}}],
        [("project", "master.numWorkers", "unsupported")],
    ),
    "min above max": ("workspace", [{"rules": tree(GPUS, {"min": 3, "max": 2})}], [("project", GPUS, "min-above-max")]),
    "min above max by value": (
        "workspace",
        [{"rules": tree("compute.cpuMemoryRequest", {"min": "1Gi", "max": "1G"})}],
        [("project", "compute.cpuMemoryRequest", "min-above-max")],
    ),
    "min is max": ("workspace", [{"rules": tree("compute.cpuMemoryRequest", {"min": "1G", "max": "1000M"})}], []),
    "step": ("workspace", [{"rules": tree(GPUS, {"step": 0})}], [("project", GPUS, "step")]),
    "options empty": (
        "workspace",
        [{"rules": tree("image", {"options": []})}],
        [("project", "image", "options-empty")],
    ),
    "option outside the enum": (
        "workspace",
        [{"rules": tree("imagePullPolicy", {"options": [{"value": "always"}]})}],
        [("project", "imagePullPolicy", "rule-unsupported")],
    ),
    "default violates": (
        "workspace",
        [{"defaults": tree(GPUS, 9), "rules": tree(GPUS, {"max": 8, "step": 2})}],
        [("project", GPUS, "default-violates-max"), ("project", GPUS, "default-violates-step")],
    ),
    "default violates a wider rule": (
        "workspace",
        [{"scope": "tenant", "rules": tree(GPUS, {"max": 8})}, {"defaults": tree(GPUS, 9)}],
        [("project", GPUS, "default-violates-max")],
    ),
    "rule forbids a wider default": (
        "workspace",
        [{"scope": "tenant", "defaults": tree(GPUS, 9)}, {"rules": tree(GPUS, {"max": 8})}],
        [("project", GPUS, "default-violates-max")],
    ),
    "a wider default that does not count": (
        "workspace",
        [{"scope": "tenant", "defaults": tree(GPUS, 9)}, {"defaults": tree(GPUS, 1), "rules": tree(GPUS, {"max": 8})}],
        [],
    ),
    "instance violates": (
        "workspace",
        [
            {
                "defaults": {"ports": {"instances": [{"name": "a", "container": 80}]}},
                "rules": {"ports": {"attributes": {"container": {"min": 1024}}}},
            }
        ],
        [("project", "ports.attributes.container[a]", "default-violates-min")],
    ),
    "default and defaultFrom": (
        "workspace",
        [
            {
                "defaults": {"compute": {"cpuCoreLimit": 2}},
                "rules": {"compute": {"cpuCoreLimit": {"defaultFrom": {"field": "cpuCoreRequest"}}}},
            }
        ],
        [("project", "compute.cpuCoreLimit", "default-and-defaultFrom")],
    ),
    "default of another policy and defaultFrom": (
        "workspace",
        [
            {"scope": "tenant", "defaults": {"compute": {"cpuCoreLimit": 2}}},
            {"rules": {"compute": {"cpuCoreLimit": {"defaultFrom": {"field": "cpuCoreRequest"}}}}},
        ],
        [],
    ),
    "no source": (
        "workspace",
        [{"rules": tree(GPUS, {"defaultFrom": {"field": "compute.gpus"}})}],
        [("project", GPUS, "defaultFrom-source")],
    ),
    "source of another section": (
        "workspace",
        [{"rules": tree(GPUS, {"defaultFrom": {"field": "backoffLimit"}})}],
        [("project", GPUS, "defaultFrom-source")],
    ),
    "source of another type": (
        "workspace",
        [{"rules": tree(GPUS, {"defaultFrom": {"field": "cpuMemoryLimit"}})}],
        [("project", GPUS, "defaultFrom-source")],
    ),
    "cycle": (
        "workspace",
        [
            {
                "rules": {
                    "compute": {
                        "cpuCoreLimit": {"defaultFrom": {"field": "cpuCoreRequest"}},
                        "cpuCoreRequest": {"defaultFrom": {"field": "compute.cpuCoreLimit"}},
                    }
                }
            }
        ],
        [
            ("project", "compute.cpuCoreLimit", "defaultFrom-cycle"),
            ("project", "compute.cpuCoreRequest", "defaultFrom-cycle"),
        ],
    ),
    "rule of a wider scope": (
        "workspace",
        [
            {"scope": "cluster", "rules": {"labels": {"instances": {"canAdd": False}}}},
            {"scope": "department", "rules": {"labels": {"instances": {"locked": ["a"]}}}},
        ],
        [("department", "labels.instances", "rule-owned-by-cluster")],
    ),
    "default below a fixed one": (
        "workspace",
        [
            {
                "scope": "tenant",
                "defaults": {"security": {"hostNetwork": False}},
                "rules": {"security": {"hostNetwork": {"canEdit": False}}},
            },
            {"defaults": {"security": {"hostNetwork": True}}},
        ],
        [("project", "security.hostNetwork", "rule-owned-by-tenant")],
    ),
    "attribute below a fixed one": (
        "workspace",
        [
            {
                "scope": "tenant",
                "defaults": {"storage": {"nfs": {"attributes": {"readOnly": True}}}},
                "rules": {"storage": {"nfs": {"attributes": {"readOnly": {"canEdit": False}}}}},
            },
            {
                "defaults": {
                    "storage": {
                        "nfs": {"attributes": {"readOnly": False}, "instances": [{"name": "d", "readOnly": False}]}
                    }
                }
            },
        ],
        [
            ("project", "storage.nfs.attributes.readOnly", "rule-owned-by-tenant"),
            ("project", "storage.nfs.attributes.readOnly[d]", "rule-owned-by-tenant"),
        ],
    ),
    "instance below a locked one": (
        "workspace",
        [
            {
                "scope": "tenant",
                "defaults": {"labels": {"instances": [{"name": "cost", "value": "x"}]}},
                "rules": {"labels": {"instances": {"locked": ["cost"]}}},
            },
            {"defaults": {"labels": {"instances": [{"name": "cost", "exclude": True}]}}},
        ],
        [("project", "labels.instances[cost]", "rule-owned-by-tenant")],
    ),
    "imposed with an unknown field": (
        "workspace",
        [{"imposedAssets": [{"name": "data", "mountPath": "/d", "scop": "cluster", "scope": None}, "other", {}]}],
        [
            ("project", "imposedAssets[1]", "unsupported"),
            ("project", "imposedAssets[2].name", "unsupported"),
            ("project", "imposedAssets[data].mountPath", "unknown"),
            ("project", "imposedAssets[data].scop", "unknown"),
        ],
    ),
    "imposed with an unknown field, distributed": (
        "distributed",
        [{"imposedAssets": {"worker": [{"name": "data", "path": "/d"}], "master": {"name": "data"}}}],
        [
            ("project", "master.imposedAssets", "unsupported"),
            ("project", "worker.imposedAssets[data].path", "unknown"),
        ],
    ),
    "imposed in the wrong shape": (
        "workspace",
        [{"imposedAssets": {"worker": []}}],
        [("project", "imposedAssets", "unsupported")],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_reasons(name: str) -> None:
    """Exactly these errors."""
    workload_type, policies, expected = CASES[name]
    assert reasons(*policies, workload_type=workload_type) == expected


def test_the_wider_policy_wins_over_a_narrower_default() -> None:
    """The value of the tenant stays."""
    _, policies, _ = CASES["default below a fixed one"]
    assert judge({}, *policies).effective == {"security": {"hostNetwork": False}}
    assert broken({"security": {"hostNetwork": True}}, *policies) == ["security.hostNetwork canEdit"]
    _, policies, _ = CASES["instance below a locked one"]
    assert judge({}, *policies).effective == {"labels": [{"name": "cost", "value": "x"}]}


def test_a_narrower_policy_may_exclude_what_is_not_locked() -> None:
    wide = {
        "scope": "tenant",
        "defaults": {"labels": {"instances": [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}]}},
    }
    narrow = {"defaults": {"labels": {"instances": [{"name": "a", "exclude": True}]}}}
    assert reasons(wide, narrow) == []
    assert judge({}, wide, narrow).effective == {"labels": [{"name": "b", "value": "2"}]}


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("compute.gpuDeviceRequest", "gpuDevicesRequest"),
        ("largeShmRequest", "compute.largeShmRequest"),
        ("exposeUrls", "exposedUrls"),
        ("security.runasGid", "runAsGid"),
        ("storage.configMapVolumes", "configMapVolume"),
    ],
)
def test_did_you_mean(path: str, hint: str) -> None:
    """The spellings of the published page."""
    (error,) = chain_of({"rules": tree(path, {"required": True})})[1]
    assert f"Did you mean {hint}?" in error.message


@pytest.mark.parametrize(
    ("path", "instead"),
    [
        ("storage.git.attributes.passwordSecret", "secretRef.name"),
        ("storage.git.attributes.secretKeyOfUser", "secretRef.secretKeyOfUser"),
        ("storage.git.attributes.secretKeyOfPassword", "secretRef.secretKeyOfPassword"),
        ("tolerations.attributes.exclude", "locked in the rules of instances, or exclude in an instance"),
        ("storage.nfs.attributes.exclude", "locked in the rules of instances, or exclude in an instance"),
    ],
)
def test_names_of_the_reference_that_have_another_place(path: str, instead: str) -> None:
    """As a rule, as a default of an attribute, and in an item; of an unknown name the message says nothing of it."""
    policies = [{"rules": tree(path, {"canEdit": False})}, {"defaults": tree(path, True)}]
    field, _, name = path.partition(".attributes.")
    if name != "exclude":
        policies.append({"defaults": tree(field, {"instances": [{"name": "a", name: "x"}]})})
    for policy in policies:
        (error,) = chain_of(policy)[1]
        assert (error.reason, error.message.endswith(f"Use {instead}.")) == ("unknown", True), error.message
    (error,) = chain_of({"rules": tree("storage.git.attributes.other", {"canEdit": False})})[1]
    assert "Use" not in error.message


def test_conflicts_do_not_make_a_policy_invalid() -> None:
    """All other errors do."""
    _, policies, _ = CASES["rule of a wider scope"]
    assert [error.conflict for error in chain_of(*policies)[1]] == [True]
    assert [error.conflict for error in chain_of({"rules": {"x": {}}})[1]] == [False]
