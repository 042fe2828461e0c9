"""`outfitter new`: one command for each kind, with the flags that fit it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from outfitter.cli import console
from outfitter.cli.console import Kubeconfig, Namespace
from outfitter.cli.login_flags import with_login
from outfitter.cli.new.flags import ALIASES, KINDS, SHORT_NAMES, Flag, flags_of, kinds_with
from outfitter.cli.new.secret import Sources

_COMMAND: Final = "outfitter.command"
_RUNS: Final = ("workspace", "training", "distributedtraining", "inference", "workloadtemplate", "environment")
EXAMPLES: Final = {
    "workspace": "alice --image quay.io/jupyter/base-notebook:2026-10-01 --gpus 1 --tool jupyter-notebook=8888",
    "training": "tune --environment torch --compute one-gpu --data imagenet -- python train.py --epochs 10",
    "distributedtraining": "allreduce --image registry.example.com/train:1 --workers 2 --gpus 8 -- torchrun train.py",
    "inference": "echo --image registry.example.com/echo:1 --port 8080 --replicas 2",
    "environment": "torch --image nvcr.io/nvidia/pytorch:26.09-py3 --env OMP_NUM_THREADS=4",
    "computeresource": "one-gpu --gpus 1 --cpu 4 --memory 32Gi --memory-limit 64Gi",
    "datasource": "imagenet --size 500Gi --path /data",
    "credential": "forge --type password --prompt --apply",
    "workloadtemplate": "notebook --workload-type workspace --environment torch --compute one-gpu",
    "artifact": "scorer --image registry.example.com/scorer:1 --port 8080 --compute small",
    "nimcache": "embeddings --image nvcr.io/nim/nvidia/nv-embedqa-e5-v5:1.6.0 --credential ngc --size 20Gi",
}
"""One command line for each kind; tests run them."""


class KindGroup(TyperGroup):
    """The commands of the kinds, also under the short names of kubectl."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command of a kind."""
        return super().get_command(ctx, SHORT_NAMES.get(cmd_name.lower(), cmd_name.lower()))


