"""The chart as Helm renders it. Needs helm on PATH."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from outfitter.api.priorities import PRIORITIES
from outfitter.api.v1alpha1 import KINDS
from outfitter.cluster.access import cluster_rules, namespaced_rules, role_rules, system_rules, volume_rules
from outfitter.codegen.admission.policies import POLICIES, PROJECT_POLICIES
from outfitter.codegen.checkout import RENDERED, rendered
from outfitter.codegen.user_roles import department_rules, ready_roles, shared_namespace_rules
from outfitter.errors import ConfigurationError
from outfitter.settings import Settings

from .conftest import CHART, KUBE_VERSION, ROOT, Helm, Manifest, identity


def _by_identity(manifests: list[Manifest]) -> dict[tuple[str, str, str], Manifest]:
    found = {identity(item): item for item in manifests}
    assert len(found) == len(manifests)
    return found


HELM_LABELS = ("app.kubernetes.io/managed-by", "helm.sh/chart")


def _without_helm_labels(manifest: Manifest) -> Manifest:
    labels = {key: value for key, value in manifest["metadata"]["labels"].items() if key not in HELM_LABELS}
    return {**manifest, "metadata": {**manifest["metadata"], "labels": labels}}


def _only(manifests: list[Manifest], kind: str) -> Manifest:
    (found,) = [item for item in manifests if item["kind"] == kind]
    return found


def _pod(manifests: list[Manifest]) -> Manifest:
    spec: Manifest = _only(manifests, "Deployment")["spec"]["template"]["spec"]
    return spec


def _environment(manifests: list[Manifest]) -> dict[str, Any]:
    return {entry["name"]: entry.get("value") for entry in _pod(manifests)["containers"][0]["env"]}


def test_what_helm_renders_is_current(helm: Helm) -> None:
    """`make generate` was run after the last change of the chart."""
    texts = rendered(ROOT, Path(helm.program))
    assert texts == {name: (ROOT / name).read_text(encoding="utf-8") for name in RENDERED}


def test_install_yaml_is_the_namespace_and_the_chart(helm: Helm, install: list[Manifest]) -> None:
    """Every object, field by field, but the labels and annotations that make it part of a Helm release."""
    chart = _by_identity(
        [_without_helm_labels(item) for item in helm.template("crds.keep=false", "identity.enabled=false")]
    )
    plain = _by_identity(install)
    assert plain.pop(("Namespace", "", "outfitter-system"))
    assert plain == chart


def test_a_chart_that_helm_rejects_gives_no_install_yaml(tmp_path: Path, helm: Helm) -> None:
    """The error has Helm's words."""
    templates = tmp_path / "deploy" / "chart" / "templates"
    templates.mkdir(parents=True)
    shutil.copy(CHART / "Chart.yaml", templates.parent)
    shutil.copytree(CHART / "charts", templates.parent / "charts")
    for helpers in (CHART / "templates").glob("_*.tpl"):
        shutil.copy(helpers, templates)  # the chart of the CRDs needs them
    (templates / "broken.yaml").write_text('{{ fail "no good" }}')
    with pytest.raises(ConfigurationError, match=r"Helm cannot render .*/deploy/chart: .*no good"):
        rendered(tmp_path, Path(helm.program))


def test_lint(helm: Helm) -> None:
    """No warning either."""
    done = helm("lint", str(CHART), "--strict", "--kube-version", KUBE_VERSION)
    assert done.returncode == 0, done.stdout
    assert "[WARNING]" not in done.stdout


def test_crds_are_kept_unless_keep_is_false(helm: Helm) -> None:
    """The keep policy is on each of them; without crds.enabled there are none."""
    policy = "helm.sh/resource-policy"
    for settings, kept in ((), "keep"), (("crds.keep=false",), None):
        crds = [item for item in helm.template(*settings) if item["kind"] == "CustomResourceDefinition"]
        assert {crd["metadata"].get("annotations", {}).get(policy) for crd in crds} == {kept}
    annotated = helm.template(r"crds.annotations.argocd\.argoproj\.io/sync-options=ServerSideApply=true")
    crd = next(item for item in annotated if item["kind"] == "CustomResourceDefinition")
    assert crd["metadata"]["annotations"] == {policy: "keep", "argocd.argoproj.io/sync-options": "ServerSideApply=true"}
    assert not any(item["kind"] == "CustomResourceDefinition" for item in helm.template("crds.enabled=false"))


