"""`outfitter explain` over files: each value of the pod beside its origin."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from outfitter.api.version import API_VERSION
from outfitter.cli.app import application

from .conftest import EXAMPLES, Invoke


@cache
def _explained() -> str:
    seen = CliRunner().invoke(
        application(), ["explain", "wsp/alice", "-n", "team-a", "-f", str(EXAMPLES), "-o", "json"]
    )
    assert seen.exit_code == 0, seen.stderr
    return str(seen.stdout)


@pytest.fixture
def explained() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(_explained())
    return data


@pytest.mark.parametrize(
    ("field", "value", "origin"),
    [
        ("image", "nvcr.io/nvidia/pytorch:26.09-py3", "Environment torch"),
        ("args", "-u train.py --epochs 10", "Environment torch"),
        ("env[ENTITY]", "research", "Environment torch"),
        ("env[TEAM_TOKEN]", "abc", "Workspace alice"),
        ("env[AWS_ACCESS_KEY_ID]", "key AccessKeyId of Secret cred-bucket", "Environment torch"),
        ("env[NGC_API_KEY]", "key NGC_API_KEY of Secret cred-ngc", "Workspace alice"),
        ("env[CONFIG]", "key mode of ConfigMap train-config", "Environment torch"),
        ("env[NODE]", "the pod's spec.nodeName", "Environment torch"),
        ("resources.requests.cpu", "2", "Workspace alice"),
        ("resources.requests.memory", "32Gi", "ComputeResource one-gpu"),
        ("resources.limits.nvidia.com/gpu", "1", "ComputeResource one-gpu"),
        ("volumeMounts[/data]", "PersistentVolumeClaim imagenet", "DataSource imagenet"),
        ("volumeMounts[/dev/shm]", "memory", "ComputeResource one-gpu"),
        ("ports[6006]", "TCP", "Workspace alice"),
        ("securityContext.runAsUser", "1000", "Environment torch"),
        ("securityContext.allowPrivilegeEscalation", "false", "Outfitter"),
        ("pod.automountServiceAccountToken", "false", "Outfitter"),
        ("pod.imagePullSecrets[cred-registry]", "Secret cred-registry", "Credential registry"),
    ],
)
def test_a_value_and_its_origin(explained: dict[str, Any], field: str, value: str, origin: str) -> None:
    row = next(item for item in explained["values"] if item["field"] == field)
    assert (row["value"], row["origin"]) == (value, origin)


def test_every_field_of_the_pod_is_there_once(explained: dict[str, Any], invoke: Invoke) -> None:
    fields = [item["field"] for item in explained["values"]]
    assert len(fields) == len(set(fields))
    made = json.loads(invoke("render", "-f", EXAMPLES, "-o", "json").stdout)["items"]
    spec = next(item for item in made if (item["kind"], item["metadata"]["name"]) == ("StatefulSet", "alice"))["spec"]
    pod = spec["template"]["spec"]
    main = pod["containers"][0]
    wanted = {f"env[{item['name']}]" for item in main["env"]} | {
        f"volumeMounts[{item['mountPath']}]" for item in main["volumeMounts"]
    }
    grouped = {"name", "env", "volumeMounts", "ports", "resources", "securityContext"}
    wanted |= set(main) - grouped
    wanted |= {f"pod.{name}" for name in set(pod) - {"containers", "volumes", "securityContext", "imagePullSecrets"}}
    assert wanted <= set(fields)


def test_the_assets_with_their_generations(explained: dict[str, Any]) -> None:
    names = [f"{item['kind']} {item['namespace']}/{item['name']}" for item in explained["assets"]]
    assert names == [
        "Environment outfitter-system/torch",
        "ComputeResource outfitter-system/one-gpu",
        "DataSource team-a/imagenet",
        "WorkloadPolicy outfitter-system/research-notebooks",
        "Credential outfitter-system/bucket",
        "Credential team-a/ngc",
        "Credential outfitter-system/registry",
    ]
    assert all((item["generation"], item["newest"]) == (1, 1) for item in explained["assets"])


def test_a_running_definition_is_explained_too(invoke: Invoke) -> None:
    seen = invoke(
        "explain", "environment/jupyter", "-n", "team-a", "-f", EXAMPLES, env={"OUTFITTER_DOMAIN": "a.example.com"}
    )
    assert seen.exit_code == 0
    assert "Environment team-a/jupyter, revision jupyter-" in seen.stdout
    line = next(line for line in seen.stdout.splitlines() if line.startswith("resources.requests.cpu"))
    assert line.split()[-2:] == ["ComputeResource", "small"]


@pytest.mark.parametrize(
    ("what", "field", "origin"),
    [
        ("artifact/llama", "image", "Artifact llama"),
        ("artifact/llama", "env[NGC_API_KEY]", "Artifact llama"),
        ("artifact/llama", "env[NIM_CACHE_PATH]", "Outfitter"),
        ("artifact/llama", "startupProbe", "Outfitter"),
        ("artifact/llama", "resources.limits.nvidia.com/gpu", "ComputeResource one-gpu"),
        ("artifact/llama", "volumeMounts[/opt/nim/.cache]", "NimCache nim-53f905fb"),
        ("inference/scoring", "startupProbe", "Artifact scorer"),
        ("inference/scoring", "resources.requests.memory", "Inference scoring"),
        ("inference/scoring", "securityContext.readOnlyRootFilesystem", "Artifact scorer"),
        ("inference/scoring", "containers[sidecar]", "Artifact scorer"),
        ("inference/echo", "image", "Inference echo"),
        ("inference/echo", "readinessProbe", "Inference echo"),
    ],
)
def test_what_serves_is_explained_too(invoke: Invoke, what: str, field: str, origin: str) -> None:
    """What an artifact says, what the workload adds, and what every NIM gets from us."""
    seen = invoke("explain", what, "-n", "team-a", "-f", EXAMPLES, "-o", "json")
    assert seen.exit_code == 0, seen.stderr
    assert {item["field"]: item["origin"] for item in json.loads(seen.stdout)["values"]}[field] == origin


@pytest.mark.parametrize(
    ("what", "code", "message"),
    [
        ("workspace/bob", 1, "Workspace bob does not exist in namespace team-a."),
        ("environment/torch", 1, "Environment torch does not exist in namespace team-a."),
        ("credential/ngc", 1, "Credential team-a/ngc has no revision. "),
        ("worksp/alice", 2, "Kind worksp does not exist. Did you mean workspace?"),
        ("workspace", 2, "The name is missing. Use workspace/NAME."),
    ],
)
def test_what_cannot_be_explained(invoke: Invoke, what: str, code: int, message: str) -> None:
    seen = invoke("explain", what, "-n", "team-a", "-f", EXAMPLES)
    assert (seen.exit_code, seen.stdout) == (code, "")
    assert message in seen.stderr


RULED = """\
apiVersion: v1
kind: Namespace
metadata: {name: team-a, labels: {outfitter.dev/project: team-a, outfitter.dev/department: research}}
---
apiVersion: outfitter.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: all, namespace: outfitter-system}
spec:
  workloadType: workspace
  scope: {type: department, name: research}
  defaults:
    labels: {instances: [{name: cost-center, value: "4711"}]}
    imagePullPolicy: Always
  rules:
    imagePullPolicy: {canEdit: false, options: [{value: Always, displayed: Newest}]}
    compute: {gpuDevicesRequest: {max: 2, min: 0}, cpuCoreRequest: {required: true, canEdit: true}}
    environmentVariables: {instances: {locked: [HOME]}}
    labels: {instances: {locked: [cost-center]}}
    probes: {readiness: {periodSeconds: {min: 5}}}
    storage: {emptyDirVolume: {attributes: {medium: {options: [{value: Memory}]}}}, nfs: {instances: {canAdd: false}}}
  imposedAssets: [{name: datasets}]