class KindCommand(TyperCommand):
    """A command whose words after `--` are those of a program, and that names the kinds which a wrong flag fits."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the usage, with the command of the program."""
        pieces: list[str] = super().collect_usage_pieces(ctx)
        return [*pieces, "[-- COMMAND [ARG]...]"] if self.name in _RUNS else pieces

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words before `--`."""
        words, command = (args[: args.index("--")], args[args.index("--") + 1 :]) if "--" in args else (args, [])
        words = [_without_alias(word) for word in words]
        known = {name for parameter in self.params for name in parameter.opts}
        for word in words:
            name = word.partition("=")[0]
            fits = kinds_with(name) if name not in known else ()
            if fits:
                ctx.fail(f"{name} does not fit a {KINDS[str(self.name)]}. It fits: {', '.join(fits)}.")
        ctx.meta[_COMMAND] = command
        parsed: list[str] = super().parse_args(ctx, words)
        return parsed


def _without_alias(word: str) -> str:
    name, mark, value = word.partition("=")
    return f"{ALIASES.get(name, name)}{mark}{value}"


new = typer.Typer(no_args_is_help=True, cls=KindGroup, help=(
    "Make a manifest from flags: print it for Git, or create the object with [bold]--apply[/].\n\n"
    "Try: [bold]outfitter new workspace --help[/] for the flags of a workspace."
))  # fmt: skip

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the new object.")]
Apply = Annotated[bool, typer.Option("--apply", help="Create the object, instead of printing it.")]
_FROM: Final = (
    (
        list[str] | None,
        "--from-literal",
        "KEY=VALUE",
        "Value of the new Secret. Others can see it in the process list.",
    ),
    (list[str] | None, "--from-file", "[KEY=]FILE", "File whose content is a value of the new Secret; repeatable."),
    (list[str] | None, "--from-env-file", "FILE", "File with a line KEY=VALUE for each value of the new Secret."),
    (str, "--from-stdin", "KEY", "Read the value of this key from standard input."),
)
"""Type, name, placeholder and help of the flags that make the Secret of a Credential."""


def _parameters(kind: str) -> list[inspect.Parameter]:
    """Return the parameters of the command of a kind."""
    found: list[tuple[str, Any, Any]] = [
        ("ctx", typer.Context, inspect.Parameter.empty),
        ("name", Name, inspect.Parameter.empty),
    ]
    found.extend((flag.parameter, _option(flag, kind), None) for flag in flags_of(kind))
    if kind == "Credential":
        for type_, name, metavar, text in _FROM:
            option = typer.Option(name, metavar=metavar, help=text, rich_help_panel="The Secret, with --apply")
            default = "" if type_ is str else None
            found.append((name[2:].replace("-", "_"), Annotated[type_, option], default))
        text = "Ask for the values that the type needs, without showing secret ones."
        option = typer.Option("--prompt", help=text, rich_help_panel="The Secret, with --apply")
        found.append(("prompt", Annotated[bool, option], False))
    found += [("apply", Apply, False), ("namespace", Namespace, ""), ("kubeconfig", Kubeconfig, "")]
    kw = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return [inspect.Parameter(name, kw, default=default, annotation=hint) for name, hint, default in found]


def _option(flag: Flag, kind: str) -> Any:
    text = flag.of.get(kind, flag.help)
    if flag.switch:
        return Annotated[bool, typer.Option(flag.names[0], help=text)]
    option = typer.Option(*flag.names, metavar=flag.metavar, help=text)
    return Annotated[list[str] | None, option] if flag.repeats(kind) else Annotated[str | None, option]


def _command_of(word: str) -> Callable[..., None]:
    """Return the function behind the command of a kind, with one parameter for each flag."""
    kind = KINDS[word]
    parameters = _parameters(kind)

    def create(ctx: typer.Context, name: str, *, apply: bool, namespace: str, kubeconfig: str, **given: Any) -> None:
        run(kind, name, given, ctx.meta[_COMMAND], apply=apply, namespace=namespace, kubeconfig=kubeconfig)

    create.__name__ = word
    create.__doc__ = (
        f"Make a {kind}.\n\nPrints the manifest, checked and with comments. With --apply, creates the object with your "
        f"rights instead.\n\nExample:  outfitter new {word} {EXAMPLES[word]}\n\n"
        "Exit codes: 0 success, 1 the API server rejects the object, 2 the command line is wrong."
    )
    create.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    create.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return create


for _word in KINDS:
    _create = _command_of(_word)
    new.command(_word, cls=KindCommand, help=console.help_of(_create), no_args_is_help=True)(with_login(_create))


def run(
    kind: str, name: str, given: dict[str, Any], command: Sequence[str], *, apply: bool, namespace: str, kubeconfig: str
) -> None:
    """Print the manifest that the flags describe, or create it."""
    with console.error_exit(), console.interrupt_on_signals():
        from outfitter.cli.new.manifest import as_text, errors, manifest, missing

        sources = _sources(given)
        if sources and not apply:
            text = "Outfitter prints no values of Secrets. Add --apply to create the Secret, or name one with --secret."
            raise typer.BadParameter(text)
        if sources and not given.get("secret"):
            given = {**given, "secret": name}
        body = manifest(kind, name, given, command, namespace)
        if found := errors(body):
            raise typer.BadParameter("\n".join(found))
        if apply:
            from outfitter.cli.new.create import create

            create(body, sources, namespace, kubeconfig)
        else:
            typer.echo(as_text(body), nl=False)
        if text := missing(body):
            console.print_message(text, "yellow")


def _sources(given: dict[str, Any]) -> Sources:
    """Return where the values of the Secret come from."""
    lists = {name: tuple(given.get(name) or ()) for name in ("from_literal", "from_file", "from_env_file")}
    return Sources(**lists, from_stdin=given.get("from_stdin") or "", prompt=bool(given.get("prompt")))
