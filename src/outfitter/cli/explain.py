"""`outfitter explain`: the source of each value of a workload's pod."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outfitter.cli import console
from outfitter.cli.completion import objects
from outfitter.cli.console import Extra, Files, Format, Kubeconfig, Namespace, Recursive

if TYPE_CHECKING:
    from outfitter.cli.origins import PodValue, UsedAsset
    from outfitter.cli.target import Target
    from outfitter.cluster.protocol import Cluster
    from outfitter.plan.workload.revision import Revision


Explained = tuple[Mapping[str, Any], "Revision", Mapping[str, Any] | None]


def explain(
    workload: Annotated[
        str,
        typer.Argument(
            metavar="KIND/NAME",
            help="A Workspace or Inference; an Environment or Artifact with spec.run.",
            autocompletion=objects,
        ),
    ],
    namespace: Namespace = "",
    files: Files = None,
    recursive: Recursive = False,
    author: Annotated[
        str, typer.Option("--as", metavar="USER", help="Act as this user; with -f: the user who wrote the objects.")
    ] = "",
    extra: Extra = None,
    form: Annotated[Format, typer.Option("--output", "-o", help="Output format.")] = "table",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Show each value of a workload's pod with the asset or policy that sets it, and what changed since.

    Beside the value are the rules of the project's policies that bind it.

    Reads the revision that the workload runs. Values from Secrets are shown as references. With -f, no cluster is
    read: the files are rendered as in `outfitter render`, with the settings in OUTFITTER_* variables.

    Examples:

    outfitter explain workspace/alice -n team-a

    outfitter explain inference/scoring -n team-a -f deploy/examples

    outfitter explain envr/jupyter -n team-a -f deploy/examples -o yaml

    Exit codes: 0 success, 1 the workload does not exist or has no revision yet, 2 the command line is wrong.
    """
    with console.error_exit():
        from outfitter.cli.origins import moved_images, pod_values, used_assets
        from outfitter.cli.target import current_namespace, target

        chosen = target(workload)
        if not chosen.name:
            raise typer.BadParameter(f"The name is missing. Use {chosen.kind.singular}/NAME.")
        if files:
            namespace = namespace or "default"
            body, revision, effective = _read_from_files(files, chosen, namespace, recursive, author, extra)
        else:
            namespace = namespace or current_namespace(kubeconfig)
            body, revision, effective = asyncio.run(_read_from_cluster(kubeconfig, chosen, namespace))
        status = body.get("status") or {}
        values, assets = pod_values(revision, effective), used_assets(revision, status)
        if form == "table":
            _print(body, revision, values, assets)
            return
        data = {
            "kind": body["kind"],
            "namespace": body["metadata"]["namespace"],
            "name": body["metadata"]["name"],
            "revision": revision.name,
            **{name: status[name] for name in ("createdBy", "updatedBy", "updatedAt") if name in status},
            "values": [item.to_dict() for item in values],
            "assets": [{key: value for key, value in asdict(item).items() if value != ""} for item in assets],
            "movedImages": moved_images(status),
        }
        console.emit(data, form)


def _read_from_files(
    files: list[str], chosen: Target, namespace: str, recursive: bool, author: str, extra: list[str] | None
) -> Explained:
    from outfitter.cli.hints import hints
    from outfitter.cli.render import simulate
    from outfitter.errors import OutfitterError

    simulation = simulate(files, namespace, recursive=recursive, author=author, extra=extra)
    try:
        return asyncio.run(_read_revision(simulation.cluster, chosen, namespace))
    except OutfitterError as error:
        raise OutfitterError("\n".join([str(error), *hints(simulation)])) from error


async def _read_from_cluster(kubeconfig: str, chosen: Target, namespace: str) -> Explained:
    from outfitter.cli.connect import connected

    async with connected(kubeconfig) as client:
        return await _read_revision(client, chosen, namespace)


async def _read_revision(cluster: Cluster, chosen: Target, namespace: str) -> Explained:
    """Read a workload, its revision, and the effective policy of its type, if there is one.

    OutfitterError, with the message of the status, where the workload or its revision is missing.
    """
    from outfitter.errors import OutfitterError
    from outfitter.naming import LABEL_OWNER_UID
    from outfitter.plan.workload.revision import read
    from outfitter.snapshot import CachedObject

    workloads = await cluster.list(chosen.kind.name, namespace)
    body = next((item for item in workloads if item["metadata"]["name"] == chosen.name), None)
    if body is None:
        raise OutfitterError(f"{chosen.kind.name} {chosen.name} does not exist in namespace {namespace}.")
    selector = f"{LABEL_OWNER_UID}={body['metadata']['uid']}"
    revisions = await cluster.list("ControllerRevision", namespace, label_selector=selector)
    current = (body.get("status") or {}).get("revision")
    owned = [item for item in revisions if "inputs" in (item.get("data") or {})]
    chosen_one = next((item for item in owned if item["metadata"]["name"] == current), None)
    newest = chosen_one or max(owned, key=lambda item: int(item["revision"]), default=None)
    if newest is None:
        status = body.get("status") or {}
        detail = status.get("message") or "Outfitter has not reconciled the object yet, or the object runs no pods."
        raise OutfitterError(f"{chosen.kind.name} {namespace}/{chosen.name} has no revision. {detail}")
    runs = chosen.kind.runs.name if chosen.kind.runs else ""
    policies = [item["spec"] for item in await cluster.list("EffectivePolicy", namespace)]
    effective = next((item for item in policies if item["workloadType"] == runs), None)
    return body, read(CachedObject.of(newest, "ControllerRevision")), effective


def _print(
    body: Mapping[str, Any], revision: Revision, values: Sequence[PodValue], assets: Sequence[UsedAsset]
) -> None:
    from outfitter.cli.explain_tables import asset_table, image_table, value_tables
    from outfitter.cli.objects import words
    from outfitter.cli.origins import moved_images

    changed = {item.label for item in assets if item.change}
    moved = moved_images(body.get("status") or {})
    out = console.stdout_console()
    meta = body["metadata"]
    console.print_text(out, f"{body['kind']} {meta['namespace']}/{meta['name']}, revision {revision.name}", "bold")
    if authors := _authors(body.get("status") or {}):
        console.print_text(out, authors)
    tables = value_tables(values, changed, out.width)
    tables += [asset_table(assets)] if assets else []
    tables += [image_table(moved)] if moved else []
    for table in tables:
        out.print()
        out.print(table)
    if changed or moved:
        out.print()
        console.print_text(out, f"To apply the changes: outfitter restart {words(body)}")


def _authors(status: Mapping[str, Any]) -> str:
    """Return who wrote the workload, and when; "" if not known."""
    parts = []
    if status.get("createdBy"):
        parts.append(f"Created by {status['createdBy']}")
    if status.get("updatedBy"):
        time = f" at {status['updatedAt']}" if status.get("updatedAt") else ""
        parts.append(f"last changed by {status['updatedBy']}{time}")
    if status.get("author") not in (None, status.get("updatedBy")):
        parts.append(f"what it runs is by {status['author']}")
    text = ", ".join(parts)
    return f"{text[:1].upper()}{text[1:]}." if text else ""
