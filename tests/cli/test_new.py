"""`outfitter new`: each flag and its field, the manifests, and what the command refuses."""

from __future__ import annotations

import shlex
from typing import Any, get_args

import pytest
import yaml
from pydantic.alias_generators import to_camel

from outfitter.api.base import Model
from outfitter.api.v1alpha1 import KINDS as API_KINDS
from outfitter.api.v1alpha1 import kind_of
from outfitter.api.validation import strict_errors
from outfitter.cli.new import command, manifest, secret
from outfitter.cli.new.flags import ALIASES, FLAGS, KINDS, SHORT_NAMES, Flag, flags_of

from .conftest import Invoke

EACH = [(word, flag) for word, kind in KINDS.items() for flag in flags_of(kind)]
VALUES = {
    "--tool": "tensorboard=6006",
    "--type": "service",
    "--framework": "JAX",
    "--scope": "cluster",
    "--nfs": "nfs.example.com:/data",
    "--workload-type": "training",
    "--image-pull-policy": "Always",
    "--metric": "cpu",
}
"""A value for the flags that do not take any text."""
BY_METAVAR = {
    "NUMBER": "1",
    "PORT": "8080",
    "SECONDS": "60",
    "UID": "1000",
    "CORES": "2",
    "SIZE": "8Gi",
    "PATH": "/data",
    "URL": "https://example.com/a.git",
    "NAME=VALUE": "a=b",
    "NAME=CREDENTIAL/KEY": "A=b/c",
    "KEY=KEY_OF_SECRET": "a=b",
}


def inner(annotation: Any) -> type[Model] | None:
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return annotation
    return next((found for part in get_args(annotation) if (found := inner(part))), None)


def exists(model: type[Model], path: str) -> bool:
    """Whether a path leads to a field of a model; what is below a map is not."""
    for step in path.replace("[]", "").replace("{}", "").replace("[0]", "").split("."):
        name = next((name for name in model.model_fields if to_camel(name) == step), "") if model else ""
        if not name or name in getattr(model, "WITHOUT", ()):
            return False
        model = inner(model.model_fields[name].annotation)  # type: ignore[assignment]
    return True


def value(flag: Flag, kind: str) -> str:
    if flag.names[0] == "--type" and kind == "Credential":
        return "password"
    return VALUES.get(flag.names[0], BY_METAVAR.get(flag.metavar, "a"))


@pytest.mark.parametrize(("word", "flag"), EACH, ids=[f"{word} {flag.names[0]}" for word, flag in EACH])
def test_every_flag_has_a_field(word: str, flag: Flag) -> None:
    """In the model, and what the flag makes of a value is what the schema of that field takes."""
    kind = KINDS[word]
    spec = kind_of(kind).model.model_fields["spec"].annotation
    assert isinstance(spec, type)
    for path in flag.fields[kind].split("|"):
        assert exists(spec, path), path
        parent = path.rpartition(".")[0]
        assert all(exists(spec, f"{parent}.{name}".removeprefix(".")) for name in flag.also)
        found: dict[str, Any] = {}
        given = True if flag.switch else flag.read(value(flag, kind))
        manifest.put(found, path, given, flag.also)
        body = {"apiVersion": "outfitter.dev/v1alpha1", "kind": kind, "metadata": {"name": "a"}, "spec": found}
        top = path.replace("[", ".").replace("{", ".").split(".")[0]
        errors = [error for error in strict_errors(body) if error.path[:2] == ("spec", top)]
        bad = [error for error in errors if "must be" in error.message or "unknown" in error.message]
        assert bad == [], bad


def test_names_are_those_of_the_api() -> None:
    shorts = {short: kind.singular for kind in API_KINDS for short in kind.short_names}
    assert {word: kind_of(kind).singular for word, kind in KINDS.items()} == {word: word for word in KINDS}
    assert all(shorts[short] == word for short, word in SHORT_NAMES.items())
    assert {name for flag in FLAGS for name in flag.names} >= set(ALIASES.values())
    for kind in KINDS.values():
        names = [name for flag in flags_of(kind) for name in flag.names]
        assert len(names) == len(set(names)), f"{kind} has a flag twice"


