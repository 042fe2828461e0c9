"""What policies make of a submission, beyond the vectors."""

from __future__ import annotations

from typing import Any

import pytest
from chains import broken, chain_of, judge, reasons, tree
from hypothesis import given
from hypothesis import strategies as st

from outfitter.policy.chain import Policy, effective_policy
from outfitter.policy.imposed import ImposedAsset
from outfitter.policy.published import effective_spec
from outfitter.policy.rule import Source
from outfitter.policy.submission import apply_policy


def _env(**more: Any) -> dict[str, Any]:
    return {"environmentVariables": [{"name": "A", **more}]}


def test_another_source_of_a_variable_replaces_the_default_one() -> None:
    default = {"defaults": {"environmentVariables": {"instances": [{"name": "A", "value": "1", "description": "d"}]}}}
    secret = {"name": "s", "key": "k"}
    assert judge(_env(secret=secret), default).effective == _env(description="d", secret=secret)
    assert judge(_env(description="e"), default).effective == _env(value="1", description="e")
    narrow = {"defaults": {"environmentVariables": {"instances": [{"name": "A", "credential": secret}]}}}
    wide = {**default, "scope": "tenant"}
    assert judge({}, wide, narrow).effective == _env(description="d", credential=secret)


def test_a_login_replaces_the_default_login_and_its_fixed_name() -> None:
    git = {"defaults": {"storage": {"git": {"attributes": {"credential": {"name": "shared"}}}}}}
    fixed = {**git, "rules": {"storage": {"git": {"attributes": {"credential": {"name": {"canEdit": False}}}}}}}
    mine = {"storage": {"git": [{"name": "a", "path": "/a", "secretRef": {"name": "mine"}}]}}
    assert judge(mine, git).effective == mine
    assert broken(mine, fixed) == ["storage.git.attributes.credential.name[a] canEdit"]


@pytest.mark.parametrize(
    ("source", "factor", "expected"),
    [
        ("1Gi", 0.5, "512Mi"),
        ("8G", 0.5, "4G"),
        ("3", 0.5, "2"),
        ("1000M", 1, "1G"),
        ("1Gi", 0.3, "322122548"),
        (1000, 2, "2k"),
        ("1K", 3, "3k"),
        ("1.5Gi", 1, "1536Mi"),
        ("0", 1, "0"),
        ("500m", 1, "1"),
        ("2Ti", 0.5, "1Ti"),
        ("1e3", 1, "1k"),
    ],
)
def test_a_derived_quantity(source: Any, factor: float, expected: str) -> None:
    """The family of the source, in the largest unit that gives an integer, else bytes rounded up."""
    rule = {"rules": tree("compute.cpuMemoryRequest", {"defaultFrom": {"field": "cpuMemoryLimit", "factor": factor}})}
    found = judge(tree("compute.cpuMemoryLimit", source), rule).effective
    assert found["compute"]["cpuMemoryRequest"] == expected


def test_derived_defaults_in_a_row() -> None:
    """Each after its source, whatever the order of the fields; decimals stay exact."""
    rules = {
        "compute": {
            "gpuPortionRequest": {"defaultFrom": {"field": "gpuPortionLimit", "factor": 0.1}},
            "cpuCoreRequest": {"defaultFrom": {"field": "cpuCoreLimit", "factor": 0.1}, "step": 0.1},
            "cpuCoreLimit": {"defaultFrom": {"field": "gpuDevicesRequest", "factor": 3}},
        }
    }
    found = judge({"compute": {"gpuDevicesRequest": 1, "gpuPortionLimit": 0.3}}, {"rules": rules})
    assert found.violations == ()
    assert found.effective["compute"] == {
        "gpuDevicesRequest": 1,
        "gpuPortionLimit": 0.3,
        "cpuCoreLimit": 3,
        "cpuCoreRequest": 0.3,
        "gpuPortionRequest": 0.03,
    }


