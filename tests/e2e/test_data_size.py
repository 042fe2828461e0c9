"""A gigabyte, and many files, through git and S3, with little memory."""

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

pytestmark = [pytest.mark.data_images, pytest.mark.nightly]
SECONDS = 600.0
GIGABYTE = "for i in 1 2 3 4 5 6 7 8; do dd if=/dev/urandom of=part-$i bs=1M count=128 2>/dev/null; done"
# 100,000 files for git; the bucket gets a tenth of them: the server of the tests takes minutes for all.
FILES = "n=0; while [ $n -lt 10000 ]; do echo $n-$i > d$i/f$n; n=$((n + 1)); done"
MANY = f"for i in 0 1 2 3 4 5 6 7 8 9; do mkdir d$i; {FILES}; done"
COMPUTE = {"cpuMemoryRequest": "64Mi", "cpuMemoryLimit": "256Mi"}


@pytest.fixture(scope="module")
def sources(stage: Stage) -> Iterator[Sources]:
    with data.sources(stage.api, stage.cluster.connection(), DATA_NAMESPACES[2], RESTRICTED) as found:
        yield found


@pytest.mark.parametrize(
    ("name", "script", "part", "last"),
    [
        pytest.param("gigabyte", GIGABYTE, "", "part-8", id="gigabyte"),
        pytest.param("many", MANY, "d9/", "f9999", id="many"),
    ],
)
def test_much_data_with_little_memory(
    team: Team, sources: Sources, say: Callable[[str], None], name: str, script: str, part: str, last: str
) -> None:
    """The bucket has the folder `part` of the repository; `last` is one of its files."""
    server = sources.server
    server.repository(name, script, seconds=SECONDS)
    server.bucket(name, f"rm -rf ../../work/{name}/.git; mv ../../work/{name}/{part}* .", seconds=SECONDS)
    server.sh(f"rm -rf work/{name}")
    size = {"name": "a", "path": "/a", "sizeLimit": "3Gi"}
    git: Any = {**size, "repository": f"https://{server.git}/{name}.git", "credential": sources.login(team)}
    s3: Any = {**size, "bucket": name, "url": sources.s3, "credential": sources.keys(team)}
    for kind, source in (("git", git), ("s3", s3)):
        team.make("Workspace", kind, {"image": WEB, "compute": COMPUTE, "storage": {kind: [source]}})
        item = team.ready("Workspace", kind, SECONDS)
        say(f"{name} by {kind}: {seconds(team.need('Pod', f'{kind}-0')):.0f} s, {item['status']['data'][0]}")
        place = f"/a/{last}" if kind == "s3" else f"/a/{part}{last}"
        assert team.run(f"{kind}-0", "ls", place).code == 0
        team.delete("Workspace", kind)
    server.sh(f"rm -rf git/{name}.git s3/{name}")


def seconds(pod: Object) -> float:
    """How long the container ran that fetched."""
    (status,) = pod["status"]["initContainerStatuses"]
    assert status["restartCount"] == 0
    ended = status["state"]["terminated"]
    first, last = (datetime.fromisoformat(ended[key].replace("Z", "+00:00")) for key in ("startedAt", "finishedAt"))
    return (last - first).total_seconds()
