"""Which policies count in a project, and what they say together about one type of workload."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import orjson

from outfitter.api.refs import DataSourceRef
from outfitter.naming import LABEL_DEPARTMENT, LABEL_PROJECT
from outfitter.policy.chain import Policy, PolicyError, effective_policy
from outfitter.policy.effective import EffectivePolicy
from outfitter.policy.rule import Source
from outfitter.policy.selection import Selected, select, to_policy
from outfitter.problems import Problem
from outfitter.resolve.scope import covers, find, reach
from outfitter.snapshot import Reader, Resource


@dataclass(frozen=True)
class _Chain:
    """Policies with their imposed assets; equal if these and their content are."""

    content: bytes
    sources: tuple[Source, ...]
    workload_type: str
    policies: tuple[Policy, ...] = field(compare=False)


@lru_cache(maxsize=1024)
def _merged(chain: _Chain) -> tuple[EffectivePolicy, tuple[PolicyError, ...]]:
    """Merge a chain, once for all projects and workloads that have it."""
    return effective_policy(chain.policies, chain.workload_type)


@dataclass(frozen=True)
class InForce:
    """What the policies of a project say about one type of workload."""

    policy: EffectivePolicy
    errors: tuple[PolicyError, ...]
    resources: tuple[Resource, ...]
    """The policies, from wide to narrow."""
    assets: Mapping[str, Resource]
    """Imposed DataSources by name."""

    @property
    def invalid(self) -> tuple[PolicyError, ...]:
        """Return the errors for which nothing may start; in a conflict the wider policy wins instead."""
        return tuple(error for error in self.errors if not error.conflict)


def in_force(reader: Reader, namespace: str, workload_type: str) -> InForce:
    """Return what counts in a namespace. A later change of any policy of the namespace or the system requeues."""
    selected = selected_policies(reader, namespace, workload_type)
    assets: dict[str, Resource] = {}
    return merged(reader, selected.policies, namespace, workload_type, assets)


def selected_policies(reader: Reader, namespace: str, workload_type: str) -> Selected:
    """Return the policies of one type that reach a namespace."""
    system, labels = reader.settings.system_namespace, reader.labels(namespace)
    wide = [("", ""), ("cluster", ""), ("tenant", ""), ("department", labels.get(LABEL_DEPARTMENT, ""))]
    found = reader.policies(namespace, workload_type, [*(wide if namespace == system else [("", "")]), ("project", "")])
    if namespace != system and LABEL_PROJECT in labels:
        found += reader.policies(system, workload_type, wide)
    return select(found, namespace, labels, system, workload_type)


def scope_policies(reader: Reader, policy: Resource) -> tuple[tuple[Resource, ...], Resource | None]:
    """Return a policy below the wider ones, and the older policy of its scope, if there is one."""
    system, workload_type = reader.settings.system_namespace, policy.body["spec"].get("workloadType", "")
    where = reach(policy, system)
    if where.type != "project" and policy.live.namespace != system:
        return (policy,), None
    if where.type == "project":
        chosen = selected_policies(reader, policy.live.namespace, workload_type)
    else:
        same = [(where.type, where.name), *([("", "")] if where.type == "cluster" else [])]
        wider = {"tenant": [], "cluster": ["tenant"], "department": ["tenant", "cluster"]}[where.type]
        scopes = [*((name, "") for name in wider), *([("", "")] if "cluster" in wider else []), *same]
        labels = {LABEL_PROJECT: "", LABEL_DEPARTMENT: where.name}
        chosen = select(reader.policies(system, workload_type, scopes), "", labels, system, workload_type)
    older = next((older for double, older in chosen.duplicates if double.live.uid == policy.live.uid), None)
    above = [each for each in chosen.policies if each.live.uid != (older or policy).live.uid]
    return (*above, policy), older


def merged(
    reader: Reader, policies: Sequence[Resource], namespace: str, workload_type: str, assets: dict[str, Resource]
) -> InForce:
    """Merge policies as they count in a namespace. `assets` gets the DataSources that they impose."""
    system = reader.settings.system_namespace

    def imposed(place: str, ref: DataSourceRef) -> Mapping[str, Any] | None:
        found = _imposed(reader, place, namespace, ref)
        if found is None:
            return None
        assets.setdefault(found.live.name, found)  # of two with one name, that of the wider policy counts
        spec: Mapping[str, Any] = found.body["spec"]
        return spec

    chain = tuple(to_policy(policy, system, imposed) for policy in policies)
    content = orjson.dumps([[policy.spec, [asset.volume for asset in policy.imposed]] for policy in chain])
    sources = tuple(policy.source for policy in chain)
    policy, errors = _merged(_Chain(content, sources, workload_type, chain))
    return InForce(policy, errors, tuple(policies), assets)


def _imposed(reader: Reader, place: str, namespace: str, ref: DataSourceRef) -> Resource | None:
    """Return an imposed DataSource as the author of the policy means it: never one that the project shadows it with."""
    if place == namespace:
        found = find(reader, "DataSource", namespace, ref, "")
        return None if isinstance(found, Problem) else found
    shared = reader.resource("DataSource", place, ref.name)
    if shared is None or shared.live.deleting or not covers(reader, shared, namespace):
        return None
    return shared if ref.scope in (None, reach(shared, place).type) else None
