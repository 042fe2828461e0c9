"""`outfitter policy` and `validate --policy`: policies of files, without a cluster."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from .conftest import ROOT, Invoke, process

Write = Callable[..., Path]
VECTORS = ROOT / "tests" / "policy" / "vectors" / "policy.yaml"

POLICIES = """\
apiVersion: v1
kind: Namespace
metadata: {name: team-a, labels: {outfitter.dev/project: team-a, outfitter.dev/department: research}}
---
apiVersion: outfitter.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: research, namespace: outfitter-system}
spec:
  workloadType: workspace
  scope: {type: department, name: research}
  defaults:
    labels: {instances: [{name: cost-center, value: "4711"}]}
  rules:
    compute: {gpuDevicesRequest: {max: 2}}
    labels: {instances: {locked: [cost-center]}}
  imposedAssets: [{name: datasets}]
---
apiVersion: outfitter.dev/v1alpha1
kind: DataSource
metadata: {name: datasets, namespace: outfitter-system}
spec: {nfs: {server: s, path: /p, mountPath: /data}}
---
apiVersion: outfitter.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: team, namespace: team-a}
spec:
  workloadType: workspace
  rules: {image: {required: true}, compute: {gpuDevicesRequest: {max: 4}}}
"""
CASES = """\
cases:
- {id: too many, submit: {image: a, compute: {gpuDevicesRequest: 3}}, errors: [[compute.gpuDevicesRequest, max]]}
- {id: accepted, submit: {image: a}}
- id: completed
  submit: {image: a}
  effective:
    image: a
    labels: [{name: cost-center, value: "4711"}]
    storage: {nfs: [{name: datasets, server: s, path: /p, mountPath: /data}]}
- {id: another project, namespace: team-b, submit: {compute: {gpuDevicesRequest: 8}}}
"""
WORKSPACE = """\
apiVersion: outfitter.dev/v1alpha1
kind: Workspace
metadata: {name: alice, namespace: team-a}
spec:
  compute:
    gpuDevicesRequest: 3
  labels:
  - {name: team, value: a}
  - {name: cost-center, value: "1"}