---
apiVersion: outfitter.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: own, namespace: team-a}
spec:
  workloadType: workspace
  rules: {compute: {cpuCoreLimit: {max: 8, step: 2}}}
---
apiVersion: outfitter.dev/v1alpha1
kind: DataSource
metadata: {name: datasets, namespace: outfitter-system}
spec: {nfs: {server: s, path: /p, mountPath: /data}}
---
apiVersion: outfitter.dev/v1alpha1
kind: Workspace
metadata: {name: alice, namespace: team-a}
spec:
  image: a
  compute: {cpuCoreRequest: 1, cpuCoreLimit: 2, gpuDevicesRequest: 1}
  environmentVariables: [{name: OWN, value: a}]
  probes: {readiness: {periodSeconds: 5, handler: {httpGet: {path: /, port: 80}}}}
  storage: {emptyDirVolume: [{name: tmp, path: /tmp, medium: Memory}]}
"""


def test_the_rules_that_bind_a_value(invoke: Invoke, tmp_path: Path) -> None:
    """Each with its policy; rules that change nothing, such as `canEdit: true`, are left out."""
    (tmp_path / "all.yaml").write_text(RULED)
    seen = invoke("explain", "wsp/alice", "-n", "team-a", "-f", tmp_path, "-o", "json")
    values = {item["field"]: item for item in json.loads(seen.stdout)["values"]}
    texts = {
        field: {item["rule"]: item["value"] for item in value["rules"]}
        for field, value in values.items()
        if "rules" in value
    }
    assert texts == {
        "imagePullPolicy": {"canEdit": False, "options": [{"value": "Always", "displayed": "Newest"}]},
        "readinessProbe": {"min": 5},
        "resources.requests.cpu": {"required": True},
        "resources.limits.cpu": {"max": 8, "step": 2},
        "resources.requests.nvidia.com/gpu": {"max": 2, "min": 0},
        "resources.limits.nvidia.com/gpu": {"max": 2, "min": 0},
        "volumeMounts[/tmp]": {"options": [{"value": "Memory"}]},
        "volumeMounts[/data]": {"imposed": True},
        "pod.labels[cost-center]": {"locked": True},
    }
    assert (values["imagePullPolicy"]["origin"], values["pod.labels[cost-center]"]["origin"]) == (
        ("WorkloadPolicy all",) * 2
    )
    policies = {(item["policy"], item["scope"]) for value in values.values() for item in value.get("rules", ())}
    assert policies == {("outfitter-system/all", "department research"), ("team-a/own", "project team-a")}
    table = invoke("explain", "wsp/alice", "-n", "team-a", "-f", tmp_path).stdout
    assert "canEdit false, options [Always] (all, department research)" in table
    assert "max 8, step 2 (own, project team-a)" in table


def test_what_schedulers_read_has_an_origin(invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Queue and part of a GPU, from the asset, the workload, or Outfitter."""
    monkeypatch.setenv("OUTFITTER_GPU_BACKEND", "kai")
    half = {"gpuDevicesRequest": 1, "gpuRequestType": "portion", "gpuPortionRequest": 0.5}
    objects = [
        {"kind": "ComputeResource", "metadata": {"name": "half"}, "spec": half},
        {
            "kind": "Workspace",
            "metadata": {"name": "w"},
            "spec": {"image": "i:1", "queue": "mine", "assets": {"compute": {"name": "half"}}},
        },
    ]
    file = tmp_path / "w.json"
    file.write_text(
        json.dumps({"kind": "List", "apiVersion": "v1", "items": [{"apiVersion": API_VERSION, **o} for o in objects]})
    )
    seen = invoke("explain", "wsp/w", "-f", str(file), "-o", "json")
    rows = {item["field"]: (item["value"], item["origin"]) for item in json.loads(seen.stdout)["values"]}
    assert rows["pod.labels[kai.scheduler/queue]"] == ("mine", "Workspace w")
    assert rows["pod.annotations[gpu-fraction]"] == ("0.5", "ComputeResource half")
    assert rows["pod.labels[kai.scheduler/preemptibility]"] == ("non-preemptible", "Outfitter")
    assert rows["pod.schedulerName"] == ("kai-scheduler", "Outfitter")


