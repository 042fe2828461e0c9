"""A real API server of its own: these tests start whole operators against it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from outfitter_sandbox import Sandbox

CRDS = Path(__file__).parents[2] / "crds"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A control plane with our CRDs."""
    with Sandbox.up(root=tmp_path_factory.mktemp("operator")) as up:
        up.apply_crds(CRDS)
        yield up