@pytest.mark.parametrize("word", KINDS)
def test_examples(invoke: Invoke, word: str) -> None:
    """Valid, and so is each commented field when it is no comment any more."""
    words = shlex.split(command.EXAMPLES[word].replace(" --prompt --apply", " --secret forge"))
    done = invoke("new", word, *words)
    assert (done.exit_code, done.stderr) == (0, "")
    body = yaml.safe_load(done.stdout)
    assert (body["kind"], strict_errors(body)) == (KINDS[word], [])
    for line, _ in manifest.further(body):
        assert f"  # {line}  # " in done.stdout
        assert strict_errors({**body, "spec": {**body["spec"], **yaml.safe_load(line)}}) == [], line


def test_a_whole_workspace(invoke: Invoke) -> None:
    text = """wsp alice -n team-a -i a:1 -g 1 --cpu 500m --memory=8Gi --data one --data two -e A=b=c -e B= --port 80
      --external-url 8888 --env-credential KEY=ngc/NGC_API_KEY --run-as-uid 1000 -l cost=7 -- python "a b.py" --x"""
    body = yaml.safe_load(invoke("new", *shlex.split(text)).stdout)
    assert body["metadata"] == {"name": "alice", "namespace": "team-a"}
    assert body["spec"] == {
        "image": "a:1",
        "command": "python",
        "args": "'a b.py' --x",
        "assets": {"dataSources": [{"name": "one"}, {"name": "two"}]},
        "compute": {"gpuDevicesRequest": 1, "cpuCoreRequest": 0.5, "cpuMemoryRequest": "8Gi"},
        "environmentVariables": [
            {"name": "A", "value": "b=c"},
            {"name": "B", "value": ""},
            {"name": "KEY", "credential": {"name": "ngc", "key": "NGC_API_KEY"}},
        ],
        "ports": [{"container": 80}],
        "exposedUrls": [{"container": 8888}],
        "security": {"uidGidSource": "custom", "runAsUid": 1000},
        "labels": [{"name": "cost", "value": "7"}],
    }


REFUSED = [
    ("workspace a --image b --workers 2", "--workers does not fit a Workspace. It fits: distributedtraining."),
    ("training a --image b --replicas=2", "--replicas does not fit a Training. It fits: inference, artifact."),
    ("workspace a --gpus many", "--gpus many: write a whole number."),
    ("workspace a --env A", "--env A: write KEY=VALUE."),
    ("workspace a --image b --nosuch", "--nosuch"),
    ("workspace A_b --image b", "metadata.name"),
    ("datasource a --path /x", "--path needs one of --image, --size, --storage-class"),
    ("computeresource a -- sleep", "ComputeResource runs no command."),
    ("inference a --artifact b --image c", "The Artifact sets image."),
    ("credential a --type password --from-literal Password=geheim", "Add --apply"),
    ("credential a --type password --apply --from-literal geheim", "--from-literal: write KEY=VALUE."),
    ("credential a --type genericSecret --apply --prompt", "--prompt asks for the keys of a type"),
    ("workspace a --memory 8x", "(--memory)"),
]


@pytest.mark.parametrize(("line", "text"), REFUSED, ids=[line for line, _ in REFUSED])
def test_refused(invoke: Invoke, line: str, text: str) -> None:
    done = invoke("new", *shlex.split(line))
    words = " ".join(done.stderr.replace("│", " ").split())
    assert (done.exit_code, done.stdout) == (2, "")
    assert text in words
    assert "geheim" not in words


def test_without_an_image(invoke: Invoke) -> None:
    """A policy may set it, so it is no error."""
    done = invoke("new", "inference", "a", "--port", "80")
    assert (done.exit_code, "Add --image, --environment, --artifact or --template" in done.stderr) == (0, True)


def test_the_values_of_a_secret(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import base64
    import io
    import sys

    (tmp_path / "token").write_bytes(b"\x00\xff")
    (tmp_path / "env").write_text("# of the forge\nUser=ann\n\nurl=a=b\n")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a password\n")))
    sources = secret.Sources(("a=b",), (str(tmp_path / "token"), f"k={tmp_path}/token"), (str(tmp_path / "env"),), "Pw")
    data = secret.secret("forge", "team-a", sources, "password")["data"]
    assert {key: base64.b64decode(value) for key, value in data.items()} == {
        "a": b"b",
        "token": b"\x00\xff",
        "k": b"\x00\xff",
        "User": b"ann",
        "url": b"a=b",
        "Pw": b"a password",
    }
