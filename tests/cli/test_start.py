"""What holds for the command as a whole: help, start-up, versions, exit codes of a wrong command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from outfitter.cli.app import application
from outfitter.cli.commands import COMMANDS as TABLE
from outfitter.cli.commands import Command

from .conftest import EXAMPLES, Invoke, process

COMMANDS = [info.name or info.callback.__name__ for info in application().registered_commands if info.callback]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["run", "--help"],
        ["version"],
        ["validate", "-f", str(EXAMPLES)],
        ["render", "-f", str(EXAMPLES)],
        ["explain", "workspace/alice", "-n", "team-a", "-f", str(EXAMPLES)],
    ],
    ids=lambda arguments: arguments[0],
)
def test_what_needs_no_cluster_imports_no_client(arguments: list[str]) -> None:
    code = f"""
import sys
from outfitter.cli.app import main
sys.argv = ["outfitter", *{arguments!r}]
try:
    main()
except SystemExit:
    pass
print(sorted({{name.partition(".")[0] for name in sys.modules}} & {{"kopf", "kubernetes", "aiohttp"}}), file=sys.stderr)
"""
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert seen.stderr.splitlines()[-1] == "[]"


@pytest.mark.parametrize("item", TABLE, ids=lambda item: item.name)
def test_a_command_alone_is_the_one_among_all(item: Command, invoke: Invoke) -> None:
    """A command line builds only the command that it names."""
    alone = CliRunner().invoke(application(item.name), [item.name, "--help"])
    assert alone.stdout == invoke(item.name, "--help").stdout
    assert (alone.exit_code, alone.stderr) == (0, "")


def test_a_command_line_imports_only_its_command() -> None:
    others = {f"outfitter.cli.{item.place.partition(':')[0]}" for item in TABLE if item.name != "version"}
    code = "import sys; from outfitter.cli.app import main; sys.argv[1:] = ['version', '--help']"
    code += "\ntry: main()\nexcept SystemExit: print(*sorted(sys.modules), file=sys.stderr)"
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(seen.stderr.split())
    assert "outfitter.cli.version" in loaded
    assert loaded & others == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_teaches_by_an_example(invoke: Invoke, name: str) -> None:
    seen = invoke(name, "--help", env={"COLUMNS": "200", "TERM": "dumb"})
    assert seen.exit_code == 0
    assert f"outfitter {name}" in seen.stdout.replace("\n", " ")
    assert "Example" in seen.stdout


def test_exit_codes_are_in_the_help_of_what_judges(invoke: Invoke) -> None:
    for name in ("validate", "render", "status", "explain", "run", "demo"):
        assert "Exit codes: 0" in invoke(name, "--help", env={"COLUMNS": "200"}).stdout, name


def test_version(invoke: Invoke) -> None:
    data = json.loads(invoke("version", "-o", "json").stdout)
    assert data["apiVersion"] == "outfitter.dev/v1alpha1"
    assert invoke("version").stdout.startswith(f"outfitter {data['version']} (outfitter.dev/v1alpha1")


def test_a_kubectl_plugin_names_itself_so() -> None:
    program = Path(sys.executable).with_name("kubectl-outfitter")
    seen = subprocess.run([program, "validate"], capture_output=True, text=True, check=False)
    assert seen.returncode == 2
    assert "Usage: kubectl outfitter validate" in seen.stderr


def test_a_wrong_setting_is_told_clearly_before_anything_starts() -> None:
    domain = "https://apps.example.com"
    wrong = {"OUTFITTER_WORKERS": "many", "OUTFITTER_NFS_BACKEND": "smb", "OUTFITTER_DOMAIN": domain}
    seen = process("run", env=wrong)
    assert seen.returncode == 2
    assert "OUTFITTER_WORKERS: Input should be a valid integer" in seen.stderr
    assert "not 'many'" in seen.stderr
    assert "OUTFITTER_NFS_BACKEND: Input should be 'inline' or 'csi', not 'smb'" in seen.stderr
    assert (
        f"OUTFITTER_DOMAIN: The domain is no DNS name: it has a scheme. Write it like apps.example.com, not '{domain}'"
        in (seen.stderr)
    )
    assert "Traceback" not in seen.stderr


def test_a_missing_kubeconfig_is_told_clearly(tmp_path: Path) -> None:
    for arguments in (["run"], ["status"]):
        seen = process(*arguments, "--kubeconfig", tmp_path / "none")
        assert (seen.returncode, "Traceback" in seen.stderr) == (2, False)
        assert f"no credentials for a cluster in kubeconfig {tmp_path / 'none'}" in seen.stderr


def test_a_cluster_that_does_not_answer_is_told_clearly(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "config"
    context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    cluster = {"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [context],
        "clusters": [cluster],
    }
    kubeconfig.write_text(json.dumps({**config, "users": [{"name": "u", "user": {}}]}))
    seen = process("status", "--kubeconfig", kubeconfig)
    assert seen.returncode == 1
    assert "http://127.0.0.1:9: no response from the API server" in seen.stderr
    assert "Check that the cluster is running" in seen.stderr
