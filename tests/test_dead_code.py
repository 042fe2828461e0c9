"""Code that nothing uses, as vulture finds it by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import vulture

from outfitter.api.base import Model
from outfitter.api.v1alpha1 import ALL_KINDS
from outfitter.cli.commands import COMMANDS
from outfitter.settings import Settings

ROOT = Path(__file__).parents[1]
SOURCES = ("src", "sandbox/src")
CALLED_BY_OTHERS = {
    "__getattr__": "Python",
    "MasterCopySpec": "the part of a WorkloadTraits, by its name",
    "_value_": "enum",
    "ignore_aliases": "PyYAML",
    "linkname": "tarfile",
    "mtime": "tarfile",
    # Tests that use the sandbox and the simulator.
    "add_registry": "the node of a sandbox",
    "api_group": "AuditEntry",
    "audit_mark": "Sandbox",
    "fail_next": "SimulatedCluster",
    "impersonating": "Connection",
    "is_write": "AuditEntry",
    "_one_driver": "pydantic",
    "creates_volumes": "the table of children, by its name",
    "_one_scheduler": "pydantic",
    "less": "remedies in observe/causes.py",
    "received": "AuditEntry",
    "shared_sandbox": "tests on several processes",
    "subresource": "AuditEntry",
    "user_release": "SimulatedCluster",
    "user_status": "SimulatedCluster",
    "watches": "Informer",
}
"""Name -> who uses it, or what it belongs to."""
KOPF = "kopf_source.py"
"""kopf reads the attributes of its settings, and calls the methods of its storages."""


def _subclasses(model: type[Model]) -> Iterator[type[Model]]:
    for subclass in model.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def test_everything_is_used() -> None:
    """Fields of the models are used by their names in manifests, and their class variables through the base.

    The table of commands names functions and classes by their places.
    """
    by_name = {kind.model.__name__ for kind in ALL_KINDS}
    by_place = by_name | {*vars(Model), *Settings.model_fields, "model_config"}
    by_place |= {name for model in _subclasses(Model) for name in model.model_fields}
    by_place |= {place.rpartition(":")[2] for command in COMMANDS for place in (command.place, command.cls)}
    finder = vulture.Vulture()
    finder.scavenge([str(ROOT / source) for source in SOURCES])
    unused = {
        item.name: f"{item.filename}:{item.first_lineno} {item.typ} {item.name}"
        for item in finder.get_unused_code(min_confidence=60)
        if item.name not in by_place and Path(item.filename).name != KOPF
    }
    assert [place for name, place in unused.items() if name not in CALLED_BY_OTHERS] == []
    assert set(CALLED_BY_OTHERS) - set(unused) == set(), "these are used now: remove them from the list"
