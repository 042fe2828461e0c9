"""`outfitter sandbox`: a temporary Kubernetes control plane on this machine."""

from __future__ import annotations

import contextlib
import itertools
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from outfitter.cli.console import interrupt_on_signals, print_message, progress
from outfitter.errors import OutfitterError
from outfitter_sandbox import Sandbox, data, go_parts, nodes
from outfitter_sandbox.binaries import SOURCES, find
from outfitter_sandbox.commands.image import image
from outfitter_sandbox.folders import names
from outfitter_sandbox.sandbox import remove

NOT_RUNNING = 3
POLL_SECONDS = 0.5

app = typer.Typer()

Name = Annotated[str, typer.Option("--name", "-n", help="Name of the sandbox; several can run at the same time.")]
Root = Annotated[
    Path | None, typer.Option("--root", help="Folder of its files. Default: $XDG_STATE_HOME/outfitter/sandboxes.")
]


@app.command()
def up(
    *,
    name: Name = "default",
    root: Root = None,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return, and keep it running until `outfitter sandbox down`.")
    ] = False,
    source: Annotated[str, typer.Option(help=f"Source of the binaries: {', '.join(SOURCES)}.")] = "auto",
    node: Annotated[
        str | None,
        typer.Option(help=f"{', '.join(nodes.KINDS)}. Default: real where one starts at once, else simulated."),
    ] = None,
    no_node: Annotated[bool, typer.Option("--no-node", help="Same as --node none.")] = False,
    gpus: Annotated[
        int | None, typer.Option(min=0, help="nvidia.com/gpu devices of the node. Default: 16 if simulated, else 0.")
    ] = None,
    mig: Annotated[
        list[str] | None, typer.Option(metavar="PROFILE=COUNT", help="MIG slices, such as 1g.10gb=4; may be repeated.")
    ] = None,
    image: Annotated[
        list[Path] | None,
        typer.Option(
            help="Image archive (docker save, OCI layout) for a real node; may be repeated.",
            dir_okay=False,
            exists=True,
        ),
    ] = None,
    kubernetes: Annotated[
        str, typer.Option(metavar="1.N", help="Older version that the API server acts as. Not with a real node.")
    ] = "",
    controllers: Annotated[str, typer.Option(help="The flag --controllers of kube-controller-manager.")] = "*",
    crds: Annotated[
        Path | None, typer.Option(help="Folder of CustomResourceDefinitions to apply.", exists=True, file_okay=False)
    ] = None,
) -> None:
    """Start a sandbox and print the path of the admin's kubeconfig.

    Runs until Ctrl-C, then removes everything; with --detach it runs until `down`.
    No process survives the end of the command, also after kill -9.

    Binaries come from KUBEBUILDER_ASSETS if it is set, as for Go operators,
    else from Outfitter's cache, else they are downloaded or built with Go, once.

    A real node runs containers: kubelet, containerd, DNS, volumes. It requires
    root on Linux; build its parts once: outfitter sandbox build --node

    On a simulated node pods become Ready, and pods of Jobs complete. To make them fail:

    kubectl annotate namespace default sandbox.outfitter.dev/pods=crash

    Other values are slow, hang, oom, image, fail, complete, idle, ready; the annotation also works on one pod.
    On a namespace, sandbox.outfitter.dev/volumes=hang keeps claims pending.

    Exit codes: 0 stopped on request, 1 failed with a message.
    """
    if node and no_node:
        raise typer.BadParameter("--no-node conflicts with --node. Use one of them.")
    kind = nodes.NONE if no_node else node or nodes.AUTO
    with _error_exit(), interrupt_on_signals():
        with progress() as step:
            started, slices = time.monotonic(), _slices(mig or ())
            sandbox = Sandbox.up(
                name=name, root=root, source=source, node=kind, controllers=controllers, gpus=gpus, mig=slices,
                images=image or (), kubernetes=kubernetes, detach=detach, progress=step,
            )  # fmt: skip
            if crds is not None:
                _apply(sandbox, crds, step)
        print_message(f"Started in {time.monotonic() - started:.1f} s with node {sandbox.state['node']}.")
        if not detach:
            _wait_for_end(sandbox)
            return
        typer.echo(sandbox.kubeconfig)
        print_message(f"Running at {sandbox.url}. Stop it with: outfitter sandbox down --name {name}")


@app.command()
def build(
    *,
    source: Annotated[str, typer.Option(help=f"Source of the binaries: {', '.join(SOURCES)}.")] = "auto",
    node: Annotated[bool, typer.Option("--node", help="Also build the parts of a real node with Go.")] = False,
    with_jobset: Annotated[
        bool, typer.Option("--jobset", help="Also build the controller of JobSet with Go, for tests.")
    ] = False,
    with_mpi_operator: Annotated[
        bool, typer.Option("--mpi-operator", help="Also build the MPI operator with Go, for tests.")
    ] = False,
    with_data: Annotated[
        bool, typer.Option("--data", help="Also build the programs of the images for data sources, for tests.")
    ] = False,
    with_crane: Annotated[
        bool, typer.Option("--crane", help="Also build crane, which serves an image registry, with Go, for tests.")
    ] = False,
    with_buildkit: Annotated[
        bool, typer.Option("--buildkit", help="Also build BuildKit, which builds images, with Go, for tests.")
    ] = False,
    with_registry: Annotated[
        bool, typer.Option("--registry", help="Also build the image registry of Distribution with Go, for tests.")
    ] = False,
    with_flux: Annotated[
        bool, typer.Option("--flux", help="Also build the kustomize-controller of Flux with Go, for tests.")
    ] = False,
) -> None:
    """Download or build the binaries into Outfitter's cache without a start.

    This can take minutes, once. Example: outfitter sandbox build --source build
    """
    with _error_exit(), progress() as step:
        found = find(source, step)
        if node:
            found |= nodes.build(step)
        if with_data:
            found |= data.get(step)
        wanted = (with_jobset, with_mpi_operator, with_crane, with_buildkit, with_registry, with_flux)
        for part in itertools.compress(go_parts.PARTS, wanted):
            found |= part.get(step)
    print_message("Ready: " + ", ".join(sorted(found)) + ".")


