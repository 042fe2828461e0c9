"""Create a new object on the API server, with the rights of the user, and print what to do next."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from outfitter.cli import console
from outfitter.cli.new.secret import Sources, secret
from outfitter.errors import AlreadyExists, OutfitterError

if TYPE_CHECKING:
    from outfitter.cluster.client import Client

Body = Mapping[str, Any]


def create(body: dict[str, Any], sources: Sources, namespace: str, kubeconfig: str) -> None:
    """Create an object, and before it the Secret with these values, if there are any."""
    from outfitter.cli.target import current_namespace

    place = namespace or current_namespace(kubeconfig)
    body = {**body, "metadata": {**body["metadata"], "namespace": place}}
    values = None
    if sources:
        values = secret(body["spec"]["secretRef"]["name"], place, sources, body["spec"]["type"])
    asyncio.run(_create_all([values, body] if values else [body], kubeconfig))
    for line in next_steps(body):
        console.print_message(line)


async def _create_all(bodies: list[dict[str, Any]], kubeconfig: str) -> None:
    from outfitter.cli.connect import connected

    async with connected(kubeconfig) as client:
        for body in bodies:
            await _create(client, body)
            console.stdout_console().print(f"{_title(body)} is created.", soft_wrap=True)


async def _create(client: Client, body: Body) -> None:
    from outfitter.cli.changes import MANAGER

    try:
        await client.create(body, MANAGER)
    except AlreadyExists:
        hint = (
            "Choose another name, or use that Secret: leave out the values, and add --secret."
            if body["kind"] == "Secret"
            else "Choose another name. To change it: outfitter new without --apply, then outfitter diff -f FILE."
        )
        raise OutfitterError(f"{_title(body)} exists already. {hint}") from None


def next_steps(body: Body) -> list[str]:
    """Return the commands that a user runs after the creation."""
    meta, word = body["metadata"], body["kind"].lower()
    what = f"{word}/{meta['name']} -n {meta['namespace']}"
    lines = [f"To see its state: outfitter status {what}"]
    if _has_address(body["kind"], body["spec"]):
        lines.append(f"To open it: outfitter open {what}")
    elif body["kind"] in ("Training", "DistributedTraining"):
        lines.append(f"To read its output: outfitter logs -f {what}")
    return lines


def _has_address(kind: str, spec: Body) -> bool:
    if kind == "Environment":
        return "run" in spec and "connections" in spec
    if kind not in ("Workspace", "Inference"):
        return False
    own = any(name in spec for name in ("connections", "exposedUrls", "ports", "servingPort", "template", "artifact"))
    return own or "environment" in (spec.get("assets") or {})


def _title(body: Body) -> str:
    meta = body["metadata"]
    return f"{body['kind']} {meta['namespace']}/{meta['name']}"
