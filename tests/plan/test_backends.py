"""Backends: every kind names one, and each says which children it makes."""

from __future__ import annotations

from importlib import import_module

import pytest

from outfitter.api.v1alpha1 import BACKENDS, KINDS, traits_of
from outfitter.backends import backend_of, child_kinds, controller_kinds, progress
from outfitter.children.kinds import child_kind

_RUNNING = [kind for kind in KINDS if kind.runs is not None]


_ROWS = [(kind.runs, name) for kind in _RUNNING for name in kind.runs.backends]


@pytest.mark.parametrize(("traits", "name"), _ROWS, ids=[f"{traits.kind}-{name}" for traits, name in _ROWS])
def test_the_backends_of_a_kind_exist(traits, name) -> None:
    """The modules that the list of kinds names, with kinds that the operator may write."""
    backend = import_module(f"outfitter.backends.{name}").BACKEND
    assert set(backend.controllers) <= set(backend.children)
    for child in backend.children:
        row = child_kind(child)
        assert row is not None
        assert row.created


@pytest.mark.parametrize("kind", _RUNNING, ids=lambda kind: kind.name)
def test_a_kind_has_a_usual_backend(kind) -> None:
    """The first one runs a submission that asks for none."""
    assert (
        backend_of(kind.runs, kind.runs.spec()) is import_module(f"outfitter.backends.{kind.runs.backends[0]}").BACKEND
    )


@pytest.mark.parametrize("name", ["native", "jobset", "kubeflow"])
def test_a_distributed_training_has_the_backend_of_its_revision(name: str) -> None:
    traits = traits_of("distributed")
    chosen = backend_of(traits, traits.spec.model_validate({"backend": name}))
    assert chosen is import_module(f"outfitter.backends.{name}").BACKEND


@pytest.mark.parametrize(
    "traits", [traits_of(name) for name in ("workspace", "training", "distributed")], ids=lambda traits: traits.kind
)
def test_no_controller_has_no_progress(traits) -> None:
    assert progress(traits, ()) is None


def test_no_backend_is_without_a_kind() -> None:
    """The union over all kinds is what a definition without `run` removes."""
    assert {name for kind in _RUNNING for name in kind.runs.backends} == set(BACKENDS)
    assert set(controller_kinds()) < set(child_kinds())
    assert "PersistentVolumeClaim" in child_kinds()
