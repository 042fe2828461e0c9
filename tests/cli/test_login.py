"""kubectl's own flags, and completion in shells and inside kubectl, on a real API server."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

from outfitter.cli.app import application
from outfitter.cli.connect import connected
from outfitter.cli.login import Login, current_login
from outfitter.cli.login_flags import with_login

from .conftest import Invoke, World
from .fake_api import FakeApi
from .test_verbs import body

BIN = Path(sys.executable).parent


def walk(command: Any) -> list[Any]:
    """The commands below a group, which may be groups themselves."""
    inner = getattr(command, "commands", {})
    return [leaf for item in inner.values() for leaf in walk(item)] or [command]


def test_every_command_that_reads_a_cluster_has_the_flags() -> None:
    commands = [
        command for command in walk(typer.main.get_command(application())) if command.name not in ("run", "kubeconfig")
    ]
    with_cluster = [command for command in commands if any(item.name == "kubeconfig" for item in command.params)]
    assert len(with_cluster) > 12
    for command in with_cluster:
        options = {text for item in command.params for text in item.opts}
        assert {"--context", "--as", "--as-group", "--as-uid"} <= options, command.name


def test_the_login_is_that_of_one_call() -> None:
    seen: list[Login] = []

    def show(kubeconfig: str = "") -> None:
        assert kubeconfig == "file"
        seen.append(current_login())

    program = typer.Typer()
    program.command()(with_login(show))
    flags = ["--kubeconfig", "file", "--context", "c", "--as", "ann", "--as-group", "a", "--as-group", "b", "--as-uid"]
    assert CliRunner().invoke(program, [*flags, "7"]).exit_code == 0
    assert seen == [Login("c", "ann", ("a", "b"), "7")]
    assert seen[0].headers == (
        ("Impersonate-User", "ann"),
        ("Impersonate-Uid", "7"),
        ("Impersonate-Group", "a"),
        ("Impersonate-Group", "b"),
    )
    assert current_login() == Login()


def test_a_group_needs_a_user(invoke: Invoke) -> None:
    seen = invoke("status", "--as-group", "a")
    assert (seen.exit_code, "require --as USER" in seen.stderr) == (2, True)


@pytest.mark.parametrize("arguments", [("-h",), ("status", "-h"), ("images", "search", "-h"), ("--version",)])
def test_help_and_version_as_in_kubectl(invoke: Invoke, arguments: tuple[str, ...]) -> None:
    seen = invoke(*arguments)
    assert seen.exit_code == 0
    assert "Usage:" in seen.stdout or seen.stdout.startswith("outfitter ")


@pytest.mark.parametrize("usual", [False, True])
def test_in_a_pod_the_kubeconfig_counts_as_for_kubectl(
    usual: bool, invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A CI job runs in a pod of one cluster, and changes another one."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "192.0.2.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    with closing(FakeApi([body("Workspace", {"image": "a"}, phase="Running")])) as api:
        path = api.kubeconfig(tmp_path)
        if usual:
            (tmp_path / ".kube").mkdir()
            path.rename(tmp_path / ".kube/config")
            monkeypatch.setenv("HOME", str(tmp_path))
        else:
            monkeypatch.setenv("KUBECONFIG", str(path))
        seen = invoke("status", "workspace/box")
    assert (seen.exit_code, "box" in seen.stdout) == (0, True), seen.output


async def test_a_kubeconfig_can_impersonate(tmp_path: Path) -> None:
    """As for kubectl and helm: else a command would act with more rights than the context gives."""
    less = {"as": "viewer", "as-uid": "7", "as-groups": ["a", "b"], "as-user-extra": {"example.com/x": ["1", "2"]}}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "viewer",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "admin", "user": {"token": "t"}}, {"name": "viewer", "user": {"token": "t", **less}}],
        "contexts": [{"name": name, "context": {"cluster": "c", "user": name}} for name in ("admin", "viewer")],
    }
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(config))

    async def sent(login: Login) -> list[tuple[str, str]]:
        async with connected(str(path), login) as client:
            headers = client.transport.session.headers
            return sorted(item for item in headers.items() if item[0].startswith("Impersonate"))

    assert await sent(Login()) == [
        ("Impersonate-Extra-example.com%2Fx", "1"),
        ("Impersonate-Extra-example.com%2Fx", "2"),
        ("Impersonate-Group", "a"),
        ("Impersonate-Group", "b"),
        ("Impersonate-Uid", "7"),
        ("Impersonate-User", "viewer"),
    ]
    assert await sent(Login("admin")) == []
    assert await sent(Login(user="ann")) == [("Impersonate-User", "ann")]


@pytest.mark.cluster
def test_a_user_is_impersonated(world: World, invoke: Invoke) -> None:
    common = ("status", "-n", "team-a", "--kubeconfig", world.kubeconfig, "--as", "nobody")
    refused = invoke(*common)
    assert refused.exit_code == 1
    assert 'User "nobody" cannot list' in refused.stderr
    assert invoke(*common, "--as-group", "system:masters").exit_code == 0
    explained = invoke("explain", "wsp/alice", "-n", "team-a", "--kubeconfig", world.kubeconfig, "--as", "nobody")
    assert (explained.exit_code, 'User "nobody"' in explained.stderr) == (1, True)


@pytest.mark.cluster
def test_a_context_has_its_cluster_and_its_namespace(world: World, tmp_path: Path, invoke: Invoke) -> None:
    config = yaml.safe_load(world.kubeconfig.read_text())
    (context,) = config["contexts"]
    other = {"name": "other", "context": {**context["context"], "namespace": "outfitter-system"}}
    config["contexts"].append(other)
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(config))
    seen = invoke("status", "environments", "--kubeconfig", path, "--context", "other")
    assert (seen.exit_code, "torch" in seen.stdout) == (0, True)
    wrong = invoke("status", "environments", "--kubeconfig", path, "--context", "none")
    assert (wrong.exit_code, "none" in wrong.stderr, "Traceback" in wrong.stderr) == (2, True, False)


@pytest.mark.cluster
def test_selectors_names_and_several_kinds(world: World, invoke: Invoke) -> None:
    everywhere = ("-A", "--kubeconfig", world.kubeconfig)
    one = invoke("status", "--field-selector", "metadata.name=alice", "-o", "name", *everywhere)
    assert one.stdout.split() == ["workspace/alice"]
    running = invoke("status", "--field-selector", "status.phase=Running", "-o", "name", *everywhere)
    assert "workspace/alice" in running.stdout.split()
    assert not any(line.startswith("credential/") for line in running.stdout.split())
    unknown = invoke("status", "credentials", "--field-selector", "status.nothing=a", *everywhere)
    assert (unknown.exit_code, "field label not supported" in unknown.stderr) == (1, True)
    nothing = invoke("status", "-l", "of=nobody", *everywhere)
    assert (nothing.exit_code, "with these labels" in nothing.stderr) == (0, True)
    kinds = invoke("status", "workspaces,credentials", "-o", "name", *everywhere)
    assert {line.split("/")[0] for line in kinds.stdout.split()} == {"workspace", "credential"}
    named = invoke(
        "status", "workspace", "alice", "none", "-n", "team-a", "-o", "name", "--kubeconfig", world.kubeconfig
    )
    assert (named.exit_code, named.stdout.split()) == (1, ["workspace/alice"])
    assert "Workspace none does not exist in namespace team-a." in named.stderr


@pytest.mark.cluster
@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["sta"], "status\t"),
        (["status", "work"], "workspace\tWorkspace"),
        (["stop", "workspace/"], "workspace/alice\tWorkspace"),
        (["logs", "-n", "team-a", "wsp", ""], "alice\tWorkspace"),
        (["trace", "-n", ""], "outfitter-system"),
        (["status", "--context", ""], "outfitter"),
        (["status", "--field-sel"], "--field-selector\t"),
    ],
)
def test_kubectl_completes_the_words_of_the_plugin(world: World, words: list[str], found: str) -> None:
    env = {**os.environ, "KUBECONFIG": str(world.kubeconfig)}
    arguments = words if "-n" in words else [words[0], "-n", "team-a", *words[1:]] if len(words) > 1 else words
    seen = subprocess.run(
        [BIN / "kubectl_complete-outfitter", *arguments], env=env, capture_output=True, text=True, check=True
    )
    assert seen.stdout.splitlines()[-1] == ":4"
    assert any(line.startswith(found) for line in seen.stdout.splitlines()), seen.stdout
    assert seen.stderr == ""


@pytest.mark.cluster
@pytest.mark.kubectl
def test_kubectl_finds_the_program(world: World) -> None:
    kubectl = shutil.which("kubectl")
    assert kubectl
    env = {**os.environ, "KUBECONFIG": str(world.kubeconfig), "PATH": f"{BIN}:{os.environ['PATH']}"}
    command = [kubectl, "__complete", "outfitter", "status", "-n", "team-a", "workspace/"]
    seen = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert "workspace/alice\tWorkspace" in seen.stdout.splitlines()


def test_completion_without_a_cluster_is_silent(tmp_path: Path) -> None:
    env = {**os.environ, "KUBECONFIG": str(tmp_path / "none")}
    seen = subprocess.run(
        [BIN / "kubectl_complete-outfitter", "stop", "workspace/"], env=env, capture_output=True, text=True, check=True
    )
    assert (seen.stdout, seen.stderr) == (":4\n", "")


@pytest.mark.cluster
def test_status_imports_no_models(world: World) -> None:
    """A command that only reads objects starts without what renders and parses them."""
    code = """
import sys
from outfitter.cli.app import main
sys.argv = ["outfitter", "status", "-A"]
try:
    main()
except SystemExit:
    pass
heavy = [name for name in sys.modules if name.partition(".")[0] == "kopf" or name.startswith("outfitter.render")]
heavy += [name for name in sys.modules if name in ("outfitter.api.v1alpha1.workload", "outfitter.settings")]
heavy += [name for name in sys.modules if name == "outfitter_sandbox.sandbox"]
print(heavy, file=sys.stderr)
"""
    env = {**os.environ, "KUBECONFIG": str(world.kubeconfig)}
    seen = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert "alice" in seen.stdout
    assert seen.stderr.splitlines()[-1] == "[]"
