"""The rules that always hold."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from outfitter.policy.builtin import BUILTIN
from outfitter.policy.checks import Candidate, Check, NamespaceFacts, evaluate
from outfitter.policy.project import ProjectPolicies
from outfitter.problems import Problem, note
from outfitter.reasons import Reason
from outfitter.resolve.request import request_for
from outfitter.resolve.serving import resolve
from outfitter.snapshot import read_resource
from world import TEAM, World, asset


def candidate(spec: dict, namespace: NamespaceFacts | None = None, templates: tuple[dict, ...] = ()) -> Candidate:
    """A workspace that is about to get a revision."""
    world = World(asset("Workspace", "w", spec))
    live = world.cluster.caches["Workspace"].get(TEAM, "w")
    assert live is not None
    request = request_for(read_resource(live))
    assert request is not None
    reader = world.reader()
    resolved = resolve(reader, request, ProjectPolicies(reader))
    return Candidate(resolved, templates, namespace or NamespaceFacts(), reader.settings)


def test_names_are_unique() -> None:
    """A report calls a check by its name."""
    assert len({check.name for check in BUILTIN}) == len(BUILTIN)


def test_every_check_runs() -> None:
    """All violations at once, in the order of the checks."""

    def first(_: Candidate) -> Iterator[Problem]:
        yield note(Reason.DRAFT, "one")
        yield note(Reason.DRAFT, "two")

    def second(_: Candidate) -> Iterator[Problem]:
        yield note(Reason.DRAFT, "three")

    found = evaluate(candidate({"image": "a:1"}), (Check("a", first), Check("b", second)))
    assert [problem.message for problem in found] == ["one", "two", "three"]


def test_elevation_is_judged_on_the_assembled_pod() -> None:
    """Whatever asset the field comes from; the label of the namespace decides."""
    pod = {"metadata": {}, "spec": {"hostNetwork": True, "containers": [{"name": "main"}]}}
    refused = evaluate(candidate({"image": "a:1"}, templates=(pod, pod)), BUILTIN)
    assert [problem.reason for problem in refused] == [Reason.ELEVATION_FORBIDDEN]
    assert "hostNetwork" in refused[0].message
    allowed = candidate({"image": "a:1"}, NamespaceFacts(elevation_allowed=True), (pod,))
    assert evaluate(allowed, BUILTIN) == []


def test_several_violations_are_reported_together() -> None:
    """A user corrects the file once."""
    spec = {
        "image": "a:1",
        "storage": {"nfs": [{"name": "n", "server": "s", "path": "/e", "mountPath": "/n"}]},
        "backoffLimit": 3,
    }
    found = evaluate(candidate(spec, NamespaceFacts(enforced="restricted")), BUILTIN)
    assert [problem.reason for problem in found] == [Reason.NFS_OUTSIDE_RESTRICTED, Reason.UNSUPPORTED]


BUCKET = {"bucket": "sets", "path": "/sets", "sizeLimit": "1Gi", "cache": "claim"}


@pytest.mark.parametrize(
    ("kind", "spec", "pods"),
    [
        ("Workspace", {}, 1),
        ("Training", {}, 1),
        ("Training", {"completions": 4}, 1),
        ("Training", {"completions": 4, "parallelism": 2}, 2),
        ("DistributedTraining", {"distributedFramework": "JAX", "numWorkers": 2}, 2),
        ("DistributedTraining", {"distributedFramework": "TF", "numWorkers": 1, "masterSpecSameAsWorker": True}, 2),
    ],
)
@pytest.mark.parametrize("inline", [True, False], ids=["inline", "asset"])
async def test_a_claim_keeps_the_copy_of_one_pod(kind: str, spec: dict, pods: int, *, inline: bool) -> None:
    """Two pods would write into one copy."""
    own = {"storage": {"s3": [BUCKET]}} if inline else {"assets": {"dataSources": [{"name": "sets"}]}}
    source = asset("DataSource", "sets", {"s3": BUCKET})
    world = World(source, asset(kind, "w", {"image": "a:1", **spec, **own}))
    await world.settle()
    found = [item for item in world.status(kind, "w").get("issues") or () if item["issue"] == "InvalidSpec"]
    assert bool(found) is (pods > 1)
    assert all("Remove cache" in item["message"] for item in found)
    claims = [item for item in world.all("PersistentVolumeClaim") if "sets" in item["metadata"]["name"]]
    assert len(claims) == (pods == 1)


async def test_nothing_is_copied_into_a_claim_of_somebody_else() -> None:
    """Files that are not in the bucket are removed from a copy."""
    workspace = asset("Workspace", "w", {"image": "a:1", "storage": {"s3": [BUCKET]}})
    made = World(workspace)
    await made.settle()
    (claim,) = made.all("PersistentVolumeClaim")
    meta = {"name": claim["metadata"]["name"], "namespace": TEAM}
    world = World(
        workspace, {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": claim["spec"]}
    )
    await world.settle()
    assert [item["issue"] for item in world.status("Workspace", "w")["issues"]] == ["NameTaken"]
    assert world.all("StatefulSet") == []
