"""The judgement of `outfitter check`. Its reads are tested on a real server: tests/integration/test_cli_check.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest

from outfitter.api.v1alpha1 import ALL_KINDS
from outfitter.cli.check import cluster, definitions, operator, policies, project, rights
from outfitter.cli.check.definitions import Versions
from outfitter.cli.check.findings import Finding
from outfitter.cli.installation import Installation
from outfitter.codegen.admission.policies import IDENTITY_POLICIES, POLICIES, PROJECT_POLICIES
from outfitter.codegen.crd import crd_for
from outfitter.installed import crd_digest, installed, policy_digest
from outfitter.settings import Settings

Body = dict[str, Any]
SAME = Versions("0.1.0", "0.1.0")
ABOUT = installed()
SERVED = [{"type": "Established", "status": "True"}, {"type": "NamesAccepted", "status": "True"}]


def deployment(namespace: str = "outfitter-system", name: str = "outfitter", **settings: str) -> Body:
    labels = {"app.kubernetes.io/version": "0.1.0", "app.kubernetes.io/instance": "outfitter"}
    env = [{"name": f"OUTFITTER_{key.upper()}", "value": value} for key, value in settings.items()]
    container = {"name": "outfitter", "image": "registry.example.com/outfitter:0.1.0", "args": ["run"], "env": env}
    return {
        "metadata": {"namespace": namespace, "name": name, "labels": labels, "generation": 1},
        "spec": {"replicas": 1, "template": {"spec": {"serviceAccountName": "outfitter", "containers": [container]}}},
        "status": {"observedGeneration": 1, "availableReplicas": 1},
    }


def installation(namespace: str = "outfitter-system", **settings: str) -> Installation:
    return Installation(namespace, deployment(namespace, **settings))


def default(name: str) -> str:
    return str(Settings.model_fields[name].default)


def setting(**given: str) -> Callable[[str], str]:
    return lambda name: given.get(name, default(name))


def named(name: str, **annotations: str) -> Body:
    return {"metadata": {"name": name, "annotations": annotations}}


def shown(found: Finding) -> tuple[str, str]:
    return found.state, found.message


# -- the cluster -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("major", "minor", "state"), [("1", "33", "ok"), ("1", "36+", "ok"), ("1", "32", "problem"), ("", "", "ok")]
)
def test_the_oldest_version_is_that_of_the_chart(major: str, minor: str, state: str) -> None:
    found = cluster.version_finding({"major": major, "minor": minor}, "https://server", ABOUT.kubernetes)
    assert found.state == state


def test_features_follow_the_version() -> None:
    old = cluster.feature_findings({"major": "1", "minor": "34"}, mutating=False)
    new = cluster.feature_findings({"major": "1", "minor": "36"}, mutating=True)
    assert [item.state for item in (*old, *new)] == ["note", "note", "ok", "ok"]


DEFAULT_INGRESS = named("nginx", **{"ingressclass.kubernetes.io/is-default-class": "true"})


@pytest.mark.parametrize(
    ("classes", "given", "expected"),
    [
        ([], {}, ("note", "settings.domain is not set")),
        ([], {"domain": "x.example"}, ("problem", "Install an ingress controller")),
        ([named("a")], {"domain": "x.example"}, ("problem", "Set settings.ingressClass to one of a")),
        (
            [named("a")],
            {"domain": "x.example", "ingress_class": "b"},
            ("problem", "IngressClass b of"),
        ),
        ([named("a")], {"domain": "x.example", "ingress_class": "a"}, ("ok", "Ingresses get class a")),
        ([DEFAULT_INGRESS], {"domain": "x.example"}, ("ok", "Ingresses get class nginx")),
        ([], None, ("note", "No IngressClass is the default")),
    ],
)
def test_ingress(classes: list[Body], given: Mapping[str, str] | None, expected: tuple[str, str]) -> None:
    found = cluster.ingress_finding(classes, None if given is None else setting(**given))
    assert (found.state, expected[1] in found.message) == (expected[0], True), found


def test_storage_and_gpus() -> None:
    mark = {"storageclass.kubernetes.io/is-default-class": "true"}
    classes = [{"metadata": {"name": name, "annotations": mark}} for name in ("a", "b")]
    assert [cluster.storage_finding(classes[:number]).state for number in (0, 1, 2)] == ["note", "ok", "note"]
    node = {"status": {"allocatable": {"cpu": "8", "nvidia.com/gpu": "4", "nvidia.com/mig-1g.5gb": "0"}}}
    assert shown(cluster.gpu_finding([node, node])) == ("ok", "The nodes offer 8 nvidia.com/gpu.")
    assert cluster.gpu_finding([{"status": {}}]).state == "note"
    # The API server shortens quantities. Device plugins count memory and shares as well.
    shares = {"status": {"allocatable": {"nvidia.com/gpumem": "80k", "nvidia.com/gpu.shared": "1Ki"}}}
    assert "1024 nvidia.com/gpu.shared, 80000 nvidia.com/gpumem" in cluster.gpu_finding([shares]).message


@pytest.mark.parametrize(
    ("given", "groups", "problems"),
    [
        ({}, [], 0),
        ({"gpu_backend": "kai", "queue_backend": "kai"}, [], 1),
        ({"gpu_backend": "kai"}, ["scheduling.run.ai"], 0),
        ({"queue_backend": "kueue"}, ["scheduling.run.ai"], 1),
        ({"gpu_backend": "dra"}, [], 1),
        ({"gpu_backend": "hami"}, ["resource.k8s.io"], 1),
    ],
)
def test_backends_are_needed_where_a_setting_asks(given: dict[str, str], groups: list[str], problems: int) -> None:
    found = cluster.backend_findings(groups, [named("node")], setting(**given))
    assert sum(item.state == "problem" for item in found) == problems


def test_hami_marks_its_nodes() -> None:
    node = named("node", **{"hami.io/node-nvidia-register": "[]"})
    (found, *_) = cluster.backend_findings([], [node], setting(gpu_backend="hami"))
    assert found.state == "ok"


# -- CRDs --------------------------------------------------------------------------------------------------------------


def live_crds(label: str = "0.1.0") -> dict[str, Body | None]:
    """As the API server has them: with defaults of its own."""
    found: dict[str, Body | None] = {}
    for kind in ALL_KINDS:
        crd = deepcopy(crd_for(kind))
        crd["metadata"]["labels"] = {"app.kubernetes.io/version": label}
        crd["spec"]["conversion"] = {"strategy": "None"}
        crd["status"] = {"conditions": SERVED, "storedVersions": ["v1alpha1"]}
        found[kind.plural] = crd
    return found


def test_the_digests_are_those_of_the_generators() -> None:
    assert {kind.plural: crd_digest(crd_for(kind)) for kind in ALL_KINDS} == ABOUT.crds
    assert set(ABOUT.policies) == {*POLICIES, *PROJECT_POLICIES, *IDENTITY_POLICIES}
    assert [item.state for item in definitions.crd_findings(live_crds(), ABOUT.crds, SAME)] == ["ok"]


def _conflict(crd: Body) -> None:
    crd["status"]["conditions"] = [{"type": "NamesAccepted", "status": "False", "message": '"wsp" is already in use'}]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda crd: crd["metadata"].update(deletionTimestamp="x"), "is being deleted"),
        (lambda crd: crd["status"].update(conditions=[]), "condition Established=False"),
        (_conflict, '"wsp" is already in use. Rename'),
        (lambda crd: crd["spec"].update(conversion={"strategy": "Webhook"}), "by a webhook"),
        (lambda crd: crd["status"].update(storedVersions=["v1alpha0", "v1alpha1"]), "objects of version v1alpha0"),
        (lambda crd: crd["spec"]["versions"][0].update(served=False), "does not serve version v1alpha1"),
        (lambda crd: crd["spec"]["versions"][0].update(additionalPrinterColumns=[]), "was edited"),
        (lambda crd: crd["status"].update(conditions=[*SERVED, {"type": "NonStructuralSchema", "status": "True"}]),
         "NonStructuralSchema=True"),
    ],
)  # fmt: skip
def test_a_broken_crd_is_named(change: Callable[[Body], None], text: str) -> None:
    crds = live_crds()
    changed = crds["workspaces"]
    assert changed is not None
    change(changed)
    (found,) = definitions.crd_findings(crds, ABOUT.crds, SAME)
    assert found.message.startswith("CustomResourceDefinition workspaces.outfitter.dev ")
    assert (found.state, text in found.message) == ("problem", True), found


def _spec(crd: Body) -> Body:
    spec: Body = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    return spec


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        (lambda crd: _spec(crd).pop("description"), "spec.description (missing)"),
        (lambda crd: _spec(crd)["image"].update(maxLength=7), "spec.image (maxLength)"),
        (lambda crd: _spec(crd)["ports"]["items"]["properties"].update(foreign={"type": "string"}),
         "spec.ports[].foreign (not in this version)"),
        (lambda crd: crd["spec"]["versions"][0]["additionalPrinterColumns"].pop(), "additionalPrinterColumns"),
        (lambda crd: _spec(crd).clear(), "spec.annotations (missing), spec.args (missing), spec.assets (missing) and"),
    ],
)  # fmt: skip
def test_the_fields_of_an_edited_crd_are_named(change: Callable[[Body], object], fields: str) -> None:
    crds = live_crds()
    changed = crds["workspaces"]
    assert changed is not None
    change(changed)
    (found,) = definitions.crd_findings(crds, ABOUT.crds, SAME)
    assert f"was edited: its schema is not that of version 0.1.0. It differs in {fields}" in found.message


def test_crds_of_another_version() -> None:
    """Newer ones belong to the operator; others are wrong. Their digests are not known here."""
    other = dict.fromkeys(ABOUT.crds, "another")
    newer = definitions.crd_findings(live_crds("0.2.0"), other, Versions("0.1.0", "0.2.0"))
    assert [item.state for item in newer] == ["note"]
    older = definitions.crd_findings(live_crds("0.0.9"), other, SAME)
    assert {item.state for item in older} == {"problem"}
    assert "is of version 0.0.9, and the operator of version 0.1.0" in older[0].message
    (none,) = definitions.crd_findings(dict.fromkeys(ABOUT.crds), ABOUT.crds, SAME)
    assert "Install Outfitter" in none.message


def test_without_rights_discovery_shows_what_is_missing() -> None:
    found = definitions.served_findings(frozenset(ABOUT.crds) - {"trainings"}, ABOUT.crds, SAME)
    assert [item.state for item in found] == ["problem", "note"]
    assert "does not serve trainings." in found[0].message


# -- the installation --------------------------------------------------------------------------------------------------


def test_names_follow_the_chart() -> None:
    """Outside outfitter-system, the names of cluster-wide objects begin with the namespace."""
    found = installation("ml", watch_namespaces="team-a, team-b", lease_name="second")
    assert found.cluster_name == "ml-outfitter"
    assert found.lease == ("ml", "second")
    assert found.watched == ("ml", "team-a", "team-b")
    assert [found.serves(name) for name in ("team-a", "other")] == [True, False]
    assert installation().serves("other")


def test_the_last_variable_of_a_name_counts() -> None:
    body = deployment(gpu_backend="none")
    env = body["spec"]["template"]["spec"]["containers"][0]["env"]
    field = {"fieldRef": {"fieldPath": "metadata.namespace"}}
    env += [
        {"name": "OUTFITTER_GPU_BACKEND", "value": "kai"},
        {"name": "OUTFITTER_SYSTEM_NAMESPACE", "value": "shared"},
        {"name": "OUTFITTER_LEASE_NAMESPACE", "valueFrom": field},
    ]
    found = Installation("ml", body)
    assert (found.setting("gpu_backend"), found.shared, found.lease) == ("kai", "shared", ("ml", "outfitter"))


@pytest.mark.parametrize(
    ("spec", "status", "state"),
    [
        ({}, {}, "ok"),
        ({"replicas": 0}, {"availableReplicas": 0}, "problem"),
        ({}, {"availableReplicas": 0}, "problem"),
        ({"replicas": 2}, {}, "note"),
        ({}, {"observedGeneration": 0}, "note"),
    ],
)
def test_the_deployment(spec: Body, status: Body, state: str) -> None:
    body = deployment()
    body["spec"].update(spec)
    body["status"].update(status)
    assert operator.deployment_finding(Installation("outfitter-system", body)).state == state


def _lease(renewed: str, holder: str = "a") -> Body:
    return {"spec": {"holderIdentity": holder, "renewTime": renewed, "leaseDurationSeconds": 15}}


def test_a_lease_is_judged_by_its_renewal_not_by_the_local_clock() -> None:
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert operator.is_fresh(_lease("2026-01-01T11:59:50.000000Z"), now)
    assert not operator.is_fresh(_lease("2026-01-01T10:00:00.000000Z"), now)
    old, later = _lease("2026-01-01T10:00:00Z"), _lease("2026-01-01T10:00:05Z")
    cases = {
        "problem": ((None, None), (_lease("x", ""), None), (old, old)),
        "ok": ((old, later),),
    }
    for state, pairs in cases.items():
        for before, after in pairs:
            assert operator.lease_finding("s/outfitter", before, after, fresh=False).state == state


def test_no_lease_holds_the_command_up() -> None:
    assert operator.look_seconds(_lease("x")) == 15
    assert operator.look_seconds({"spec": {"leaseDurationSeconds": 2**31 - 1}}) <= 60


def test_versions_of_operator_and_command() -> None:
    states = [operator.skew_finding(Versions("0.1.0", other)).state for other in ("0.1.0", "0.2.0", "")]
    assert states == ["ok", "note", "note"]


def _policy_objects(names: list[str]) -> policies.PolicyObjects:
    labels = {"app.kubernetes.io/version": "0.1.0"}
    validating = {name: {"metadata": {"name": name, "labels": labels}, "spec": {}} for name in names}
    bindings = {name: {"spec": {"policyName": name, "validationActions": ["Deny"]}} for name in names}
    return policies.PolicyObjects(validating, bindings, {}, {}, mutating_served=False)


def test_policies_that_are_off_are_a_note() -> None:
    digests = {end: policy_digest({}) for end in ("protect", "labels")}
    found = policies.policy_findings(_policy_objects(["outfitter-protect"]), digests, installation(), SAME)
    assert [item.state for item in found] == ["ok", "note"]
    assert "off: labels." in found[1].message


def test_policies_of_a_namespaced_installation_have_its_names() -> None:
    objects = _policy_objects(["ml-outfitter-protect"])
    (found,) = policies.policy_findings(objects, {"protect": policy_digest({})}, installation("ml"), SAME)
    assert found.state == "ok"


def test_a_binding_of_another_policy_is_named() -> None:
    objects = _policy_objects(["outfitter-protect"])
    objects.validating_bindings["outfitter-protect"]["spec"]["policyName"] = "other"
    (found,) = policies.policy_findings(objects, {"protect": ""}, installation(), SAME)
    assert found.message.startswith("ValidatingAdmissionPolicyBinding outfitter-protect binds policy other")


def test_the_account_and_namespace_are_placeholders() -> None:
    mine = {"a": "x == 'system:serviceaccount:ml:bot'", "b": "y == 'ml'", "c": []}
    theirs = {"a": "x == 'system:serviceaccount:OPERATOR'", "b": "y == 'NAMESPACE-OF-SHARED-ASSETS'"}
    assert policy_digest(mine, "system:serviceaccount:ml:bot", "ml") == policy_digest(theirs)
    assert policy_digest({**mine, "c": ["new"]}, "system:serviceaccount:ml:bot", "ml") != policy_digest(theirs)


def test_rights_follow_the_settings() -> None:
    def resources(**settings: str) -> set[tuple[str, str]]:
        return {(right.resource, right.namespace) for right in rights.operator_rights(installation(**settings))}

    assert ("persistentvolumes", "") not in resources()
    assert ("persistentvolumes", "") in resources(static_pv_drivers="x.csi.example.com")
    assert ("roles", "") in resources(shared_roles="true") - resources()
    watched = resources(watch_namespaces="team-a")
    assert ("workspaces", "team-a") in watched
    assert not {place for _, place in watched} & {""}
    needed = rights.operator_rights(installation())
    (found,) = rights.operator_finding(
        installation(), needed, [right for right in needed if right.resource == "jobsets"]
    )
    assert found.state == "note"


# -- a namespace -------------------------------------------------------------------------------------------------------


def test_the_label_of_a_project() -> None:
    assert project.label_finding("a", {}, shared=False).state == "note"
    assert project.label_finding("a", {}, shared=True).state == "ok"
    labels = {"outfitter.dev/project": "x", "outfitter.dev/department": "d"}
    assert shown(project.label_finding("a", labels, shared=False)) == (
        "ok",
        "Namespace a is project x of department d.",
    )


def test_elevation_under_pod_security() -> None:
    level = {"pod-security.kubernetes.io/enforce": "restricted"}
    assert project.security_finding("a", level | {"outfitter.dev/elevation": "allowed"}, "inline").state == "note"
    assert "cannot mount nfs" in project.security_finding("a", level, "inline").message
    assert "nfs" not in project.security_finding("a", level, "csi").message


def test_quotas() -> None:
    quota = {"metadata": {"name": "q"}, "status": {"hard": {"pods": "2", "limits.cpu": "4"}, "used": {"pods": "2"}}}
    found = project.quota_findings("a", [quota])
    assert [item.state for item in found] == ["note", "note"]
    assert "pods of ResourceQuota q (2 of 2)" in found[0].message
    assert "counts limits.cpu" in found[1].message
    assert [item.state for item in project.quota_findings("a", [])] == ["ok"]


# -- several installations ---------------------------------------------------------------------------------------------


def test_what_several_installations_share() -> None:
    """One of these is a problem: a Lease, or a namespace. Versions that differ are a note."""
    first, second = installation(), installation("ml", lease_namespace="outfitter-system")
    assert first.lease == second.lease
    (found,) = operator.shared_lease(second, [first, second])
    assert "Lease outfitter-system/outfitter is also that of outfitter-system/outfitter" in found.message
    assert operator.shared_lease(first, [first, installation("ml")]) == []
    assert operator.shared_crds([first, second]) == []
    older = deployment("ml")
    older["metadata"]["labels"]["app.kubernetes.io/version"] = "0.0.9"
    (found,) = operator.shared_crds([first, Installation("ml", older)])
    assert (found.state, "ml/outfitter 0.0.9" in found.message) == ("note", True)
    assert operator.newest(["0.9.0", "0.10.0", ""]) == "0.10.0"
    assert project.rival_findings("team-a", ["a/outfitter"]) == []
    (found,) = project.rival_findings("team-a", ["a/outfitter", "b/outfitter"])
    assert (found.state, "served by 2 installations: a/outfitter, b/outfitter" in found.message) == ("problem", True)
