"""The policies of projects at apply time, on a real API server: what the operator would refuse, and never more."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest

from outfitter.api.schema import schema_of
from outfitter.api.v1alpha1.policyfields import PolicyField
from outfitter.api.v1alpha1.workspace import WorkspaceSpec
from outfitter.codegen.admission.policies import PROJECT_POLICIES
from outfitter_sandbox import Sandbox
from outfitter_sandbox.connection import Connection

from .conftest import Helm, Manifest, eventually
from .objects import ACCOUNT, apply, custom, path
from .projects import OF_OURS, SAYS, SUBJECTS, Projects, fields_of, joined, tree, workload

BINDINGS: Final = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def projects(sandbox: Sandbox, install: list[Manifest]) -> Iterator[Projects]:
    """The CRDs, and the policies of this file with their bindings, which go when it is done."""
    ours = {f"outfitter-{name}" for name in (*PROJECT_POLICIES, "effective")}
    for manifest in install:
        if (
            manifest["kind"] in ("CustomResourceDefinition", "Namespace", "ServiceAccount")
            or manifest["metadata"]["name"] in ours
        ):
            apply(sandbox, manifest)
    found = Projects(sandbox)
    yield found
    for name in ours:
        sandbox.connection().request("DELETE", f"{BINDINGS}/{name}")


FIELDS: Final = {
    "boolean": "createHomeDir",
    "string": "image",
    "integer": "terminationGracePeriodSeconds",
    "number": "compute.cpuCoreRequest",
    "quantity": "compute.cpuMemoryRequest",
    "array": "nodePools",
    "arbitrary": "nodeAffinityRequired",
}
TERM: Final = {"matchExpressions": [{"key": "a", "operator": "Exists"}]}
SAMPLES: Final[dict[str, list[Any]]] = {
    "boolean": [True, False],
    "string": ["a", "b"],
    "integer": [0, 1, 2, 3, 5],
    "number": [0, 0.1, 0.3, 1, 1.5, 0.7, 1.0000001],
    "quantity": ["1G", "1000M", "1Gi", 1000000000, "2Gi", "1000000K", "1e9"],
    "array": [["a"], ["a", "b"], ["b", "a"], []],
    "arbitrary": [{"nodeSelectorTerms": [TERM]}],
}
WORDS: Final[dict[str, dict[str, list[Any]]]] = {
    "required": {value_type: [True, False] for value_type in FIELDS},
    "canEdit": {value_type: [True, False] for value_type in FIELDS},
    "options": {
        "string": [[{"value": "a"}], [{"value": "a", "displayed": "b"}, {"value": "c"}]],
        "array": [[{"value": "a"}], [{"value": "a"}, {"value": "b"}]],
    },
    "min": {"integer": [1, 2], "number": [0.1, 1], "quantity": ["1G", "1Gi", 1000]},
    "max": {"integer": [1, 2], "number": [0.3, 1], "quantity": ["1G", 1073741824, "1000000K"]},
    "step": {"integer": [1, 2], "number": [0.1, 0.5, 0.0000001]},
}
PAIRS: Final = [{"min": 1, "step": 2}, {"min": 1, "max": 2}, {"canEdit": False, "max": 2}]


def _rules(value_type: str) -> Iterator[dict[str, Any]]:
    for word, values in WORDS.items():
        yield from ({word: value} for value in values.get(value_type, ()))
    yield from PAIRS if value_type == "integer" else ()


@pytest.mark.parametrize("subject", SUBJECTS)
def test_each_rule_of_each_value_type(projects: Projects, subject: str) -> None:
    """With and without a default, given and not, at the limits: refused exactly where the operator would refuse it."""
    cases: list[tuple[str, str]] = []
    for value_type, where in FIELDS.items():
        for rules, default in itertools.product(_rules(value_type), (None, SAMPLES[value_type][0])):
            name = f"{subject}-{len(cases)}"
            defaults = {} if default is None else tree(where, default)
            if projects.make(name, subject, tree(where, rules), defaults):
                cases.append((name, value_type))
    projects.wait(subject, "rules")
    seen = []
    for name, value_type in cases:
        specs = [{}, *(tree(FIELDS[value_type], given) for given in SAMPLES[value_type])]
        for spec in specs:
            seen.append(projects.compare(name, subject, spec))
            if seen[-1]:
                projects.never_stricter(name, subject, spec, specs)
    assert seen.count(True) > 80
    assert seen.count(False) > 200


WRONG: Final[dict[str, Any]] = {
    "required": True,
    "canEdit": False,
    "options": [{"value": "zz"}],
    "min": 1000000,
    "max": 0,
    "step": 999983,
}
TEXTS: Final = ("a", "/a", "https://a.example.com", "1", "0644", "1g.5gb", "a.example.com/a", "ReadOnly")
VOLUME: Final = {"path": "/v", "mountPath": "/v"}
ITEMS: Final[dict[str, dict[str, Any]]] = {
    "storage.hostPath": VOLUME,
    "storage.nfs": {**VOLUME, "server": "s"},
    "storage.git": {"path": "/v", "repository": "https://git.example.com/a"},
    "storage.s3": {"path": "/v", "bucket": "bbb"},
    "storage.image": {"mountPath": "/v", "reference": "a"},
    "storage.pvc": {"path": "/v", "existingPvc": True, "claimName": "c"},
    "storage.configMapVolume": {"mountPath": "/v", "configMap": "c"},
    "storage.secretVolume": {"mountPath": "/v", "secret": "c"},
    "storage.dataVolume": {"mountPath": "/v"},
    "storage.emptyDirVolume": {"path": "/v"},
    "compute.extendedResources": {"quantity": "5"},
    "ports": {"container": 8080},
    "exposedUrls": {"container": 8080},
    "relatedUrls": {"url": "https://a.example.com"},
    "tolerations": {"operator": "Exists"},
}
KEYS: Final = {"compute.extendedResources": "example.com/k"}


def samples_of(table: PolicyField) -> list[Any]:
    """Values that the schema of some field of this type accepts."""
    if table.enum:
        return [[each] for each in table.enum] if table.type == "array" else list(table.enum)
    if table.model is not None:
        return [{"nodeSelectorTerms": [TERM]}, {}]
    return {"boolean": [True, False], "string": list(TEXTS), "integer": [1, 5, 8080], "number": [0.5],
            "quantity": ["5", "2Gi"], "array": [["a"], ["a@example.com"]]}[table.type]  # fmt: skip


def wrong_rule(table: PolicyField, word: str) -> Any:
    if word != "options" or not (table.enum or table.type == "quantity"):
        return WRONG[word]
    return [{"value": table.enum[-1] if table.enum else "7"}]


def _given(where: str, table: PolicyField, attribute: PolicyField | None, value: Any) -> dict[str, Any]:
    if attribute is None:
        return tree(where, value)
    item = joined([{**ITEMS.get(where, {}), table.key: KEYS.get(where, "k")}, tree(attribute.path, value)])
    return tree(where, [item])


@pytest.mark.parametrize("word", WRONG)
@pytest.mark.parametrize("subject", SUBJECTS)
def test_each_field_and_attribute(projects: Projects, subject: str, word: str) -> None:
    """A rule on everything: whatever a workload sets is judged as the operator judges it."""
    leaves: list[tuple[str, PolicyField, PolicyField | None]] = []
    for where, table in fields_of(subject).items():
        leaves += [(where, table, each) for each in table.attributes.values()] if table.attributes else []
        leaves += [(where, table, None)] if table.type != "itemized" else []
    rules = {}
    for where, table, attribute in leaves:
        judged = attribute or table
        if word in judged.rules:
            dotted = f"{where}.attributes.{attribute.path}" if attribute else where
            rules[where, attribute.path if attribute else ""] = tree(dotted, {word: wrong_rule(judged, word)})
    if word == "required":  # every other field would be missing too
        rules = {key: rule for key, rule in rules.items() if key[1]}
    name = f"{subject}-every-{word.lower()}"
    assert projects.make(name, subject, joined(rules.values()), {})
    projects.wait(subject, word.lower())
    refused, unknown = set(), set()
    for where, table, attribute in leaves:
        key = (where, attribute.path if attribute else "")
        for value in samples_of(attribute or table):
            seen = projects.compare(name, subject, _given(where, table, attribute, value))
            refused |= {key} if seen else set()
            unknown |= {key} if seen is None else set()
    hard = {("storage.pvc", "claimInfo.size"), ("storage.emptyDirVolume", "sizeLimit"), ("compute.cpuMemoryLimit", ""),
            ("autoscaling.metricThresholdPercentage", ""), ("security.uidGidSource", "")}  # fmt: skip
    if word in ("canEdit", "min", "max", "step"):
        assert rules.keys() - refused <= hard | unknown


@pytest.mark.parametrize("subject", SUBJECTS)
def test_all_that_is_required_is_named_at_once(projects: Projects, subject: str) -> None:
    """One denial for an empty workload names every field; an empty value is none, and autoscaling is filled in."""
    name = f"{subject}-required"
    tables = [table for table in fields_of(subject).values() if "required" in table.rules]
    assert projects.make(name, subject, joined(tree(table.path, {"required": True}) for table in tables), {})
    projects.wait(subject, "all")
    assert projects.compare(name, subject, {})
    assert projects.compare(name, subject, {"nodePools": []})
    for given in ({"assets": {"environment": {"name": "e"}}}, {"template": {"name": "t"}}):
        assert projects.tries(workload(subject, name, given)) == (201, "")


STATES: Final[dict[str, Any]] = {
    "nothing": {},
    "no added": {"canAdd": False},
    "locked": {"locked": ["d"]},
    "both": {"canAdd": False, "locked": ["d", "n"]},
}
VALUES: Final = {"boolean": (True, False), "string": ("/a", "/b"), "quantity": ("5", "6"), "integer": (8080, 8081)}


@pytest.mark.parametrize("subject", SUBJECTS)
def test_items(projects: Projects, subject: str) -> None:
    """canAdd and locked x an item that is a default or not, the same, changed, excluded, without its key."""
    cases = []
    for where, table in fields_of(subject).items():
        if table.type != "itemized":
            continue
        base = ITEMS.get(where) or ({"value": "v"} if "value" in table.content else {})
        attribute = next(
            name for name in (*base, "userCredential", "id") if name in table.content and name != table.key
        )
        values = VALUES[table.content[attribute].type]
        values = {"value": ("v", "w"), "url": ("https://a.example.com", "https://b.example.com")}.get(attribute, values)
        values = ("Exists", "Equal") if attribute == "operator" else values
        keys = ("example.com/d", "example.com/n") if where == "compute.extendedResources" else ("d", "n")
        default = {**base, table.key: keys[0], attribute: values[0]}
        for number, rules in enumerate(STATES.values()):
            own = dict(rules)
            if "locked" in own:
                own["locked"] = [keys["dn".index(key)] for key in own["locked"]]
            name = f"{subject}-{where.lower().replace('.', '-')}-{number}"
            if projects.make(name, subject, tree(where, {"instances": own}), tree(where, {"instances": [default]})):
                cases.append((name, where, default, {**default, table.key: keys[1]}, attribute, values[1], table.key))
    projects.wait(subject, "items")
    seen = []
    for name, where, default, new, attribute, other, key in cases:
        unnamed = {part: value for part, value in default.items() if part != key}
        excluded = [{**item, "exclude": True} for item in (default, new)]
        changed = {**default, attribute: other}
        lists = [[], [default], [changed], *([item] for item in excluded), [new], [{key: default[key]}], [unnamed]]
        for items in (*lists, [changed, new]):
            seen.append(projects.compare(name, subject, tree(where, items)))
            if seen[-1]:
                projects.never_stricter(name, subject, tree(where, items), [tree(where, each) for each in lists])
    assert seen.count(True) > 80
    assert seen.count(False) > 150


def test_attributes_of_given_and_default_items(projects: Projects) -> None:
    """The value of an item is judged below its own default, the default of the attribute, and none."""
    where = "storage.nfs.attributes"
    cases = []
    items = [
        {"name": "d", "server": "s", "path": "/d", "mountPath": "/d", "readOnly": True},
        {"name": "e", "path": "/e"},
    ]
    rules = ({"canEdit": False}, {"required": True}, {"options": [{"value": "s"}]})
    for number, (rule, default, instances) in enumerate(itertools.product(rules, (None, "s"), ([], items))):
        defaults = [tree(f"{where}.server", default)] if default else []
        defaults += [tree("storage.nfs.instances", instances)] if instances else []
        if projects.make(f"attribute-{number}", "workspace", tree(f"{where}.server", rule), joined(defaults)):
            cases.append(f"attribute-{number}")
    projects.wait("workspace", "attributes")
    seen = []
    for name, key, server in itertools.product(cases, (None, "d", "e", "n"), ("s", "t")):
        item = {"server": server, "path": "/x", "mountPath": "/x", **({"name": key} if key else {})}
        seen.append(projects.compare(name, "workspace", tree("storage.nfs", [item])))
    seen += [projects.compare(name, "workspace", {}) for name in cases]
    assert seen.count(True) > 30
    assert seen.count(False) > 30


def _tight(subject: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Every rule that an asset, template or artifact could satisfy."""
    rules = []
    for where, table in fields_of(subject).items():
        if table.type == "itemized":
            rules.append(tree(where, {"instances": {"locked": ["d"]}}))
            rules += [tree(f"{where}.attributes.{each.path}", {"required": True}) for each in table.attributes.values()
                      if "required" in each.rules]  # fmt: skip
        elif "required" in table.rules:
            rules.append(tree(where, {"required": True}))
    computed = {"canEdit": False, "defaultFrom": {"field": "compute.cpuCoreLimit", "factor": 0.5}}
    rules.append(tree("compute.cpuCoreRequest", computed))
    return joined(rules), tree("storage.nfs", {"instances": [{"name": "d", "server": "s", "path": "/d"}]})


