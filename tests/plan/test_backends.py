"""Backends: every kind names one, and each says which children it makes."""

from __future__ import annotations

import pytest

from outfitter.api.v1alpha1 import BACKENDS, KINDS
from outfitter.backends import backend_of, child_kinds, controller_kinds
from outfitter.children.kinds import child_kind

_RUNNING = [kind for kind in KINDS if kind.runs is not None]


@pytest.mark.parametrize("kind", _RUNNING, ids=lambda kind: kind.name)
def test_the_backend_of_a_kind_exists(kind) -> None:
    """The module that the list of kinds names, with kinds that the operator may write."""
    backend = backend_of(kind.runs, kind.runs.spec())
    assert set(backend.controllers) <= set(backend.children)
    for child in backend.children:
        row = child_kind(child)
        assert row is not None
        assert row.created


def test_no_backend_is_without_a_kind() -> None:
    """The union over all kinds is what a definition without `run` removes."""
    assert {name for kind in _RUNNING for name in kind.runs.backends} == set(BACKENDS)
    assert set(controller_kinds()) < set(child_kinds())
    assert "PersistentVolumeClaim" in child_kinds()
