"""The pods of a workload, read with the rights of the user."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from outfitter.cli.changes import check_runs
from outfitter.cli.objects import read_object
from outfitter.cli.pods import pods_of
from outfitter.cli.workload_logs import without_pod
from outfitter.errors import NotFound, OutfitterError

if TYPE_CHECKING:
    from outfitter.cli.target import Target
    from outfitter.cluster.client import Client

Body = Mapping[str, Any]


async def read_pods(client: Client, chosen: Target, namespace: str) -> tuple[Body, list[Body]]:
    """Return an object and its pods, the first one to use in front. OutfitterError with its state if it has none."""
    body = await read_object(client, chosen, namespace)
    check_runs(body)
    pods = await pods_of(client, chosen.kind, body)
    if not pods:
        raise OutfitterError(without_pod(body))
    return body, pods


@contextmanager
def pod_may_be_gone(pod: Body) -> Iterator[None]:
    """Turn a 404 about a pod that was there a moment ago into a message for the user."""
    try:
        yield
    except NotFound as error:
        raise OutfitterError(f"Pod {pod['metadata']['name']} does not exist any more. Try again.") from error