def test_a_derived_default_that_cannot_be_changed() -> None:
    rule = {"rules": tree("compute.cpuMemoryRequest", {"canEdit": False, "defaultFrom": {"field": "cpuMemoryLimit"}})}
    assert broken({"compute": {"cpuMemoryLimit": "1G", "cpuMemoryRequest": "1000M"}}, rule) == []
    assert broken({"compute": {"cpuMemoryLimit": "1G", "cpuMemoryRequest": "1Gi"}}, rule) == [
        "compute.cpuMemoryRequest canEdit"
    ]
    assert broken({"compute": {"cpuMemoryRequest": "1G"}}, rule) == ["compute.cpuMemoryRequest canEdit"]


def test_a_derived_attribute_is_of_the_same_item() -> None:
    rule = {"rules": {"ports": {"attributes": {"external": {"defaultFrom": {"field": "container"}, "min": 1024}}}}}
    found = judge({"ports": [{"container": 8080}, {"name": "b", "container": 80}]}, rule)
    assert [item["external"] for item in found.effective["ports"]] == [8080, 80]
    assert [(item.field, item.rule) for item in found.violations] == [("ports.attributes.external[b]", "min")]


def test_items_without_a_name_are_what_they_mount() -> None:
    nfs = {"server": "s", "path": "/p", "mountPath": "/m"}
    assert broken({"storage": {"nfs": [nfs, nfs]}}) == ["storage.nfs.instances[s|/p|/m] duplicate"]
    assert broken({"storage": {"git": [{"path": "/a"}, {"path": "/a"}]}}) == ["storage.git.instances[/a] duplicate"]
    assert broken({"ports": [{"container": 1}, {"container": 1}]}) == ["ports.instances[1] duplicate"]
    default = {
        "defaults": tree("storage.nfs", {"instances": [nfs]}),
        "rules": tree("storage.nfs", {"instances": {"canAdd": False}}),
    }
    assert judge({"storage": {"nfs": [{**nfs, "readOnly": False}]}}, default).effective == {
        "storage": {"nfs": [{**nfs, "readOnly": False}]}
    }
    assert judge({"storage": {"nfs": [{**nfs, "exclude": True}]}}, default).effective == {}


def test_true_is_not_one_and_an_alias_is_its_value() -> None:
    fixed = {
        "defaults": {"security": {"uidGidSource": "idpToken"}},
        "rules": {"security": {"uidGidSource": {"canEdit": False, "options": [{"value": "fromIdpToken"}]}}},
    }
    assert reasons(fixed) == []
    assert broken({"security": {"uidGidSource": "fromIdpToken"}}, fixed) == []
    assert broken({"security": {"uidGidSource": "custom"}}, fixed) == [
        "security.uidGidSource canEdit",
        "security.uidGidSource options",
    ]
    gpus = {
        "defaults": tree("compute.gpuDevicesRequest", 1),
        "rules": tree("compute.gpuDevicesRequest", {"canEdit": False}),
    }
    assert broken(tree("compute.gpuDevicesRequest", True), gpus) == ["compute.gpuDevicesRequest canEdit"]


def _imposing(submission: dict[str, Any], *assets: ImposedAsset, workload_type: str = "workspace") -> Any:
    policy, errors = effective_policy([Policy(Source("tenant"), workload_type, {}, assets)], workload_type)
    return apply_policy(policy, submission), errors


NFS = ImposedAsset("ds", "nfs", {"name": "ds", "server": "s", "path": "/p", "mountPath": "/data"})


def test_imposed_assets_are_last_and_fixed() -> None:
    mine = {"name": "mine", "server": "s", "path": "/q", "mountPath": "/mine"}
    found, _ = _imposing({"storage": {"nfs": [mine]}}, NFS)
    assert found.effective == {"storage": {"nfs": [mine, dict(NFS.volume)]}}
    for item, rules in (
        ({"name": "ds", "exclude": True}, ["locked"]),
        ({"name": "ds", "readOnly": False}, ["locked"]),
        (dict(NFS.volume), []),
        ({**mine, "mountPath": "/data/"}, ["mountPath"]),
    ):
        found, _ = _imposing({"storage": {"nfs": [item]}}, NFS)
        assert [violation.rule for violation in found.violations] == rules, item
        assert found.effective["storage"]["nfs"][-1] == NFS.volume


