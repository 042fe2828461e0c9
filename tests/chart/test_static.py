"""What can be said of the chart and of install.yaml without Helm and without a cluster."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema
import pytest
import yaml

from outfitter.api.v1alpha1 import ALL_KINDS, KINDS
from outfitter.cluster.access import cluster_rules, namespaced_rules, role_rules, system_rules, table, volume_rules
from outfitter.codegen.admission import share
from outfitter.codegen.admission.exempt import OPERATOR_ACCOUNT, SHARED_NAMESPACE
from outfitter.codegen.admission.policies import POLICIES
from outfitter.codegen.chart_settings import FALLBACKS, FIELD_SETTINGS, variable
from outfitter.codegen.user_roles import ready_roles, shared_namespace_rules
from outfitter.settings import Settings

from .conftest import CHART, ROOT, Manifest

TEMPLATES = {path.name: path.read_text(encoding="utf-8") for path in (CHART / "templates").iterdir()}
RULES = yaml.safe_load((CHART / "files" / "rules.yaml").read_text(encoding="utf-8"))

SYSTEM = "outfitter-system"


def test_the_chart_carries_the_crds_byte_by_byte() -> None:
    """One source; the template only adds metadata."""
    ours = {path.name: path.read_bytes() for path in (ROOT / "crds").glob("*.yaml")}
    copies = {path.name: path.read_bytes() for path in (CHART / "charts" / "crds" / "files").glob("*.yaml")}
    assert len(ours) == len(ALL_KINDS)
    assert copies == ours


def _granted(rules: list[dict[str, Any]]) -> set[tuple[str, str, str, tuple[str, ...]]]:
    return {
        (group, resource, verb, tuple(rule.get("resourceNames", ())))
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def _rows(scopes: set[str], lease: str) -> set[tuple[str, str, str, tuple[str, ...]]]:
    return {
        (row.group, row.resource, verb, row.names) for row in table(lease) if row.scope in scopes for verb in row.verbs
    }


def test_the_roles_grant_the_access_table_and_nothing_else() -> None:
    """Row by row, both ways, for a cluster-wide operator, for one of some namespaces, and for the system namespace."""
    assert _granted(RULES["cluster"]) == _rows({"everywhere", "cluster"}, "")
    assert _granted(RULES["namespaced"]) == _rows({"everywhere", "namespace-object"}, "")
    lease = "{{ .Values.settings.leaseName }}"
    assert _granted(RULES["system"]) == _rows({"system"}, lease)
    assert RULES["cluster"] == cluster_rules()
    assert RULES["volumes"] == volume_rules()
    assert RULES["roles"] == role_rules()
    assert _granted(RULES["roles"]) == _rows({"roles"}, "")
    assert RULES["namespaced"] == namespaced_rules()
    assert RULES["system"] == system_rules(lease)


# Only where an admin has artifacts shared, and then not on what counts in the whole cluster.
ROLES_ON_DEMAND = {("roles", "roles"), ("roles", "rolebindings")}


def test_no_role_has_a_wildcard_or_a_way_to_more_rights() -> None:
    """Neither the operator's nor the people's."""
    for name, rules in RULES.items():
        for group, resource, verb, _ in _granted(rules):
            assert "*" not in (group, resource, verb)
            assert verb not in ("escalate", "bind", "impersonate")
            assert group != "rbac.authorization.k8s.io" or (name, resource) in ROLES_ON_DEMAND


def test_people_get_every_kind_and_no_status() -> None:
    """The aggregated roles: reading to view, writing to edit, policies to admin; status is the operator's."""
    plurals = {kind.plural for kind in KINDS}
    assert {resource for _, resource, _, _ in _granted(RULES["view"])} == {kind.plural for kind in ALL_KINDS}
    assert {verb for _, _, verb, _ in _granted(RULES["view"])} == {"get", "list", "watch"}
    written = {resource for _, resource, _, _ in _granted(RULES["edit"])}
    assert {resource for _, resource, _, _ in _granted(RULES["admin"])} == {"workloadpolicies"}
    assert written == plurals - {"workloadpolicies"} | {f"{kind.plural}/scale" for kind in KINDS if kind.model.SCALE}