@pytest.mark.parametrize("subject", SUBJECTS)
def test_what_references_can_set_is_left_to_the_operator(projects: Projects, subject: str) -> None:
    """A reference of any kind may bring what is required, what an item lacks, and what a default is computed from."""
    assert projects.make(f"{subject}-tight", subject, *_tight(subject))
    projects.wait(subject, "tight")
    inline = {
        "compute": {"cpuCoreRequest": 0.3},
        "storage": {"nfs": [{"server": "s", "path": "/x", "mountPath": "/x"}]},
    }
    references: list[dict[str, Any]] = [
        {"template": {"name": "t"}},
        {"assets": {"environment": {"name": "e"}}},
        {"assets": {"compute": {"name": "c"}}},
    ]
    references += [{"artifact": {"name": "a"}}] if subject == "inference" else []
    for each in references:
        spec = joined([inline, each])
        assert projects.tries(workload(subject, f"{subject}-tight", spec)) == (201, "")
    status, words = projects.tries(workload(subject, f"{subject}-tight", inline))
    assert status == 403
    assert "image: a value is required" in words
    assert "compute.cpuCoreRequest: " not in words


def test_nulls_are_no_values(projects: Projects) -> None:
    """As a server-side apply stores them, for a field, an object above it, an item's attribute."""
    rules = [{"image": {"canEdit": False}}, tree("compute.cpuMemoryRequest", {"max": "1G"})]
    rules.append(tree("storage.nfs.attributes.readOnly", {"canEdit": False}))
    assert projects.make("nulls", "workspace", joined(rules), {})
    projects.wait("workspace", "nulls")
    volume = {"name": "a", "server": "s", "path": "/x", "mountPath": "/x", "readOnly": None}
    for given in ({"image": None}, {"compute": None}, {"compute": {"cpuMemoryRequest": None}}, {"storage": None},
                  {"storage": {"nfs": None}}, {"storage": {"nfs": [volume]}}, {"assets": None}):  # fmt: skip
        manifest = custom("Workspace", "w", "nulls", given)
        query = "?fieldManager=test&dryRun=All"
        status, body = projects.sandbox.connection().answer(
            "PATCH", path(manifest) + query, manifest, "application/apply-patch+yaml"
        )
        assert status in (200, 201, 422), body