MASTER = """
apiVersion: v1
kind: Namespace
metadata: {name: team-a, labels: {outfitter.dev/project: team-a, outfitter.dev/department: research}}
---
apiVersion: outfitter.dev/v1alpha1
kind: Environment
metadata: {name: torch, namespace: team-a}
spec: {image: "registry.example.com/torch:1", environmentVariables: [{name: SEED, value: "1"}]}
---
apiVersion: outfitter.dev/v1alpha1
kind: ComputeResource
metadata: {name: small, namespace: team-a}
spec: {cpuCoreRequest: 1, cpuMemoryRequest: 1Gi}
---
apiVersion: outfitter.dev/v1alpha1
kind: DataSource
metadata: {name: recipes, namespace: team-a}
spec: {git: {repository: "https://git.example.com/a.git", branch: "a$b", path: /recipes}}
---
apiVersion: outfitter.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: all, namespace: outfitter-system}
spec:
  workloadType: distributed
  scope: {type: department, name: research}
  defaults: {master: {imagePullPolicy: Always}}
  rules:
    worker: {compute: {cpuCoreRequest: {max: 4}}}
    master: {compute: {cpuCoreRequest: {max: 2}}}
---
apiVersion: outfitter.dev/v1alpha1
kind: DistributedTraining
metadata: {name: llm, namespace: team-a}
spec:
  distributedFramework: PyTorch
  queue: gpus
  assets: {environment: {name: torch}, compute: {name: small}}
"""
OWN_MASTER = """
  masterSpec:
    assets: {environment: {name: torch}, dataSources: [{name: recipes}]}
    image: "registry.example.com/master:1"
    compute: {cpuCoreRequest: 2}
    environmentVariables: [{name: RANKS, value: "2"}]
    storage:
      s3: [{bucket: sets, path: /lake}]
      image: [{reference: "registry.example.com/bert:3", subPath: small, mountPath: /bert}]
"""
SAME_MASTER = "  masterSpecSameAsWorker: true\n"


