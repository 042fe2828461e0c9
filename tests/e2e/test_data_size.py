"""A gigabyte and a hundred thousand files through git and S3, with little memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from integration.harness.client import Object

from .conftest import RESTRICTED, Stage
from .harness import data
from .harness.data import Sources
from .harness.images import DATA_NAMESPACES, WEB
from .harness.team import Team

pytestmark = pytest.mark.data_images
SECONDS = 600.0
FILES = 100_000
GIGABYTE = "for i in 1 2 3 4 5 6 7 8; do dd if=/dev/urandom of=part-$i bs=1M count=128 2>/dev/null; done"
MANY = f"mkdir many; cd many; i=0; while [ $i -lt {FILES} ]; do echo $i > f$i; i=$((i + 1)); done; cd .."
QUICK = "git config core.compression 0; git config core.bigFileThreshold 1m"  # random files have no differences
COMPUTE = {"cpuMemoryRequest": "64Mi", "cpuMemoryLimit": "256Mi"}


@pytest.fixture(scope="module")
def sources(stage: Stage) -> Iterator[Sources]:
    with data.sources(stage.api, stage.cluster.connection(), DATA_NAMESPACES[0], RESTRICTED) as found:
        yield found


@pytest.mark.parametrize(("name", "script"), [("gigabyte", GIGABYTE), ("many", MANY)])
def test_much_data_with_little_memory(
    team: Team, sources: Sources, say: Callable[[str], None], name: str, script: str
) -> None:
    server = sources.server
    server.repository(name, f"{QUICK}; {script}", seconds=SECONDS)
    server.sh(f"cd git/{name}.git; {QUICK}; cd /srv; mv work/{name} s3/{name}; rm -rf s3/{name}/.git")
    size = {"name": "a", "path": "/a", "sizeLimit": "3Gi"}
    git: Any = {**size, "repository": f"https://{server.git}/{name}.git", "credential": sources.login(team)}
    s3: Any = {**size, "bucket": name, "url": sources.s3, "credential": sources.keys(team)}
    for kind, source in (("git", git), ("s3", s3)):
        team.make("Workspace", kind, {"image": WEB, "compute": COMPUTE, "storage": {kind: [source]}})
        item = team.ready("Workspace", kind, SECONDS)
        say(f"{name} by {kind}: {seconds(team.need('Pod', f'{kind}-0')):.0f} s, {item['status']['data'][0]}")
        last = "/a/part-8" if name == "gigabyte" else f"/a/many/f{FILES - 1}"
        assert team.run(f"{kind}-0", "ls", last).code == 0
        team.delete("Workspace", kind)
    server.sh(f"rm -rf git/{name}.git s3/{name}")


def seconds(pod: Object) -> float:
    """How long the container ran that fetched."""
    (status,) = pod["status"]["initContainerStatuses"]
    assert status["restartCount"] == 0
    ended = status["state"]["terminated"]
    first, last = (datetime.fromisoformat(ended[key].replace("Z", "+00:00")) for key in ("startedAt", "finishedAt"))
    return (last - first).total_seconds()