def test_common_labels_are_on_every_object_but_crds(helm: Helm) -> None:
    """They replace neither the labels of the chart nor those of one object, and select no pods."""
    objects = (
        "metrics.serviceMonitor.enabled=true", "metrics.serviceMonitor.labels.team=monitoring",
        "buildkit.enabled=true", "buildkit.namespace=builds", "buildkit.allowWithoutTls=true",
    )  # fmt: skip
    common = ("commonLabels.team=platform", r"commonLabels.app\.kubernetes\.io/name=other")
    plain, labelled = helm.template(*objects), helm.template(*objects, *common)
    own = {identity(item): item["metadata"].get("labels", {}) for item in plain}
    for item in labelled:
        labels, team = item["metadata"].get("labels", {}), {"team": "platform"}
        more = {} if item["kind"] == "CustomResourceDefinition" else team
        assert labels == more | own[identity(item)], identity(item)
    deployment = _only(labelled, "Deployment")
    assert "team" not in deployment["spec"]["selector"]["matchLabels"]


def test_a_strategy_and_extra_objects(helm: Helm) -> None:
    """Texts in extra objects are templates."""
    extra = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-more"}}
    plain = helm.template("strategy.type=Recreate")
    assert _only(plain, "Deployment")["spec"]["strategy"] == {"type": "Recreate"}
    assert "strategy" not in _only(helm.template(), "Deployment")["spec"]
    added = {identity(item) for item in helm.template(extraObjects=[extra])} - {
        identity(item) for item in helm.template()
    }
    assert added == {("ConfigMap", "", "outfitter-more")}


def test_watch_namespaces_gives_roles_only(helm: Helm) -> None:
    """A Role in each namespace and in the release's own; no ClusterRole but the people's."""
    manifests = helm.template("watchNamespaces={team-a,team-b}", "rbac.aggregate=false", "rbac.roles=false")
    kinds = {item["kind"] for item in manifests}
    assert not kinds & {"ClusterRole", "ClusterRoleBinding"}
    roles = {identity(item)[1:]: item["rules"] for item in manifests if item["kind"] == "Role"}
    served = {(place, "outfitter"): namespaced_rules() for place in ("team-a", "team-b", "outfitter-system")}
    assert roles == {**served, ("outfitter-system", "outfitter-election"): system_rules()}
    bound = {identity(item)[1:] for item in manifests if item["kind"] == "RoleBinding"}
    assert bound == set(roles)
    assert _environment(manifests)["OUTFITTER_WATCH_NAMESPACES"] == "team-a,team-b"


def test_rights_of_some_settings_come_with_them(helm: Helm) -> None:
    """Each by itself and both, in the ClusterRole, and where they are of use in the Roles of watchNamespaces."""
    sharing, storage = "settings.sharedRoles=true", "settings.staticPvDrivers=efs.csi.aws.com"
    buckets = "settings.s3Backend=csi"
    for settings, more in (
        ((), []),
        ((sharing,), role_rules()),
        ((storage,), volume_rules()),
        ((buckets,), volume_rules()),
        ((storage, buckets), volume_rules()),
        ((storage, sharing), volume_rules() + role_rules()),
    ):
        manifests = helm.template(*settings, "rbac.aggregate=false", "rbac.roles=false")
        assert _only(manifests, "ClusterRole")["rules"] == cluster_rules() + more
    manifests = helm.template(sharing, storage, "watchNamespaces={team-a}", "rbac.aggregate=false", "rbac.roles=false")
    found = [item for item in manifests if item["kind"] == "Role" and item["metadata"]["name"] == "outfitter"]
    assert [item["rules"] for item in found] == [namespaced_rules() + role_rules()] * 2
    assert _environment(manifests)["OUTFITTER_SHARED_ROLES"] == "true"


def test_a_namespace_named_twice_is_one(helm: Helm) -> None:
    """Naming the release's own namespace is harmless."""
    manifests = helm.template("watchNamespaces={outfitter-system,team-a}")
    _by_identity(manifests)


def test_the_lease_of_the_role_is_the_lease_of_the_settings(helm: Helm) -> None:
    """A right on another Lease would be of no use."""
    manifests = helm.template("settings.leaseName=other")
    election = next(item for item in manifests if item["metadata"]["name"] == "outfitter-election")
    assert election["rules"] == system_rules("other")
    assert _environment(manifests)["OUTFITTER_LEASE_NAME"] == "other"


