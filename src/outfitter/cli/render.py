"""`outfitter render`: what the operator would write, without a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from outfitter.cli import console
from outfitter.cli.console import Data, Files, Recursive

if TYPE_CHECKING:
    from outfitter.simulator.simulation import Simulation

HIDDEN: Final = "(hidden)"


def render(
    files: Files = None,
    recursive: Recursive = False,
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="For objects that name no namespace.")
    ] = "default",
    form: Annotated[Data, typer.Option("--output", "-o", help="A YAML stream, or one JSON List.")] = "yaml",
    domain: Annotated[str, typer.Option(help="Host suffix of connection URLs, as the operator's setting.")] = "",
) -> None:
    """Print every manifest that the operator would write for the objects in files.

    The operator's own passes run over a cluster in memory until nothing changes any more. Give it everything that the
    objects refer to: assets, and native objects such as Namespace (with its labels), Secret, ConfigMap and
    PersistentVolumeClaim. Other settings come from OUTFITTER_* variables, as in the operator.

    Values of Secrets are never printed: each is replaced by (hidden). Uids, and what follows from them, are made up.

    Example:  outfitter render -f deploy/examples --domain apps.example.com

    With what runs:  kubectl get ns,secret -n team-a -o yaml | outfitter render -f - -f workspace.yaml -n team-a

    Exit codes: 0 everything can be rendered, 1 something cannot (standard error says what, where and why), 2 the
    command line is wrong or a file cannot be read.
    """
    with console.failing_clearly():
        if not files:
            raise typer.BadParameter("say what to render: -f FILE, -f FOLDER or -f -")
        simulation = rendered(files, namespace, recursive=recursive, domain=domain)
        manifests = [_without_secrets(item) for item in simulation.manifests()]
        if form == "json":
            console.emit({"apiVersion": "v1", "kind": "List", "items": manifests}, "json")
        else:
            for item in manifests:
                typer.echo(f"---\n# of {_owner(item)}\n{console.as_yaml(item)}", nl=False)
        if not complain(simulation):
            raise typer.Exit(console.PROBLEMS)


def rendered(files: list[str], namespace: str, *, recursive: bool = False, domain: str = "") -> Simulation:
    """A settled simulation of the objects in files. Exits with findings where the API server would reject them."""
    from outfitter.cli.checks import check
    from outfitter.cli.documents import read
    from outfitter.cli.run import settings_from
    from outfitter.cli.validate import tell
    from outfitter.simulator.simulation import Simulation, supports, with_namespace

    checked = check(*read(files, recursive=recursive))
    if checked.findings:
        tell(checked, paper=False)
        raise typer.Exit(console.PROBLEMS)
    native = [document for document in checked.foreign if supports(document.body)]
    unknown = len(checked.foreign) - len(native)
    if unknown:
        console.say(f"{console.count(unknown, 'object')} of kinds that Outfitter does not use: skipped")
    simulation = Simulation(settings_from({"domain": domain} if domain else {}), pods=False, binding=False)
    simulation.load(with_namespace(document.body, namespace) for document in (*native, *checked.ours))
    asyncio.run(simulation.settle())
    return simulation


def complain(simulation: Simulation) -> bool:
    """Tell every issue on standard error; True where nothing of it keeps an object from being rendered."""
    from outfitter.cli.table import row

    rows = [row(live.body, live.kind) for live in simulation.resources()]
    for item in rows:
        for text in item.issues:
            console.say(f"{item.title}: {text}", "red" if item.troubled else "yellow")
    return not any(item.troubled for item in rows)


def _owner(manifest: Mapping[str, Any]) -> str:
    from outfitter.naming import LABEL_OWNER_KIND, LABEL_OWNER_NAME

    labels = manifest["metadata"].get("labels") or {}
    return f"{labels.get(LABEL_OWNER_KIND, '')} {labels.get(LABEL_OWNER_NAME, '')}"


def _without_secrets(manifest: Mapping[str, Any]) -> dict[str, Any]:
    if manifest["kind"] != "Secret":
        return dict(manifest)
    hidden = {part: dict.fromkeys(manifest[part], HIDDEN) for part in ("data", "stringData") if manifest.get(part)}
    return {**manifest, **hidden}
