"""`outfitter trace`: an object with its references, children, pods and containers as a tree, and what fails."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from outfitter.cli import console
from outfitter.cli.console import Format, Kubeconfig, Namespace, OneObject

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree

    from outfitter.cli.target import Target
    from outfitter.cli.trace_nodes import Node, Trace


def trace(
    object_: OneObject,
    namespace: Namespace = "",
    form: Annotated[Format, typer.Option("--output", "-o", help="Output format.")] = "table",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Show what an object refers to, what Outfitter created for it, and its pods, with the part that fails.

    Reads with your own rights. For shared assets, you need to read the operator's namespace
    (OUTFITTER_SYSTEM_NAMESPACE).

    Examples:

    outfitter trace workspace/alice -n team-a

    outfitter trace inference/scoring -n team-a -o yaml

    Exit codes: 0 no problems, 1 the object has a problem or does not exist, 2 the command line is wrong.
    """
    with console.error_exit():
        from outfitter.cli.target import current_namespace, one_target

        chosen = one_target(object_)
        found = asyncio.run(_read(chosen, namespace or current_namespace(kubeconfig), kubeconfig))
        if form == "table":
            _print(found)
        else:
            console.emit(found.to_dict(), form)
        if found.has_problem:
            raise typer.Exit(console.PROBLEMS)


async def _read(chosen: Target, namespace: str, kubeconfig: str) -> Trace:
    from outfitter.cli.connect import connected
    from outfitter.cli.run import settings_from
    from outfitter.cli.trace_read import read_trace

    async with connected(kubeconfig) as client:
        return await read_trace(client, chosen, namespace, settings_from({}).system_namespace)


def _print(found: Trace) -> None:
    from rich.text import Text
    from rich.tree import Tree

    from outfitter.cli.objects import title
    from outfitter.cli.trace_nodes import conclusion

    out = console.stdout_console()
    style = "red" if found.has_problem else ""
    tree = Tree(Text.assemble((title(found.body), "bold"), "  ", (found.state, style)))
    for head, nodes in (("refers to", found.references), ("has", found.children)):
        if nodes:
            _add(tree.add(Text(head, style="dim")), nodes)
    out.print(tree)
    out.print()
    console.print_text(out, conclusion(found), style)
    if found.hidden:
        console.print_message(f"You may not list these kinds: {', '.join(found.hidden)}.", "yellow")


def _add(tree: Tree, nodes: Iterable[Node]) -> None:
    for node in nodes:
        _add(tree.add(_label(node)), node.nodes)


def _label(node: Node) -> Text:
    """Return the line of a node: kind, name and state; the message only if it fails."""
    from rich.text import Text

    name = f"{node.namespace}/{node.name}" if node.namespace else node.name
    style = "red" if node.bad else "green" if node.state in ("ready", "running", "completed", "Running") else ""
    text = Text.assemble(f"{node.kind} {name}  ", (node.state, style))
    if node.bad and node.message:
        lines = node.message.strip().splitlines()
        text.append(f": {lines[-1] if lines else ''}")
    return text
