"""How pytest-xdist spreads tests over workers in `make test`: by file, or by folder with one control plane."""

from __future__ import annotations

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# The tests of such a folder share one control plane, which a second worker would start again.
WHOLE_FOLDERS = ("tests/api", "tests/chart", "tests/cli", "tests/cluster", "tests/sandbox")


class FolderScheduling(LoadScopeScheduling):
    """Gives a whole file, or a whole folder of WHOLE_FOLDERS, to one worker, in the order of collection."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)


def unit_of(nodeid: str) -> str:
    """What one worker takes as a whole: the file of a test, or its folder."""
    path = nodeid.partition("::")[0]
    folder = path.rpartition("/")[0]
    return folder if folder in WHOLE_FOLDERS else path


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FolderScheduling | None:
    """Replace `--dist loadfile`; other ways of distribution stay as they are."""
    if config.getoption("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False
    return FolderScheduling(config, log)
