"""`outfitter exec`: run a command in the pod and container that a user wants."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import typer

from outfitter.cli import console
from outfitter.cli.console import Kubeconfig, Namespace, OneObject
from outfitter.cli.dashes import words_after_dashes

if TYPE_CHECKING:
    from outfitter.cli.target import Target

FAILED: Final = 125
"""Exit code for a failure of Outfitter itself, as of `docker run`, `env` and `timeout`: few commands end with it."""
_PREFIX: Final = "outfitter exec: "
_SHELL: Final = ("sh", "-c", "command -v bash >/dev/null 2>&1 && exec bash; exec sh")


@dataclass(frozen=True)
class ExecOptions:
    """What to run, and where. Without words it is a shell."""

    words: Sequence[str] = ()
    container: str = ""
    rank: int | None = None
    stdin: bool = False
    tty: bool = False


def exec_(
    ctx: typer.Context,
    object_: OneObject,
    namespace: Namespace = "",
    container: Annotated[str, typer.Option("--container", "-c", help="Default: the main container.")] = "",
    rank: Annotated[
        int | None, typer.Option(min=0, help="Pod of a DistributedTraining. Default: 0, the master or launcher.")
    ] = None,
    stdin: Annotated[bool, typer.Option("--stdin", "-i", help="Pass standard input on to the command.")] = False,
    tty: Annotated[bool, typer.Option("--tty", "-t", help="Give the command a terminal; implies -i.")] = False,
    kubeconfig: Kubeconfig = "",
) -> None:
    """Run a command in a container of a workload: of the pod that `outfitter logs` shows.

    Without a command it is a shell, in a terminal if you type in one. Output is passed on byte by byte. You need the
    rights to get and to create pods/exec.

    Examples:

    outfitter exec workspace/alice -n team-a

    outfitter exec workspace/alice -n team-a -- nvidia-smi

    outfitter exec distributedtraining/bert -n team-a --rank 3 -- cat /etc/hosts

    outfitter exec workspace/alice -n team-a -i -- tar -x -C /data < data.tar

    Exit codes: that of the command; 125 if it could not run or the connection broke, with a message that begins with
    `outfitter exec:`; 2 if the command line is wrong.
    """
    with console.error_exit(_PREFIX):
        from outfitter.cli.target import current_namespace, one_target

        chosen = one_target(object_)
        if rank is not None and not (chosen.kind.runs and chosen.kind.runs.grouped):
            raise typer.BadParameter("--rank is for a DistributedTraining.")
    with _failures(), console.interrupt_on_signals():
        options = _with_streams(ExecOptions(words_after_dashes(ctx), container, rank, stdin, tty))
        code = asyncio.run(_exec(chosen, namespace or current_namespace(kubeconfig), kubeconfig, options))
    raise typer.Exit(code)


@contextlib.contextmanager
def _failures() -> Iterator[None]:
    """End the command with FAILED on every error: all other codes can be those of the command in the container."""
    try:
        with console.error_exit(_PREFIX):
            yield
    except typer.Exit as error:
        own = error.exit_code in (console.PROBLEMS, console.USAGE)
        raise typer.Exit(FAILED if own else error.exit_code) from None


def _with_streams(options: ExecOptions) -> ExecOptions:
    """Return the options with the streams that they imply, and those that this process has."""
    from dataclasses import replace

    from outfitter.cli.terminal import is_interactive

    shell = not options.words
    tty = (options.tty or shell) and is_interactive()
    if options.tty and not tty:
        console.print_message("Standard input or output is no terminal. The command runs without one.", "yellow")
    return replace(options, stdin=options.stdin or options.tty or shell, tty=tty)


async def _exec(chosen: Target, namespace: str, kubeconfig: str, options: ExecOptions) -> int:
    """Run the command. Returns its exit code."""
    from outfitter.cli.connect import connected
    from outfitter.cli.pods import containers
    from outfitter.cli.read_pods import pod_may_be_gone, read_pods
    from outfitter.cli.running_pods import pod_to_enter
    from outfitter.cli.terminal import Terminal, raw_mode
    from outfitter.cluster.exec import Command, execute
    from outfitter.errors import OutfitterError

    async with connected(kubeconfig) as client:
        body, pods = await read_pods(client, chosen, namespace)
        pod = pod_to_enter(chosen, body, pods, options.container, options.rank)
        container, name = options.container or containers(pod)[0], pod["metadata"]["name"]
        words = options.words or _SHELL
        command = Command(namespace, name, container, words, stdin=options.stdin, tty=options.tty)
        try:
            with pod_may_be_gone(pod), raw_mode() if options.tty else contextlib.nullcontext():
                return await execute(client.transport, command, Terminal())
        except OutfitterError as error:
            if options.words or "not found" not in str(error):
                raise
            text = f"Container {container} of pod {name} has no shell. Give a command after --."
            raise OutfitterError(text) from error
