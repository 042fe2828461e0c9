"""Deleting an ArtifactRepository with its drafts, with the admission policies that users install."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from outfitter.errors import Forbidden, NotFound

from .conftest import Stack
from .harness import rights
from .harness.client import Object, eventually, ready
from .harness.space import Space
from .test_artifacts import groups, locked
from .test_inference import running
from .test_protection import ADMISSION, PLURALS, policies


@pytest.fixture(scope="module", autouse=True)
def protect(stack: Stack) -> Iterator[None]:
    """The policy on deletions, in force beside the one on the account of the operator."""
    made = [item for item in policies() if "protect" in item["metadata"]["name"]]
    assert len(made) == 2, "a policy and its binding"
    ask = stack.api.connection
    for item in made:
        ask.request("POST", f"{ADMISSION}/{PLURALS[item['kind']]}", item)
    tried = f"/api/v1/namespaces/{rights.SYSTEM}?dryRun=All"
    eventually(lambda: ask.answer("DELETE", tried)[0], lambda status: status == 403, what="the policy has no effect")
    yield
    for item in reversed(made):
        ask.request("DELETE", f"{ADMISSION}/{PLURALS[item['kind']]}/{item['metadata']['name']}")


def drafts(space: Space, *names: str) -> None:
    """Artifacts of a repository that a user wrote."""
    space.make("ArtifactRepository", "scorers", {})
    for name in names:
        space.make("Artifact", name, {"containerGroups": groups(), "repositoryRef": {"name": "scorers"}})
    for name in names:
        space.wait("Artifact", name, lambda item: ready(item) and item["status"].get("repositoryUid"))
    space.wait("ArtifactRepository", "scorers", lambda item: item["status"]["numArtifacts"] == len(names))


def refused(space: Space) -> str:
    """Why the repository cannot be deleted."""
    with pytest.raises(Forbidden) as error:
        space.delete("ArtifactRepository", "scorers")
    return str(error.value)


def kept_by(*names: str) -> Callable[[Any], bool]:
    """The repository lists exactly these."""
    return lambda item: item["status"].get("keptBy", []) == list(names)


def test_the_drafts_go_and_nothing_comes_back(stack: Stack, space: Space) -> None:
    drafts(space, "one", "two")
    space.make("Artifact", "next", {"cloneFrom": {"name": "one"}})
    space.make("Artifact", "other", {"containerGroups": groups()})
    for name in ("next", "other"):
        space.wait("Artifact", name, lambda item: item["status"].get("repositoryUid"))
    space.delete("ArtifactRepository", "scorers")
    for name in ("one", "two", "next"):
        space.gone("Artifact", name)
    stack.operator.quiet()
    assert space.get("ArtifactRepository", "scorers") is None
    assert [item["metadata"]["name"] for item in space.list("Artifact")] == ["other"]


def test_one_that_was_made_on_demand_takes_its_drafts_along(space: Space) -> None:
    space.make("Artifact", "scorers", {"containerGroups": groups()})
    space.wait("Artifact", "scorers", lambda item: item["status"].get("repositoryUid"))
    space.delete("ArtifactRepository", "scorers")
    space.gone("Artifact", "scorers")
    space.gone("ArtifactRepository", "scorers")


def test_all_or_none(stack: Stack, space: Space) -> None:
    """Refused while one is a version, in use or runs; the others stay as well."""
    drafts(space, "one", "two", "three")
    space.spec("Artifact", "one", run={})
    space.wait("ArtifactRepository", "scorers", kept_by("one"))
    assert "holds artifacts that run, or are in use or being locked: one. Change or delete those" in refused(space)
    space.spec("Artifact", "one", run=None)
    space.wait("ArtifactRepository", "scorers", kept_by())
    running(space, "trial", artifact={"name": "two"})
    space.wait("ArtifactRepository", "scorers", kept_by("two"))
    assert "being locked: two." in refused(space)
    space.delete("Inference", "trial")
    space.wait("ArtifactRepository", "scorers", kept_by())
    space.spec("Artifact", "three", locked=True)
    space.wait("Artifact", "three", locked(1))
    space.wait("ArtifactRepository", "scorers", lambda item: item["status"]["versions"])
    assert "ArtifactRepository scorers holds 1 version, Artifact three, and versions are kept" in refused(space)
    # By force: the repository comes back with its number, and no draft goes.
    uid = space.annotate("ArtifactRepository", "scorers", **{"force-delete": "true"})["metadata"]["uid"]
    space.delete("ArtifactRepository", "scorers")
    space.wait("ArtifactRepository", "scorers", lambda item: item["metadata"]["uid"] != uid and (
        [each["name"] for each in item["status"]["versions"]] == ["three"]
    ))  # fmt: skip
    stack.operator.quiet()
    assert {item["metadata"]["name"] for item in space.list("Artifact")} == {"one", "two", "three"}


@pytest.mark.parametrize("order", ["repository-first", "artifacts-first"])
def test_a_git_controller_prunes_everything_in_one_pass(stack: Stack, space: Space, order: str) -> None:
    drafts(space, "one", "two")
    pruned = [("ArtifactRepository", "scorers"), ("Artifact", "one"), ("Artifact", "two")]
    for kind, name in pruned if order == "repository-first" else reversed(pruned):
        with contextlib.suppress(NotFound):  # the operator was faster
            space.delete(kind, name)
    for kind, name in pruned:
        space.gone(kind, name)
    stack.operator.quiet()
    assert space.list("Artifact") == space.list("ArtifactRepository") == []


def test_deleted_while_the_operator_was_down(stack: Stack, space: Space) -> None:
    drafts(space, "one", "two")
    stack.operator.stop()
    try:
        space.delete("ArtifactRepository", "scorers")
    finally:
        stack.operator.start()
    for name in ("one", "two"):
        space.gone("Artifact", name, 60)
    assert space.get("ArtifactRepository", "scorers") is None


def test_a_clone_has_description_and_tags_and_its_children_their_labels(space: Space) -> None:
    tags = [{"name": "team", "value": "nlp"}, {"name": "full name", "value": "Natural language"}]
    space.make("Artifact", "base", {"containerGroups": groups(), "description": "Scores texts.", "tags": tags})
    space.make("Artifact", "next", {"cloneFrom": {"name": "base"}, "run": {}})
    status = space.ready("Artifact", "next")["status"]
    assert status["copied"] == {"description": "Scores texts.", "tags": tags}
    assert [item["issue"] for item in status["issues"] if "full name" in item["message"]] == ["NotEnforced"]

    def found(kind: str, **query: str) -> list[str]:
        items: list[Object] = space.list(kind, **query)
        return [item["metadata"]["name"] for item in items]

    text = "full name=Natural language,team=nlp"
    selector = "status.tagged=" + text.replace("=", "\\=").replace(",", "\\,")
    assert sorted(found("Artifact", fieldSelector=selector)) == ["base", "next"]
    assert found("Deployment", labelSelector="tags.outfitter.dev/team=nlp") == ["next"]
    assert "next" in found("Service", labelSelector="tags.outfitter.dev/team in (cv, nlp)")
    pods = found("Pod")
    space.spec("Artifact", "next", tags=[{"name": "stage", "value": "prod"}])
    eventually(lambda: found("Deployment", labelSelector="tags.outfitter.dev/stage=prod"), what="no label")
    assert found("Deployment", labelSelector="tags.outfitter.dev/team") == []
    # Nothing is rolled.
    space.ready("Artifact", "next")
    assert space.need("Deployment", "next")["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"
    assert found("Pod") == pods
