"""`outfitter sandbox`: a throw-away Kubernetes control plane on this machine."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from outfitter.errors import OutfitterError
from outfitter.sandbox import Sandbox
from outfitter.sandbox.binaries import SOURCES, find
from outfitter.sandbox.control_plane import remove
from outfitter.sandbox.folders import names

NOT_RUNNING = 3
POLL_SECONDS = 0.5

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="A throw-away real control plane on this machine: etcd, kube-apiserver, kube-controller-manager, a "
    "made-up node. No container runs; pods become Ready, or fail, as told.\n\n"
    "Try: [bold]export KUBECONFIG=$(outfitter sandbox up --detach)[/] then [bold]kubectl get nodes[/], "
    "and at the end [bold]outfitter sandbox down[/].",
)
screen = Console(stderr=True)  # standard output carries results only

Name = Annotated[str, typer.Option("--name", "-n", help="Which sandbox; several run side by side.")]
Root = Annotated[
    Path | None, typer.Option("--root", help="Folder for its files. Default: $XDG_STATE_HOME/outfitter/sandboxes.")
]


@app.command()
def up(
    *,
    name: Name = "default",
    root: Root = None,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return, and leave it running until `outfitter sandbox down`.")
    ] = False,
    source: Annotated[str, typer.Option(help=f"Where binaries come from: {', '.join(SOURCES)}.")] = "auto",
    node: Annotated[
        bool, typer.Option(help="Start the node stand-in, which makes pods Ready and volumes Bound.")
    ] = True,
    gpus: Annotated[int, typer.Option(min=0, help="nvidia.com/gpu devices of the node.")] = 16,
    controllers: Annotated[str, typer.Option(help="The --controllers list of kube-controller-manager.")] = "*",
    crds: Annotated[
        Path | None, typer.Option(help="Folder of CustomResourceDefinitions to apply.", exists=True, file_okay=False)
    ] = None,
) -> None:
    """Start a sandbox and print the path of the admin's kubeconfig.

    Stays until Ctrl-C, then removes everything; with --detach it runs until `down`.
    Nothing survives the command's end, not even after kill -9.

    Binaries come from KUBEBUILDER_ASSETS when that is set, as for Go operators,
    else from Outfitter's cache, else they are downloaded or built with Go, once.

    Pods become Ready, and those of Jobs complete. To see them fail:

    kubectl annotate namespace default sandbox.outfitter.dev/pods=crash

    Also slow, hang, oom, image, fail, complete, ready; also on one pod.
    On a namespace, sandbox.outfitter.dev/volumes=hang keeps claims pending.

    Exit codes: 0 stopped as asked, 1 something failed and is explained.
    """
    with _failing_clearly(), _stopping_on_sigterm():
        with _progress() as progress:
            sandbox = Sandbox.up(
                name=name, root=root, source=source, node=node, controllers=controllers, gpus=gpus, detach=detach,
                progress=progress,
            )  # fmt: skip
            if crds is not None:
                _apply(sandbox, crds, progress)
        if not detach:
            _attend(sandbox)
            return
        typer.echo(sandbox.kubeconfig)
        _say(f"Running at {sandbox.url}. Stop it with: outfitter sandbox down --name {name}")


@app.command()
def build(
    *, source: Annotated[str, typer.Option(help=f"Where binaries come from: {', '.join(SOURCES)}.")] = "auto"
) -> None:
    """Get the binaries, and start nothing: the part that may take minutes, done once and kept in Outfitter's cache.

    Example: outfitter sandbox build --source build
    """
    with _failing_clearly(), _progress() as progress:
        found = find(source, progress)
    _say("Ready: " + ", ".join(sorted(found)) + ".")


@app.command()
def down(*, name: Name = "default", root: Root = None) -> None:
    """Stop a sandbox and remove its files, also those of a crashed one.

    Does nothing when there is none.

    Example: outfitter sandbox down --name demo
    """
    with _failing_clearly(), _progress() as progress:
        progress(f"Stopping the sandbox {name}")
        found = remove(name, root)
    _say(f"The sandbox {name} is gone." if found else f"There is no sandbox {name}.")


@app.command()
def status(
    *,
    name: Annotated[str | None, typer.Option("--name", "-n", help="Only this one. Default: all.")] = None,
    root: Root = None,
) -> None:
    """Show the sandboxes of this user and their processes.

    Exit codes: 0 everything runs, 3 the named sandbox (or, without a name, any) does not run or a part of it ended.
    """
    table = Table("sandbox", "component", "state", "address", box=None)
    known, healthy = dict(names(root)), True
    with _failing_clearly():
        for each in [name] if name else known:
            if not known.get(each):
                text = "not running; remove its files with `outfitter sandbox down`" if each in known else "not running"
                table.add_row(each, "", text, "")
                healthy = False
                continue
            sandbox = Sandbox.attach(name=each, root=root)
            for component, state in sandbox.status().items():
                runs = state["exit"] is None
                healthy = healthy and runs
                ended = f"ended with exit code {state['exit']}: see {sandbox.layout.log(component)}"
                text = f"runs, process {state['pid']}" if runs else ended
                table.add_row(each, component, text, sandbox.url if component == "kube-apiserver" else "")
    if not name and not known:
        _say("No sandbox. Start one with: outfitter sandbox up")
        raise typer.Exit(NOT_RUNNING)
    Console(width=None if sys.stdout.isatty() else 200).print(table)  # never cut what a script reads
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
    """Print a kubeconfig: the admin's, or one that may do only what RBAC grants to somebody else.

    Examples:

    outfitter sandbox kubeconfig > admin.kubeconfig

    outfitter sandbox kubeconfig --as alice --group devs --path

    outfitter sandbox kubeconfig --as system:serviceaccount:team-a:builder
    """
    if group and not user:
        raise typer.BadParameter("--group needs --as: the groups belong to a user.")
    with _failing_clearly():
        sandbox = Sandbox.attach(name=name, root=root)
        file = sandbox.kubeconfig_for(user, group or ()) if user else sandbox.kubeconfig
        sys.stdout.write(f"{file}\n" if path else file.read_text())


def _apply(sandbox: Sandbox, crds: Path, progress: Callable[[str], None]) -> None:
    """The CRDs, or no sandbox at all."""
    progress(f"Applying the CRDs of {crds}")
    try:
        sandbox.apply_crds(crds)
    except BaseException:
        sandbox.down()
        raise


def _say(text: str) -> None:
    """A line for people, on standard error; paths in it stay in one piece."""
    screen.print(text, markup=False, highlight=False, soft_wrap=True)


def _attend(sandbox: Sandbox) -> None:
    """Say where it is and wait for Ctrl-C, SIGTERM or the end of a part; then remove everything."""
    try:
        typer.echo(sandbox.kubeconfig)
        _say(f"Running at {sandbox.url}. In another shell: export KUBECONFIG={sandbox.kubeconfig}")
        _say("Ctrl-C stops and removes it.")
        while True:
            ended = {name: state["exit"] for name, state in sandbox.status().items() if state["exit"] is not None}
            if ended:
                _report_ended(sandbox, ended)
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        pass
    finally:
        with _progress() as progress:
            progress(f"Stopping the sandbox {sandbox.name}")
            sandbox.down()


def _report_ended(sandbox: Sandbox, ended: dict[str, int]) -> NoReturn:
    from outfitter.sandbox.processes import last_lines

    for component, code in ended.items():
        _say(f"{component} ended with exit code {code}. The end of its log:")
        _say(last_lines(sandbox.layout.log(component)))
    raise typer.Exit(1)


@contextlib.contextmanager
def _failing_clearly() -> Iterator[None]:
    try:
        yield
    except OutfitterError as error:
        screen.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        _say("Interrupted; nothing is left running.")
        raise typer.Exit(130) from None


@contextlib.contextmanager
def _stopping_on_sigterm() -> Iterator[None]:
    """SIGTERM and a closed terminal end the command as Ctrl-C does."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """A moving line on a terminal, plain lines elsewhere."""
    if not screen.is_terminal:
        yield _say
        return
    with screen.status("Starting") as line:
        yield line.update