def test_numbers_are_written_as_numbers(helm: Helm) -> None:
    """Not as 1e+06, which is no whole number to the operator; fractions stay."""
    found = _environment(helm.template(settings={"resyncSeconds": 1000000, "holdSeconds": 2.5, "ingressTls": False}))
    assert found["OUTFITTER_RESYNC_SECONDS"] == "1000000"
    assert found["OUTFITTER_HOLD_SECONDS"] == "2.5"
    assert found["OUTFITTER_INGRESS_TLS"] == "false"


def test_a_disruption_budget_for_more_than_one(helm: Helm) -> None:
    """With one replica it would block every drain."""
    assert not any(item["kind"] == "PodDisruptionBudget" for item in helm.template())
    budget = _only(helm.template("replicaCount=2"), "PodDisruptionBudget")
    assert budget["spec"]["maxUnavailable"] == 1
    assert not any(
        item["kind"] == "PodDisruptionBudget" for item in helm.template("replicaCount=2", "pdb.enabled=false")
    )


def test_everything_on_selects_the_operators_pod(helm: Helm) -> None:
    """Service, budget, monitor and network policy all select what the Deployment makes."""
    manifests = helm.template(
        "replicaCount=2",
        "metrics.serviceMonitor.enabled=true",
        "metrics.prometheusRule.enabled=true",
        "networkPolicy.enabled=true",
        "networkPolicy.egressPorts={4318}",
    )
    deployment = _only(manifests, "Deployment")
    labels, selector = (
        deployment["spec"]["template"]["metadata"]["labels"],
        deployment["spec"]["selector"]["matchLabels"],
    )
    assert selector.items() <= labels.items()
    assert _only(manifests, "Service")["spec"]["selector"] == selector
    assert _only(manifests, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == selector
    policy = _only(manifests, "NetworkPolicy")["spec"]
    assert policy["podSelector"]["matchLabels"] == selector
    assert [port["port"] for port in policy["egress"][0]["ports"]] == [53, 53, 443, 6443, 4318]
    monitor = _only(manifests, "ServiceMonitor")["spec"]
    service = _only(manifests, "Service")
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]
    alerts = _only(manifests, "PrometheusRule")["spec"]["groups"][0]["rules"]
    assert all(f'job="{service["metadata"]["name"]}"' in alert["expr"] for alert in alerts)
    assert any("{{ $labels.kind }}" in alert["annotations"]["summary"] for alert in alerts)


def test_additions_reach_the_pod(helm: Helm) -> None:
    """Every value for the pod, at its place."""
    manifests = helm.template(
        "image.digest=sha256:" + "a" * 64,
        "image.pullPolicy=Always",
        "imagePullSecrets[0].name=pull",
        "extraArgs={--log-format,json}",
        "extraEnv[0].name=HTTPS_PROXY",
        "extraEnv[0].value=http://proxy",
        "extraVolumes[0].name=more",
        "extraVolumeMounts[0].name=more",
        "extraVolumeMounts[0].mountPath=/more",
        "priorityClassName=system-cluster-critical",
        "nodeSelector.role=infra",
        "tolerations[0].operator=Exists",
        "affinity.nodeAffinity.x=y",
        "topologySpreadConstraints[0].maxSkew=1",
        "podLabels.team=platform",
        "podAnnotations.note=yes",
        "serviceAccount.annotations.note=yes",
        "nameOverride=kit",
    )
    pod, template = _pod(manifests), _only(manifests, "Deployment")["spec"]["template"]
    (container,) = pod["containers"]
    assert container["image"] == "registry.example.com/outfitter@sha256:" + "a" * 64
    assert container["imagePullPolicy"] == "Always"
    assert container["args"] == ["run", "--log-format", "json"]
    assert container["env"][-1] == {"name": "HTTPS_PROXY", "value": "http://proxy"}
    assert [mount["name"] for mount in container["volumeMounts"]] == ["tmp", "more"]
    assert [volume["name"] for volume in pod["volumes"]] == ["tmp", "more"]
    assert pod["imagePullSecrets"] == [{"name": "pull"}]
    assert pod["priorityClassName"] == "system-cluster-critical"
    assert pod["nodeSelector"] == {"role": "infra"}
    assert pod["tolerations"] == [{"operator": "Exists"}]
    assert pod["affinity"] == {"nodeAffinity": {"x": "y"}}
    assert pod["topologySpreadConstraints"] == [{"maxSkew": 1}]
    assert template["metadata"]["labels"]["team"] == "platform"
    assert template["metadata"]["annotations"] == {"note": "yes"}
    account = _only(manifests, "ServiceAccount")["metadata"]
    assert account["annotations"] == {"note": "yes"}
    assert account["name"] == pod["serviceAccountName"] == "outfitter-kit"


