"""The plan of a Registry: whether to look at it, and what the last look found. Outfitter creates no object for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from outfitter.api.v1alpha1.credential import Credential
from outfitter.api.v1alpha1.registry import SHOWN_REPOSITORIES, Catalogue, Registry, RegistrySpec
from outfitter.naming import LABEL_DEPARTMENT
from outfitter.plan.credential import read_material
from outfitter.plan.used_by import used_by
from outfitter.plan.writes import Plan
from outfitter.problems import Problem, note, serious, stalled, waiting
from outfitter.reasons import Reason
from outfitter.render.registry_login import login_of, not_listed, registry_place
from outfitter.render.urls import uses_tls, without_scheme
from outfitter.resolve.private import is_private
from outfitter.resolve.scope import Reach, find, reach, scope_problem
from outfitter.snapshot import Reader, RegistryAnswer, RegistryLogin, RegistryQuestion, Resource
from outfitter.status import StatusInput, timestamp

_SEEN: Final = ("reachable", "dialect", "catalogue", "repositories", "truncated")
_NAMED: Final = 3  # repositories in a message
_CREDENTIAL: Final = "spec.credential"


@dataclass(frozen=True)
class AskedRegistry:
    """The question, or why it cannot be asked."""

    question: RegistryQuestion | None
    problems: tuple[Problem, ...] = ()


def plan_registry(reader: Reader, asset: Resource) -> Plan:
    """Plan a Registry: ask the registry when it is time, and report its newest answer."""
    assert isinstance(asset.model, Registry)
    asked = question_of(reader, asset)
    facts = _catalogue_facts(reader, asset)
    before = {key: value for key, value in (asset.body.get("status") or {}).items() if key in (*_SEEN, "lookedAt")}
    if asked.question is None:
        kept = {**before, "reachable": None}
        return Plan(StatusInput(False, Reason.WAITING, "", asked.problems, {**facts, **kept}))
    if asset.model.spec.watch_images:
        reader.image_registry = asked.question
    answer = reader.registry(asset.key, asked.question)
    if answer is None:
        text = f"Outfitter looks at registry {asked.question.host}."
        return Plan(StatusInput(False, Reason.CONNECTING, text, asked.problems, {**facts, **before}), pending=True)
    problems = [*asked.problems, *_problems(answer, asked.question), *_unwatched(reader, asset.model.spec)]
    ready = not serious(problems)
    seen = _seen(answer, before)
    same = all(seen.get(key) == before.get(key) for key in _SEEN) and "lookedAt" in before
    seen["lookedAt"] = before["lookedAt"] if same else timestamp(answer.asked_at)
    return Plan(StatusInput(ready, Reason.VALID, "", tuple(problems), {**facts, **seen}, (int(ready), 1)))


def _catalogue_facts(reader: Reader, asset: Resource) -> dict[str, Any]:
    system = reader.settings.system_namespace
    where = reach(asset, system) if scope_problem(asset, system) is None else Reach("")
    own = reader.labels(asset.live.namespace).get(LABEL_DEPARTMENT, "") if where.type == "project" else ""
    return {
        "usedBy": used_by(reader, reader.users),
        "scope": where.type or None,
        "department": where.name or own or None,
    }


def question_of(reader: Reader, asset: Resource) -> AskedRegistry:
    """Return what to ask, if host and credential allow it."""
    assert isinstance(asset.model, Registry)
    spec = asset.model.spec
    wrong = scope_problem(asset, reader.settings.system_namespace)
    host, path = registry_place(spec.url)
    options = reader.settings.registries.get(host)
    problems = [wrong] if wrong else []
    if options is None:
        problems.append(not_listed(host))
    elif without_scheme(spec.url) != spec.url and not uses_tls(spec.url) and not options.plain_http:
        text = f"Registry {host} is reached by https only. Write https, or ask an administrator to allow plainHttp."
        problems.append(stalled(Reason.REGISTRY_NOT_ALLOWED, text, "spec.url"))
    login = _login(reader, asset, host, path)
    if isinstance(login, Problem):
        problems.append(login)
    if problems or options is None or isinstance(login, Problem):
        return AskedRegistry(None, tuple(problems))
    return AskedRegistry(RegistryQuestion(host, options, path, spec.repositories, login))


def _login(reader: Reader, asset: Resource, host: str, path: str) -> RegistryLogin | Problem | None:
    """Return the login that the Registry names."""
    assert isinstance(asset.model, Registry)
    ref = asset.model.spec.credential
    if ref is None:
        return None
    found = find(reader, "Credential", asset.live.namespace, ref, _CREDENTIAL)
    if isinstance(found, Problem):
        return found
    assert isinstance(found.model, Credential)
    kind = found.model.spec.type
    if kind not in ("password", "dockerRegistry"):
        text = f"{found.key} has type {kind}. Use a Credential of type password or dockerRegistry."
        return stalled(Reason.TYPE_MISMATCH, text, _CREDENTIAL)
    if is_private(found):
        text = f"{found.key} is private, and a Registry shows to others what it can see. Use another Credential."
        return stalled(Reason.CREDENTIAL_FORBIDDEN, text, _CREDENTIAL)
    if not _shared_as_widely(reader, found, asset):
        text = f"{found.key} is not shared with the department of this Registry. Use another Credential."
        return stalled(Reason.CREDENTIAL_FORBIDDEN, text, _CREDENTIAL)
    material, problem = read_material(reader, found)
    if problem is not None or material is None:
        assert problem is not None
        text = f"{found.key} is not ready. {problem.message}"
        return waiting(Reason.CREDENTIAL_NOT_READY, text, _CREDENTIAL)
    login = login_of(material.data, host, path)
    if login is None:
        text = f"{found.key} holds no login for {host}. Add one to its Secret, or use another Credential."
        return waiting(Reason.KEY_NOT_FOUND, text, _CREDENTIAL)
    return login


def _shared_as_widely(reader: Reader, credential: Resource, asset: Resource) -> bool:
    """Return whether a Registry for a department may use a Credential of its namespace.

    The lead of a department can write such a Registry, and its status shows what the Credential may see.
    """
    system = reader.settings.system_namespace
    where, given = reach(asset, system), reach(credential, system)
    return where.type != "department" or given.type in ("cluster", "tenant") or given == where


def _seen(answer: RegistryAnswer, before: Mapping[str, Any]) -> dict[str, Any]:
    """Return the status of the newest look. A failed one keeps what was seen before."""
    if answer.defect is not None:
        return {**{key: before.get(key) for key in _SEEN}, "reachable": False}
    return {
        "reachable": True,
        "dialect": answer.dialect,
        "catalogue": str(Catalogue.SUPPORTED if answer.listed else Catalogue.OFF),
        "repositories": list(answer.repositories[:SHOWN_REPOSITORIES]) or None,
        "truncated": answer.truncated or len(answer.repositories) > SHOWN_REPOSITORIES,
    }


def _unwatched(reader: Reader, spec: RegistrySpec) -> Iterator[Problem]:
    """Yield the note that an administrator turned the watch of images off."""
    if spec.watch_images and not reader.settings.image_watch_seconds:
        text = "Outfitter compares no images with their tags. Ask an administrator to set imageWatchSeconds."
        yield note(Reason.NOT_ENFORCED, text, "spec.watchImages")


def _problems(answer: RegistryAnswer, question: RegistryQuestion) -> list[Problem]:
    if answer.defect is not None:
        return [Problem(answer.defect.reason, answer.defect.text, answer.defect.reason.level, "spec.url")]
    if answer.absent:
        names = ", ".join(answer.absent[:_NAMED]) + (" and others" if len(answer.absent) > _NAMED else "")
        text = f"Registry {question.host} does not show these repositories: {names}. Correct or push them."
        return [note(Reason.REPOSITORY_NOT_FOUND, text, "spec.repositories")]
    if not answer.listed and not question.repositories:
        text = f"Registry {question.host} gives no list of its repositories. Set spec.repositories."
        return [note(Reason.NO_CATALOGUE, text)]
    return []
