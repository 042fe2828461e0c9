"""`outfitter policy`: effective policies of files, and declared cases as tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from outfitter.cli import console
from outfitter.cli.console import Files, Format, Kubeconfig, Recursive
from outfitter.cli.login_flags import with_login

if TYPE_CHECKING:
    from outfitter.cli.policy.files import InForce, PolicyFiles

policy = typer.Typer(
    no_args_is_help=True, rich_markup_mode="rich", help="Test WorkloadPolicies of files, and show what they add up to."
)
WorkloadTypes = Literal["workspace", "training", "distributed", "inference"]
Namespace = Annotated[
    str, typer.Option("--namespace", "-n", help="The project. Default: the only one with a policy in the files.")
]
Department = Annotated[
    str, typer.Option("--department", help="Its department, where the files do not contain its Namespace.")
]


def run_cases(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Folders or files with WorkloadPolicies and cases, or with vectors.")
    ] = None,
    vectors: Annotated[
        list[Path] | None, typer.Option("--vectors", help="File of vectors: policies and cases in one list.")
    ] = None,
    department: Department = "",
) -> None:
    """Judge declared submissions by policies, and compare the verdicts with the expected ones.

    A folder contains WorkloadPolicies, and perhaps Namespaces and DataSources, in any number of files. Its cases are in
    documents with a list `cases`: each with id, namespace, type, submit, and the expected result: effective, or errors,
    a list of pairs of field and rule. A case without both must be accepted. A file of vectors is a list of such cases,
    each with policies of its own in `chain`.

    Prints one line for each difference.

    Example:  outfitter policy test policies/

    Exit codes: 0 all verdicts are as expected, 1 one is not, or a policy is not valid, 2 the command line is wrong or
    a file cannot be read.
    """
    with console.error_exit():
        if not paths and not vectors:
            raise typer.BadParameter("No input. Name a folder or a file, or use --vectors FILE.")
        out = console.stdout_console()
        total = failed = 0
        for name, lines in _results(paths or [], vectors or [], department):
            total += 1
            failed += bool(lines)
            for line in lines:
                out.print(f"{name}: {line}", style="red", soft_wrap=True)
        text = f"{console.count(total, 'case')}, {failed} failed"
        console.print_message(text, "red" if failed else "green")
        if failed:
            raise typer.Exit(console.PROBLEMS)


def _results(paths: list[Path], vectors: list[Path], department: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the name of each case with its differences."""
    from outfitter.cli.policy.cases import results
    from outfitter.cli.policy.vectors import are_vectors, mismatches, read_vectors

    for file in (*vectors, *(path for path in paths if are_vectors(path))):
        for number, vector in enumerate(read_vectors(file), 1):
            yield str(vector.get("id", number)), list(mismatches(vector))
    for path in paths:
        if not are_vectors(path):
            yield from results(str(path), department)


def effective(
    files: Files = None,
    recursive: Recursive = False,
    namespace: Namespace = "",
    department: Department = "",
    workload_type: Annotated[
        WorkloadTypes | None, typer.Option("--type", help="Only this workload type. Default: all that have policies.")
    ] = None,
    form: Annotated[Format, typer.Option("--output", "-o", help="Output format.")] = "table",
) -> None:
    """Show what the WorkloadPolicies of files add up to in a project: defaults, rules, and the policy of each.

    Put the Namespace into the files for its labels, and the DataSources that policies impose. Errors and conflicts of
    policies are on standard error.

    Example:  outfitter policy effective -f policies/ -n team-a --department research

    Exit codes: 0 success, 1 a policy has errors, 2 the command line is wrong or a file cannot be read.
    """
    with console.error_exit():
        from outfitter.api.v1alpha1.policyfields import SECTIONS
        from outfitter.cli.policy.cases import load
        from outfitter.cli.policy.rows import print_table
        from outfitter.policy.published import effective_spec

        if not files:
            raise typer.BadParameter("No input. Use -f FILE, -f FOLDER or -f -.")
        world = load(files, department, namespace, recursive=recursive)
        where = namespace or world.default_namespace
        types = [workload_type] if workload_type else [*SECTIONS]
        found = {name: world.in_force(where, name) for name in types}
        shown = {name: item for name, item in found.items() if item.selected.policies or workload_type}
        if form == "table":
            print_table(where, shown)
        else:
            console.emit({name: effective_spec(item.policy) for name, item in shown.items()}, form)
        if _print_errors(world, shown):
            raise typer.Exit(console.PROBLEMS)


def _print_errors(world: PolicyFiles, found: dict[str, InForce]) -> bool:
    """Print errors and conflicts on standard error; return whether a policy has an error."""
    from outfitter.policy.published import policy_warnings

    if not world.policies:
        console.print_message("The files contain no WorkloadPolicy.", "yellow")
    errors: dict[str, Any] = {}
    for item in found.values():
        for error in item.errors:
            errors[str(error)] = error
        for field, text, source in policy_warnings(item.policy):
            console.print_message(f"{source}: {field}: {text}", "yellow")
        for policy, older in item.selected.duplicates:
            text = f"{policy.key} has no effect, because {older.key} of the same scope and type is older."
            console.print_message(text, "yellow")
    for text, error in errors.items():
        console.print_message(text, "yellow" if error.conflict else "red")
    return any(not error.conflict for error in errors.values())


def diff(
    files: Files = None,
    recursive: Recursive = False,
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Only the workloads of this namespace. Default: of all namespaces.")
    ] = "",
    current: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE|DIR", help="Compare with the objects of these files, and read no cluster."),
    ] = None,
    form: Annotated[Format, typer.Option("--output", "-o", help="Output format.")] = "table",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Show what would change if the files were applied: effective policies, and the workloads that could not start.

    Every workload is judged as if it started now, with its assets and templates, by the policies of the cluster before
    and after. What runs keeps running in any case. Reads the cluster with your own rights and changes nothing.

    Examples:

    outfitter policy diff -f gpu-limit.yaml

    outfitter policy diff -f policies/ -R --current deploy/examples

    Exit codes: 0 no workload is newly refused, 1 a workload is newly refused or a policy has errors, 2 the command line
    is wrong or a file cannot be read.
    """
    with console.error_exit():
        from outfitter.cli.policy.diff_files import difference, print_difference

        if not files:
            raise typer.BadParameter("No input. Use -f FILE, -f FOLDER or -f -.")
        found = difference(files, current, namespace, kubeconfig, recursive=recursive)
        if form == "table":
            print_difference(found)
        else:
            console.emit(found.to_dict(), form)
        if found.refused or found.errors:
            raise typer.Exit(console.PROBLEMS)


for _name, _command in (("test", run_cases), ("effective", effective), ("diff", diff)):
    policy.command(name=_name, help=console.help_of(_command))(with_login(_command))