@app.command()
def down(
    *,
    name: Name = "default",
    root: Root = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also remove all leftovers of crashed real nodes on this machine (root).")
    ] = False,
) -> None:
    """Stop a sandbox and remove its files, also of a crashed one.

    Does nothing when there is none.

    Example: outfitter sandbox down --name demo
    """
    with _error_exit(), progress() as step:
        step(f"Stopping the sandbox {name}")
        found = remove(name, root)
        left = nodes.clean_machine() if force else ""
    if left:
        print_message(f"Removed leftovers of a crash: {left}.")
    print_message(f"The sandbox {name} is removed." if found else f"There is no sandbox {name}.")


@app.command()
def status(
    *,
    name: Annotated[str | None, typer.Option("--name", "-n", help="Only this one. Default: all.")] = None,
    root: Root = None,
) -> None:
    """Show the sandboxes of this user and their processes.

    Exit codes: 0 all components run, 3 a component (of the named sandbox, else of any) does not run.
    """
    table = Table("sandbox", "component", "state", "address", box=None)
    known, healthy = dict(names(root)), True
    with _error_exit():
        for shown in [name] if name else known:
            if not known.get(shown):
                text = (
                    "not running; remove its files with `outfitter sandbox down`" if shown in known else "not running"
                )
                table.add_row(shown, "", text, "")
                healthy = False
                continue
            sandbox = Sandbox.attach(name=shown, root=root)
            for component, state in sandbox.status().items():
                runs = state["exit"] is None
                healthy = healthy and runs
                ended = f"ended with exit code {state['exit']}: see {sandbox.layout.log(component)}"
                text = f"runs, process {state['pid']}" if runs else ended
                table.add_row(shown, component, text, sandbox.url if component == "kube-apiserver" else "")
    if not name and not known:
        print_message("No sandbox. Start one with: outfitter sandbox up")
        raise typer.Exit(NOT_RUNNING)
    Console(width=None if sys.stdout.isatty() else 200).print(table)  # do not shorten lines for scripts
    if not healthy:
        raise typer.Exit(NOT_RUNNING)


@app.command()
def kubeconfig(
    *,
    name: Name = "default",
    root: Root = None,
    user: Annotated[
        str | None, typer.Option("--as", help="A user name, or system:serviceaccount:NAMESPACE:NAME. Default: admin.")
    ] = None,
    group: Annotated[list[str] | None, typer.Option("--group", help="A group of that user; may be repeated.")] = None,
    path: Annotated[bool, typer.Option("--path", help="Print the path of the file instead of its content.")] = False,
) -> None:
    """Print a kubeconfig of the admin, or of a user or ServiceAccount.

    Examples:

    outfitter sandbox kubeconfig > admin.kubeconfig

    outfitter sandbox kubeconfig --as alice --group devs --path

    outfitter sandbox kubeconfig --as system:serviceaccount:team-a:builder
    """
    if group and not user:
        raise typer.BadParameter("--group requires --as.")
    with _error_exit():
        sandbox = Sandbox.attach(name=name, root=root)
        file = sandbox.kubeconfig_for(user, group or ()) if user else sandbox.kubeconfig
        sys.stdout.write(f"{file}\n" if path else file.read_text())


def _slices(given: Sequence[str]) -> dict[str, int]:
    """MIG profile -> count."""
    try:
        return {profile: int(count) for profile, count in (item.split("=") for item in given)}
    except ValueError as error:
        raise typer.BadParameter("--mig requires PROFILE=COUNT, for instance --mig 1g.10gb=4.") from error


app.command()(image)


def _apply(sandbox: Sandbox, crds: Path, step: Callable[[str], None]) -> None:
    """Apply CRDs; remove the sandbox when this fails."""
    step(f"Applying the CRDs of {crds}")
    try:
        sandbox.apply_crds(crds)
    except BaseException:
        sandbox.down()
        raise


def _wait_for_end(sandbox: Sandbox) -> None:
    """Print the kubeconfig and wait for Ctrl-C, SIGTERM or the end of a component.

    Then remove everything.
    """
    try:
        typer.echo(sandbox.kubeconfig)
        print_message(f"Running at {sandbox.url}. In another shell: export KUBECONFIG={sandbox.kubeconfig}")
        print_message("Ctrl-C stops and removes it.")
        while True:
            ended = {name: state["exit"] for name, state in sandbox.status().items() if state["exit"] is not None}
            if ended:
                _report_ended(sandbox, ended)
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        pass
    finally:
        with progress() as step:
            step(f"Stopping the sandbox {sandbox.name}")
            sandbox.down()


def _report_ended(sandbox: Sandbox, ended: dict[str, int]) -> NoReturn:
    from outfitter_sandbox.processes import last_lines

    for component, code in ended.items():
        print_message(f"{component} ended with exit code {code}. The end of its log:")
        print_message(last_lines(sandbox.layout.log(component)))
    raise typer.Exit(1)


@contextlib.contextmanager
def _error_exit() -> Iterator[None]:
    try:
        yield
    except OutfitterError as error:
        print_message(str(error), "red")
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        print_message("Interrupted; nothing is left running.")
        raise typer.Exit(130) from None
