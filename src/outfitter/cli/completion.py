"""Completion of kinds, names, namespaces and contexts, in shells and inside kubectl.

It reads the cluster with the rights of the user, for at most five seconds, and is silent where it cannot.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Final

import typer

_SECONDS: Final = 5.0
_NO_FILES: Final = ":4"  # kubectl's directive: do not offer files

Found = list[tuple[str, str]]


def objects(ctx: typer.Context, incomplete: str) -> Found:
    """Complete KIND/NAME, and NAME after a KIND."""
    words = _words(ctx)
    if words and "/" not in words[0]:
        return [(name, kind) for name, kind in _names(ctx, words[0]) if name not in words]
    kind, slash, _ = incomplete.partition("/")
    if slash:
        return [(f"{kind}/{name}", title) for name, title in _names(ctx, kind) if f"{kind}/{name}" not in words]
    return kinds(incomplete)


def kinds(incomplete: str) -> Found:
    """Complete a kind, also by its short name."""
    from outfitter.api.v1alpha1 import KINDS

    long = [(kind.singular, kind.name) for kind in KINDS if kind.singular.startswith(incomplete)]
    short = [(name, kind.name) for kind in KINDS for name in kind.short_names if name.startswith(incomplete)]
    return long or short


def namespaces(ctx: typer.Context) -> Found:
    """Complete the name of a namespace."""
    return [(name, "") for name in _read(ctx, "Namespace", "")]


def contexts(ctx: typer.Context) -> Found:
    """Complete a context of the kubeconfig."""
    from outfitter.cli.target import read_kubeconfig

    found, _ = read_kubeconfig(ctx.params.get("kubeconfig") or "")
    return [(name, str(context.get("cluster") or "")) for name, context in found.items()]


def states(incomplete: str) -> list[str]:
    """Complete what `outfitter wait` waits for."""
    from outfitter.cli.wait import DELETED, READY

    known = (READY, "running", "stopped", "completed", "failed", "locked", DELETED)
    return [state for state in known if state.startswith(incomplete)]


def _words(ctx: typer.Context) -> list[str]:
    """Return the objects that are already on the command line."""
    given = next((value for name, value in ctx.params.items() if name in ("objects", "object_", "workload")), None)
    return [given] if isinstance(given, str) and given else list(given or ())


def _names(ctx: typer.Context, word: str) -> Iterator[tuple[str, str]]:
    from outfitter.cli.target import current_namespace, target
    from outfitter.errors import ConfigurationError

    with contextlib.suppress(ConfigurationError):
        kind = target(word).kind
        place = ctx.params.get("namespace") or current_namespace(ctx.params.get("kubeconfig") or "", _context(ctx))
        for name in _read(ctx, kind.name, place):
            yield name, kind.name


def _context(ctx: typer.Context) -> str:
    return str(ctx.params.get("context") or "")


def _read(ctx: typer.Context, kind: str, namespace: str) -> Sequence[str]:
    """Return the names of the objects of a kind; none if that fails or takes too long."""
    from outfitter.cli.connect import connected
    from outfitter.cli.login import Login
    from outfitter.errors import OutfitterError

    groups = tuple(ctx.params.get("as_group") or ())
    login = Login(_context(ctx), str(ctx.params.get("author") or ""), groups)

    async def names() -> list[str]:
        async with connected(ctx.params.get("kubeconfig") or "", login) as client, asyncio.timeout(_SECONDS):
            return [item["metadata"]["name"] for item in await client.list(kind, namespace)]

    try:
        return asyncio.run(names())
    except (OutfitterError, TimeoutError):
        return ()


def kubectl(arguments: Sequence[str] | None = None) -> None:
    """Answer kubectl, which runs the program `kubectl_complete-outfitter` with the words that a user typed."""
    from outfitter.cli.app import app

    words = list(sys.argv[1:] if arguments is None else arguments)
    # The answer for the shell fish has the form that kubectl expects: value, tab, description.
    asked = {
        "_OUTFITTER_COMPLETE": "complete_fish",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_ARGS": _quoted(["outfitter", *words]),
    }
    os.environ.update(asked)
    printed = io.StringIO()
    silent = contextlib.redirect_stderr(io.StringIO())
    with contextlib.redirect_stdout(printed), silent, contextlib.suppress(SystemExit):
        app(args=[], prog_name="outfitter")
    sys.stdout.write(f"{printed.getvalue().rstrip()}\n{_NO_FILES}\n".lstrip("\n"))


def _quoted(words: Sequence[str]) -> str:
    """Return the command line; an empty last word asks for all values."""
    import shlex

    return " ".join(shlex.quote(word) if word else "" for word in words)
