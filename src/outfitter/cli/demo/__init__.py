"""`outfitter demo`: the whole story on this machine, told while it happens."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from outfitter.cli import console

if TYPE_CHECKING:
    from outfitter.cli.demo.report import Report


def demo(
    examples: Annotated[
        Path, typer.Option(metavar="FOLDER", help="The YAML files to apply, in the order of their names.")
    ] = Path("deploy/examples"),
    install: Annotated[
        Path, typer.Option(metavar="FILE", help="Where the operator's own rights are taken from.")
    ] = Path("deploy/install.yaml"),
    twin: Annotated[bool, typer.Option("--twin", help="In memory only: no control plane, no processes.")] = False,
    seconds: Annotated[float, typer.Option(min=1, help="Longest wait for each step.")] = 90,
) -> None:
    """Show all of Outfitter on this machine: nothing to install, nothing left behind.

    Starts a real control plane and the operator with the rights that it has in a cluster, applies the examples and
    waits until all are well; then breaks things and shows how they are repaired, edits an asset that is in use,
    restarts a workload to take the edit up, locks a model as a version that an Inference runs, rolls the next version
    in, and deletes everything. Pods become Ready by a stand-in for the node: no container runs. Where no control plane
    can be had, the same is shown in memory.

    Example:  outfitter demo            (in a checkout; `make demo` makes the environment first)

    Exit codes: 0 all was shown, 1 something did not happen in time (what is known about it is printed), 2 the command
    line is wrong, 130 interrupted; in every case nothing is left running.
    """
    from outfitter.cli.demo.report import Report
    from outfitter.errors import ConfigurationError, OutfitterError

    with console.failing_clearly(), console.ending_on_signals():
        report = Report(console.paper())
        try:
            _play(report, examples, install, twin=twin, seconds=seconds)
        except ConfigurationError:
            raise
        except OutfitterError as error:
            report.failed(str(error))
            raise typer.Exit(console.PROBLEMS) from error
        except KeyboardInterrupt:
            console.say("Interrupted; nothing is left running.")
            raise


def _play(report: Report, examples: Path, install: Path, *, twin: bool, seconds: float) -> None:
    from outfitter.cli.demo.story import load, tell
    from outfitter.errors import SandboxError

    with report.stage("Look at the examples"):
        objects = load(examples)
        report.say(f"{console.count(len(objects), 'object')} in {examples}, all valid")
    if not twin:
        try:
            with tempfile.TemporaryDirectory(prefix="outfitter-demo-") as folder:
                _in_sandbox(report, objects, install, Path(folder), seconds)
        except SandboxError as error:
            report.say(f"No control plane can be had here: {error}")
            report.say("The same in memory, where only the API server, the controllers and the node are stand-ins:")
        else:
            return
    from outfitter.cli.demo.in_memory import InMemory

    asyncio.run(tell(InMemory(), report, objects, seconds))


def _in_sandbox(report: Report, objects: list[dict[str, object]], install: Path, folder: Path, seconds: float) -> None:
    from outfitter.cli.demo.in_sandbox import operator, prepared
    from outfitter.cli.demo.story import tell

    with prepared(report, folder, install) as stage, operator(report, stage):
        asyncio.run(tell(stage, report, objects, seconds))
