"""The guide's commands that remove everything. The scenario of the uninstallation types them."""

from __future__ import annotations

import pytest

from docs.pages import documented_removal
from outfitter.api.v1alpha1 import GROUP, KINDS


@pytest.mark.parametrize("plural", [kind.plural for kind in KINDS])
def test_objects_of_each_kind_are_deleted_while_the_operator_runs(plural: str) -> None:
    """What the deletion of a CRD deletes later leaves copies in other namespaces."""
    objects, _, _ = documented_removal().partition("helm uninstall")
    assert f"{plural}.{GROUP}" in objects.replace(",", " ").split()