def test_an_account_of_ones_own(helm: Helm) -> None:
    """Nothing is created, the bindings name it; without a name Helm says what to do."""
    manifests = helm.template("serviceAccount.create=false", "serviceAccount.name=mine")
    assert not any(item["kind"] == "ServiceAccount" for item in manifests)
    assert _only(manifests, "ClusterRoleBinding")["subjects"][0]["name"] == "mine"
    assert "name an existing ServiceAccount" in helm.refusal("serviceAccount.create=false")


@pytest.mark.parametrize("wrong", ["replicas=2", "settings.domian=x", "settings.nfsBackend=fuse", "settings.workers=0"])
def test_helm_refuses_what_the_schema_refuses(helm: Helm, wrong: str) -> None:
    """With the key in the message."""
    assert wrong.partition("=")[0].rpartition(".")[2] in helm.refusal(wrong)


@pytest.mark.parametrize("name", [*POLICIES, ""])
def test_each_admission_policy_is_a_value(helm: Helm, name: str) -> None:
    """Off, it and its binding are gone and the others stay; on, it exempts the account of this release."""
    manifests = helm.template(*([f"admission.{name}.enabled=false"] if name else []), "serviceAccount.name=own")
    wanted = {f"outfitter-{each}" for each in (*POLICIES, *PROJECT_POLICIES) if each != name}
    for kind in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"):
        assert {item["metadata"]["name"] for item in manifests if item["kind"] == kind} == wanted
    assert "system:serviceaccount:OPERATOR" not in str(manifests)
    assert "NAMESPACE-OF-SHARED-ASSETS" not in str(manifests)
    for item in manifests:
        if item["kind"] == "ValidatingAdmissionPolicy" and not item["metadata"]["name"].endswith(("labels", "readers")):
            assert "system:serviceaccount:outfitter-system:own" in str(item["spec"]["matchConditions"])


def test_shared_assets_may_have_a_namespace_of_their_own(helm: Helm) -> None:
    """Who may write there cannot use the operator's account, which stays in the namespace of the release."""
    manifests = helm.template(
        "sharedNamespace=shared-assets", "watchNamespaces={team-a}", "rbac.aggregate=false", "rbac.roles=false"
    )
    assert _environment(manifests)["OUTFITTER_SYSTEM_NAMESPACE"] == "shared-assets"
    roles = {identity(item)[1:] for item in manifests if item["kind"] == "Role"}
    assert roles == {
        ("shared-assets", "outfitter"), ("team-a", "outfitter"), ("outfitter-system", "outfitter-election"),
    }  # fmt: skip
    protect = next(
        item
        for item in manifests
        if item["kind"] == "ValidatingAdmissionPolicy" and item["metadata"]["name"] == "outfitter-protect"
    )
    assert any("'shared-assets'" in rule["expression"] for rule in protect["spec"]["validations"])
    specs = {
        item["metadata"]["name"]: item["spec"] for item in manifests if item["kind"] == "ValidatingAdmissionPolicy"
    }
    judged = specs["outfitter-share"]["matchConditions"][0]["expression"]
    assert judged == "request.namespace == 'shared-assets'"
    assert "request.namespace == 'shared-assets'" in str(specs["outfitter-requester"]["variables"])
    accounts = {item["metadata"]["namespace"] for item in manifests if item["kind"] == "ServiceAccount"}
    assert accounts == {"outfitter-system"}


