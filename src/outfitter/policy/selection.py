"""Which WorkloadPolicies count in a namespace, from wide to narrow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from outfitter.api.refs import DataSourceRef
from outfitter.naming import LABEL_DEPARTMENT, LABEL_PROJECT
from outfitter.policy.chain import SCOPES, Policy
from outfitter.policy.imposed import KINDS, ImposedAsset, imposed_references
from outfitter.policy.rule import Source
from outfitter.resolve.scope import reach
from outfitter.snapshot import Resource


@dataclass(frozen=True)
class Selected:
    """The policies of one workload type that count in a namespace."""

    policies: tuple[Resource, ...]
    """From wide to narrow, one for each scope."""
    duplicates: tuple[tuple[Resource, Resource], ...]
    """Policies without effect, each with the older one of the same scope."""


def select(
    policies: Iterable[Resource], namespace: str, labels: Mapping[str, str], system_namespace: str, workload_type: str
) -> Selected:
    """Return the policies of a type that reach a namespace with these labels; of two in one scope, the older counts."""
    found: dict[str, Resource] = {}
    duplicates = []
    for policy in sorted(policies, key=_age):
        if policy.body["spec"].get("workloadType") != workload_type:
            continue
        if not _reaches(policy, namespace, labels, system_namespace):
            continue
        scope = reach(policy, system_namespace).type
        older = found.setdefault(scope, policy)
        if older is not policy:
            duplicates.append((policy, older))
    ordered = sorted(found, key=SCOPES.index)
    return Selected(tuple(found[scope] for scope in ordered), tuple(duplicates))


def _age(policy: Resource) -> tuple[str, str]:
    return (policy.model.metadata.creation_timestamp or "", policy.live.name)


def _reaches(policy: Resource, namespace: str, labels: Mapping[str, str], system_namespace: str) -> bool:
    where = reach(policy, system_namespace)
    if where.type == "project":
        return policy.live.namespace == namespace
    if policy.live.namespace != system_namespace or LABEL_PROJECT not in labels:
        return False
    return where.type != "department" or labels.get(LABEL_DEPARTMENT) == where.name


def policy_source(policy: Resource, system_namespace: str) -> Source:
    """Return the source that defaults and rules of a policy have."""
    where = reach(policy, system_namespace)
    unit = policy.live.namespace if where.type == "project" else where.name
    return Source(where.type, unit, f"{policy.live.namespace}/{policy.live.name}")


def to_policy(
    policy: Resource, system_namespace: str, find: Callable[[str, DataSourceRef], Mapping[str, Any] | None]
) -> Policy:
    """Return a WorkloadPolicy as a part of a chain.

    `find` gets the namespace of the policy and a reference, and returns the spec of the DataSource, or None where it
    does not exist or cannot be used.
    """
    spec = policy.body["spec"]
    imposed = tuple(
        data_source_asset(section, ref, find(policy.live.namespace, ref))
        for section, ref in imposed_references(spec, spec["workloadType"])
    )
    return Policy(policy_source(policy, system_namespace), spec["workloadType"], spec, imposed)


def data_source_asset(section: str, ref: DataSourceRef, spec: Mapping[str, Any] | None) -> ImposedAsset:
    """Return an imposed asset from the spec of its DataSource; None for one that does not exist."""
    kind = next((kind for kind in KINDS if spec and spec.get(kind)), "")
    volume: dict[str, Any] = {"id" if kind == "dataVolume" else "name": ref.name}
    if kind and spec:
        volume = {**spec[kind], **volume}
    return ImposedAsset(ref.name, kind, volume if kind else {}, scope=ref.scope or "", section=section)
