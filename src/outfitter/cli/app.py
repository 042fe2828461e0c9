"""The `outfitter` command.

Commands import their dependencies when they run, so that help and completion stay quick.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Final, Literal

import typer
from typer.core import TyperCommand

from outfitter.cli import console
from outfitter.cli.assets import assets
from outfitter.cli.build import build
from outfitter.cli.check.command import check
from outfitter.cli.dashes import CommandWithDashes
from outfitter.cli.diff.command import diff
from outfitter.cli.exec import exec_
from outfitter.cli.explain import explain
from outfitter.cli.images import images
from outfitter.cli.lock import lock
from outfitter.cli.login_flags import with_login
from outfitter.cli.new.command import new
from outfitter.cli.open import open_
from outfitter.cli.policy.command import policy
from outfitter.cli.render import render
from outfitter.cli.run import run
from outfitter.cli.status import status
from outfitter.cli.trace import trace
from outfitter.cli.uninstall.command import uninstall
from outfitter.cli.validate import validate
from outfitter.cli.verbs import restart, scale, start, stop
from outfitter.cli.wait import wait
from outfitter.cli.workload_logs import logs

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Workload assets for Kubernetes: declare environments, compute, data and credentials once, then run "
    "workloads that combine them. Also available as [bold]kubectl outfitter[/].\n\n"
    "Try: [bold]outfitter validate -f FILE[/] before applying, [bold]outfitter status -A[/] afterwards.",
    epilog=console.EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_USERS: Final = "For users"
_ADMINS: Final = "For administrators"


def _add(
    command: Callable[..., None], panel: str, *, name: str | None = None, cls: type[TyperCommand] | None = None
) -> None:
    """Register a command; its docstring is its help, with the lines of each paragraph joined."""
    app.command(name, cls=cls, help=console.help_of(command), rich_help_panel=panel)(with_login(command))


app.add_typer(new, name="new", rich_help_panel=_USERS)
_add(validate, _USERS)
_add(render, _USERS)
_add(diff, _USERS)
_add(status, _USERS)
_add(trace, _USERS)
_add(logs, _USERS)
_add(open_, _USERS, name="open")
_add(exec_, _USERS, name="exec", cls=CommandWithDashes)
for _verb in (start, stop, restart, scale, lock, wait):
    _add(_verb, _USERS)
_add(explain, _USERS)
_add(assets, _USERS)
app.add_typer(images, name="images", rich_help_panel=_USERS)
app.add_typer(build, name="build", rich_help_panel=_USERS)
app.add_typer(policy, name="policy", rich_help_panel=_ADMINS)
app.command(help=console.help_of(run), rich_help_panel=_ADMINS)(run)  # as the operator, never as a user
_add(check, _ADMINS)
_add(uninstall, _ADMINS)
# Other distributions of this repository add commands, such as `outfitter-sandbox`.
for _extension in entry_points(group="outfitter.commands"):
    _extension.load()(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        version()
        raise typer.Exit


@app.command(rich_help_panel=_ADMINS)
def version(
    form: Annotated[Literal["text", "json", "yaml"], typer.Option("--output", "-o", help="Output format.")] = "text",
) -> None:
    """Print the versions of the command and of its API.

    Example:  outfitter version -o json
    """
    from importlib.metadata import version as installed

    from outfitter.api.version import API_VERSION

    python = ".".join(str(part) for part in sys.version_info[:3])
    if form == "text":
        typer.echo(f"outfitter {installed('outfitter')} ({API_VERSION}, Python {python})")
    else:
        console.emit({"version": installed("outfitter"), "apiVersion": API_VERSION, "python": python}, form)


@app.callback()
def _main(
    _: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Options of the program itself."""


def main() -> None:
    """Run the command line of `outfitter` and `kubectl outfitter`."""
    name = "kubectl outfitter" if Path(sys.argv[0]).name.startswith("kubectl-") else "outfitter"
    app(prog_name=name)
