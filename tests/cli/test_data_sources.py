"""Data sources on the command line: what validate rejects, and what render and explain show."""

from __future__ import annotations

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


def test_explain_names_the_sources(invoke: Invoke, tmp_path: Path) -> None:
    seen = invoke("explain", "workspace/reader", "-n", "team-a", "-f", running_example(tmp_path))
    assert seen.exit_code == 0, seen.stderr
    for name in ("recipes", "lake", "bert"):
        assert f"DataSource {name}" in seen.stdout
    assert "Credential forge" in seen.stdout