def test_only_changes_of_the_spec_are_judged(projects: Projects) -> None:
    """A policy that got tighter does not hinder labels, finalizers, status, stopping and scaling; it does a resume."""
    given = custom("Inference", "runs", "later", {"image": "a", "servingPort": {"container": 8080}})
    apply(projects.sandbox, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "later"}})
    apply(projects.sandbox, given)
    assert projects.make("later", "inference", {"image": {"canEdit": False}}, {})
    projects.wait("inference", "later")

    def patch(body: Mapping[str, Any], sub: str = "") -> str:
        status, answer = projects.sandbox.connection().answer(
            "PATCH", path(given) + sub, body, "application/merge-patch+json"
        )
        return "" if status < 300 else str(answer["message"])

    assert patch({"metadata": {"labels": {"a": "b"}, "finalizers": ["example.com/a"]}}) == ""
    assert patch({"metadata": {"finalizers": None}}) == ""
    assert patch({"status": {"phase": "Running"}}, "/status") == ""
    assert patch({"spec": {"suspend": True}}) == ""
    assert patch({"spec": {"replicas": 2, "description": "d"}}) == ""
    assert SAYS in patch({"spec": {"suspend": False}})
    assert SAYS in patch({"spec": {"args": "x"}})
    assert patch({"spec": {"image": None, "suspend": False}}) == ""