def test_a_mount_path_clash_is_the_fault_of_the_other_volume() -> None:
    claim = {"name": "c", "path": "/data", "claimName": "x", "existingPvc": True}
    found, _ = _imposing({"storage": {"pvc": [claim]}}, NFS)
    assert [(item.field, item.rule) for item in found.violations] == [("storage.pvc.instances[c]", "mountPath")]
    assert "DataSource ds" in found.violations[0].message


def test_what_a_type_cannot_mount_is_noted() -> None:
    bucket = ImposedAsset("b", "s3", {"name": "b", "bucket": "abc", "path": "/b"})
    found, errors = _imposing({"image": "a"}, bucket, workload_type="inference")
    assert (found.effective, found.violations, errors) == ({"image": "a"}, (), ())
    assert "DataSource b" in found.notes[0]


@pytest.mark.parametrize(
    ("asset", "reason"),
    [
        (ImposedAsset("x", "nfs"), "asset-missing"),
        (ImposedAsset("x", "environment", {"image": "a"}), "asset-missing"),
        (ImposedAsset("x", "s3", {"bucket": "abc", "accessKeySecret": "k"}), "credential"),
        (ImposedAsset("x", "git", {"repository": "r", "credential": {"name": "c"}}), "credential"),
        (ImposedAsset("x", "secret-volume", {"mountPath": "/m"}), "credential"),
    ],
)
def test_what_cannot_be_imposed(asset: ImposedAsset, reason: str) -> None:
    found, errors = _imposing({}, asset)
    assert [(error.field, error.reason) for error in errors] == [("imposedAssets[x]", reason)]
    assert found.effective == {}


def test_the_master_gets_what_the_worker_has_and_its_own_rules() -> None:
    policy = {
        "defaults": {"worker": {"image": "w"}, "master": {"image": "m"}},
        "rules": {"master": {"compute": {"gpuDevicesRequest": {"max": 0}}}},
    }
    given = {"masterSpecSameAsWorker": True, "spec": {"numWorkers": 2, "category": "c"}}
    found = judge(given, policy, workload_type="distributed")
    assert found.effective == {
        "spec": {"numWorkers": 2, "category": "c", "image": "w"},
        "masterSpec": {"category": "c", "image": "m"},
    }
    assert judge({"spec": {}}, policy, workload_type="distributed").effective == {"spec": {"image": "w"}}


def test_a_message_names_the_policy_and_the_remedy() -> None:
    source = Source("department", "research", "outfitter-system/research")
    policy, _ = effective_policy(
        [Policy(source, "workspace", {"rules": tree("compute.gpuDevicesRequest", {"max": 2})})], "workspace"
    )
    (violation,) = apply_policy(policy, tree("compute.gpuDevicesRequest", 4)).violations
    assert str(violation) == (
        "compute.gpuDevicesRequest: 4 is more than 2, the most that WorkloadPolicy outfitter-system/research "
        "(department research) allows. Lower it."
    )
    assert (violation.given, violation.allowed) == ("4", "2")


def test_nothing_given_is_changed() -> None:
    """Neither the submission nor the policy."""
    chain = {"defaults": {"nodePools": ["a"], "labels": {"instances": [{"name": "a", "value": "x"}]}}}
    policy, _ = chain_of(chain)
    given: dict[str, Any] = {"compute": {"cpuCoreRequest": None}, "labels": [{"name": "b", "value": "y"}]}
    first = apply_policy(policy, given)
    first.effective["nodePools"].append("b")  # type: ignore[index]
    assert given == {"compute": {"cpuCoreRequest": None}, "labels": [{"name": "b", "value": "y"}]}
    assert apply_policy(policy, given).effective["nodePools"] == ["a"]


