"""`outfitter build`: the log of a build, with the rights of who asks."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outfitter.cli import console
from outfitter.cli.console import Kubeconfig, Namespace
from outfitter.cli.login_flags import with_login
from outfitter.problems import printable

if TYPE_CHECKING:
    from outfitter.cluster.client import Client

build = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Follow the builds of images.\n\n"
    "An [bold]ImageBuild[/] builds the image of an Artifact. Outfitter creates one when [bold]buildRequest[/] of the "
    "Artifact changes, and when an Artifact is locked. List them: [bold]outfitter status imagebuild[/]",
)


@build.callback()
def _group() -> None:
    """Keep `logs` a command of its own while it is the only one."""


def logs(
    name: Annotated[str, typer.Argument(help="Name of the ImageBuild.")],
    namespace: Namespace = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the build ends.")] = False,
    kubeconfig: Kubeconfig = "",
) -> None:
    """Print the log of a build: first how its source is fetched, then how its image is built.

    You need the right to read the logs of pods in the namespace. Without it, and once the pod is gone, the end of the
    log in the status is printed.

    Examples:

    outfitter build logs scorer-5f2c81d0 -n team-a

    outfitter build logs scorer-5f2c81d0 -n team-a --follow

    Exit codes: 0 success, 1 the build failed or does not exist, 2 the command line is wrong.
    """
    with console.error_exit(), console.interrupt_on_signals():
        from outfitter.cli.target import current_namespace

        state = asyncio.run(_logs(name, namespace or current_namespace(kubeconfig), kubeconfig, follow=follow))
        if failed(state):
            raise typer.Exit(console.PROBLEMS)


build.command(help=console.help_of(logs))(with_login(logs))


async def _logs(name: str, namespace: str, kubeconfig: str, *, follow: bool) -> str:
    """Print the log of a build. Returns its state."""
    from outfitter.cli.connect import connected

    async with connected(kubeconfig) as client:
        return await print_build(client, name, namespace, follow=follow)


def failed(state: str) -> bool:
    """Return whether a build ended without an image."""
    return state in ("FAILED", "CANCELLED", "UNKNOWN")


async def print_build(client: Client, name: str, namespace: str, *, follow: bool) -> str:
    """Print the log of a build, or its end where the pod cannot be read. Returns the state of the build."""
    from outfitter.cli.pod_logs import SECONDS

    status = await _status(client, namespace, name)
    pod = await _pod(client, namespace, status)
    while follow and pod is None and "finishedAt" not in status:
        await asyncio.sleep(SECONDS)
        status = await _status(client, namespace, name)
        pod = await _pod(client, namespace, status)
    if pod is None or not await _print_pod(client, pod, follow=follow):
        _print_tail(name, status)
    while follow and "finishedAt" not in status:
        await asyncio.sleep(SECONDS)
        status = await _status(client, namespace, name)
    return str(status.get("state", ""))


async def _status(client: Client, namespace: str, name: str) -> dict[str, Any]:
    from outfitter.errors import OutfitterError

    found = await client.get("ImageBuild", namespace, name)
    if found is None:
        text = f"ImageBuild {namespace}/{name} does not exist. List builds: outfitter status imagebuild -n {namespace}"
        raise OutfitterError(text)
    return found.get("status") or {}


async def _pod(client: Client, namespace: str, status: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the newest pod of the Job of a build."""
    if "job" not in status:
        return None
    pods = await client.list("Pod", namespace, label_selector=f"batch.kubernetes.io/job-name={status['job']}")
    return max(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), default=None)


async def _print_pod(client: Client, pod: Mapping[str, Any], *, follow: bool) -> bool:
    """Print the logs of the containers of a pod. Returns whether there was anything to read."""
    from outfitter.cli.pod_logs import print_log
    from outfitter.errors import Forbidden

    containers = [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]
    try:
        found = [await print_log(client, pod, item["name"], follow=follow) for item in containers]
    except Forbidden as error:
        console.print_message(f"{error.message}. The end of the log:", "yellow")
        return False
    return any(found)


def _print_tail(name: str, status: Mapping[str, Any]) -> None:
    if tail := status.get("logTail"):
        sys.stdout.write("\n".join(map(printable, str(tail).split("\n"))) + "\n")
        return
    state = status.get("state", "PENDING")
    why = f" {status['message']}" if status.get("message") else ""
    console.print_message(f"ImageBuild {name} has no log. Its state is {state}.{why}", "yellow")