def test_every_shared_kind_and_each_of_its_subresources_is_judged_by_its_scope(install: list[Manifest]) -> None:
    """From the CustomResourceDefinitions: a new kind with a scope, or a new subresource, cannot be forgotten."""
    wanted = set()
    for crd in (item["spec"] for item in install if item["kind"] == "CustomResourceDefinition"):
        plural = crd["names"]["plural"]
        for version in crd["versions"]:
            properties = version["schema"]["openAPIV3Schema"]["properties"]
            if "scope" in properties.get("spec", {}).get("properties", {}):
                wanted |= {plural, *(f"{plural}/{name}" for name in version["subresources"])}
    rules = share.policy_spec()["matchConstraints"]["resourceRules"]
    assert {resource for rule in rules for resource in rule["resources"]} == wanted
    assert {kind.plural for kind in KINDS if kind.asset} <= wanted
    assert rules[0]["operations"] == ["CREATE", "UPDATE", "DELETE"]


def test_rights_in_install_yaml_are_those_of_the_chart(install: list[Manifest]) -> None:
    """The plain manifests bind the same rules to the same account."""
    roles = {item["metadata"]["name"]: item["rules"] for item in install if item["kind"] in ("ClusterRole", "Role")}
    assert roles == {
        "outfitter": cluster_rules(),
        "outfitter-election": system_rules("outfitter"),
        "outfitter-view": RULES["view"],
        "outfitter-edit": RULES["edit"],
        "outfitter-admin": RULES["admin"],
        **{f"outfitter-{name}": rules for name, rules in ready_roles().items()},
        "outfitter-shared-assets": shared_namespace_rules(),
    }
    for item in install:
        if item["kind"] in ("ClusterRoleBinding", "RoleBinding"):
            assert item["subjects"] == [
                {"kind": "ServiceAccount", "name": "outfitter", "namespace": "outfitter-system"}
            ]


def _container(install: list[Manifest]) -> Manifest:
    deployment = next(item for item in install if item["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return dict(container)


def test_every_setting_reaches_the_container_and_nothing_else_does(install: list[Manifest]) -> None:
    """A setting without a variable could not be chosen; a variable without a setting would do nothing."""
    wanted = {variable(name) for name in Settings.model_fields}
    in_chart = re.findall(r"- name: (OUTFITTER_\w+)", TEMPLATES["_settings.tpl"])
    in_install = [entry["name"] for entry in _container(install)["env"]]
    assert sorted(in_chart) == sorted(in_install) == sorted(wanted)


def test_the_default_values_are_the_default_settings(install: list[Manifest], monkeypatch: pytest.MonkeyPatch) -> None:
    """The texts in the environment read back as what Settings has without any."""
    for entry in _container(install)["env"]:
        if "value" in entry:
            monkeypatch.setenv(entry["name"], entry["value"])
    found = Settings()
    assert found.activity_image == _container(install)["image"]
    for name, field in Settings.model_fields.items():
        if name not in FIELD_SETTINGS and name not in FALLBACKS:
            assert getattr(found, name) == field.default, name


def _leaves(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else key)
    else:
        yield path


def test_templates_and_values_know_each_other(values: Manifest) -> None:
    """No template reads a value that does not exist, and no value is there for nothing."""
    texts = "".join(TEMPLATES.values())
    of_crds = (CHART / "charts" / "crds" / "templates" / "crds.yaml").read_text(encoding="utf-8")
    texts += of_crds.replace(".Values.", ".Values.crds.") + "".join(
        f".Values.{item['condition']}" for item in yaml.safe_load((CHART / "Chart.yaml").read_text())["dependencies"]
    )
    used = set(re.findall(r"\.Values\.([A-Za-z0-9.]+)", texts))
    used |= {path.rstrip(".") for path in used}
    known = set(_leaves(values))
    sections = {path[: mark.start()] for path in known for mark in re.finditer(r"\.", path)}
    assert {path for path in used if path not in known and path not in sections} == set()
    assert {path for path in known if not any(path == item or path.startswith(f"{item}.") for item in used)} == set()


SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))


def test_the_default_values_satisfy_their_schema(values: Manifest) -> None:
    """And the schema is one."""
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    jsonschema.Draft7Validator(SCHEMA).validate(values)