MOST: Final = {"compute": {"gpuDevicesRequest": {"max": 1}}}
GPUS: Final = {"compute": {"gpuDevicesRequest": 2}}
MASTERS: Final[list[tuple[dict[str, Any], bool]]] = [
    ({}, False),
    (GPUS, False),
    ({**GPUS, "masterSpecSameAsWorker": False}, False),
    ({**GPUS, "masterSpecSameAsWorker": True}, True),
    ({**GPUS, "masterSpecSameAsWorker": True, "assets": {"compute": {"name": "c"}}}, True),
    ({"masterSpec": {}}, False),
    ({**GPUS, "masterSpec": {}}, False),
    ({"masterSpec": GPUS}, True),
    ({"masterSpec": GPUS, "template": {"name": "t"}}, True),
    ({"masterSpec": GPUS, "masterSpecSameAsWorker": False}, True),
    ({"masterSpec": None, "masterSpecSameAsWorker": None}, False),
]


def test_a_master_of_its_own_or_like_the_workers(projects: Projects) -> None:
    """The section `master` is about masterSpec, else about a copy of the workers if there is one."""
    assert projects.make("master", "distributed-master", MOST, {})
    projects.wait("distributed-master", "copy")
    for spec, refused in MASTERS:
        status, words = projects.tries(custom("DistributedTraining", "w", "master", spec))
        assert (status == 403) == refused, (spec, words)
        assert not refused or "master.compute.gpuDevicesRequest: 2 is more than max 1" in words


