"""`outfitter validate`: check files without a server."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from outfitter.cli import console
from outfitter.cli.console import Files, Recursive

if TYPE_CHECKING:
    from outfitter.cli.checks import CheckResult


def validate(
    files: Files = None,
    recursive: Recursive = False,
    policies: Annotated[
        list[str] | None,
        typer.Option("--policy", metavar="FILE|DIR", help="WorkloadPolicies to judge the workloads by; repeatable."),
    ] = None,
    department: Annotated[
        str, typer.Option("--department", help="Department of namespaces that no file contains.")
    ] = "",
    form: Annotated[
        Literal["table", "json", "yaml", "sarif"], typer.Option("--output", "-o", help="Output format.")
    ] = "table",
) -> None:
    """Check files strictly and offline: unknown fields, types, bounds, and the rules the API server would enforce.

    Prints all errors at once, each with file, line, column, field, message and hint. Duplicate keys are errors too.
    Objects of other API groups are skipped and counted. References between objects are not checked: use
    `outfitter render` or `outfitter status` for them.

    Example:  outfitter validate -f deploy/examples

    With --policy, workloads are also judged by the WorkloadPolicies of other files: their inline fields, as far as no
    asset can set them. Values of assets are judged when a workload starts.

    In CI:  outfitter validate -R -f deploy --policy policies -o sarif

    Exit codes: 0 all objects are valid, 1 errors were found, 2 the command line is wrong or a file cannot be read.
    """
    with console.error_exit():
        if not files:
            raise typer.BadParameter("No input. Use -f FILE, -f FOLDER or -f -.")
        from outfitter.cli.checked_files import print_findings
        from outfitter.cli.checks import check
        from outfitter.cli.documents import read

        checked = check(*read(files, recursive=recursive))
        sound = _judge(checked, policies, department, recursive=recursive) if policies else True
        if form == "table":
            print_findings(checked, to_stdout=True)
        elif form == "sarif":
            from outfitter.cli.sarif import sarif

            console.emit(sarif(checked.findings), "json")
        else:
            console.emit(
                {
                    "valid": len(checked.resources),
                    "invalid": checked.invalid,
                    "skipped": len(checked.others),
                    "errors": [asdict(item) for item in checked.findings],
                },
                form,
            )
        if checked.findings or not sound:
            raise typer.Exit(console.PROBLEMS)


def _judge(checked: CheckResult, policies: list[str], department: str, *, recursive: bool) -> bool:
    """Add the violations of policies to the findings; return whether the policies themselves have no errors."""
    from outfitter.cli.policy.cases import load
    from outfitter.cli.policy.checks import workload_findings

    world = load(policies, department, recursive=recursive)
    given = [document for document in checked.resources if document.body["kind"] != "WorkloadPolicy"]
    world.documents = [*world.documents, *given, *checked.others]
    found = list(workload_findings(checked.resources, world))
    errors = dict.fromkeys(str(error) for error in world.errors)
    for error in errors:
        console.print_message(error, "red")
    checked.findings = sorted([*checked.findings, *found], key=lambda item: (item.file, item.line, item.column))
    bad = {(item.file, item.object) for item in found}
    checked.resources = [item for item in checked.resources if (item.file, item.title) not in bad]
    return not errors