"""


@pytest.fixture
def policies(write: Write, tmp_path: Path) -> Path:
    """A folder with policies and cases."""
    write(POLICIES, "policies.yaml")
    write(CASES, "cases.yaml")
    return tmp_path


def test_vectors_as_a_process() -> None:
    """Exit code 0, and nothing on standard output."""
    for arguments in (["--vectors", str(VECTORS)], [str(VECTORS)]):
        seen = process("policy", "test", *arguments)
        assert (seen.returncode, seen.stdout, seen.stderr) == (0, "", "48 cases, 0 failed\n")


def test_a_line_for_each_mismatch(invoke: Invoke, write: Write) -> None:
    vectors = yaml.safe_load(VECTORS.read_text())[:3]
    vectors[0]["effective"]["image"] = "other"
    vectors[1]["errors"] = [["image", "max"]]
    vectors[2]["policyErrors"] = [["project", "image", "unknown"]]
    seen = invoke("policy", "test", "--vectors", write(yaml.safe_dump(vectors)))
    assert seen.exit_code == 1
    lines = [line.partition(": ")[::2] for line in seen.stdout.splitlines()]
    assert [(name, text.partition(":")[0]) for name, text in lines] == [
        (vectors[0]["id"], "effective"), (vectors[1]["id"], "errors"), (vectors[2]["id"], "policyErrors"),
    ]  # fmt: skip
    assert "3 cases, 3 failed" in seen.stderr


def test_cases_of_a_folder(invoke: Invoke, policies: Path) -> None:
    seen = invoke("policy", "test", policies)
    assert (seen.exit_code, seen.stdout) == (0, "")
    assert "4 cases, 0 failed" in seen.stderr


def test_a_folder_with_a_wrong_policy_fails(invoke: Invoke, policies: Path, write: Write) -> None:
    """Also where all cases come out as expected."""
    write(POLICIES.replace("[{name: datasets}]", "[{name: gone}]"), "policies.yaml")
    write("cases:\n- {id: one, submit: {image: a}}\n", "cases.yaml")
    seen = invoke("policy", "test", policies)
    assert seen.exit_code == 1
    assert "imposedAssets[gone]" in seen.stdout


def test_no_cases_is_an_error(invoke: Invoke, write: Write) -> None:
    seen = invoke("policy", "test", write(POLICIES))
    assert seen.exit_code == 2
    assert "contains no cases" in seen.stderr


def test_effective_policy_as_a_table(invoke: Invoke, policies: Path) -> None:
    seen = invoke("policy", "effective", "-f", policies)
    assert seen.exit_code == 0
    rows = [line.split() for line in seen.stdout.splitlines()]
    assert ["compute.gpuDevicesRequest", "rule", '{"max":', "2}", "department", "research",
            "outfitter-system/research"] in rows  # fmt: skip
    assert ["image", "rule", '{"required":', "true}", "project", "team-a", "team-a/team"] in rows
    assert any(row[:2] == ["storage.nfs[datasets]", "imposed"] for row in rows)
    assert "WorkloadPolicy team-a/team (project team-a): compute.gpuDevicesRequest: " in seen.stderr


def test_a_lock_without_a_default_is_a_warning(invoke: Invoke, write: Write) -> None:
    """People expect it to forbid the item."""
    seen = invoke("policy", "effective", "-f", write(POLICIES.replace("[cost-center]", "[cost-center, team]")))
    assert seen.exit_code == 0
    assert "labels.instances[team]: team is locked and has no default" in seen.stderr


def test_effective_policy_as_data(invoke: Invoke, policies: Path) -> None:
    seen = invoke("policy", "effective", "-f", policies, "--type", "workspace", "-o", "json")
    data = json.loads(seen.stdout)["workspace"]
    assert data["rules"]["compute"] == {"gpuDevicesRequest": {"max": 2}}
    assert data["imposedAssets"][0]["source"]["policy"] == "outfitter-system/research"
    assert {"field": "image", "part": "rule",
            "source": {"scope": "project", "name": "team-a", "policy": "team-a/team"}} in data["sources"]  # fmt: skip


def test_workloads_are_judged_at_their_lines(invoke: Invoke, policies: Path, write: Write) -> None:
    file = write(WORKSPACE, "workloads/alice.yaml") if (policies / "workloads").mkdir() is None else Path()
    seen = invoke("validate", "-f", file, "--policy", policies)
    assert seen.exit_code == 1
    found = [line.removeprefix(f"{file}:").split(": ")[:2] for line in seen.stdout.splitlines()]
    assert found == [
        ["4:1", "Workspace team-a/alice spec.image"],
        ["6:5", "Workspace team-a/alice spec.compute.gpuDevicesRequest"],
        ["9:5", "Workspace team-a/alice spec.labels[1]"],
    ]
    assert "0 objects valid, 3 errors in 1 object" in seen.stderr
    log = json.loads(invoke("validate", "-f", file, "--policy", policies, "-o", "sarif").stdout)
    (run,) = log["runs"]
    assert [result["ruleId"] for result in run["results"]] == ["policy"] * 3
    assert run["results"][1]["locations"][0]["physicalLocation"]["region"] == {"startLine": 6, "startColumn": 5}


def test_what_an_asset_can_set_is_not_required(invoke: Invoke, policies: Path, write: Write) -> None:
    (policies / "workloads").mkdir()
    text = WORKSPACE.replace("gpuDevicesRequest: 3", "gpuDevicesRequest: 1").replace('value: "1"', 'value: "4711"')
    file = write(text.replace("spec:\n", "spec:\n  assets: {environment: {name: e}}\n"), "workloads/alice.yaml")
    assert invoke("validate", "-f", file, "--policy", policies).exit_code == 0


KINDS = {"template": "WorkloadTemplate", "environment": "Environment", "compute": "ComputeResource"}
FROM = {
    "template": "template: {name: base}",
    "environment": "assets: {environment: {name: base}}",
    "compute": "assets: {compute: {name: base}}",
}
WIDE = ("outfitter-system", "scope: {type: department, name: research}, ")


@pytest.mark.parametrize("beside", ["policies", "workloads"])
@pytest.mark.parametrize(("where", "scope"), [("team-a", ""), WIDE])
@pytest.mark.parametrize("kind", FROM)
def test_references_among_the_files_are_judged(
    invoke: Invoke, policies: Path, write: Write, kind: str, where: str, scope: str, beside: str
) -> None:
    """Their values count for `required`, and are judged; what is not among the files may set anything."""
    (policies / "workloads").mkdir()
    head = "apiVersion: outfitter.dev/v1alpha1\n"
    workload = f"{head}kind: Workspace\nmetadata: {{name: box, namespace: team-a}}\nspec:\n  {FROM[kind]}\n"
    workload += "  image: a:1\n" if kind == "compute" else ""
    gpus = "gpuDevicesRequest: {}" if kind == "compute" else "image: a:1, compute: {{gpuDevicesRequest: {}}}"
    gpus = "image: a:{}" if kind == "environment" else gpus
    scope += "workloadType: workspace, " if kind == "template" else ""
    meta = f"metadata: {{name: base, namespace: {where}}}"

    def run(fields: str | None) -> list[str]:
        file = write(workload, "workloads/box.yaml")
        if fields is not None:
            place = "workloads/base.yaml" if beside == "workloads" else "base.yaml"
            write(f"{head}kind: {KINDS[kind]}\n{meta}\nspec: {{{scope}{fields}}}", place)
        seen = invoke("validate", "-f", file.parent, "--policy", policies)
        return [line.partition("box ")[2] for line in seen.stdout.splitlines()]

    assert run(None) == []
    assert run(gpus.format(1)) == []
    if kind == "template":
        assert [each.split(":")[0] for each in run("workingDir: /x")] == ["spec.image"]
    if kind != "environment":
        (found,) = run(gpus.format(3))
        assert found.startswith(f"spec.{'template' if kind == 'template' else 'assets.compute'}: ")
        assert "base sets compute.gpuDevicesRequest: 3 is more than 2" in found


DISTRIBUTED = """\
apiVersion: outfitter.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: trainings, namespace: team-a}
spec:
  workloadType: distributed
  rules:
    worker: {image: {required: true}, compute: {gpuDevicesRequest: {max: 2}}, labels: {instances: {canAdd: false}}}
    master: {image: {required: true}, compute: {gpuDevicesRequest: {max: 1}}, labels: {instances: {canAdd: false}}}
