"""A client with the user's own rights, and its API errors as messages for the user."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from outfitter.cli.login import Login, current_login
from outfitter.cli.target import chosen_kubeconfig, impersonation
from outfitter.cluster.auth import Authentication
from outfitter.cluster.client import Client
from outfitter.cluster.transport import Transport
from outfitter.errors import ApiError, Forbidden, NotFound, OutfitterError, Unavailable


@asynccontextmanager
async def connected(kubeconfig: str = "", login: Login | None = None) -> AsyncIterator[Client]:
    """Open a client for this block. ApiErrors leave the block as OutfitterErrors that name a remedy.

    `login`: default is that of the command line.
    """
    login = login or current_login()
    headers = login.headers or impersonation(kubeconfig, login.context)
    transport = Transport(await Authentication.load(chosen_kubeconfig(kubeconfig), login.context, headers))
    try:
        yield Client(transport)
    except ApiError as error:
        raise OutfitterError(error_message(error, transport.auth.server)) from error
    finally:
        await transport.close()


def error_message(error: ApiError, server: str) -> str:
    """Message for an API error: what failed and what the user can do."""
    if isinstance(error, NotFound):
        return (
            f"{server} does not serve Outfitter's kinds. "
            "Ask an administrator to install Outfitter with its chart or install.yaml."
        )
    if isinstance(error, Forbidden):
        return f"{error.message}. Ask an administrator for this permission, or choose another namespace with -n."
    if isinstance(error, Unavailable):
        return f"{server}: {error.message}. Check that the cluster is running and that the kubeconfig is correct."
    if error.status == 401:
        return f"{server} rejects the credentials of the kubeconfig. Log in again."
    return f"{server}: {error.message}"
