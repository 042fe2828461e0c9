"""`outfitter demo`: the whole story on this machine, told while it happens."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from outfitter.cli import console

if TYPE_CHECKING:
    from outfitter_sandbox.demo.report import Report

Node = Literal["auto", "real", "stand-in"]
_SECONDS: Final = {"stand-in": 90.0, "real": 300.0}


def demo(
    examples: Annotated[
        Path, typer.Option(metavar="FOLDER", help="The YAML files to apply, in the order of their names.")
    ] = Path("deploy/examples"),
    install: Annotated[
        Path, typer.Option(metavar="FILE", help="Where the operator's own rights are taken from.")
    ] = Path("deploy/install.yaml"),
    node: Annotated[
        Node, typer.Option(help="Where pods run. auto: on a real node where one starts at once, else a stand-in.")
    ] = "auto",
    twin: Annotated[bool, typer.Option("--twin", help="In memory only: no control plane, no processes.")] = False,
    seconds: Annotated[
        float | None, typer.Option(min=1, help="Longest wait for each step. Default: 90; 300 where containers run.")
    ] = None,
) -> None:
    """Show all of Outfitter on this machine: nothing to install, nothing left behind.

    Starts a real control plane and the operator with the rights that it has in a cluster, applies the examples and
    waits until all are well; then breaks things and shows how they are repaired, edits an asset that is in use,
    restarts a workload to take the edit up, locks a model as a version that an Inference runs, rolls the next version
    in, and deletes everything. Where no control plane can be had, the same is shown in memory.

    On a real node (root on Linux, one per machine) containers run, small programs of ours under the examples' image
    names, and a notebook answers over HTTP. Build its parts once: outfitter sandbox build --node. On the stand-in
    pods become Ready and no container runs. --node real builds what is missing, or says why it cannot be.

    Example:  outfitter demo            (in a checkout; `make demo` makes the environment first)

    Exit codes: 0 all was shown, 1 something did not happen in time (what is known about it is printed), 2 the command
    line is wrong, 130 interrupted; in every case nothing is left running.
    """
    from outfitter.errors import ConfigurationError, OutfitterError
    from outfitter_sandbox.demo.report import Report

    if twin and node != "auto":
        raise typer.BadParameter("--twin plays in memory, without a node: leave --node out.")
    with console.failing_clearly(), console.ending_on_signals():
        report = Report(console.paper())
        try:
            _play(report, examples, install, None if twin else node, seconds)
        except ConfigurationError:
            raise
        except OutfitterError as error:
            report.failed(str(error))
            raise typer.Exit(console.PROBLEMS) from error
        except KeyboardInterrupt:
            console.say("Interrupted; nothing is left running.")
            raise


def _play(report: Report, examples: Path, install: Path, node: Node | None, seconds: float | None) -> None:
    """On the best node that can be had; `node` None asks for the twin."""
    from outfitter_sandbox.demo.story import load, tell
    from outfitter_sandbox.errors import SandboxError

    with report.stage("Look at the examples"):
        objects = load(examples)
        report.say(f"{console.count(len(objects), 'object')} in {examples}, all valid")
        kinds = _kinds(node, objects, report)
    for number, kind in enumerate(kinds, 1):
        try:
            with tempfile.TemporaryDirectory(prefix="outfitter-demo-") as folder:
                _in_sandbox(report, objects, install, Path(folder), kind, seconds or _SECONDS[kind])
        except SandboxError as error:
            if node == "real":
                raise
            if number < len(kinds):
                report.say(f"Not on a real node. {error}")
                report.say("The same with a stand-in for the node, in which no container runs:")
            else:
                report.say(f"No control plane can be had here: {error}")
                report.say("The same in memory, where only the API server, the controllers and the node are stand-ins:")
        else:
            return
    from outfitter_sandbox.demo.in_memory import InMemory

    asyncio.run(tell(InMemory(), report, objects, seconds or _SECONDS["stand-in"]))


def _kinds(node: Node | None, objects: list[dict[str, object]], report: Report) -> list[str]:
    if node is None:
        return []
    from outfitter_sandbox.demo.real_node import kinds

    return kinds(node, objects, report)


def _in_sandbox(
    report: Report, objects: list[dict[str, object]], install: Path, folder: Path, node: str, seconds: float
) -> None:
    from outfitter_sandbox.demo.in_sandbox import operator, prepared
    from outfitter_sandbox.demo.story import tell

    with prepared(report, objects, folder, install, node) as stage, operator(report, stage):
        asyncio.run(tell(stage, report, stage.objects, seconds))
