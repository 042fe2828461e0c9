"""The plan of a WorkloadPolicy, and of the EffectivePolicy of a project that follows from all of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from outfitter.api.v1alpha1 import API_VERSION
from outfitter.api.v1alpha1.workloadpolicy import LISTED_ERRORS
from outfitter.canonical import covers, stamp, without_empty
from outfitter.naming import ANNOTATION_INSTALLATION, LABEL_MANAGED_BY, LABEL_WORKLOAD_TYPE, MANAGED_BY
from outfitter.plan.diff import overridden
from outfitter.plan.writes import Apply, Create, Delete, Plan, Write
from outfitter.policy.chain import PolicyError
from outfitter.policy.in_force import InForce, in_force, merged, scope_policies, selected_policies
from outfitter.policy.published import effective_spec
from outfitter.policy.selection import policy_source
from outfitter.problems import Problem, note, stalled
from outfitter.reasons import Reason
from outfitter.resolve.scope import namespaces_in_scope, reach, scope_problem
from outfitter.snapshot import CachedObject, Key, Reader, Resource
from outfitter.status import StatusInput

EFFECTIVE: Final = "EffectivePolicy"
_NOT_SERVED: Final = (
    "The API server does not serve EffectivePolicy, so nothing is rejected at apply time. Ask an administrator to "
    "install the CustomResourceDefinitions of this version."
)


def plan_policy(reader: Reader, policy: Resource) -> Plan:
    """Plan a WorkloadPolicy: check it by itself and under the wider ones. Its projects get their EffectivePolicy."""
    system = reader.settings.system_namespace
    workload_type = policy.body["spec"].get("workloadType", "")
    problems = [found] if (found := scope_problem(policy, system)) else []
    chain, older = scope_policies(reader, policy)
    if older is not None:
        text = f"{older.key} is older and for the same scope and type. Move the rules there, or delete one of the two."
        problems.append(stalled(Reason.DUPLICATE_POLICY, text))
    own = policy_source(policy, system)
    counts = merged(reader, chain, policy.live.namespace, workload_type, {})
    errors = [*(error for error in counts.errors if error.source == own), *_narrow(counts, policy, system)]
    problems += _problems(errors)
    projects = [] if problems and older is not None else list(namespaces_in_scope(reader, policy))
    faults = [error for error in errors if not error.conflict]
    facts = {
        "errors": [_fault(error) for error in faults[:LISTED_ERRORS]] or None,
        "conflicts": [_conflict(error) for error in errors if error.conflict][:LISTED_ERRORS] or None,
        "affects": {"projects": len(projects), "workloads": len(reader.users)},
    }
    serious = [problem for problem in problems if problem.reason is not Reason.POLICY_CONFLICT]
    served = reader.serves(EFFECTIVE)
    missing = {
        Key(EFFECTIVE, namespace, workload_type)
        for namespace in projects
        if served and reader.get_untracked(EFFECTIVE, namespace, workload_type) is None
    }
    if not served:
        problems.append(note(Reason.NOT_ENFORCED, _NOT_SERVED))
    status = StatusInput(not serious, Reason.VALID, "", tuple(problems), facts, (0 if serious else 1, 1))
    return Plan(status, also_reconcile=frozenset(missing))


def _narrow(counts: InForce, policy: Resource, system: str) -> Iterator[PolicyError]:
    """Yield the imposed DataSources that are not there for every project of the policy."""
    own, where = policy_source(policy, system), reach(policy, system)
    if where.type == "project":
        return
    for asset in counts.assets.values():
        has = reach(asset, system)
        if has != where and has.type not in ("cluster", "tenant"):
            unit = f"{has.type} {has.name}".rstrip()
            text = f"{asset.key} has scope {unit}, so some projects of the policy do not have it. Change its scope."
            yield PolicyError(own, f"imposedAssets[{asset.live.name}]", "asset-missing", text)


def _problems(errors: list[PolicyError]) -> Iterator[Problem]:
    for error in errors:
        if error.conflict:
            yield note(Reason.POLICY_CONFLICT, error.message, error.field)
        else:
            yield stalled(Reason.INVALID_SPEC, error.message, f"{error.field} ({error.reason})")


def _fault(error: PolicyError) -> dict[str, Any]:
    return {"field": error.field, "reason": error.reason, "message": error.message}


def _conflict(error: PolicyError) -> dict[str, Any]:
    return {"field": error.field, "owner": error.owner, "message": error.message}


def plan_effective(reader: Reader, namespace: str, workload_type: str) -> tuple[Write, ...]:
    """Return the write that makes the EffectivePolicy of a project equal to what its policies say; none if it is."""
    if not reader.serves(EFFECTIVE):
        return ()
    found = reader.get(EFFECTIVE, namespace, workload_type)
    place = reader.get("Namespace", "", namespace)
    gone = place is None or place.deleting
    if gone or not selected_policies(reader, namespace, workload_type).policies:
        return (Delete(found),) if found is not None and not found.deleting and not gone else ()
    metadata = {
        "name": workload_type,
        "namespace": namespace,
        "labels": {LABEL_MANAGED_BY: MANAGED_BY, LABEL_WORKLOAD_TYPE: workload_type},
        "annotations": {ANNOTATION_INSTALLATION: reader.settings.installation},
    }
    spec = effective_spec(in_force(reader, namespace, workload_type).policy)
    want = stamp({"apiVersion": API_VERSION, "kind": EFFECTIVE, "metadata": metadata, "spec": spec})
    if found is None:
        return (Create(want),)
    return _replaced(reader, want, found)


def _replaced(reader: Reader, want: dict[str, Any], found: CachedObject) -> tuple[Write, ...]:
    """Return the write that replaces an EffectivePolicy, unless it is as it should be or another writer insists."""
    live, meta = found.body, want["metadata"]
    same = covers(meta, live["metadata"]) and without_empty(live.get("spec")) == want["spec"]
    if same or found.deleting:
        return ()
    both = {name: {**(live["metadata"].get(name) or {}), **meta[name]} for name in ("labels", "annotations")}
    whole = {**want, "metadata": {**meta, **both}}
    return () if overridden(reader, whole, found) else (Apply(whole, found.uid, whole=True),)
