"""The command `outfitter demo`."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from outfitter.cli import console

if TYPE_CHECKING:
    from outfitter_sandbox.demo.report import Report

Node = Literal["auto", "real", "simulated"]
_SECONDS: Final = {"simulated": 90.0, "real": 300.0}


def demo(
    examples: Annotated[
        Path, typer.Option(metavar="FOLDER", help="The YAML files to apply, in the order of their names.")
    ] = Path("deploy/examples"),
    install: Annotated[Path, typer.Option(metavar="FILE", help="The manifest with the operator's RBAC rights.")] = Path(
        "deploy/install.yaml"
    ),
    node: Annotated[
        Node, typer.Option(help="Node for the pods. auto: a real node where one starts at once, else a simulated one.")
    ] = "auto",
    in_memory: Annotated[
        bool, typer.Option("--in-memory", help="Use the simulator: no control plane, no processes.")
    ] = False,
    seconds: Annotated[
        float | None, typer.Option(min=1, help="Timeout of each step. Default: 90; 300 with a real node.")
    ] = None,
) -> None:
    """Show all of Outfitter on this machine, without an installation.

    It removes everything at the end. Starts a control plane and the operator with its RBAC rights, applies the examples
    and waits until all are ready. Then changes objects by hand and shows how the operator restores them, edits an asset
    in use, restarts a workload with the edit, locks a model as a version that an Inference runs, rolls out the next
    version, and deletes everything. Where no control plane can start, it uses the simulator.

    A real node (root on Linux, one per machine) runs containers: small test programs under the image names of the
    examples, and a notebook answers over HTTP. Build its parts once: outfitter sandbox build --node. On a simulated
    node pods become Ready without a container. --node real builds missing parts, or fails with the reason.

    Example:  outfitter demo            (in a checkout; `make demo` creates the environment first)

    Exit codes: 0 all steps succeeded, 1 a step failed (with its diagnosis), 2 the command line is wrong,
    130 interrupted; no process runs afterwards.
    """
    from outfitter.errors import ConfigurationError, OutfitterError
    from outfitter_sandbox.demo.report import Report

    if in_memory and node != "auto":
        raise typer.BadParameter("--in-memory has no node. Remove --node.")
    with console.error_exit(), console.interrupt_on_signals():
        report = Report(console.stdout_console())
        try:
            _run(report, examples, install, None if in_memory else node, seconds)
        except ConfigurationError:
            raise
        except OutfitterError as error:
            report.failure(str(error))
            raise typer.Exit(console.PROBLEMS) from error
        except KeyboardInterrupt:
            console.print_message("Interrupted; nothing is left running.")
            raise


def _run(report: Report, examples: Path, install: Path, node: Node | None, seconds: float | None) -> None:
    """Run the demo on the first kind of node that starts.

    In the simulator where `node` is None or none starts.
    """
    from outfitter_sandbox.demo.examples import load
    from outfitter_sandbox.demo.steps import run_steps
    from outfitter_sandbox.errors import SandboxError

    with report.stage("Check the examples"):
        objects = load(examples)
        report.info(f"{console.count(len(objects), 'object')} in {examples}, all valid")
        kinds = _node_kinds(node, objects, report)
    for number, kind in enumerate(kinds, 1):
        try:
            with tempfile.TemporaryDirectory(prefix="outfitter-demo-") as folder:
                _run_in_sandbox(report, objects, install, Path(folder), kind, seconds or _SECONDS[kind])
        except SandboxError as error:
            if node == "real":
                raise
            if number < len(kinds):
                report.info(f"A real node does not start: {error}")
                report.info("Continuing with a simulated node, which runs no container:")
            else:
                report.info(f"A control plane does not start: {error}")
                report.info("Continuing with the simulator, in memory:")
        else:
            return
    from outfitter_sandbox.demo.simulator_cluster import SimulatorCluster

    asyncio.run(run_steps(SimulatorCluster(), report, objects, seconds or _SECONDS["simulated"]))


def _node_kinds(node: Node | None, objects: list[dict[str, object]], report: Report) -> list[str]:
    if node is None:
        return []
    from outfitter_sandbox.demo.real_node import node_kinds

    return node_kinds(node, objects, report)


def _run_in_sandbox(
    report: Report, objects: list[dict[str, object]], install: Path, folder: Path, node: str, seconds: float
) -> None:
    from outfitter_sandbox.demo.installation import installed
    from outfitter_sandbox.demo.operator_process import running_operator
    from outfitter_sandbox.demo.steps import run_steps

    with installed(report, objects, folder, install, node) as cluster, running_operator(report, cluster):
        asyncio.run(run_steps(cluster, report, cluster.objects, seconds))