@pytest.mark.parametrize(
    "wrong",
    [
        {"replicas": 2},
        {"image": {"repo": "a"}},
        {"image": {"digest": "sha256:12"}},
        {"image": {"pullPolicy": "Sometimes"}},
        {"replicaCount": "2"},
        {"watchNamespaces": "team-a"},
        {"watchNamespaces": ["Team A"]},
        {"settings": {"domian": "apps.example.com"}},
        {"settings": {"domain": "https://apps.example.com"}},
        {"settings": {"domain": "apps.example.com/"}},
        {"settings": {"domain": "Apps.example.com"}},
        {"settings": {"domain": " apps.example.com"}},
        {"settings": {"nfsBackend": "fuse"}},
        {"settings": {"workers": 0}},
        {"settings": {"probePort": 0}},
        {"settings": {"systemNamespace": "elsewhere"}},
        {"podLabels": {"a": 1}},
        {"extraEnv": ["A=b"]},
        {"networkPolicy": {"apiServerPorts": []}},
        {"rbac": {"departments": "research"}},
        {"rbac": {"departments": ["research", "research"]}},
        {"rbac": {"departments": [2024]}},
        {"rbac": {"departments": [""]}},
        {"rbac": {"departments": ["a b"]}},
        {"rbac": {"departments": ["a/b"]}},
        {"rbac": {"departments": ["-a"]}},
        {"rbac": {"departments": ["a."]}},
        {"rbac": {"departments": ["a" * 64]}},
        {"crds": {"enabled": "yes"}},
    ],
    ids=json.dumps,
)
def test_the_schema_refuses(values: Manifest, wrong: Manifest) -> None:
    """A misspelt key or a value of the wrong type is an error at install time, not a surprise later."""
    merged = {
        **values,
        **{key: ({**values.get(key, {}), **item} if isinstance(item, dict) else item) for key, item in wrong.items()},
    }
    assert not jsonschema.Draft7Validator(SCHEMA).is_valid(merged)


def test_rendering_depends_on_values_only() -> None:
    """GitOps tools render without a cluster and again and again: no lookup, randomness, clock or hooks."""
    for name, text in TEMPLATES.items():
        assert not re.search(
            r"\b(lookup|rand\w+|genCA|genSignedCert|genPrivateKey|uuidv4|now)\b|helm\.sh/hook", text
        ), name


def test_install_yaml_holds_the_crds(install: list[Manifest]) -> None:
    """As they are in the folder of CRDs; checked here too because rendering the chart needs Helm."""
    specs = {item["metadata"]["name"]: item["spec"] for item in install if item["kind"] == "CustomResourceDefinition"}
    crds = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in (ROOT / "crds").glob("*.yaml")]
    assert specs == {crd["metadata"]["name"]: crd["spec"] for crd in crds}


@pytest.mark.parametrize("name", POLICIES)
def test_install_yaml_holds_the_admission_policies(install: list[Manifest], name: str) -> None:
    """For the account of the operator."""
    by_kind = {item["kind"]: item["spec"] for item in install if item["metadata"]["name"] == f"outfitter-{name}"}
    account = f"system:serviceaccount:{SYSTEM}:outfitter"
    spec = POLICIES[name]()
    every = {"paramRef": {"selector": {}, "parameterNotFoundAction": "Allow"}} if "paramKind" in spec else {}
    text = json.dumps(spec).replace(OPERATOR_ACCOUNT, account).replace(SHARED_NAMESPACE, SYSTEM)
    assert by_kind == {
        "ValidatingAdmissionPolicy": json.loads(text),
        "ValidatingAdmissionPolicyBinding": {"policyName": f"outfitter-{name}", "validationActions": ["Deny"], **every},
    }


def test_install_yaml_can_be_applied_from_top_to_bottom(install: list[Manifest]) -> None:
    """Each object after those that it needs; every namespaced object names its namespace."""
    order = list(dict.fromkeys(item["kind"] for item in install))
    assert order[:3] == ["Namespace", "ServiceAccount", "CustomResourceDefinition"]
    deployment = order.index("Deployment")
    assert {"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"} <= set(order[:deployment])
    assert set(order[deployment + 1 :]) == {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
    policies = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
    wide = ("Namespace", "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding", *policies)
    for item in install:
        assert ("namespace" in item["metadata"]) == (item["kind"] not in wide), item["metadata"]["name"]
    assert not any(item["kind"] == "Secret" for item in install)


def test_probes_and_metrics_use_the_probe_port(install: list[Manifest]) -> None:
    """The container listens where the Service and the kubelet look."""
    container = _container(install)
    service = next(item for item in install if item["kind"] == "Service")
    port = int(next(entry["value"] for entry in container["env"] if entry["name"] == "OUTFITTER_PROBE_PORT"))
    assert container["ports"] == [{"name": "http", "containerPort": port, "protocol": "TCP"}]
    host = next(entry.get("value", "") for entry in container["env"] if entry["name"] == "OUTFITTER_PROBE_HOST")
    assert host == "", "the address of the pod that the kubelet probes can be of IPv4 or IPv6"
    assert service["spec"]["ports"][0]["targetPort"] == "http"
    assert {container[probe]["httpGet"]["port"] for probe in ("livenessProbe", "readinessProbe")} == {"http"}
