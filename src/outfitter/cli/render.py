"""`outfitter render`: print the operator's manifests without a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from outfitter.cli import console
from outfitter.cli.console import Author, Data, Extra, Files, Recursive

if TYPE_CHECKING:
    from outfitter.simulator.simulation import Simulation

HIDDEN: Final = "(hidden)"


def render(
    files: Files = None,
    recursive: Recursive = False,
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Namespace of objects that set none.")
    ] = "default",
    form: Annotated[Data, typer.Option("--output", "-o", help="A YAML stream, or one JSON List.")] = "yaml",
    domain: Annotated[str, typer.Option(help="Host suffix of connection URLs, like OUTFITTER_DOMAIN.")] = "",
    author: Author = "",
    extra: Extra = None,
) -> None:
    """Print every manifest that the operator would write for the objects in files.

    The operator reconciles the objects in an in-memory cluster until nothing changes. Include all objects that they
    refer to: assets, and Kubernetes objects such as Namespace (with labels), Secret, ConfigMap,
    PersistentVolumeClaim, PriorityClass, and for volumes that several Namespaces mount the PersistentVolume or the
    StorageClass of their claim. Other settings come from OUTFITTER_* variables, as in the operator.

    Values of Secrets are never printed: each is replaced by (hidden). Uids, and values derived from them, are invented.

    Example:  outfitter render -f deploy/examples --domain apps.example.com

    As the author of the objects, for private credentials and uidGidSource fromIdpToken:
    OUTFITTER_IDENTITY_UID_KEY=example.com/uid outfitter render -f FILE --as ann --as-user-extra example.com/uid=1234

    With objects of a cluster:  kubectl get ns,secret -n team-a -o yaml | outfitter render -f - -f workspace.yaml

    Exit codes: 0 all objects can be rendered, 1 an object cannot be rendered (standard error gives field and reason),
    2 the command line is wrong or a file cannot be read.
    """
    with console.error_exit():
        if not files:
            raise typer.BadParameter("No input. Use -f FILE, -f FOLDER or -f -.")
        simulation = simulate(files, namespace, recursive=recursive, domain=domain, author=author, extra=extra)
        manifests = [_without_secrets(item) for item in simulation.manifests()]
        if form == "json":
            console.emit({"apiVersion": "v1", "kind": "List", "items": manifests}, "json")
        else:
            for item in manifests:
                typer.echo(f"---\n# of {_owner(item)}\n{console.as_yaml(item)}", nl=False)
        if not print_issues(simulation):
            raise typer.Exit(console.PROBLEMS)


def simulate(
    files: list[str],
    namespace: str,
    *,
    recursive: bool = False,
    domain: str = "",
    author: str = "",
    extra: list[str] | None = None,
) -> Simulation:
    """Reconcile the objects of files in memory. Exits with findings where the API server would reject an object.

    `author`: who wrote the objects, "" for unknown. `extra`: KEY=VALUE of the extra fields of his login.
    """
    from outfitter.cli.checked_files import checked_files
    from outfitter.cli.run import settings_from
    from outfitter.simulator.simulation import Simulation, supports, with_namespace
    from outfitter.simulator.volumes import unreserved

    checked = checked_files(files, recursive=recursive)
    native = [document for document in checked.others if supports(document.body)]
    unsupported = len(checked.others) - len(native)
    if unsupported:
        console.print_message(f"Skipped {console.count(unsupported, 'object')} of kinds that Outfitter does not use.")
    simulation = Simulation(settings_from({"domain": domain} if domain else {}), pods=False, binding="known")
    simulation.load(unreserved(with_namespace(document.body, namespace) for document in native))
    ours = [with_namespace(document.body, namespace) for document in checked.resources]
    simulation.load(_written(simulation, ours, author, extra or []) if author else ours)
    asyncio.run(simulation.settle())
    return simulation


def _written(
    simulation: Simulation, objects: Iterable[dict[str, Any]], author: str, extra: list[str]
) -> Iterator[dict[str, Any]]:
    """Yield objects as a user wrote them, under the policies that say so."""
    from outfitter.resolve.login import login_keys
    from outfitter.simulator.authors import enforce_stamps, stamped

    settings, fields = simulation.settings, dict(_pairs(extra))
    ids = {name: fields[key] for name, key in login_keys(settings).items() if key in fields}
    enforce_stamps(simulation.cluster, settings.identity_policy)
    for body in objects:
        yield stamped(author, body, ids)


def _pairs(extra: list[str]) -> Iterator[tuple[str, str]]:
    for text in extra:
        key, mark, value = text.partition("=")
        if not mark or not key:
            raise typer.BadParameter(f"--as-user-extra {text}: write KEY=VALUE.")
        yield key, value


def print_issues(simulation: Simulation) -> bool:
    """Print all issues on standard error. Returns whether every object can be rendered."""
    from outfitter.cli.hints import hints
    from outfitter.cli.table import row

    rows = [row(live.body, live.kind) for live in simulation.resources()]
    for item in rows:
        for text in item.issues:
            console.print_message(f"{item.title}: {text}", "red" if item.has_problem else "yellow")
    for hint in hints(simulation):
        console.print_message(hint)
    return not any(item.has_problem for item in rows)


def _owner(manifest: Mapping[str, Any]) -> str:
    from outfitter.naming import LABEL_OWNER_KIND, LABEL_OWNER_NAME

    labels = manifest["metadata"].get("labels") or {}
    return f"{labels.get(LABEL_OWNER_KIND, '')} {labels.get(LABEL_OWNER_NAME, '')}"


def _without_secrets(manifest: Mapping[str, Any]) -> dict[str, Any]:
    if manifest["kind"] != "Secret":
        return dict(manifest)
    hidden = {part: dict.fromkeys(manifest[part], HIDDEN) for part in ("data", "stringData") if manifest.get(part)}
    return {**manifest, **hidden}
