"""The commands, each with the place of its function: a command line imports and builds only the one that it names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any, Final

import typer

from outfitter.cli import console
from outfitter.cli.login_flags import with_login

_USERS: Final = "For users"
_ADMINS: Final = "For administrators"


@dataclass(frozen=True)
class Command:
    """A command, or a group of them. `place` is MODULE:NAME below `outfitter.cli`, and `group` says which it is."""

    name: str
    place: str
    panel: str = _USERS
    group: bool = False
    as_user: bool = True  # else with the operator's own login
    cls: str = ""  # MODULE:NAME of the class that parses its words

    def add_to(self, app: typer.Typer) -> None:
        """Import it and register it; the docstring of a function is its help, with the lines of paragraphs joined."""
        found: Any = _at(self.place)
        if self.group:
            app.add_typer(found, name=self.name, rich_help_panel=self.panel)
            return
        run: Callable[..., None] = with_login(found) if self.as_user else found
        parser = _at(self.cls) if self.cls else None
        app.command(self.name, cls=parser, help=console.help_of(found), rich_help_panel=self.panel)(run)


def _at(place: str) -> Any:
    return resolve_name(f"outfitter.cli.{place}")


COMMANDS: Final = (
    Command("new", "new.command:new", group=True),
    Command("validate", "validate:validate"),
    Command("render", "render:render"),
    Command("diff", "diff.command:diff"),
    Command("status", "status:status"),
    Command("trace", "trace:trace"),
    Command("logs", "workload_logs:logs"),
    Command("open", "open:open_"),
    Command("exec", "exec:exec_", cls="dashes:CommandWithDashes"),
    Command("start", "verbs:start"),
    Command("stop", "verbs:stop"),
    Command("restart", "verbs:restart"),
    Command("scale", "verbs:scale"),
    Command("lock", "lock:lock"),
    Command("wait", "wait:wait"),
    Command("explain", "explain:explain"),
    Command("assets", "assets:assets"),
    Command("images", "images:images", group=True),
    Command("build", "build:build", group=True),
    Command("policy", "policy.command:policy", _ADMINS, group=True),
    Command("run", "run:run", _ADMINS, as_user=False),
    Command("check", "check.command:check", _ADMINS),
    Command("uninstall", "uninstall.command:uninstall", _ADMINS),
    Command("version", "version:version", _ADMINS),
)
"""In the order of the help."""