def explained_master(invoke: Invoke, folder: Path, master: str) -> dict[str, dict[str, Any]]:
    (folder / "all.yaml").write_text(MASTER + master)
    env = {"OUTFITTER_QUEUE_BACKEND": "kai"}
    seen = invoke("explain", "dtrn/llm", "-n", "team-a", "-f", folder, "-o", "json", env=env)
    assert seen.exit_code == 0, seen.stderr
    rows = json.loads(seen.stdout)["values"]
    assert len({row["field"] for row in rows}) == len(rows)
    return {row["field"]: row for row in rows}


def test_master_and_workers_have_their_own_sources(invoke: Invoke, tmp_path: Path) -> None:
    """Every value of the master has a row, as those of the workers; the queue is that of the whole training."""
    rows = explained_master(invoke, tmp_path, OWN_MASTER)
    master = {
        "image": ("registry.example.com/master:1", "DistributedTraining llm"),
        "env[SEED]": ("1", "Environment torch"),
        "env[RANKS]": ("2", "DistributedTraining llm"),
        "resources.requests.cpu": ("2", "DistributedTraining llm"),
        "volumeMounts[/recipes]": ("git https://git.example.com/a.git, branch a$b", "DataSource recipes"),
        "volumeMounts[/lake]": ("s3 bucket sets, read-only", "DistributedTraining llm"),
        "volumeMounts[/bert]": (
            "image registry.example.com/bert:3, folder small, read-only",
            "DistributedTraining llm",
        ),
        "imagePullPolicy": ("Always", "WorkloadPolicy all"),
        "pod.labels[kai.scheduler/queue]": ("gpus", "DistributedTraining llm"),
        "pod.enableServiceLinks": ("false", "Outfitter"),
    }
    shown = {field: rows[f"groups[master].{field}"] for field in master}
    assert {field: (row["value"], row["origin"]) for field, row in shown.items()} == master
    assert (rows["image"]["value"], rows["image"]["origin"]) == ("registry.example.com/torch:1", "Environment torch")
    assert rows["resources.requests.memory"]["origin"] == "ComputeResource small"
    assert "groups[master].resources.requests.memory" not in rows


