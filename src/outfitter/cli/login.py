"""Whose rights a command uses: `--context` and `--as`, with the names and meanings that kubectl gives them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer

from outfitter.cli.completion import contexts

_PANEL: Final = "Cluster"


@dataclass(frozen=True)
class Login:
    """A context of the kubeconfig, and the user to impersonate. Empty: the current context, and its own user."""

    context: str = ""
    user: str = ""
    groups: tuple[str, ...] = ()
    uid: str = ""

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """The headers of each request."""
        user = (("Impersonate-User", self.user),) if self.user else ()
        uid = (("Impersonate-Uid", self.uid),) if self.uid else ()
        return (*user, *uid, *(("Impersonate-Group", group) for group in self.groups))

    def flags(self, kubeconfig: str = "") -> list[str]:
        """Return the words that repeat the login in another command, of kubectl or Outfitter."""
        given = (("--kubeconfig", kubeconfig), ("--context", self.context), ("--as", self.user), ("--as-uid", self.uid))
        words = [word for flag, value in given if value for word in (flag, value)]
        return words + [word for group in self.groups for word in ("--as-group", group)]


_CURRENT: ContextVar[Login | None] = ContextVar("login", default=None)

_OPTIONS: Final[tuple[tuple[str, Any, Any], ...]] = (
    (
        "context",
        Annotated[
            str,
            typer.Option(
                "--context", help="Context of the kubeconfig.", rich_help_panel=_PANEL, autocompletion=contexts
            ),
        ],
        "",
    ),
    (
        "author",  # commands that also render files have it, for the user who wrote them
        Annotated[str, typer.Option("--as", metavar="USER", help="Act as this user.", rich_help_panel=_PANEL)],
        "",
    ),
    (
        "as_group",
        Annotated[
            list[str] | None,
            typer.Option("--as-group", metavar="GROUP", help="With --as: a group; repeatable.", rich_help_panel=_PANEL),
        ],
        None,
    ),
    (
        "as_uid",
        Annotated[
            str, typer.Option("--as-uid", metavar="UID", help="With --as: the user's uid.", rich_help_panel=_PANEL)
        ],
        "",
    ),
)


def current_login() -> Login:
    """Return the login that the command line asks for."""
    return _CURRENT.get() or Login()


def with_login(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options to a command with the parameter `kubeconfig`; return any other command unchanged."""
    signature = inspect.signature(command, eval_str=True)
    own = signature.parameters
    if "kubeconfig" not in own:
        return command
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, annotation, default in _OPTIONS
        if name not in own
    ]

    @functools.wraps(command)
    def run(**values: Any) -> None:
        user, groups, uid = values["author"], tuple(values.pop("as_group") or ()), values.pop("as_uid")
        if (groups or uid) and not user:
            raise typer.BadParameter("--as-group and --as-uid require --as USER.")
        token = _CURRENT.set(Login(values.pop("context"), user, groups, uid))
        try:
            command(**{name: value for name, value in values.items() if name in own})
        finally:
            _CURRENT.reset(token)

    shown = [item.replace(kind=inspect.Parameter.KEYWORD_ONLY) for item in own.values()]
    run.__dict__["__signature__"] = signature.replace(parameters=[*shown, *added])
    return run
