"""The plan of an ImageQuery: ask its registry once, keep the answer, and delete the object after its time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from outfitter.api.registry_hosts import DOCKER_HUB
from outfitter.api.v1alpha1 import KINDS
from outfitter.api.v1alpha1.imagequery import USUAL_NAMES, ImageQuery, ImageQuerySpec
from outfitter.plan.image_registries import is_covered
from outfitter.plan.registry import question_of
from outfitter.plan.writes import Delete, Plan
from outfitter.problems import Problem, stalled, waiting
from outfitter.reasons import Reason
from outfitter.resolve.scope import find
from outfitter.snapshot import NameQuery, NameResult, Reader, RegistryAnswer, RegistryQuestion, Resource
from outfitter.status import StatusInput, timestamp

AT_ONCE: Final = 50
"""ImageQueries of a namespace that are answered. Their answers take room in etcd and in the memory of the operator."""
_RETRY: Final = 60.0  # seconds
_REGISTRY: Final = "spec.registry"
_ASSETS: Final = frozenset(kind.name for kind in KINDS if kind.asset)


def plan_image_query(reader: Reader, resource: Resource) -> Plan:
    """Plan an ImageQuery."""
    assert isinstance(resource.model, ImageQuery)
    created = resource.body["metadata"].get("creationTimestamp", "")
    if created and reader.passed(created, reader.settings.image_query_seconds):
        return Plan(StatusInput(True, Reason.DELETING), (Delete(resource.live),))
    if "answeredAt" in (resource.body.get("status") or {}):
        return Plan(StatusInput(True, Reason.ANSWERED), pending=True)  # the status is final
    if reader.older(resource.live, AT_ONCE) == AT_ONCE:
        text = f"Namespace {resource.live.namespace} has {AT_ONCE} older ImageQueries. Delete some, or wait."
        return _refused(waiting(Reason.TOO_MANY_QUERIES, text), requeue=_RETRY)
    with reader.without_use(_ASSETS):  # a query is gone in minutes, and must not block the deletion of an asset
        question = _question(reader, resource, resource.model.spec)
    if isinstance(question, Problem):
        return _refused(question)
    answer = reader.registry(resource.key, question)
    if answer is None:
        return Plan(StatusInput(False, Reason.CONNECTING, f"Outfitter asks registry {question.host}."), pending=True)
    return _answered(answer, question)


def _refused(problem: Problem, requeue: float | None = None) -> Plan:
    return Plan(StatusInput(False, problem.reason, "", (problem,)), requeue=requeue)


def _question(reader: Reader, resource: Resource, spec: ImageQuerySpec) -> RegistryQuestion | Problem:
    """Return what to ask, if the Registry can be used and covers the repository."""
    found = find(reader, "Registry", resource.live.namespace, spec.registry, _REGISTRY)
    if isinstance(found, Problem):
        return found
    asked = question_of(reader, found)
    if asked.question is None:
        first = max(asked.problems, key=lambda problem: problem.level)
        return Problem(first.reason, f"{found.key} cannot be used. {first.message}", first.level, _REGISTRY)
    repository = spec.repository or ""
    if repository and asked.question.host == DOCKER_HUB and "/" not in repository:
        repository = f"library/{repository}"  # as container runtimes read it
    if repository and (text := _not_covered(asked.question, repository)):
        return stalled(Reason.IMAGE_NOT_FOUND, f"{found.key} covers only {text}. Name one of these.", "spec.repository")
    query = NameQuery(repository, (spec.search or "").lower(), spec.digest_of or "", spec.limit or USUAL_NAMES)
    return replace(asked.question, query=query)


def _not_covered(question: RegistryQuestion, repository: str) -> str:
    """Return what a Registry covers, if a repository is not a part of it."""
    if is_covered(repository, question.path, question.repositories):
        return ""
    if is_covered(repository, question.path, ()):
        return "the repositories in its spec"
    return f"repositories below {question.path}"


def _answered(answer: RegistryAnswer, question: RegistryQuestion) -> Plan:
    assert question.query is not None
    if answer.defect is not None:
        reason = answer.defect.reason
        return _refused(Problem(reason, answer.defect.text, reason.level, _REGISTRY))
    result = answer.result or NameResult(exists=False)
    facts: dict[str, Any] = {"answeredAt": timestamp(answer.asked_at)}
    if not result.exists:
        problem = _absent(question)
        return Plan(StatusInput(False, problem.reason, "", (problem,), facts))
    facts |= {"found": result.found, "truncated": result.truncated or None}
    query = question.query
    if query.tag:
        facts |= {"digest": result.digest, "image": f"{question.host}/{query.repository}@{result.digest}"}
    else:
        facts["tags" if query.repository else "repositories"] = list(result.names) or None
    return Plan(StatusInput(True, Reason.ANSWERED, _summary(question, result), (), facts, (1, 1)))


def _absent(question: RegistryQuestion) -> Problem:
    query = question.query
    assert query is not None
    if not query.repository:
        text = f"Registry {question.host} gives no list of its repositories. Set spec.repository."
        return stalled(Reason.CATALOGUE_MISSING, text)
    image = f"{query.repository}:{query.tag}" if query.tag else query.repository
    text = f"Registry {question.host} does not show {image}. Correct the name, or use a Registry that may see it."
    return stalled(Reason.IMAGE_NOT_FOUND, text, "spec.digestOf" if query.tag else "spec.repository")


def _summary(question: RegistryQuestion, result: NameResult) -> str:
    assert question.query is not None
    if question.query.tag:
        return f"Registry {question.host} has the image."
    more = f" The status holds {len(result.names)} of them." if len(result.names) < result.found else ""
    return f"Registry {question.host} has {result.found} matching names.{more}"
