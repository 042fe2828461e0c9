"""`outfitter uninstall`: delete everything of Outfitter in the right order, and leave what users made."""

from __future__ import annotations

import asyncio
import shlex
import signal
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from outfitter.cli import console
from outfitter.cli.console import Kubeconfig

if TYPE_CHECKING:
    from outfitter.cli.reader import Reader
    from outfitter.cli.uninstall.plan import Found, Plan
    from outfitter.cli.uninstall.steps import Removal
    from outfitter.cluster.client import Client


def uninstall(
    delete_data: Annotated[
        bool, typer.Option("--delete-data/--keep-data", help="Also delete the claims with user data.")
    ] = False,
    crds: Annotated[bool, typer.Option("--crds", help="Also delete the CustomResourceDefinitions.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be deleted, and delete nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="The operator's namespace, if the cluster has several operators.")
    ] = "",
    timeout: Annotated[float, typer.Option(min=1, help="Longest time in seconds without progress.")] = 300,
    kubeconfig: Kubeconfig = "",
) -> None:
    """Delete all Outfitter objects with their pods, then the operator. Claims with user data and your Secrets stay.

    The order is: workloads, other objects, the operator with its policies and roles, and with --crds the
    CustomResourceDefinitions. After an interruption, run the command again: it continues. A Helm release is removed by
    the helm command. To remove the operator alone, use helm uninstall.

    Examples:

    outfitter uninstall --dry-run

    outfitter uninstall --crds --yes

    Exit codes: 0 all is deleted, 1 something is left or you answered no, 2 the command line is wrong, 130 interrupted.
    """
    with console.error_exit(), console.interrupt_on_signals():
        asyncio.run(_run(kubeconfig, namespace, delete_data, crds, dry_run, yes, timeout))


async def _run(
    kubeconfig: str, namespace: str, delete_data: bool, crds: bool, dry_run: bool, yes: bool, seconds: float
) -> None:
    from outfitter.cli.connect import connected
    from outfitter.cli.login import current_login
    from outfitter.cli.reader import Reader
    from outfitter.cli.run import settings_from
    from outfitter.cli.uninstall.plan import leftovers, make_plan
    from outfitter.cli.uninstall.survey import existing_namespaces, survey

    async with connected(kubeconfig) as client:
        reader = Reader(client.transport)
        with console.progress("Reading the cluster"):
            found = await survey(reader, settings_from({}).system_namespace, namespace)
        if crds and found.others:
            raise typer.BadParameter("--crds would delete the objects of other installations. Remove those first.")
        plan = make_plan(found, delete_data=delete_data, crds=crds)
        if plan.is_empty:
            console.stdout_console().print("Nothing to delete.")
        else:
            _print_plan(plan, reader.server, kubeconfig)
        if not plan.is_empty and not dry_run:
            _confirm(yes)
            await _remove(client, reader, found, plan, kubeconfig, seconds)
        namespaces = await existing_namespaces(reader, [plan.installation.namespace])
        left = leftovers(plan, namespaces, current_login().flags(kubeconfig))
    _print_leftovers(left, dry_run=dry_run)


async def _remove(client: Client, reader: Reader, found: Found, plan: Plan, kubeconfig: str, seconds: float) -> None:
    from outfitter.cli.uninstall.plan import belongs
    from outfitter.cli.uninstall.steps import Removal

    only = frozenset(body["metadata"]["uid"] for body in plan.objects) if found.others else None
    with console.progress("Deleting") as tell:
        removal = Removal(
            client,
            plan,
            belongs=lambda body: belongs(body, found.installation, found.others),
            only=only,
            operator_runs=await operator_runs(reader, found),
            seconds=seconds,
            tell=tell,
        )
        try:
            await _steps(removal, plan, kubeconfig, tell)
        except asyncio.CancelledError:  # Ctrl-C, or SIGTERM
            console.print_message(_interrupted(removal.deleted()), "yellow")
            raise
    console.stdout_console().print("Outfitter is removed.")


async def _steps(removal: Removal, plan: Plan, kubeconfig: str, tell: Callable[[str], None]) -> None:
    from outfitter.cli.uninstall.helm import helm_command, uninstall_release

    await removal.objects()
    await removal.data()
    if plan.helm:
        command = helm_command(plan.helm, plan.installation, kubeconfig)
        tell(f"Running {shlex.join(command)}")
        await uninstall_release(command)
    else:
        await removal.release()
    if plan.crds:
        await removal.crds()


def _interrupted(deleted: Mapping[str, int]) -> str:
    """Return the message after Ctrl-C. `deleted`: the number of objects that are gone, by kind."""
    kinds = ", ".join(f"{kind} {number}" for kind, number in deleted.items())
    text = f"Deleted so far: {console.count(sum(deleted.values()), 'object')} ({kinds})." if kinds else ""
    again = "To continue, run the command again with the same options."
    return " ".join(filter(None, ("Interrupted.", text or "No object is gone yet.", again)))


async def operator_runs(reader: Reader, found: Found) -> bool:
    """Return whether an operator leads, so that it deletes copies in other namespaces."""
    from datetime import UTC, datetime

    from outfitter.cli.check.operator import holder, is_fresh
    from outfitter.cluster.client import path_of
    from outfitter.cluster.resources import api_resource

    namespace, name = found.installation.lease
    lease = await reader.get(path_of(api_resource("Lease"), namespace, name))
    if lease is None or not holder(lease):
        return False
    available = (found.installation.deployment.get("status") or {}).get("availableReplicas", 0)
    return bool(available) or is_fresh(lease, datetime.now(UTC))


def _confirm(yes: bool) -> None:
    from outfitter.errors import ConfigurationError, OutfitterError

    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigurationError("The command asks before it deletes, and there is no terminal. Add --yes.")
    # The handler of asyncio would wait for the answer, and a second Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        agreed = typer.confirm("Delete all this?", err=True)
    except typer.Abort:
        console.print_message("Interrupted. Nothing was deleted.", "yellow")
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGINT, before)
    if not agreed:
        raise OutfitterError("Nothing was deleted.")


