"""Completion of kinds, names, namespaces and contexts, in shells and inside kubectl.

It reads the cluster with the rights of the user, for at most five seconds, and is silent where it cannot.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from typing import Final

import typer

_SECONDS: Final = 5.0

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
