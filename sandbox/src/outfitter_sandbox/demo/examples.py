"""The objects that the demo applies."""

from __future__ import annotations

from pathlib import Path

from outfitter.cli.checks import check
from outfitter.cli.documents import read
from outfitter.errors import ConfigurationError
from outfitter.simulator.simulation import supports, with_namespace
from outfitter_sandbox.demo.cluster import Object


def load(folder: Path) -> list[Object]:
    """The objects of a folder's files, in order.

    ConfigurationError without objects, or for an invalid one.
    """
    if not folder.is_dir():
        raise ConfigurationError(
            f"{folder} does not exist. Run this in a checkout of Outfitter, or set another folder with --examples."
        )
    documents, findings = read([str(folder)])
    checked = check(documents, findings)
    if checked.findings:
        raise ConfigurationError("\n".join(str(finding) for finding in checked.findings))
    if not checked.resources:
        raise ConfigurationError(f"{folder} contains no object of Outfitter.")
    return [with_namespace(document.body, "default") for document in documents if supports(document.body)]