"""
TEMPLATE = """\
---
apiVersion: outfitter.dev/v1alpha1
kind: WorkloadTemplate
metadata: {name: base, namespace: team-a}
spec:
  workloadType: distributed
  image: a:1
  masterSpec: {image: "b:1", compute: {gpuDevicesRequest: 2}}
"""
GROUPS = [
    ("image: a:1, masterSpec: {image: b:1}", {}),
    ("masterSpec: {}", {"image", "masterSpec.image"}),
    ("image: a:1, compute: {gpuDevicesRequest: 3}, masterSpec: {image: b:1, compute: {gpuDevicesRequest: 2}}",
     {"compute.gpuDevicesRequest", "masterSpec.compute.gpuDevicesRequest"}),
    ("image: a:1, masterSpec: {image: b:1, labels: [{name: a, value: b}, {name: c, value: d}]}",
     {"masterSpec.labels[0]", "masterSpec.labels[1]"}),
    ("image: a:1, compute: {gpuDevicesRequest: 2}, masterSpecSameAsWorker: true", {"compute.gpuDevicesRequest"}),
    ("image: a:1, compute: {gpuDevicesRequest: 2}, distributedFramework: JAX", {}),
    ("template: {name: base}", {"template"}),
    ("template: {name: base}, masterSpec: {compute: {gpuDevicesRequest: 1}}", {}),
    ("template: {name: base}, masterSpecSameAsWorker: true", {}),
    ("template: {name: other}, masterSpec: {}", {}),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "fields"), GROUPS)
def test_workers_and_master_are_judged_by_their_sections(
    invoke: Invoke, policies: Path, write: Write, spec: str, fields: set[str]
) -> None:
    """Each with its own fields, those of its part of the template, and the place where they are written."""
    (policies / "workloads").mkdir()
    write(DISTRIBUTED, "trainings.yaml")
    head = "apiVersion: outfitter.dev/v1alpha1\nkind: DistributedTraining\nmetadata: {name: d, namespace: team-a}\n"
    spec = spec.replace("a:1", '"a:1"').replace("b:1", '"b:1"')
    file = write(f"{head}spec: {{{spec}}}\n{TEMPLATE}", "workloads/d.yaml")
    seen = invoke("validate", "-f", file, "--policy", policies)
    places = [line.partition("/d spec.")[2].partition(": ")[0] for line in seen.stdout.splitlines()]
    assert set(places) == set(fields), seen.stdout
    assert seen.exit_code == bool(fields)


@pytest.mark.parametrize(
    ("part", "path", "value", "hint"),
    [
        ("defaults", "storage.git.attributes.passwordSecret", "s", "use secretRef.name"),
        ("defaults", "storage.git.instances", [{"name": "a", "secretKeyOfUser": "u"}], "use secretRef.secretKeyOfUser"),
        ("rules", "storage.git.attributes.secretKeyOfPassword", {}, "use secretRef.secretKeyOfPassword"),
        ("defaults", "tolerations.attributes.exclude", True, "use locked in the rules of instances, or exclude in an"),
        ("rules", "ports.attributes.customExternalPort", {}, "use canEdit: false in the rules of external"),
        ("rules", "storage.git.attributes.branche", {}, "did you mean branch?"),
        ("rules", "image.xyz", True, "fields here are required, canEdit, options"),
        ("defaults", "tty", "yes", ""),
    ],
)
def test_hints_about_policies(invoke: Invoke, write: Write, part: str, path: str, value: object, hint: str) -> None:
    """About the field itself, never about the one above it."""
    for step in reversed(path.split(".")):
        value = {step: value}
    for kind, tree in (("workspace", value), ("distributed", {"worker": value})):
        body = {"apiVersion": "outfitter.dev/v1alpha1", "kind": "WorkloadPolicy", "metadata": {"name": "p"},
                "spec": {"workloadType": kind, part: tree}}  # fmt: skip
        seen = invoke("validate", "-f", write(yaml.safe_dump(body)))
        assert seen.exit_code == 1
        assert (f"hint: {hint}" in seen.stdout) if hint else ("hint: " not in seen.stdout), seen.stdout


def test_validate_finds_what_the_schema_does_not(invoke: Invoke, write: Write) -> None:
    """The errors of the policy itself, at their places."""
    spec = {
        "workloadType": "workspace",
        "defaults": {"compute": {"gpuDevicesRequest": 9}},
        "rules": {
            "compute": {
                "gpuDevicesRequest": {"max": 8},
                "cpuCoreLimit": {"min": 3, "max": 2},
                "cpuCoreRequest": {"defaultFrom": {"field": "gpuCores"}},
            }
        },
    }
    body = {"apiVersion": "outfitter.dev/v1alpha1", "kind": "WorkloadPolicy", "metadata": {"name": "p"}, "spec": spec}
    seen = invoke("validate", "-f", write(yaml.safe_dump(body)), "-o", "json")
    assert seen.exit_code == 1
    assert sorted(error["field"] for error in json.loads(seen.stdout)["errors"]) == [
        "spec.defaults.compute.gpuDevicesRequest",
        "spec.rules.compute.cpuCoreLimit",
        "spec.rules.compute.cpuCoreRequest",
    ]