def test_the_published_policy_says_the_same_as_the_chain() -> None:
    """An EffectivePolicy is a policy: as a chain of its own it gives the same verdicts."""
    wide = {
        "scope": "tenant",
        "defaults": {
            "image": "a",
            "labels": {"instances": [{"name": "l", "value": "x"}]},
            "storage": {"pvc": {"attributes": {"claimInfo": {"size": "1Gi"}}}},
        },
        "rules": {"labels": {"instances": {"canAdd": False, "locked": ["l"]}}},
    }
    narrow = {
        "defaults": {"image": "b"},
        "rules": {
            "image": {"required": True},
            "storage": {"pvc": {"attributes": {"claimInfo": {"size": {"max": "10Gi"}}}}},
        },
    }
    policy, _ = chain_of(wide, narrow)
    spec = effective_spec(policy)
    assert {(entry["field"], entry["part"], entry["source"]["scope"]) for entry in spec["sources"]} == {
        ("image", "default", "project"),
        ("image", "rule", "project"),
        ("labels.instances", "rule", "tenant"),
        ("labels.instances[l]", "default", "tenant"),
        ("storage.pvc.attributes.claimInfo.size", "default", "tenant"),
        ("storage.pvc.attributes.claimInfo.size", "rule", "project"),
    }
    given = {
        "labels": [{"name": "m"}],
        "storage": {"pvc": [{"path": "/a"}, {"path": "/b", "claimInfo": {"size": "1Ti"}}]},
    }
    again = judge(given, spec)
    first = apply_policy(policy, given)
    assert again.effective == first.effective
    assert [(item.field, item.rule) for item in again.violations] == [
        (item.field, item.rule) for item in first.violations
    ]


GPUS = st.integers(0, 4)
NAMES = st.sampled_from("abc")
LABELS = st.lists(
    st.fixed_dictionaries({"name": NAMES, "value": st.sampled_from("xy")}), unique_by=lambda item: item["name"]
)
POLICY = st.fixed_dictionaries(
    {
        "defaults": st.fixed_dictionaries(
            {},
            optional={
                "compute": st.fixed_dictionaries({"gpuDevicesRequest": GPUS}),
                "nodePools": st.lists(NAMES),
                "labels": st.fixed_dictionaries({"instances": LABELS}),
            },
        ),
        "rules": st.fixed_dictionaries(
            {},
            optional={
                "compute": st.fixed_dictionaries(
                    {
                        "gpuDevicesRequest": st.fixed_dictionaries(
                            {}, optional={"max": GPUS, "min": GPUS, "canEdit": st.booleans(), "required": st.booleans()}
                        )
                    }
                ),
                "labels": st.fixed_dictionaries(
                    {
                        "instances": st.fixed_dictionaries(
                            {}, optional={"canAdd": st.booleans(), "locked": st.lists(NAMES)}
                        )
                    }
                ),
            },
        ),
    }
)
SUBMISSION = st.fixed_dictionaries(
    {},
    optional={
        "compute": st.fixed_dictionaries({"gpuDevicesRequest": GPUS}),
        "nodePools": st.lists(NAMES),
        "labels": LABELS,
    },
)


@given(st.lists(POLICY, max_size=4), SUBMISSION)
def test_what_is_accepted_is_accepted_again(policies: list[dict[str, Any]], submission: dict[str, Any]) -> None:
    """The effective submission is its own effective submission, and violations do not depend on the attempt."""
    scopes = ("tenant", "cluster", "department", "project")
    chain = [{**entry, "scope": scope} for entry, scope in zip(policies, scopes, strict=False)]
    first = judge(submission, *chain)
    assert judge(submission, *chain) == first
    if not first.violations:
        again = judge(dict(first.effective), *chain)
        assert (again.effective, again.violations) == (first.effective, ())


@pytest.mark.parametrize(("size", "wrong"), [("1Gi", False), ("1024Mi", True), ("1073741824", True)])
def test_options_on_quantities_are_exact(size: str, wrong: bool) -> None:
    """Unlike canEdit, which compares amounts."""
    options = {"storage": {"pvc": {"attributes": {"claimInfo": {"size": {"options": [{"value": "1Gi"}]}}}}}}
    volume = {"name": "a", "path": "/p", "claimInfo": {"size": size}}
    policy, _ = effective_policy([Policy(Source("project"), "workspace", {"rules": options})], "workspace")
    found = apply_policy(policy, {"storage": {"pvc": [volume]}}).violations
    assert [item.rule for item in found] == (["options"] if wrong else [])
