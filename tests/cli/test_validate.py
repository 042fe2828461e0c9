"""`outfitter validate`: every error at its place, and nothing that is not certain."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from outfitter.api.schema import resource_schema
from outfitter.api.v1alpha1 import API_VERSION, KINDS
from outfitter.cli.synonyms import SYNONYMS, in_place_of

from .conftest import EXAMPLES, Invoke, process

Write = Callable[..., Path]

BROKEN = """\
apiVersion: outfitter.dev/v1alpha1
kind: Workspace
metadata: {name: Alice, namespace: team-a}
spec:
  imge: python:3.12
  imagePullPolicy: Alway
  compute:
    cpuCoreRequest: "four"
  connections:
  - {name: lab, toolType: jupyter-notebook, connectionType: ExternalUrl, containerPort: 99999}
"""


def test_the_examples_are_valid(invoke: Invoke) -> None:
    seen = invoke("validate", "-f", EXAMPLES)
    assert (seen.exit_code, seen.stdout) == (0, "")
    assert "30 objects valid, 7 objects of other kinds skipped" in seen.stderr


def test_all_errors_at_once_each_at_its_line_and_column(invoke: Invoke, write: Write) -> None:
    file = write(BROKEN)
    seen = invoke("validate", "-f", file)
    assert seen.exit_code == 1
    found = [line.removeprefix(f"{file}:") for line in seen.stdout.splitlines() if line.startswith(str(file))]
    assert [line.split(": ")[:2] for line in found] == [
        ["3:12", "Workspace team-a/Alice metadata.name"],
        ["5:3", "Workspace team-a/Alice spec.imge"],
        ["6:3", "Workspace team-a/Alice spec.imagePullPolicy"],
        ["8:5", "Workspace team-a/Alice spec.compute.cpuCoreRequest"],
        ["10:74", "Workspace team-a/Alice spec.connections[0].containerPort"],
    ]
    assert "hint: did you mean image?" in seen.stdout
    assert "hint: did you mean Always?" in seen.stdout
    assert "hint: containerPort is: " in seen.stdout
    assert "5 errors in 1 object" in seen.stderr


def test_keys_given_twice_are_errors_where_they_stand(invoke: Invoke, write: Write) -> None:
    file = write("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  labels: {x: '1', x: '2'}\n  name: b\n")
    seen = invoke("validate", "-f", file)
    assert seen.exit_code == 1
    assert f"{file}:5:20: metadata.labels.x: The key x occurs twice, first in line 5." in seen.stdout
    assert f"{file}:6:3: metadata.name: The key name occurs twice, first in line 4." in seen.stdout


def test_merged_keys_are_not_given_twice(invoke: Invoke, write: Write) -> None:
    text = BROKEN.splitlines()[:2]
    body = ["metadata: {name: a}", "spec: &s {image: x}", "---", *text, "metadata: {name: b}"]
    merged = ["spec:", "  <<: {image: x, workingDir: /a}", "  image: z"]
    assert invoke("validate", "-f", write("\n".join([*text, *body, *merged]))).exit_code == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "kind: Workspce\napiVersion: outfitter.dev/v1alpha1",
            "outfitter.dev has no kind Workspce.\n    hint: did you mean Workspace?",
        ),
        (
            "kind: Workspace\napiVersion: outfiter.dev/v1alpha1",
            "apiVersion: The value must be outfitter.dev/v1alpha1, not outfiter.dev/v1alpha1.",
        ),
        ("kind: Workspace\napiVersion: outfitter.dev/v1", "must be outfitter.dev/v1alpha1, not outfitter.dev/v1."),
        ("kind: Workspace", "apiVersion is missing."),
        ("apiVersion: outfitter.dev/v1alpha1", "kind is missing."),
        ("- a\n- b", "The document is not an object."),
        ("a: [1", "The file is not valid YAML: "),
        ("1: x", "The key 1 is not text."),
        ("a: &a [*a]", "The value contains itself"),
    ],
)
def test_what_cannot_be_recognised(invoke: Invoke, write: Write, text: str, message: str) -> None:
    seen = invoke("validate", "-f", write(text))
    assert seen.exit_code == 1
    assert message in seen.stdout


def test_kinds_of_others_are_skipped_and_counted(invoke: Invoke, write: Write) -> None:
    text = "apiVersion: coder.com/v1\nkind: Workspace\nspec: {any: thing}\n---\nreplicas: 2\n---\n# nothing\n"
    seen = invoke("validate", "-f", write(text))
    assert (seen.exit_code, "2 objects of other kinds skipped" in seen.stderr) == (0, True)


def test_an_object_defined_twice_names_the_first(invoke: Invoke, write: Write) -> None:
    one = "apiVersion: outfitter.dev/v1alpha1\nkind: Workspace\nmetadata: {name: a, namespace: t}\nspec: {image: x}\n"
    file = write(f"{one}---\n{one}")
    seen = invoke("validate", "-f", file)
    assert seen.exit_code == 1
    assert f"{file}:8:12: Workspace t/a metadata.name: The object is defined twice, first in {file}:1." in seen.stdout


def test_items_of_a_list_keep_their_lines(invoke: Invoke, write: Write) -> None:
    indented = "\n".join(f"  {line}" for line in BROKEN.splitlines())
    file = write(f"apiVersion: v1\nkind: List\nitems:\n-{indented[1:]}\n")
    seen = invoke("validate", "-f", file)
    assert f"{file}:8:5: Workspace team-a/Alice spec.imge" in seen.stdout


def test_values_are_read_as_kubectl_reads_them(invoke: Invoke, write: Write) -> None:
    text = "apiVersion: outfitter.dev/v1alpha1\nkind: Workspace\nmetadata: {name: a}\nspec:\n"
    good = "  image: 2026-10-01\n  workingDir: 22:22\n  compute: {cpuCoreRequest: 5e-1, cpuMemoryRequest: 1e9}\n"
    seen = invoke("validate", "-f", write(text + good))
    assert "image" not in seen.stdout
    assert "cpuCoreRequest" not in seen.stdout
    assert "must be text" not in seen.stdout


WORKSPACE = "apiVersion: outfitter.dev/v1alpha1\nkind: Workspace\nmetadata: {name: a}\nspec: {image: b}\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_files_of_every_editor(invoke: Invoke, tmp_path: Path, encoding: str, line_end: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(WORKSPACE.replace("\n", line_end).encode(encoding))
    assert invoke("validate", "-f", file).exit_code == 0
    assert invoke("validate", "-f", "-", input=file.read_bytes()).exit_code == 0


@pytest.mark.parametrize(
    ("text", "what"),
    [
        pytest.param(f"%YAML 1.1\n---\n{WORKSPACE}", "1:1: kubectl cannot read the directive", id="directive"),
        pytest.param("{apiVersion: v1}", "1:2: kubectl reads a file that begins with { as JSON", id="flow-mapping"),
        pytest.param(f"{WORKSPACE}nope: null\n", "5:1: Workspace a nope: The field is unknown", id="unknown-null"),
        pytest.param(WORKSPACE.replace("b}", "y}"), "spec.image: The value must be text. Put it in quotes.", id="y"),
        pytest.param(WORKSPACE.replace("b}", ".nan}"), "spec.image: The value must be text", id="nan-as-text"),
        pytest.param(
            WORKSPACE.replace("b}", "b, compute: {cpuCoreLimit: .inf}}"),
            "cpuCoreLimit: The value must be a number",
            id="infinity",
        ),
        pytest.param(WORKSPACE.replace("name: a", "generateName: a-"), "metadata.generateName", id="generated-name"),
        pytest.param(
            WORKSPACE.replace("name: a", "name: a, labels: {b: 1}"),
            "metadata.labels.b: The value must be text. Put it in quotes.",
            id="label-number",
        ),
        pytest.param(WORKSPACE.replace("name: a", "name: a, labels: {b c: d}"), "metadata.labels.b c", id="label-key"),
    ],
)
def test_what_kubectl_rejects(invoke: Invoke, write: Write, text: str, what: str) -> None:
    seen = invoke("validate", "-f", write(text))
    assert seen.exit_code == 1
    assert what in seen.stdout


def test_tags_are_ignored_as_by_kubectl(invoke: Invoke, write: Write) -> None:
    spec = "spec: !spec\n  image: !image b\n  labels: !list [{name: c, value: !!binary ZA==}]\n"
    assert invoke("validate", "-f", write(WORKSPACE.replace("spec: {image: b}\n", spec))).exit_code == 0


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_findings_as_data(invoke: Invoke, write: Write, form: str) -> None:
    file = write(BROKEN)
    seen = invoke("validate", "-f", file, "-o", form)
    assert seen.exit_code == 1
    data = json.loads(seen.stdout) if form == "json" else yaml.safe_load(seen.stdout)
    assert (data["valid"], data["invalid"], data["skipped"], len(data["errors"])) == (0, 1, 0, 5)
    assert data["errors"][1] == {
        "file": str(file),
        "line": 5,
        "column": 3,
        "object": "Workspace team-a/Alice",
        "field": "spec.imge",
        "message": "The field is unknown.",
        "hint": "did you mean image?",
    }


def test_exit_codes_and_streams_of_the_real_process(write: Write, tmp_path: Path) -> None:
    assert process("validate", "-f", EXAMPLES).returncode == 0
    assert process("validate", "-f", write(BROKEN)).returncode == 1
    for arguments in (["validate"], ["validate", "-f", tmp_path / "none.yaml"], ["validate", "--fast"]):
        assert process(*arguments).returncode == 2
    assert (
        "none.yaml cannot be read: No such file or directory"
        in process("validate", "-f", tmp_path / "none.yaml").stderr
    )


def test_standard_input_and_folders(invoke: Invoke, write: Write, tmp_path: Path) -> None:
    assert invoke("validate", "-f", "-", input=BROKEN).stdout.startswith("stdin:3:12: ")
    (tmp_path / "deep").mkdir()
    (tmp_path / "empty").mkdir()
    write(BROKEN, "deep/a.yaml")
    write("x: 1", "b.yml")
    assert invoke("validate", "-f", tmp_path).exit_code == 0
    assert invoke("validate", "-f", tmp_path, "-R").exit_code == 1
    assert invoke("validate", "-f", tmp_path / "empty").exit_code == 2


def test_fields_of_pods_are_answered_with_ours(invoke: Invoke, write: Write) -> None:
    """For each name of the table, some kind has the field that the hint names."""
    schemas = [resource_schema(kind.model) for kind in KINDS]
    for name in SYNONYMS:
        places = (("spec", name), ("spec", "security", name), ("spec", "compute", name))
        assert any(in_place_of(schema, place) for schema in schemas for place in places), name
    fields = "env: []\n  resources: {}\n  nodeSelector: {}\n  volumes: []\n  securityContext: {}"
    text = f"apiVersion: {API_VERSION}\nkind: Workspace\nmetadata: {{name: a, namespace: b}}\nspec:\n  {fields}\n"
    seen = invoke("validate", "-f", write(f"{text}  gpuDevicesRequest: 1\n  imge: a\n  serviceAccountName: a\n"))
    hints = [line.strip() for line in seen.stdout.splitlines() if "hint:" in line]
    assert hints == [
        "hint: use spec.environmentVariables",
        "hint: use spec.compute",
        "hint: use spec.nodeType or spec.nodePools or spec.nodeAffinityRequired",
        "hint: use spec.storage or spec.assets.dataSources",
        "hint: use spec.security",
        "hint: use spec.compute.gpuDevicesRequest",
        "hint: did you mean image?",
        "hint: remove it: pods get no ServiceAccount token",
    ]


def test_inside_a_field_the_hint_is_about_that_place(invoke: Invoke, write: Write) -> None:
    text = f"apiVersion: {API_VERSION}\nkind: Environment\nmetadata: {{name: a, namespace: b}}\n"
    seen = invoke("validate", "-f", write(f"{text}spec: {{image: a, security: {{runAsUser: 1}}, cpu: 1}}"))
    assert "hint: use spec.security.runAsUid" in seen.stdout
    assert "hint: use spec.compute" not in seen.stdout  # an Environment has no such field


def test_files_of_helm_charts_are_skipped_in_folders(invoke: Invoke, tmp_path: Path) -> None:
    chart = tmp_path / "chart"
    (chart / "templates" / "inner").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: a\n")
    (chart / "values.yaml").write_text("kind: a\n")
    template = chart / "templates" / "inner" / "a.yaml"
    template.write_text("{{- if .Values.a }}\napiVersion: outfitter.dev/v1alpha1\n{{ end }}\n")
    (tmp_path / "good.yaml").write_text((EXAMPLES / "10-notebook.yaml").read_text())
    seen = invoke("validate", "-R", "-f", tmp_path)
    assert seen.exit_code == 0
    assert f"Skipped 3 files of Helm charts in {tmp_path}." in seen.stderr
    alone = invoke("validate", "-f", template)
    assert alone.exit_code == 1
    assert "hint: it is a template: check the output of helm template, with -f -" in alone.stdout
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [\n")
    assert "check quotes and indentation" in invoke("validate", "-f", broken).stdout
