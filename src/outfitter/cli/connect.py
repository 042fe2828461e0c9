"""A connection with the user's own rights, and what its refusals mean for the user."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from outfitter.cluster.auth import Authentication
from outfitter.cluster.client import Client
from outfitter.cluster.transport import Transport
from outfitter.errors import ApiError, Forbidden, NotFound, OutfitterError, Unavailable


@asynccontextmanager
async def connected(kubeconfig: str = "") -> AsyncIterator[Client]:
    """A client that only this block uses. ApiErrors that leave the block say what to do."""
    transport = Transport(await Authentication.load(kubeconfig))
    try:
        yield Client(transport)
    except ApiError as error:
        raise OutfitterError(explained(error, transport.auth.server)) from error
    finally:
        await transport.close()


def explained(error: ApiError, server: str) -> str:
    """The server's refusal in the user's terms."""
    if isinstance(error, NotFound):
        return (
            f"{server} does not know Outfitter's kinds: an administrator has to install it (its chart, or install.yaml)"
        )
    if isinstance(error, Forbidden):
        return f"{error.message}; ask for the right, or name a namespace of yours with -n"
    if isinstance(error, Unavailable):
        return f"{server}: {error.message}; is the cluster up, and is this the right kubeconfig?"
    if error.status == 401:
        return f"{server} does not accept the credentials of the kubeconfig: log in again"
    return f"{server}: {error.message}"