def test_what_a_template_can_give_a_master_is_left_to_the_operator(projects: Projects) -> None:
    """Its masterSpec, or a master like the workers."""
    assert projects.make("given", "distributed-master", {"image": {"required": True}}, {})
    projects.wait("distributed-master", "given")
    for spec, refused in (
        ({"masterSpec": {}}, True),
        ({"masterSpec": {}, "template": {"name": "t"}}, False),
        ({"masterSpec": {"assets": {"environment": {"name": "e"}}}}, False),
        ({"masterSpec": {}, "assets": {"environment": {"name": "e"}}}, True),
        ({"masterSpecSameAsWorker": True, "assets": {"environment": {"name": "e"}}}, False),
        ({"template": {"name": "t"}}, False),
    ):
        status, words = projects.tries(custom("DistributedTraining", "w", "given", spec))
        assert (status == 403) == refused, (spec, words)


def test_changes_of_a_master_are_judged(projects: Projects) -> None:
    """A policy that got tighter does not hinder a stop; it does a resume, and another master."""
    given = custom("DistributedTraining", "runs", "masters", {"image": "a", "masterSpec": {"image": "b"}})
    apply(projects.sandbox, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "masters"}})
    apply(projects.sandbox, given)
    assert projects.make("masters", "distributed-master", {"image": {"canEdit": False}}, {})
    projects.wait("distributed-master", "masters")

    def patch(spec: Mapping[str, Any]) -> str:
        status, answer = projects.sandbox.connection().answer(
            "PATCH", path(given), {"spec": spec}, "application/merge-patch+json"
        )
        return "" if status < 300 else str(answer["message"])

    assert patch({"suspend": True, "description": "d", "numWorkers": 2}) == ""
    assert SAYS in patch({"suspend": False})
    assert SAYS in patch({"masterSpec": {"workingDir": "/a"}})
    assert patch({"masterSpec": {"image": None}, "suspend": False}) == ""
    assert SAYS in patch({"masterSpec": None, "masterSpecSameAsWorker": True})


def _most(where: str) -> int:
    """Items that the schema of a Workspace allows in a list."""
    node = schema_of(WorkspaceSpec)
    for step in where.split("."):
        node = node["properties"][step]
    return min(int(node["maxItems"]), 200)


@pytest.mark.parametrize("subject", ["workspace", "distributed-master"])
def test_the_largest_workload_is_judged(projects: Projects, subject: str) -> None:
    """Rules on everything, hundreds of default, locked and given items: within the budget, or nothing would be said."""
    fields = fields_of(subject)
    rules, defaults, given = [], [], []
    for where, table in fields.items():
        if table.type != "itemized":
            rules.append(tree(where, {word: wrong_rule(table, word) for word in ("canEdit",)}))
            continue
        keys = [
            f"example.com/k{number}" if where == "compute.extendedResources" else f"k{number}" for number in range(200)
        ]
        values = {"value": "v" * 60} if "value" in table.content and where != "tolerations" else {}
        base = {**ITEMS.get(where, {}), **values}
        defaults.append(tree(where, {"instances": [{**base, table.key: key} for key in keys]}))
        rules.append(tree(where, {"instances": {"canAdd": False, "locked": keys}}))
        rules += [tree(f"{where}.attributes.{name}", {"canEdit": False}) for name in table.attributes]
        items = [{**base, table.key: key} for key in (*keys[1 : _most(where)], keys[0].replace("k0", "new"))]
        for index, item in enumerate(items):
            for name in ("mountPath", "path"):
                if name in item and where.startswith("storage."):
                    item[name] = f"/{where.rpartition('.')[2].lower()}-{index}"
            if "container" in item:
                item["container"] = 8000 + index
        given.append(tree(where, items))
    name = f"largest-{subject}"
    assert projects.make(name, subject, joined(rules), joined(defaults))
    projects.wait(subject, "largest")
    spec = joined([*given, {"image": "a", "args": "x" * 16000}])
    status, words = projects.tries(workload(subject, name, spec))
    assert status == 403, words
    assert "environmentVariables.instances[new]: items cannot be added" in words


