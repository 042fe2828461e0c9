"""The flags `--context`, `--as` and their relatives, with the names and meanings that kubectl gives them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, Final

import typer

from outfitter.cli.completion import contexts
from outfitter.cli.login import Login, using

_PANEL: Final = "Cluster"

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
        with using(Login(values.pop("context"), user, groups, uid)):
            command(**{name: value for name, value in values.items() if name in own})

    shown = [item.replace(kind=inspect.Parameter.KEYWORD_ONLY) for item in own.values()]
    run.__dict__["__signature__"] = signature.replace(parameters=[*shown, *added])
    return run
