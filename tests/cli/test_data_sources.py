"""Data sources on the command line: what validate rejects, and what render and explain show."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Invoke

EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples"
PASSWORD = "n0t-t0-be-sh0wn"


@pytest.mark.parametrize(
    "source",
    [
        f"git: {{repository: 'https://ann:{PASSWORD}@git.example.com/a.git', path: /a}}",
        f"git: {{repository: 'https://{PASSWORD}@git.example.com/a.git', path: /a}}",
        f"git: {{repository: 'ssh://git:{PASSWORD}@git.example.com/a.git', path: /a, credential: {{name: c}}}}",
        f"s3: {{bucket: data, url: 'https://key:{PASSWORD}@s3.example.com', path: /a}}",
    ],
)
def test_a_login_in_a_url_is_rejected_and_not_repeated(invoke: Invoke, tmp_path: Path, source: str) -> None:
    file = tmp_path / "source.yaml"
    head = "apiVersion: outfitter.dev/v1alpha1\nkind: DataSource\nmetadata: {name: a, namespace: b}\n"
    file.write_text(f"{head}spec: {{{source}}}\n")
    seen = invoke("validate", "-f", file)
    assert seen.exit_code == 1
    assert "contains a user or password" in seen.stdout + seen.stderr
    assert PASSWORD not in seen.stdout + seen.stderr


def workspace(folder: Path, storage: str) -> Path:
    file = folder / "workspace.yaml"
    head = "apiVersion: outfitter.dev/v1alpha1\nkind: Workspace\nmetadata: {name: a, namespace: b}\n"
    file.write_text(f"{head}spec: {{image: 'registry.example.com/a:1', storage: {{{storage}}}}}\n")
    return file


@pytest.mark.parametrize("url", [f"https://ann:{PASSWORD}@r.example.com", f"ann:{PASSWORD}@r.example.com/a"])
def test_a_login_in_the_url_of_a_registry_is_not_repeated(invoke: Invoke, tmp_path: Path, url: str) -> None:
    file = tmp_path / "registry.yaml"
    head = "apiVersion: outfitter.dev/v1alpha1\nkind: Registry\nmetadata: {name: a, namespace: b}\n"
    file.write_text(f"{head}spec: {{url: '{url}'}}\n")
    seen = invoke("validate", "-f", file)
    assert seen.exit_code == 1
    assert "url contains a user or password. Remove them. Put the login into a Credential." in flat(seen.stdout)
    assert PASSWORD not in seen.stdout + seen.stderr


# Inline storage, and the one message about it.
WRONG = {
    "path-twice": (
        "git: [{repository: 'https://g/a.git', path: /a}, {repository: 'https://g/b.git', path: /a/}]",
        "spec.storage.git[1].path: /a/ is also the path of git[0]. Choose another path.",
    ),
    "another-scheme": (
        "git: [{repository: 'ftp://g/a.git', path: /a}]",
        "spec.storage.git[0].repository: repository is no URL that can be used. "
        "Write https://HOST/PATH, ssh://USER@HOST/PATH or USER@HOST:PATH.",
    ),
    "size-with-b": (
        "git: [{repository: 'https://g/a.git', path: /a, sizeLimit: 10 GB}]",
        "'10 GB' is not valid. Write a quantity such as 10Gi or 10G, without a space, sign or final B.",
    ),
    "bucket-with-a-scheme": (
        "s3: [{bucket: 's3://data', path: /a}]",
        "'s3://data' is not valid. Write the name alone: lower case letters, digits, dots and hyphens.",
    ),
    "sub-path": (
        "image: [{reference: a, mountPath: /a, subPath: ../x}]",
        "subPath must stay inside the volume. Set a relative path without `..`.",
    ),
}


@pytest.mark.parametrize(("storage", "message"), WRONG.values(), ids=WRONG)
def test_wrong_storage_has_one_clear_message(invoke: Invoke, tmp_path: Path, storage: str, message: str) -> None:
    seen = invoke("validate", "-f", workspace(tmp_path, storage), "-o", "json")
    assert seen.exit_code == 1
    (error,) = json.loads(seen.stdout)["errors"]
    assert message in f"{error['field']}: {error['message']}"


def flat(text: str) -> str:
    return " ".join(text.split())


def running_example(folder: Path) -> Path:
    text = "".join(f"{path.read_text()}\n---\n" for path in sorted(EXAMPLES.glob("*.yaml")))
    file = folder / "examples.yaml"
    file.write_text(text.replace("  suspend: true\n", ""))
    return file


def test_render_shows_what_fetches(invoke: Invoke, tmp_path: Path) -> None:
    seen = invoke("render", "-f", running_example(tmp_path), "--domain", "apps.example.com")
    assert seen.exit_code == 0, seen.stderr
    for text in (
        "outfitter-data-recipes-",
        "outfitter-data-lake-",
        "docker.io/alpine/git:",
        "docker.io/rclone/rclone:",
    ):
        assert text in seen.stdout


def test_explain_names_what_is_fetched(invoke: Invoke, tmp_path: Path) -> None:
    seen = invoke("explain", "workspace/reader", "-n", "team-a", "-f", running_example(tmp_path), "-o", "json")
    assert seen.exit_code == 0, seen.stderr
    found = json.loads(seen.stdout)
    rows = {item["field"]: (item["value"], item["origin"]) for item in found["values"]}
    wanted = {
        "/recipes": ("git https://git.example.com/team-a/recipes.git, revision v1.2", "DataSource recipes"),
        "/lake": ("s3 bucket https://minio.example.com/training-sets, read-only", "DataSource lake"),
        "/models/bert": ("image registry.example.com/models/bert:3, read-only", "DataSource bert"),
    }
    assert {path: rows[f"volumeMounts[{path}]"] for path in wanted} == wanted
    images = {field: row for field, row in rows.items() if field.startswith("initContainers[")}
    assert [origin for _, origin in images.values()] == ["DataSource recipes", "DataSource lake"]
    assert ("Credential", "forge") in {(item["kind"], item["name"]) for item in found["assets"]}


def test_explain_names_what_drivers_mount(invoke: Invoke, tmp_path: Path) -> None:
    """A bucket by its claim, and a directory of a file server."""
    storage = "s3: [{bucket: sets, path: /sets}], nfs: [{server: files, path: /a, mountPath: /a}]"
    env = {
        "OUTFITTER_S3_BACKEND": "csi",
        "OUTFITTER_S3_DRIVER": "s3.csi.aws.com",
        "OUTFITTER_S3_BUCKETS": "sets",
        "OUTFITTER_NFS_BACKEND": "csi",
    }
    seen = invoke("explain", "wsp/a", "-n", "b", "-f", workspace(tmp_path, storage), "-o", "json", env=env)
    assert seen.exit_code == 0, seen.stderr
    rows = {item["field"]: item["value"] for item in json.loads(seen.stdout)["values"]}
    assert rows["volumeMounts[/sets]"].startswith("s3 bucket sets, by PersistentVolumeClaim outfitter-ro-a-")
    assert rows["volumeMounts[/a]"] == "nfs files:/a, by CSI driver nfs.csi.k8s.io, read-only"
