"""Every vector of tests/policy/vectors, judged as `outfitter policy test --vectors` does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from outfitter.cli.policy.vectors import mismatches, read_vectors

VECTORS = [
    pytest.param(vector, id=str(vector["id"]))
    for file in sorted((Path(__file__).parent / "vectors").glob("*.yaml"))
    for vector in read_vectors(file)
]


@pytest.mark.parametrize("vector", VECTORS)
def test_vector(vector: dict[str, Any]) -> None:
    """Effective submission, violations and errors of the policies are exactly the expected ones."""
    assert list(mismatches(vector)) == []
