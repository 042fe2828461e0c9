"""Which container group runs in which pods: a group keeps its pods when it is renamed or moved in the list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from outfitter.naming import fit


@dataclass(frozen=True)
class PlacedGroup:
    """A container group and its key: the value of its label in selectors, which never changes."""

    name: str
    key: str


def place_groups(names: Sequence[str], running: Sequence[PlacedGroup]) -> tuple[PlacedGroup, ...]:
    """Return the groups of a workload with their keys, the main group first, the others in their order.

    `running`: the groups that run already, the main group first. A group of the same name keeps its key. Groups with
    new names take the keys of groups that are gone, in order. The key of the main group is never left without a group.
    """
    known = {group.name: group.key for group in running}
    keys = {name: known[name] for name in names if name in known}
    main = running[0].key if running else ""
    if main and names and main not in keys.values():
        keys[next((name for name in names if name not in keys), names[0])] = main
    free = [group.key for group in running if group.key not in keys.values()]
    used = {group.key for group in running}
    for name in names:
        if name not in keys:
            keys[name] = free.pop(0) if free else _unused(name, used)
            used.add(keys[name])
    first = next((name for name in names if keys[name] == main), next(iter(names), ""))
    return tuple(PlacedGroup(name, keys[name]) for name in _main_first(names, first))


def _unused(name: str, used: Iterable[str]) -> str:
    """Return a key for a new group: its name, or its name with a number."""
    key, number = name, 1
    while key in used:
        number += 1
        key = fit(f"{name}-{number}")
    return key


def _main_first(names: Sequence[str], main: str) -> list[str]:
    return sorted(names, key=lambda name: name != main)
