"""One ImageQuery from the command line: created with the rights of the user, awaited, deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import uuid4

from outfitter.api.validation import strict_errors
from outfitter.api.version import API_VERSION
from outfitter.cli.watching import wait_for
from outfitter.cluster.client import Client
from outfitter.errors import ApiError, NotFound, OutfitterError
from outfitter.reasons import Reason
from outfitter.status import is_ready

KIND: Final = "ImageQuery"
_DELETION_SECONDS: Final = 10.0

Status = Mapping[str, Any]


async def ask(
    client: Client, namespace: str, spec: Mapping[str, Any], seconds: float, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Return the ImageQuery with its answer. OutfitterError if there is none within `seconds`.

    `tell` gets the progress. Whatever happens, the object is deleted.
    """
    name = f"images-{uuid4().hex[:12]}"
    meta = {"name": name, "namespace": namespace}
    body = {"apiVersion": API_VERSION, "kind": KIND, "metadata": meta, "spec": dict(spec)}
    if errors := strict_errors(body):
        raise OutfitterError(str(errors[0]))
    try:
        created = await client.create(body)
    except NotFound as error:
        if f'namespaces "{namespace}"' not in error.message:
            raise
        raise OutfitterError(f"Namespace {namespace} does not exist. Choose another one with -n.") from None
    try:
        return await _answer(client, namespace, name, seconds, tell)
    finally:
        await _delete(client, created, tell)


async def _answer(
    client: Client, namespace: str, name: str, seconds: float, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Watch the object until its status is an answer or a failure."""
    seen: Status = {}

    def done(body: Mapping[str, Any]) -> dict[str, Any] | None:
        nonlocal seen
        status: Status = body.get("status") or {}
        if is_over(status):
            return dict(body)
        message = status.get("message", "")
        if message and message != seen.get("message"):
            tell(message)
        seen = status
        return None

    return await wait_for(client, (KIND, namespace, name), done, seconds, too_late=lambda: _too_late(seen, seconds))


def is_over(status: Status) -> bool:
    """Return whether a status is an answer. OutfitterError with the message of a failure."""
    ready = next((item for item in status.get("conditions") or () if item["type"] == "Ready"), None)
    if ready is None or ready["reason"] == Reason.CONNECTING:
        return False
    if is_ready(status):
        return True
    raise OutfitterError(status.get("message") or ready["message"])


def _too_late(status: Status, seconds: float) -> str:
    if status:
        return f"The registry did not answer within {seconds:g} s. Try again, or wait longer with --timeout."
    return (
        f"Outfitter did not see the query within {seconds:g} s. Check that the operator runs and serves the namespace."
    )


async def _delete(client: Client, created: Mapping[str, Any], tell: Callable[[str], None]) -> None:
    """Delete the query, also if the command is interrupted. If that fails, Outfitter deletes it later."""
    meta = created["metadata"]
    try:
        async with asyncio.timeout(_DELETION_SECONDS):
            await client.delete(KIND, meta["namespace"], meta["name"], meta["uid"])
    except (ApiError, TimeoutError):
        tell(f"ImageQuery {meta['name']} was not deleted. Outfitter deletes it after some minutes.")
