"""`outfitter run`: the operator in this process."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from outfitter.cli import console
from outfitter.errors import ConfigurationError

if TYPE_CHECKING:
    from outfitter.settings import Settings


def run(
    kubeconfig: Annotated[
        str, typer.Option(metavar="FILE", help="Default: the pod's ServiceAccount, else $KUBECONFIG.")
    ] = "",
    watch_namespace: Annotated[
        list[str] | None,
        typer.Option(metavar="NAMESPACE", help="Reconcile only this namespace; repeatable. Default: all namespaces."),
    ] = None,
    log_format: Annotated[Literal["plain", "json"] | None, typer.Option(help="Format of log lines.")] = None,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None, typer.Option(help="Lowest level that is logged.")
    ] = None,
) -> None:
    """Run the operator until SIGTERM or Ctrl-C.

    Every setting is an environment variable OUTFITTER_<NAME>, for instance OUTFITTER_DOMAIN=apps.example.com. These
    options override the environment. In a cluster, the chart sets the variables.

    Example:  OUTFITTER_DOMAIN=apps.example.com outfitter run --kubeconfig admin.kubeconfig --log-format json

    Exit codes: 0 stopped by a signal, 1 the operator failed (it lost the Lease, or a watch ended), 2 a setting is
    wrong.
    """
    with console.error_exit():
        given = {
            "kubeconfig": kubeconfig,
            "watch_namespaces": tuple(watch_namespace or ()),
            "log_format": log_format,
            "log_level": log_level,
        }
        settings = settings_from({name: value for name, value in given.items() if value})
        from outfitter.cli.logs import configure

        configure(settings.log_format, settings.log_level)
        for warning in misspelled_settings():
            logging.getLogger(__name__).warning(warning)
        from outfitter.operator.app import run as operate

        raise typer.Exit(_run(operate(settings)))


def settings_from(overrides: Mapping[str, Any]) -> Settings:
    """Read settings from the environment. ConfigurationError lists each wrong variable with its value."""
    from pydantic import ValidationError

    from outfitter.settings import Settings

    try:
        return Settings(**overrides)
    except ValidationError as error:
        lines = [
            f"OUTFITTER_{str(item['loc'][0]).upper()}: {item['msg']}, not {item['input']!r}"
            if item["loc"]
            else f"{item['msg']}."  # two settings that contradict each other
            for item in error.errors()
        ]
        raise ConfigurationError("\n".join(["Settings are invalid:", *lines])) from None


def misspelled_settings(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return a warning for each OUTFITTER_* variable whose name is close to a setting."""
    import difflib

    from outfitter.settings import Settings

    known = [name.upper() for name in Settings.model_fields]
    given = [name.removeprefix("OUTFITTER_") for name in environment if name.startswith("OUTFITTER_")]
    close = {name: difflib.get_close_matches(name, known, n=1, cutoff=0.8) for name in given if name not in known}
    return [
        f"OUTFITTER_{name} is not a setting and has no effect. Did you mean OUTFITTER_{matches[0]}?"
        for name, matches in close.items()
        if matches
    ]


def _run(work: Coroutine[Any, Any, int]) -> int:
    if sys.platform == "linux":
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(work)
    return asyncio.run(work)
