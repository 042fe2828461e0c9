"""The `outfitter sandbox` and `outfitter demo` commands."""

from __future__ import annotations

from typing import Any, Final

import typer
from typer.core import TyperGroup

from outfitter.cli import console
from outfitter_sandbox.demo.command import demo

_PANEL: Final = "On this machine"
_HELP: Final = (
    "Run a temporary Kubernetes control plane on this machine: etcd, kube-apiserver, kube-controller-manager, and "
    "a node. A real node (root on Linux) runs containers; a simulated node only sets the status of pods.\n\n"
    "Try: [bold]export KUBECONFIG=$(outfitter sandbox up --detach)[/] then [bold]kubectl get nodes[/], "
    "and at the end [bold]outfitter sandbox down[/]."
)


class _Sandbox(TyperGroup):
    """The group `outfitter sandbox`. Its commands are imported when one of them is used."""

    def list_commands(self, ctx: Any) -> list[str]:
        self._load()
        return super().list_commands(ctx)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        self._load()
        return super().get_command(ctx, cmd_name)

    def _load(self) -> None:
        if not self.commands:
            from outfitter_sandbox.commands.sandbox import app

            group: Any = typer.main.get_command(app)
            self.commands = group.commands


def register(app: typer.Typer) -> None:
    """Add the commands of this distribution to `outfitter`."""
    app.command(help=console.help_of(demo), rich_help_panel=_PANEL)(demo)
    sandbox = typer.Typer(cls=_Sandbox, no_args_is_help=True, rich_markup_mode="rich", help=_HELP)
    app.add_typer(sandbox, name="sandbox", rich_help_panel=_PANEL)
    # A group needs a callback if none of its commands is registered yet.
    sandbox.callback()(lambda: None)
