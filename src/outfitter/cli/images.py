"""`outfitter images`: the images of a registry, asked for by the operator."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final

import typer

from outfitter.cli import console
from outfitter.cli.console import Format, Kubeconfig
from outfitter.cli.login_flags import with_login

images = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Search the image registries that your project can use: repositories, tags, digests.\n\n"
    "A [bold]Registry[/] names a registry and its login. The operator asks the registry, so you need neither the "
    "login nor a connection to it. You need the right to create, watch and delete ImageQueries in the namespace: "
    "the role [bold]outfitter-creator[/] has it.",
)

Namespace = Annotated[
    str, typer.Option("--namespace", "-n", help="The project. Default: the namespace of the current context.")
]
RegistryName = Annotated[
    str, typer.Option("--registry", "-r", metavar="NAME", help="Registry to ask. Default: the only one of the project.")
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=500, help="Most names to print.")]
Timeout = Annotated[float, typer.Option("--timeout", min=1, metavar="SECONDS", help="Longest time to wait.")]
Output = Annotated[Format, typer.Option("--output", "-o", help="Output format.")]
_CODES: Final = "Exit codes: 0 success, 1 the registry gives no answer or you may not ask, 2 the command line is wrong."


def search(
    text: Annotated[str, typer.Argument(metavar="[TEXT]", help="A part of the name. Default: all.")] = "",
    registry: RegistryName = "",
    namespace: Namespace = "",
    limit: Limit = 100,
    form: Output = "table",
    timeout: Timeout = 120,
    kubeconfig: Kubeconfig = "",
) -> None:
    """List the repositories of a registry whose name contains a text.

    A registry without a list, such as most of the public ones, shows only what its Registry names.

    Examples:

    outfitter images search torch -n team-a

    outfitter images search --registry harbor --limit 500 -o json
    """
    spec = {"limit": limit, **({"search": text} if text else {})}
    _run(spec, registry, namespace, form, timeout, kubeconfig)


def tags(
    repository: Annotated[str, typer.Argument(help="Name of the repository without the host: team/image.")],
    text: Annotated[str, typer.Option("--search", "-s", metavar="TEXT", help="Only tags that contain this.")] = "",
    registry: RegistryName = "",
    namespace: Namespace = "",
    limit: Limit = 100,
    form: Output = "table",
    timeout: Timeout = 120,
    kubeconfig: Kubeconfig = "",
) -> None:
    """List the tags of a repository, the newest version first.

    Examples:

    outfitter images tags team/trainer -n team-a

    outfitter images tags library/python --search slim --registry hub -o json
    """
    spec = {"repository": repository, "limit": limit, **({"search": text} if text else {})}
    _run(spec, registry, namespace, form, timeout, kubeconfig)


def digest(
    image: Annotated[str, typer.Argument(metavar="REPOSITORY[:TAG]", help="Without the host. Default tag: latest.")],
    registry: RegistryName = "",
    namespace: Namespace = "",
    form: Output = "table",
    timeout: Timeout = 120,
    kubeconfig: Kubeconfig = "",
) -> None:
    """Print the digest that a tag points to now, and the image to name in a workload.

    A workload that names a digest always runs the same image. A tag can move.

    Examples:

    outfitter images digest team/trainer:1.4 -n team-a

    outfitter images digest team/trainer:1.4 -o json | jq -r .image
    """
    path, slash, last = image.rpartition("/")
    name, _, tag = last.partition(":")
    _run(
        {"repository": path + slash + name, "digestOf": tag or "latest"}, registry, namespace, form, timeout, kubeconfig
    )


for _command in (search, tags, digest):
    images.command(help=console.help_of(_command), epilog=_CODES)(with_login(_command))


def _run(spec: dict[str, Any], registry: str, namespace: str, form: Format, seconds: float, kubeconfig: str) -> None:
    """Ask one question and print the answer."""
    with console.error_exit(), console.interrupt_on_signals():
        from outfitter.cli.target import current_namespace

        project = namespace or current_namespace(kubeconfig)
        body = asyncio.run(_ask(spec, registry, project, seconds, kubeconfig))
        if form == "table":
            _print(body["spec"], body["status"])
        else:
            console.emit(_data(body["spec"], body["status"]), form)


async def _ask(spec: dict[str, Any], registry: str, project: str, seconds: float, kubeconfig: str) -> dict[str, Any]:
    from outfitter.cli.connect import connected
    from outfitter.cli.image_query import ask

    name = registry or await _only_registry(project, kubeconfig)
    async with connected(kubeconfig) as client:
        with console.progress(f"Asking Registry {name}") as tell:
            return await ask(client, project, {"registry": {"name": name}, **spec}, seconds, tell)


async def _only_registry(project: str, kubeconfig: str) -> str:
    """Return the one Registry that a project can use. OutfitterError if there is none, or a choice."""
    from outfitter.cli.asset_rows import asset_rows
    from outfitter.cli.assets import read_assets
    from outfitter.errors import OutfitterError

    notes: list[str] = []
    objects, department = await read_assets(kubeconfig, project, ("Registry",), notes.append)
    names = [row.name for row in asset_rows(objects, project, department)]
    if len(names) == 1:
        return names[0]
    if names:
        raise OutfitterError(f"Namespace {project} can use several Registries. Name one: --registry {'|'.join(names)}.")
    text = f"Namespace {project} has no Registry. Create one, or name a shared one with --registry NAME."
    raise OutfitterError(" ".join((text, *notes)))


def _data(spec: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
    """Return the answer as data: always the same keys for one command."""
    found: dict[str, Any] = {"registry": spec["registry"]["name"]}
    if "digestOf" in spec:
        tag = {"repository": spec["repository"], "tag": spec["digestOf"]}
        return {**found, **tag, "digest": status["digest"], "image": status["image"]}
    if "repository" in spec:
        found |= {"repository": spec["repository"], "tags": status.get("tags", [])}
    else:
        found["repositories"] = status.get("repositories", [])
    return {**found, "found": status["found"], "truncated": status.get("truncated", False)}


def _print(spec: dict[str, Any], status: dict[str, Any]) -> None:
    from rich.table import Table

    data = _data(spec, status)
    names = data.get("tags", data.get("repositories", []))
    table = Table(box=None, pad_edge=False, header_style="bold")
    if "digest" in data:
        for head in ("TAG", "DIGEST", "IMAGE"):
            table.add_column(head, overflow="fold")
        table.add_row(data["tag"], data["digest"], data["image"])
    else:
        table.add_column("TAG" if "tags" in data else "REPOSITORY", overflow="fold")
        for name in names:
            table.add_row(name)
        if not names:
            console.print_message(f"Registry {data['registry']} has no matching name.")
            return
    console.stdout_console().print(table)
    if len(names) < data.get("found", 0):
        text = f"{len(names)} of {data['found']} names. Use --limit for more, or search for a part of the name."
        console.print_message(text, "yellow")
    if data.get("truncated"):
        text = "The registry has more names than Outfitter reads. One that is missing here can exist."
        console.print_message(text, "yellow")
