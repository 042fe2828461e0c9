"""The reasons that the code can give: all of them, and those that the planner of one kind can reach."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from outfitter.api.v1alpha1.artifact import ArtifactPhase
from outfitter.api.v1alpha1.artifactstatus import CachePhase
from outfitter.observe import downloads, pods
from outfitter.reasons import Reason

from .conftest import ROOT

PACKAGE = ROOT / "src" / "outfitter"

# Function -> position of the reason among its arguments.
_REASONED = {
    "stalled": 0,
    "waiting": 0,
    "note": 0,
    "Problem": 0,
    "Observation": 1,
    "StatusInput": 1,
    "failed": 0,
    "progressing": 0,
}
_SOURCES = ("observe", "problems.py", "reconcile", "status", "plan", "policy", "render", "resolve")
# Tables whose rows hold reasons.
_TABLES = {
    "_WAITING": {reason for reason, _ in pods._WAITING.values()},
    "_LOG_FAILURES": {reason for _, reason, _ in downloads._LOG_FAILURES},
}
# The Ready condition of an Artifact that does not run, and of a NimCache, gives its phase as the reason.
PHASES = {"_LockState": {phase.value for phase in ArtifactPhase}, "_draft": {phase.value for phase in CachePhase}}


def _constants(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.IfExp):
        yield from _constants(node.body)
        yield from _constants(node.orelse)
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Reason":
        yield Reason[node.attr].value
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
        yield node.value


def _in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            place = _REASONED.get(name)
            if place is not None and len(node.args) > place:
                yield from _constants(node.args[place])
            for keyword in node.keywords:
                if (name in _REASONED or name == "replace") and keyword.arg == "reason":
                    yield from _constants(keyword.value)
        elif isinstance(node, ast.Assign) and any(
            isinstance(each, ast.Name) and each.id == "reason" for each in node.targets
        ):
            yield from _constants(node.value)


@cache
def written() -> set[str]:
    """Every reason that stands in the code."""
    files = [
        path
        for name in _SOURCES
        for path in ([PACKAGE / name] if name.endswith(".py") else (PACKAGE / name).rglob("*.py"))
    ]
    found = {reason for path in files if path.exists() for reason in _in(ast.parse(path.read_text(encoding="utf-8")))}
    return found.union(*_TABLES.values(), *PHASES.values())


@cache
def calls(function: str) -> set[str]:
    """The reasons that a function of problems.py is called with."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")]
    found = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    named = [node for node in found if isinstance(node.func, ast.Name) and node.func.id == function and node.args]
    return {reason for node in named for reason in _constants(node.args[0])}


class _Module:
    """The top of one module: what it defines, and where the other names come from."""

    def __init__(self, path: Path) -> None:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        self.defines: dict[str, ast.stmt] = {}
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                self.defines[node.name] = node
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                self.defines |= {each.id: node for each in targets if isinstance(each, ast.Name)}
        self.imports = {
            name.asname or name.name: (node.module, name.name)
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("outfitter")
            for name in node.names
        }


@cache
def _module(name: str) -> _Module | None:
    path = PACKAGE.joinpath(*name.split(".")[1:])
    for each in (path.with_suffix(".py"), path / "__init__.py"):
        if each.exists():
            return _Module(each)
    return None


def _used(name: str, module: _Module, node: ast.stmt) -> Iterator[tuple[str, str]]:
    """The names of our package that a definition uses, each with its module."""
    for each in ast.walk(node):
        if isinstance(each, ast.Name):
            if each.id in module.defines:
                yield name, each.id
            elif each.id in module.imports:
                yield module.imports[each.id]
        elif isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name) and each.value.id in module.imports:
            yield ".".join(module.imports[each.value.id]), each.attr


def reached(function: Callable[..., object]) -> tuple[set[str], set[str]]:
    """The reasons that a function, and all that it can call, may give; and the members of `Phase` that they name.

    Calls through objects are not followed: ours are data.
    """
    todo, seen = [(function.__module__, function.__name__)], set[tuple[str, str]]()
    reasons, phases = set[str](), set[str]()
    while todo:
        name, what = todo.pop()
        module = _module(name)
        if (name, what) in seen or module is None:
            continue
        seen.add((name, what))
        node = module.defines.get(what)
        if node is None:
            todo += [module.imports[what]] if what in module.imports else []
            continue
        todo += _used(name, module, node)
        reasons |= {*_in(node), *(_TABLES.get(what, ())), *(PHASES.get(what, ()))}
        phases |= {
            each.attr
            for each in ast.walk(node)
            if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name) and each.value.id == "Phase"
        }
    return reasons, phases
