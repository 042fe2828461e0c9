"""What the policies of one project do to a workload."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, Final

from outfitter.api.v1alpha1.policyfields import IDS
from outfitter.policy.beside import (
    connection_items,
    data_source_items,
    moved,
    others,
    violations_beside,
    with_serving_port,
    without_connection,
)
from outfitter.policy.chain import PolicyError
from outfitter.policy.containers import OF_CONTAINERS, of_container, required_of_all, violations_of_pod, with_fixed
from outfitter.policy.in_force import InForce, in_force
from outfitter.policy.partial import without_partial_defaults
from outfitter.policy.scaling import group_violations
from outfitter.policy.submission import Verdict, apply_policy
from outfitter.policy.values import get
from outfitter.policy.violation import Violation
from outfitter.problems import Problem, note, stalled, waiting
from outfitter.reasons import Reason
from outfitter.resolve.login import uses_login, with_login
from outfitter.resolve.merge import KEYED, Merged, identity
from outfitter.resolve.references import Found
from outfitter.resolve.request import WorkloadRequest
from outfitter.resolve.volumes import Volume
from outfitter.snapshot import Reader, Resource

KIND: Final = "WorkloadPolicy"
_ABSENT: Final = (Reason.REFERENCE_NOT_FOUND, Reason.REFERENCE_DELETING)


@dataclass
class ProjectPolicies:
    """The policies of the project of a workload, applied while it is resolved."""

    reader: Reader
    violations: list[Violation] = field(default_factory=list)
    imposed: tuple[Resource, ...] = ()
    section: str = ""
    """worker or master of a distributed workload, otherwise empty."""
    _counts: InForce | None = None

    def of(self, section: str) -> ProjectPolicies:
        """Return the policies of a section of a distributed workload; violations of all sections are in one list."""
        return ProjectPolicies(self.reader, self.violations, section=section)

    def apply(self, request: WorkloadRequest, merged: Merged, attached: Sequence[Volume], found: Found) -> Merged:
        """Return the submission with the defaults of the policies; what they refuse is added to `found`."""
        counts = in_force(self.reader, request.namespace, request.type)
        for resource in counts.resources:
            found.keep(resource)
        if not counts.resources:
            return merged
        if counts.invalid:
            found.problems += invalid_problems(counts.invalid)
            return merged
        if self.section:
            counts = replace(counts, policy=counts.policy.only(self.section))
        self._counts = counts
        section = counts.policy.sections[""]
        given = submission(request, merged)
        verdict = apply_policy(counts.policy, with_serving_port(given))
        self.imposed = tuple(counts.assets[asset.name] for asset in verdict.imposed if asset.name in counts.assets)
        found.problems += [note(Reason.NOT_ENFORCED, text) for text in verdict.notes]
        own, known = others(attached, self.imposed)
        items = [*data_source_items(own), *connection_items(merged.fields)]
        of_artifact = request.artifact is not None or request.own_artifact
        violations = [
            *(item for item in verdict.violations if not (of_artifact and of_container(item.field))),
            *violations_beside(section, items, merged.fields),
            *moved(known, verdict.imposed),
            *group_violations(counts.policy, request),
        ]
        result = _result(request, merged, given, verdict)
        violations = self._with_login(request, result, violations)
        self._refuse(sorted(violations, key=lambda item: (item.field, item.rule)), found, "spec")
        if of_artifact:
            for name in OF_CONTAINERS & result.fields.keys():
                del result.fields[name]
            result.fields |= {name: merged.fields[name] for name in OF_CONTAINERS & merged.fields.keys()}
        return result

    def _with_login(self, request: WorkloadRequest, merged: Merged, violations: Sequence[Violation]) -> list[Violation]:
        """Return the violations with the ids of the login in place.

        No user edits these, so that a rule without a default does not forbid them; but a locked default is the value.
        """
        if self._counts is None or not uses_login(merged.fields):
            return list(violations)
        judged = with_login(self.reader, request, merged, Found())
        ids = {f"security.{name}" for name in IDS if name in judged.fields["security"]}
        verdict = apply_policy(self._counts.policy, judged.fields)
        values = [item for item in verdict.violations if item.field in ids and (item.rule != "canEdit" or item.allowed)]
        return [*(item for item in violations if item.field not in ids), *values]

    def allows(self, field: str, value: str) -> bool:
        """Return whether the policies allow a built-in default of a field that is not set."""
        if self._counts is None:
            return True
        fields = [found for section in self._counts.policy.sections.values() for found in section.fields]
        rules = [found.rule for found in fields if found.table.path == field and found.rule is not None]
        return all(rule.can_edit and not list(rule.broken_by(value)) for rule in rules)

    def container(self, merged: Merged, found: Found, field: str, *, main: bool) -> Merged:
        """Judge one container of an artifact.

        The main one gets the defaults, and must have what is required. The others get what is fixed.
        """
        if self._counts is None:
            return merged
        policy = self._counts.policy
        verdict = apply_policy(policy, {name: value for name, value in merged.fields.items() if name in OF_CONTAINERS})
        violations = [item for item in verdict.violations if of_container(item.field)]
        self._refuse([item for item in violations if main or required_of_all(item)], found, field)
        origins = {path: origin for path, origin in _origins(verdict).items() if of_container(path)}
        if not main:
            fields = with_fixed(policy.sections[""], merged.fields, verdict)
            return Merged(fields, {**origins, **merged.origins})
        fields = {name: verdict.effective[name] for name in OF_CONTAINERS & verdict.effective.keys()}
        return Merged({**merged.fields, **fields}, {**origins, **merged.origins})

    def pod(self, containers: Sequence[Mapping[str, Any]], found: Found, field: str) -> None:
        """Judge what the containers of one pod of an artifact ask for together; `containers`: their compute."""
        if self._counts is not None and len(containers) > 1:
            self._refuse(list(violations_of_pod(self._counts.policy.sections[""], containers)), found, field)

    def _refuse(self, violations: Sequence[Violation], found: Found, root: str) -> None:
        """Report violations, unless a layer of the submission is missing: it may set what they are about."""
        if lacks_asset(found):
            return
        prefix = f"{self.section}." if self.section else ""
        self.violations += [replace(item, field=f"{prefix}{item.field}") for item in violations]
        for item in violations:
            own = root == "spec"
            problem = violation_problem(item) if own else stalled(Reason.POLICY_VIOLATION, str(item), root)
            found.problems.append(problem)


def lacks_asset(found: Found) -> bool:
    """Return whether an asset of a submission is missing."""
    return any(problem.reason in _ABSENT for problem in found.problems)


def violation_problem(item: Violation) -> Problem:
    """Return the problem of a violation in the spec of a workload."""
    return stalled(Reason.POLICY_VIOLATION, item.message, f"spec.{item.field}")


def invalid_problems(errors: Sequence[PolicyError]) -> Iterator[Problem]:
    """Yield the problem of each policy that is invalid, for which nothing starts."""
    for policy in dict.fromkeys(error.source for error in errors):
        own = [error for error in errors if error.source == policy]
        more = f" and {len(own) - 1} more errors" if len(own) > 1 else ""
        text = f"{policy} is invalid: {own[0].field}: {own[0].message}{more} Ask its author to correct it."
        yield waiting(Reason.POLICY_INVALID, text)


def _origins(verdict: Verdict) -> dict[str, str]:
    return {path: f"{KIND} {source.policy.rpartition('/')[2]}" for path, source in verdict.sources.items()}


def submission(request: WorkloadRequest, merged: Merged) -> dict[str, Any]:
    """Return what the rules are about: all merged fields, and exclusions of items."""
    given: dict[str, Any] = deepcopy(merged.fields)
    if request.autoscaling is not None:
        given["autoscaling"] = {**(given.get("autoscaling") or {}), **request.autoscaling.to_dict()}
    for path in KEYED:
        for layer in (request.from_template, request.inline):
            for item in get(layer, path.split(".")) or ():
                if item.get("exclude"):
                    _exclude(given, path, item)
    return given


def _exclude(given: dict[str, Any], path: str, item: Mapping[str, Any]) -> None:
    """Keep the exclusion of an item that is not there any more: it may be one of a policy."""
    *steps, last = path.split(".")
    node = given
    for step in steps:
        node = node.setdefault(step, {})
    items = node.setdefault(last, [])
    name = identity(path, item)
    if not any(identity(path, each) == name for each in items):
        items.append(dict(item))


def _result(request: WorkloadRequest, merged: Merged, given: Mapping[str, Any], verdict: Verdict) -> Merged:
    """Return the effective submission without what is mounted by other means, with the origins of the defaults."""
    fields: dict[str, Any] = deepcopy(dict(verdict.effective))
    _drop_imposed(fields, verdict)
    without_connection(fields, given)
    fields = without_partial_defaults(request.traits.spec, fields, given)
    if request.autoscaling is not None and "autoscaling" in fields:
        own = request.autoscaling.to_dict()  # never frozen by a revision
        fields["autoscaling"] = {name: value for name, value in fields["autoscaling"].items() if name not in own}
        if not fields["autoscaling"]:
            del fields["autoscaling"]
    return Merged(fields, {**_origins(verdict), **merged.origins})


def _drop_imposed(fields: dict[str, Any], verdict: Verdict) -> None:
    imposed = {(asset.storage, asset.name) for asset in verdict.imposed}
    storage = fields.get("storage") or {}
    for kind in list(storage):
        storage[kind] = [item for item in storage[kind] if (kind, str(item.get("name", item.get("id")))) not in imposed]
        if not storage[kind]:
            del storage[kind]
    if "storage" in fields and not storage:
        del fields["storage"]