@pytest.mark.parametrize("master", [OWN_MASTER, SAME_MASTER], ids=["own", "same"])
def test_master_and_workers_have_their_own_rules(invoke: Invoke, tmp_path: Path, master: str) -> None:
    rows = explained_master(invoke, tmp_path, master)
    rules = {
        name: [(rule["field"], rule["value"]) for rule in rows[f"{name}resources.requests.cpu"]["rules"]]
        for name in ("", "groups[master].")
    }
    field = "compute.cpuCoreRequest"
    assert rules == {"": [(f"worker.{field}", 4)], "groups[master].": [(f"master.{field}", 2)]}


def test_a_master_like_the_workers_differs_by_its_policy_alone(invoke: Invoke, tmp_path: Path) -> None:
    rows = explained_master(invoke, tmp_path, SAME_MASTER)
    assert rows["groups[master].imagePullPolicy"]["origin"] == "WorkloadPolicy all"
    assert "imagePullPolicy" not in rows
    assert rows["groups[master].image"]["origin"] == "Environment torch"
    assert rows["groups[master].resources.requests.memory"]["origin"] == "ComputeResource small"


def test_values_of_a_master_that_a_template_gives(invoke: Invoke, tmp_path: Path) -> None:
    """Each with its own source, and with the rules of the section of its pods."""
    (tmp_path / "all.yaml").write_text(
        """
apiVersion: outfitter.dev/v1alpha1
kind: WorkloadTemplate
metadata: {name: tf, namespace: team-a}
spec:
  workloadType: distributed
  image: registry.example.com/tf:1
  distributedFramework: TF
  masterSpec: {image: "registry.example.com/chief:1", workingDir: /chief, compute: {cpuCoreRequest: 1}}
---
apiVersion: outfitter.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: rules, namespace: team-a}
spec:
  workloadType: distributed
  defaults: {master: {compute: {cpuMemoryRequest: 1Gi}}}
  rules: {worker: {image: {required: true}}, master: {compute: {cpuCoreRequest: {max: 2}}}}
---
apiVersion: outfitter.dev/v1alpha1
kind: DistributedTraining
metadata: {name: llm, namespace: team-a}
spec:
  template: {name: tf}
  masterSpec: {environmentVariables: [{name: ROLE, value: chief}]}
"""
    )
    seen = invoke("explain", "dtrn/llm", "-n", "team-a", "-f", tmp_path, "-o", "json")
    assert seen.exit_code == 0, seen.stderr
    found = {item["field"]: item for item in json.loads(seen.stdout)["values"]}
    origins = {field: item["origin"] for field, item in found.items()}
    assert (origins["image"], origins["groups[master].image"]) == ("WorkloadTemplate tf", "WorkloadTemplate tf")
    assert origins["groups[master].workingDir"] == "WorkloadTemplate tf"
    assert origins["groups[master].env[ROLE]"] == "DistributedTraining llm"
    assert origins["groups[master].resources.requests.memory"] == "WorkloadPolicy rules"
    (rule,) = found["groups[master].resources.requests.cpu"]["rules"]
    assert (rule["field"], rule["rule"], rule["policy"]) == ("master.compute.cpuCoreRequest", "max", "team-a/rules")
    assert [item["field"] for item in found["image"]["rules"]] == ["worker.image"]
    assert "rules" not in found["groups[master].image"]
