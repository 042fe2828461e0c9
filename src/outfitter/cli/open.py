"""`outfitter open`: forward a local port to a notebook or served model, and open it in the browser."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outfitter.cli import console
from outfitter.cli.console import Kubeconfig, Namespace, OneObject

if TYPE_CHECKING:
    import threading

    from outfitter.cli.addresses import Address
    from outfitter.cli.target import Target
    from outfitter.cluster.client import Client

Body = Mapping[str, Any]


@dataclass(frozen=True)
class OpenOptions:
    """What to open, and how."""

    connection: str = ""
    port: int = 0
    url: bool = False
    local_port: int | None = None
    browser: bool = True


def open_(
    object_: OneObject,
    namespace: Namespace = "",
    connection: Annotated[str, typer.Option("--connection", help="Default: the first one with HTTP.")] = "",
    port: Annotated[
        int | None, typer.Option("--port", min=1, max=65535, help="A port of the pod, also one without a connection.")
    ] = None,
    url: Annotated[bool, typer.Option("--url", help="Open the URL outside the cluster, and forward nothing.")] = False,
    local_port: Annotated[
        int | None,
        typer.Option("--local-port", min=0, max=65535, help="Default: that of the pod if it is free, else any."),
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the URL.")] = False,
    kubeconfig: Kubeconfig = "",
) -> None:
    """Open a notebook, tool or served model: a local port leads to it until you press Ctrl-C.

    Prints the URL, and opens it in the browser if the output is a terminal with a display. Each new connection goes to
    the pod that is ready then, so the URL outlives a restart. You need the rights to get and to create
    pods/portforward. With --url, the browser uses the URL of the Ingress or load balancer instead.

    Examples:

    outfitter open workspace/alice -n team-a

    outfitter open workspace/alice -n team-a --connection board --local-port 6006

    outfitter open inference/scoring -n team-a --url

    Exit codes: 0 the URL was printed, and Ctrl-C ended the command; 1 there is nothing to open, or no pod is ready; 2
    the command line is wrong.
    """
    with console.error_exit(), console.interrupt_on_signals():
        from outfitter.cli.target import current_namespace, one_target

        if connection and port:
            raise typer.BadParameter("--connection and --port exclude each other.")
        if url and port:
            raise typer.BadParameter("--url is for a connection, not for --port.")
        chosen = one_target(object_)
        options = OpenOptions(connection, port or 0, url, local_port, not no_browser)
        asyncio.run(_open(chosen, namespace or current_namespace(kubeconfig), kubeconfig, options))


async def _open(chosen: Target, namespace: str, kubeconfig: str, options: OpenOptions) -> None:
    from outfitter.cli.addresses import addresses, choose, external_url, others_note, phase_note
    from outfitter.cli.changes import check_runs
    from outfitter.cli.connect import connected
    from outfitter.cli.objects import read_object

    async with connected(kubeconfig) as client:
        body = await read_object(client, chosen, namespace)
        check_runs(body)
        found = addresses(body, await _service(client, chosen, body))
        address = choose(body, found, options.connection, options.port)
        if not (options.connection or options.port) and (note := others_note(body, found, address)):
            console.print_message(note, "yellow")
        if options.url or not address.port:
            if address.port and (note := phase_note(body)):
                console.print_message(note, "yellow")
            if browser := _show(external_url(body, address), browser=options.browser):
                await asyncio.to_thread(browser.join)
        else:
            await _forward(client, chosen, body, address, options)


async def _service(client: Client, chosen: Target, body: Body) -> Body | None:
    """Return the Service with the port for requests of a workload that serves; None without one."""
    if not (chosen.kind.runs and chosen.kind.runs.serves) or not (body.get("status") or {}).get("url"):
        return None
    return await client.get("Service", body["metadata"]["namespace"], chosen.name)


async def _forward(client: Client, chosen: Target, body: Body, address: Address, options: OpenOptions) -> None:
    """Forward a local port until Ctrl-C."""
    from outfitter.cli.forwarder import Forwarder, listen
    from outfitter.cli.objects import words
    from outfitter.cli.read_pods import pod_may_be_gone, read_pods
    from outfitter.cli.running_pods import is_ready, pod_to_forward

    async def choose_pod() -> Body:
        current, pods = await read_pods(client, chosen, body["metadata"]["namespace"])
        return pod_to_forward(chosen, current, pods, unready=bool(options.port))

    pod = await choose_pod()
    forwarder = Forwarder(client, pod, address.port, choose_pod)
    with pod_may_be_gone(pod):
        await forwarder.check()
    with listen(address.port, options.local_port) as listener:
        place, name = listener.getsockname()[1], pod["metadata"]["name"]
        ready = "" if is_ready(pod) else " The pod is not ready."
        text = f"Port {place} of this machine leads to port {address.port} of pod {name} until you press Ctrl-C.{ready}"
        console.print_message(text)
        if address.tool == "jupyter-notebook":
            console.print_message(f"If Jupyter asks for a token, its log has it: outfitter logs {words(body)}")
        if address.url:
            console.print_message(f"The same outside the cluster, with --url: {address.url}")
        with contextlib.suppress(asyncio.CancelledError):  # Ctrl-C is how the command ends
            serving = asyncio.create_task(forwarder.serve(listener))
            _show(address.local_url(place), browser=options.browser and address.http)
            await serving


def _show(url: str, *, browser: bool) -> threading.Thread | None:
    """Print a URL. `browser`: also open it in the browser of this machine, if it has one. Returns its thread."""
    from outfitter.cli.browser import has_browser, open_browser

    console.stdout_console().print(url, soft_wrap=True)
    return open_browser(url) if browser and has_browser() else None