def test_the_catalogue_is_for_named_groups_and_holds_no_secrets(helm: Helm) -> None:
    """Read of the kinds of assets, where the shared ones are; by default of nobody."""

    def of_catalogue(*values: str) -> dict[str, Manifest]:
        found = [item for item in helm.template(*values) if item["metadata"]["name"].endswith("-catalogue")]
        return {item["kind"]: item for item in found}

    assert of_catalogue() == {}
    for values, place in (((), "outfitter-system"), (("sharedNamespace=shared-assets",), "shared-assets")):
        found = of_catalogue("rbac.catalogue={scientists,system:authenticated}", "rbac.create=false", *values)
        assert {item["metadata"]["namespace"] for item in found.values()} == {place}
        (rule,) = found["Role"]["rules"]
        assert rule == {
            "apiGroups": ["outfitter.dev"],
            "resources": sorted(kind.plural for kind in KINDS if kind.asset),
            "verbs": ["get", "list", "watch"],
        }
        assert found["RoleBinding"]["roleRef"]["name"] == found["Role"]["metadata"]["name"]
        assert [(item["kind"], item["name"]) for item in found["RoleBinding"]["subjects"]] == [
            ("Group", "scientists"),
            ("Group", "system:authenticated"),
        ]


def test_ready_roles_are_bound_to_nobody(helm: Helm) -> None:
    """One value for all of them; the part for other kinds is in the namespace of shared assets."""
    wanted = {("ClusterRole", "", f"outfitter-{name}"): rules for name, rules in ready_roles().items()}
    wanted["Role", "shared-assets", "outfitter-shared-assets"] = shared_namespace_rules()
    manifests = _by_identity(helm.template("sharedNamespace=shared-assets"))
    assert {place: item["rules"] for place, item in manifests.items() if place in wanted} == wanted
    names = {name for _, _, name in wanted}
    assert not any(item.get("roleRef", {}).get("name") in names for item in manifests.values())
    assert not set(wanted) & set(_by_identity(helm.template("sharedNamespace=shared-assets", "rbac.roles=false")))


def test_each_department_has_a_role_for_its_lead(helm: Helm) -> None:
    """Also where YAML would read the name as a number or a truth value, and without the ready roles."""
    names = ["research", "R_D.Eu-2", "2024", "true", "1e3", "x" * 63]
    roles = helm.template("rbac.roles=false", **{"rbac.departments": names})
    found = {item["metadata"]["name"]: item["rules"] for item in roles if "-department-" in item["metadata"]["name"]}
    assert found == {f"outfitter-department-{name}": department_rules(name) for name in names}


@pytest.mark.parametrize("name", ["a b", "a/b", "-a", "a.", "", "a" * 64, "lead"])
def test_what_cannot_be_a_department_is_refused(helm: Helm, name: str) -> None:
    """By the schema, and by the template for tools that skip it."""
    value = ("--set-json", f'rbac.departments=["{name}"]')
    for more in ((), ("--skip-schema-validation",)):
        done = helm("template", "outfitter", str(CHART), "--kube-version", KUBE_VERSION, *value, *more)
        assert done.returncode != 0
        assert "rbac.departments: " in done.stderr if more or name == "lead" else "/rbac/departments/0" in done.stderr


def test_priority_classes_only_where_an_admin_asks_for_them(helm: Helm) -> None:
    """One for each word, by the names that the settings expect."""
    assert not [item for item in helm.template() if item["kind"] == "PriorityClass"]
    classes = [item for item in helm.template("priorityClasses.create=true") if item["kind"] == "PriorityClass"]
    assert {item["metadata"]["name"]: item["value"] for item in classes} == {
        Settings().class_names[word]: value for word, value in PRIORITIES.items()
    }
    assert not any("globalDefault" in item or "preemptionPolicy" in item for item in classes)


@pytest.mark.parametrize("flags", [(), ("watchNamespaces={team-a}",)])
def test_rights_on_device_claims_only_with_their_backend(helm: Helm, flags: tuple[str, ...]) -> None:
    """Whole rights, in ClusterRole or Roles."""

    def verbs(*settings: str) -> set[str]:
        manifests = helm.template(*flags, *settings, "rbac.aggregate=false", "rbac.roles=false")
        roles = [item for item in manifests if item["kind"] in ("ClusterRole", "Role")]
        rules = [rule for role in roles for rule in role.get("rules") or ()]
        return {verb for rule in rules if "resourceclaimtemplates" in rule["resources"] for verb in rule["verbs"]}

    assert verbs() == verbs("settings.gpuBackend=kai") == set()
    assert verbs("settings.gpuBackend=dra") == {"create", "delete", "get", "list", "patch", "watch"}


@pytest.mark.parametrize(
    "wrong", ["settings.gpuBackend=mps", "settings.queueBackend=volcano", "settings.migStrategy=off"]
)
def test_backends_that_do_not_exist(helm: Helm, wrong: str) -> None:
    assert wrong.partition("=")[0].rpartition(".")[2] in helm.refusal(wrong)
