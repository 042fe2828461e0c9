"""The author of a policy or template needs the rights that a workload with the same fields needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from outfitter.api.v1alpha1 import KINDS
from outfitter.api.v1alpha1.policyfields import SECTIONS, policy_fields
from outfitter.policy.values import get, put
from outfitter_sandbox import Sandbox
from outfitter_sandbox.connection import Connection

from .objects import Manifest, custom
from .test_admission import IMAGE, Person, becomes, grant, guarded, person, tries

__all__ = ["guarded", "person"]  # fixtures
ROOT: Final = Path(__file__).parents[2]
OURS: Final = [("outfitter.dev", kind.plural, ["create", "update", "patch", "get"], list[str]()) for kind in KINDS]
PODS: Final = ("", "pods", ["create"], list[str]())
ELEVATE: Final = "You need the verb elevate on "
PORTS: Final = "You need the verb create on services "
URLS: Final = "You need the verb create on ingresses "
CLAIMS: Final = "You need the verb create on persistentvolumeclaims "
SECRETS: Final = "Secret"
APPARMOR: Final = "container.apparmor.security.beta.kubernetes.io/main"
CLAIM: Final = {"path": "/d", "claimInfo": {"size": "1Gi"}}
HOST: Final = {"path": "/", "mountPath": "/m"}
PROBE: Final = {"readiness": {"handler": {"httpGet": {"port": 80, "host": "10.0.0.1"}}}}
NEEDS: Final[Mapping[str, list[tuple[Any, str]]]] = {
    "security.hostIpc": [(True, ELEVATE)],
    "security.hostNetwork": [(True, ELEVATE)],
    "security.allowPrivilegeEscalation": [(True, ELEVATE)],
    "security.seccompProfileType": [("Unconfined", ELEVATE)],
    "security.capabilities": [(["SYS_ADMIN"], ELEVATE), (["NET_BIND_SERVICE", "CHOWN"], ELEVATE)],
    "probes": [(PROBE, ELEVATE)],
    "annotations": [([{"name": APPARMOR, "value": "unconfined"}], ELEVATE)],
    "storage.hostPath": [([HOST], ELEVATE), ([{"name": "h", **HOST, "readOnly": True}], ELEVATE)],
    "ports": [([{"container": 22, "serviceType": kind}], PORTS) for kind in ("LoadBalancer", "NodePort")],
    "exposedUrls": [([{"container": 22}], URLS)],
    "servingPort": [({"container": 8000}, URLS), ({"container": 80, "clusterLocalAccessOnly": False}, URLS)],
    "storage.pvc": [([CLAIM], CLAIMS), ([{"name": "d", **CLAIM, "existingPvc": False}], CLAIMS)],
    "environmentVariables": [([{"name": "A", "secret": {"name": "s", "key": "k"}}], SECRETS)],
    "imagePullSecrets": [([{"name": "s"}], SECRETS)],
    "storage.git": [([{"repository": "https://a.example.com", "path": "/g", "secretRef": {"name": "s"}}], SECRETS)],
    "storage.s3": [([{"bucket": "data", "path": "/b", "accessKeySecret": "s"}], SECRETS)],
    "storage.secretVolume": [([{"secret": "s", "mountPath": "/s"}], SECRETS)],
}
"""Field -> values, each with the right that it needs."""
FREE: Final[Mapping[str, list[Any]]] = {
    "security.hostNetwork": [False],
    "security.seccompProfileType": ["RuntimeDefault"],
    "security.capabilities": [["NET_BIND_SERVICE"]],
    "annotations": [[{"name": APPARMOR, "value": "runtime/default"}, {"name": "a", "value": "unconfined"}]],
    "storage.hostPath": [[{"name": "h", "exclude": True}]],
    "ports": [[{"container": 22}], [{"container": 22, "serviceType": "ClusterIP"}]],
    "exposedUrls": [[{"name": "u", "exclude": True}]],
    "servingPort": [{"container": 8000, "clusterLocalAccessOnly": True}],
    "storage.pvc": [[{"path": "/d", "existingPvc": True, "claimName": "c"}]],
    "image": [IMAGE],
}
TYPES: Final = {"workspace": "Workspace", "inference": "Inference"}


def _as_defaults(workload_type: str, section: str, spec: Mapping[str, Any], *, attributes: bool) -> Any:
    """The fields of a workload as the defaults of a policy; None where an item has no attributes."""
    fields = policy_fields(workload_type, section)
    result: dict[str, Any] = {}
    for path, table in fields.items():
        value = get(spec, path.split("."))
        if value is None or table.type != "itemized":
            if value is not None:
                put(result, path.split("."), value)
            continue
        if not attributes:
            put(result, path.split("."), {"instances": value})
            continue
        known = {name.partition(".")[0] for name in table.attributes}
        given = {name: inner for name, inner in value[0].items() if name in known}
        if not given or len(value) > 1:
            return None
        put(result, path.split("."), {"attributes": given})
    return {section: result} if section else result


def _places(path: str, value: Any, namespace: str, *, attributes: bool = True) -> Iterator[tuple[str, Manifest]]:
    """Yield every object of which the field makes a part of workloads."""
    spec: dict[str, Any] = {}
    put(spec, path.split("."), value)
    head = {name for name, sections in SECTIONS.items() for section in sections
            if any(f"{known}.".startswith(f"{path}.") for known in policy_fields(name, section))}  # fmt: skip
    for workload_type in sorted(head):
        if kind := TYPES.get(workload_type):
            image = {} if path == "image" else {"image": IMAGE}
            serves = {"servingPort": {"container": 8000, "clusterLocalAccessOnly": True}} if kind == "Inference" else {}
            inline = {**image, **({} if path == "servingPort" else serves), **spec}
            yield f"{kind} inline", custom(kind, "w", namespace, inline)
            template = {"workloadType": workload_type, **spec}
            yield f"template of {workload_type}", custom("WorkloadTemplate", "t", namespace, template)
        for section in SECTIONS[workload_type]:
            for below in (False, True) if attributes else (False,):
                defaults = _as_defaults(workload_type, section, spec, attributes=below)
                if defaults:
                    policy = {"workloadType": workload_type, "defaults": defaults}
                    name = f"{'attributes' if below else 'defaults'} of {workload_type} {section}"
                    yield name, custom("WorkloadPolicy", "p", namespace, policy)


def _refused(answer: str, need: str) -> bool:
    return need in answer and "You need the verb" in answer


def _denied(who: Connection, cases: list[tuple[str, Manifest]]) -> dict[str, str]:
    answers = {name: tries(who, item) for name, item in cases}
    return {name: answer for name, answer in answers.items() if answer}


@pytest.mark.cluster
@pytest.mark.parametrize("scope", [None, "cluster"])
def test_every_place_of_a_field_needs_the_same_right(guarded: Sandbox, person: Person, scope: str | None) -> None:
    """Inline, in a template, and as a default, an item or an attribute of a policy of each type and section."""
    user = f"paul-{scope or 'project'}"
    paul = person(user, *OURS, PODS)
    becomes(paul, custom("Workspace", "w", "team-x", {"image": IMAGE, "security": {"hostIpc": True}}), ELEVATE)
    cases = [
        (f"{path} {value} in {place}", need, _scoped(manifest, scope))
        for path, samples in NEEDS.items()
        for value, need in samples
        for place, manifest in _places(path, value, "team-x")
        if scope is None or manifest["kind"] in ("WorkloadTemplate", "WorkloadPolicy")
    ]
    assert len(cases) > 150
    answers = [(name, need, tries(paul, item)) for name, need, item in cases]
    assert [each for each in answers if not _refused(each[2], each[1])] == []
    rights = [("", "services"), ("networking.k8s.io", "ingresses"), ("", "persistentvolumeclaims")]
    granted = [(group, plural, ["create"], list[str]()) for group, plural in rights]
    elevate = [("outfitter.dev", kind.plural, ["elevate"], list[str]()) for kind in KINDS]
    grant(guarded, user, *OURS, PODS, ("", "secrets", ["get"], []), *granted, *elevate)
    becomes(paul, cases[0][2], "")
    becomes(paul, cases[-1][2], "")
    assert _denied(paul, [(name, item) for name, _, item in cases]) == {}


def _scoped(manifest: Manifest, scope: str | None) -> Manifest:
    return manifest if scope is None else {**manifest, "spec": {**manifest["spec"], "scope": {"type": scope}}}


@pytest.mark.cluster
def test_the_rest_of_a_policy_needs_no_more_than_pods(guarded: Sandbox, person: Person) -> None:
    """Values that open nothing, excluded items, attributes that only take away, and rules of any field."""
    fred = person("fred", *OURS, PODS)
    becomes(fred, custom("Workspace", "w", "team-x", {"image": IMAGE}), "")
    cases = [
        (f"{path} {value} in {place}", manifest)
        for path, samples in FREE.items()
        for value in samples
        for place, manifest in _places(path, value, "team-x", attributes=False)
    ]
    rules = {
        "security": {"capabilities": {"options": [{"value": "SYS_ADMIN"}]}, "hostNetwork": {"canEdit": False}},
        "storage": {"hostPath": {"instances": {"locked": ["h"]}}},
        "ports": {"attributes": {"serviceType": {"options": [{"value": "LoadBalancer"}]}}},
        "compute": {"cpuCoreRequest": {"defaultFrom": {"field": "cpuCoreLimit", "factor": 0.5}}},
    }
    taken = {"hostPath": {"attributes": {"readOnly": True}}, "pvc": {"attributes": {"readOnly": True}}}
    for name, part in (("rules", {"rules": rules}), ("read-only", {"defaults": {"storage": taken}}),
                       ("nothing", {"defaults": None})):  # fmt: skip
        cases.append((name, custom("WorkloadPolicy", "p", "team-x", {"workloadType": "workspace", **part})))
    assert _denied(fred, cases) == {}


@pytest.mark.cluster
def test_the_largest_policy_is_within_the_budget(guarded: Sandbox, person: Person) -> None:
    """A check that costs too much denies the request, with other words."""
    lara = person("lara", *OURS, PODS)
    count = range(256)
    items = {
        "annotations": [{"name": f"a{number}", "value": "v" * 60} for number in count],
        "ports": [{"container": 1000 + number, "serviceType": "ClusterIP"} for number in count],
    }
    storage = {
        "pvc": [{"path": f"/d{number}", "existingPvc": True, "claimName": "c"} for number in count],
        "hostPath": [{"name": f"h{number}", "exclude": True} for number in count],
    }
    defaults = {path: {"instances": each} for path, each in items.items()}
    defaults["storage"] = {path: {"instances": each} for path, each in storage.items()}
    spec = {"workloadType": "distributed", "defaults": {"worker": defaults, "master": defaults}}
    becomes(lara, custom("WorkloadPolicy", "large", "team-x", spec), "")


def test_every_field_that_can_do_something_has_a_sample() -> None:
    """Add a field that is elevated, opens a port or URL, or creates a volume to NEEDS."""
    classes = yaml.safe_load((ROOT / "tests" / "api" / "field_classes.yaml").read_text(encoding="utf-8"))
    dangerous = {path.replace("[]", "") for name in ("elevated", "secret") for path in classes[name]}
    for name, sections in SECTIONS.items():
        for section in sections:
            for path, table in policy_fields(name, section).items():
                leaves = [f"{path}.{inner}" for inner in table.content] or [path]
                if dangerous & {*leaves, *(f"{leaf}.name" for leaf in leaves)}:
                    assert any(f"{path}.".startswith(f"{known}.") for known in NEEDS), path