def test_the_type_checker_has_no_complaints(projects: Projects) -> None:
    """The API server reads the policies against the schemas of both kinds."""
    for name in (*PROJECT_POLICIES, "effective"):
        where = f"{BINDINGS.removesuffix('policybindings')}policies/outfitter-{name}"
        seen = eventually(
            lambda where=where: projects.sandbox.connection().request("GET", where).get("status", {}),
            lambda status: "observedGeneration" in status,
        )
        assert not seen.get("typeChecking", {}).get("expressionWarnings"), seen


def test_a_warning_instead_of_a_denial(projects: Projects) -> None:
    """`policy.admission: Warn` is another action of the same binding, whose text is the same."""
    assert projects.make("warned", "workspace", {"image": {"canEdit": False}}, {})
    projects.wait("workspace", "warned")
    given = custom("Workspace", "w", "warned", {"image": "a"})
    assert projects.tries(given)[0] == 403
    binding = f"{BINDINGS}/outfitter-policy-workspace"
    for action, wanted in (("Warn", 201), ("Deny", 403)):
        body = {"spec": {"validationActions": [action]}}
        projects.sandbox.connection().request("PATCH", binding, body, "application/merge-patch+json")
        eventually(lambda: projects.tries(given)[0], lambda status, wanted=wanted: status == wanted)


@pytest.mark.parametrize(("value", "actions"), [("Deny", ["Deny"]), ("Warn", ["Warn"]), ("off", []), ("false", [])])
def test_the_value_of_the_chart(helm: Helm, value: str, actions: list[str]) -> None:
    """`off` renders none of them; a plain off in a file is false."""
    rendered = helm.template(f"policy.admission={value}")
    found = [
        item["spec"]["validationActions"]
        for item in rendered
        if item["kind"] == "ValidatingAdmissionPolicyBinding" and "outfitter-policy-" in item["metadata"]["name"]
    ]
    assert found == [actions] * len(PROJECT_POLICIES) * bool(actions)
    assert "policy.admission" in helm.refusal("policy.admission=deny").replace("/", ".")


def test_users_do_not_write_effective_policies(projects: Projects) -> None:
    """Not with every right in the namespace; the operator does, and who may update them in the whole cluster."""
    rbac = "rbac.authorization.k8s.io"
    apply(projects.sandbox, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "owned"}})
    role = {"apiGroups": ["outfitter.dev"], "resources": ["*"], "verbs": ["*"]}
    meta = {"name": "all-of-ours", "namespace": "owned"}
    apply(projects.sandbox, {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": meta, "rules": [role]})
    subjects = [{"kind": "User", "name": name, "apiGroup": rbac} for name in ("wanda", ACCOUNT)]
    binding = {"roleRef": {"apiGroup": rbac, "kind": "Role", "name": "all-of-ours"}, "subjects": subjects}
    apply(projects.sandbox, {"apiVersion": f"{rbac}/v1", "kind": "RoleBinding", "metadata": meta, **binding})
    manifest = custom("EffectivePolicy", "workspace", "owned", {"workloadType": "workspace"})
    where = f"{OF_OURS}/namespaces/owned/effectivepolicies?dryRun=All"

    def tries(user: str) -> str:
        who = Connection.from_kubeconfig(projects.sandbox.kubeconfig_for(user))
        status, body = who.answer("POST", where, manifest)
        return "" if status < 300 else str(body["message"])

    eventually(lambda: tries("wanda"), lambda words: "written by the operator only" in words)
    eventually(lambda: tries(ACCOUNT), lambda words: words == "")
    assert projects.sandbox.connection().answer("POST", where, manifest)[0] == 201
