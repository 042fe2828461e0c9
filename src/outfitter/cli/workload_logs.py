"""`outfitter logs`: the log of an object, from the pod and container that a user wants to see."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outfitter.cli import console
from outfitter.cli.console import Kubeconfig, Namespace, OneObject

if TYPE_CHECKING:
    from outfitter.cli.target import Target
    from outfitter.cluster.client import Client


@dataclass(frozen=True)
class LogOptions:
    """What of the log to print."""

    follow: bool = False
    container: str = ""
    previous: bool = False
    rank: int | None = None


def logs(
    object_: OneObject,
    namespace: Namespace = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the container ends.")] = False,
    container: Annotated[str, typer.Option("--container", "-c", help="Default: the main container.")] = "",
    previous: Annotated[bool, typer.Option("--previous", "-p", help="The run before the last restart.")] = False,
    rank: Annotated[
        int | None, typer.Option(min=0, help="Pod of a DistributedTraining. Default: 0, the master or launcher.")
    ] = None,
    kubeconfig: Kubeconfig = "",
) -> None:
    """Print the log of a workload, a build or a download: of its newest pod, from the main container.

    While the main container waits for another one that runs or fails, it is the log of that one. Of a container that
    crashed and waits for its next start, it is the log of its last run. You need the right to read the logs of pods.

    Examples:

    outfitter logs workspace/alice -n team-a --follow

    outfitter logs distributedtraining/bert -n team-a --rank 3

    outfitter logs imagebuild/scorer-5f2c81d0 -n team-a

    Exit codes: 0 success, 1 the object has no log, or its build failed, 2 the command line is wrong.
    """
    with console.error_exit(), console.interrupt_on_signals():
        from outfitter.cli.target import current_namespace, one_target

        chosen = one_target(object_)
        if rank is not None and not (chosen.kind.runs and chosen.kind.runs.grouped):
            raise typer.BadParameter("--rank is for a DistributedTraining.")
        place = namespace or current_namespace(kubeconfig)
        options = LogOptions(follow, container, previous, rank)
        if not asyncio.run(_logs(chosen, place, kubeconfig, options)):
            raise typer.Exit(console.PROBLEMS)


async def _logs(chosen: Target, namespace: str, kubeconfig: str, options: LogOptions) -> bool:
    """Print the log of an object. Returns whether there was one; of a build, whether it did not fail."""
    from outfitter.cli.build import failed, print_build
    from outfitter.cli.connect import connected

    async with connected(kubeconfig) as client:
        if chosen.kind.name == "ImageBuild" and not (options.container or options.previous):
            return not failed(await print_build(client, chosen.name, namespace, follow=options.follow))
        pods = await _pods(client, chosen, namespace, follow=options.follow)
        return await _print(client, _pod(chosen, pods, options), options)


async def _pods(client: Client, chosen: Target, namespace: str, *, follow: bool) -> Sequence[Mapping[str, Any]]:
    """Return the pods of an object, at least one. With `follow`, waits for the first one of an object that starts."""
    from outfitter.cli.changes import check_runs
    from outfitter.cli.objects import read_object
    from outfitter.cli.pod_logs import SECONDS
    from outfitter.cli.pods import pods_of
    from outfitter.errors import OutfitterError

    while True:
        body = await read_object(client, chosen, namespace)
        if chosen.kind.name not in ("ImageBuild", "NimCache"):
            check_runs(body)
        if pods := await pods_of(client, chosen.kind, body):
            return pods
        if not follow or not starts(body):
            raise OutfitterError(without_pod(body))
        await asyncio.sleep(SECONDS)


def starts(body: Mapping[str, Any]) -> bool:
    """Return whether an object without pods will have some: no user has to act first."""
    from outfitter.status import is_stalled

    status, spec = body.get("status") or {}, body.get("spec") or {}
    ended = (status.get("run") or {}).get("result") or status.get("halted") or status.get("phase") == "Ready"
    return not (ended or spec.get("suspend") or (spec.get("run") or {}).get("suspend") or is_stalled(status))


def without_pod(body: Mapping[str, Any]) -> str:
    """Return the message for an object without pods: with its state, and how to start it if it is stopped."""
    from outfitter.cli.objects import title, words

    status, spec = body.get("status") or {}, body.get("spec") or {}
    if spec.get("suspend") or (spec.get("run") or {}).get("suspend"):
        return f"{title(body)} has no pod, because it is stopped. To start it: outfitter start {words(body)}"
    message = str(status.get("message") or "Outfitter has not reconciled it yet.")
    return f"{title(body)} has no pod: {message}"


def _pod(chosen: Target, pods: Sequence[Mapping[str, Any]], options: LogOptions) -> Mapping[str, Any]:
    """Choose a pod: of the rank, or the first one with the container."""
    from outfitter.cli.pods import of_rank, with_container

    if chosen.kind.runs and chosen.kind.runs.grouped:
        pods = [of_rank(pods, options.rank or 0)]
    return with_container(pods, options.container) if options.container else pods[0]


async def _print(client: Client, pod: Mapping[str, Any], options: LogOptions) -> bool:
    from outfitter.cli.pod_logs import print_log, wait_for_run
    from outfitter.cli.pods import log_sources

    printed = False
    for source in log_sources(pod, options.container, previous=options.previous, follow=options.follow):
        if source.note:
            console.print_message(source.note, "yellow")
        if source.next_run and not await wait_for_run(client, pod, source.container):
            break
        follow = options.follow and not source.previous
        printed |= await print_log(client, pod, source.container, follow=follow, previous=source.previous)
    return printed