def _print_plan(plan: Plan, server: str, kubeconfig: str) -> None:
    from rich.table import Table

    from outfitter.cli.uninstall.helm import helm_command
    from outfitter.cli.uninstall.plan import counts, place

    out = console.stdout_console()
    out.print(f"Plan for {server}:", style="bold")
    if plan.objects:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for head in ("KIND", "NAMESPACE", "OBJECTS"):
            table.add_column(head, no_wrap=True)
        for kind, where, number in counts(plan):
            table.add_row(kind, where, str(number))
        out.print(table)
    lines = [f"Claim {place(body)} and its data, because its owner asks for that" for body in plan.lost]
    lines += [f"Claim {place(body)} and its data, because of --delete-data" for body in plan.data]
    if plan.helm:
        command = shlex.join(helm_command(plan.helm, plan.installation, kubeconfig))
        lines.append(f"Helm release {plan.helm}, by: {command}")
    elif plan.release:
        text = console.count(len(plan.release), "object")
        lines.append(f"Installation {plan.installation.title}: {text} (operator, roles, policies)")
    if plan.crds:
        lines.append(console.count(len(plan.crds), "CustomResourceDefinition"))
    for line in lines:
        out.print(line, soft_wrap=True)
    for text in plan.notes:
        console.print_message(text, "yellow")


def _print_leftovers(left: list[tuple[str, str]], *, dry_run: bool) -> None:
    if not left:
        return
    out = console.stdout_console()
    out.print()
    out.print("These would stay:" if dry_run else "These stay. To delete them:", style="bold")
    for what, command in left:
        out.print(f"{what}: {command}", soft_wrap=True)
