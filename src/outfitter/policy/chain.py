"""The policies of one project, from wide to narrow -> the effective policy, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from outfitter.api.v1alpha1.policyfields import SECTIONS, policy_fields
from outfitter.policy.declared import declared_sections
from outfitter.policy.effective import EffectivePolicy
from outfitter.policy.imposed import ImposedAsset, imposed_fault
from outfitter.policy.rule import OWNED, Source
from outfitter.policy.section import Layer, SectionMerge

SCOPES: Final = ("system", "tenant", "cluster", "department", "project")
"""Scopes from wide to narrow."""


@dataclass(frozen=True)
class Policy:
    """One WorkloadPolicy of a chain."""

    source: Source
    workload_type: str
    spec: Mapping[str, Any]
    """Its `defaults` and `rules`."""
    imposed: tuple[ImposedAsset, ...] = ()
    """Its imposed assets, resolved by the caller."""


@dataclass(frozen=True)
class PolicyError:
    """One thing that is wrong with a policy, by itself or below the wider ones."""

    source: Source
    field: str
    reason: str
    message: str
    owner: str = ""
    """In a conflict, namespace and name of the wider policy."""

    @property
    def conflict(self) -> bool:
        """Whether a wider policy wins. The rest of the policy counts; any other error makes the policy invalid."""
        return self.reason.startswith(OWNED)

    def __str__(self) -> str:
        """Name the policy, the field, the error."""
        return f"{self.source}: {self.field}: {self.message}" if self.field else f"{self.source}: {self.message}"


def effective_policy(chain: Iterable[Policy], workload_type: str) -> tuple[EffectivePolicy, tuple[PolicyError, ...]]:
    """Merge the policies of a chain for a workload type; the errors say which parts of them do not count."""
    policies = sorted(
        (policy for policy in chain if policy.workload_type == workload_type),
        key=lambda policy: SCOPES.index(policy.source.scope),
    )
    declared = [declared_sections(workload_type, policy.spec) for policy in policies]
    errors = [
        PolicyError(policy.source, *fault)
        for policy, (_, faults) in zip(policies, declared, strict=True)
        for fault in faults
    ]
    sections = {}
    for section in SECTIONS[workload_type]:
        layers = [
            Layer(number, policy.source, found[section])
            for number, (policy, (found, _)) in enumerate(zip(policies, declared, strict=True))
        ]
        merge = SectionMerge(layers, policy_fields(workload_type, section), f"{section}." if section else "")
        compiled = merge.section()
        errors += [PolicyError(*error) for error in merge.errors]
        imposed, found_errors = _imposed(policies, section)
        errors += found_errors
        sections[section] = replace(compiled, imposed=imposed)
    unique = {(error.source, error.field, error.reason): error for error in reversed(errors)}
    ordered = sorted(unique.values(), key=lambda error: (SCOPES.index(error.source.scope), error.field, error.reason))
    return EffectivePolicy(workload_type, sections), tuple(ordered)


def _imposed(policies: list[Policy], section: str) -> tuple[tuple[ImposedAsset, ...], list[PolicyError]]:
    """Return the imposed assets; of two with the same name or mount path, that of the wider policy counts."""
    found: list[ImposedAsset] = []
    errors = []
    where = f"{section}.imposedAssets" if section else "imposedAssets"
    for policy in policies:
        for asset in policy.imposed:
            if asset.section != section:
                continue
            own = replace(asset, source=policy.source)
            other = next((item for item in found if item.name == own.name or item.mount_path == own.mount_path), None)
            fault = imposed_fault(asset) or (_in_the_way(own, other) if other else None)
            if fault:
                owner = other.source.policy if other and fault[0].startswith(OWNED) else ""
                errors.append(PolicyError(policy.source, f"{where}[{asset.name}]", *fault, owner))
            elif other is None:
                found.append(own)
    return tuple(found), errors


def _in_the_way(own: ImposedAsset, other: ImposedAsset) -> tuple[str, str] | None:
    """Return why an asset cannot be imposed beside another one; None if both are the same."""
    if (own.name, own.storage, own.volume) == (other.name, other.storage, other.volume):
        return None
    same = f"DataSource {own.name}" if own.name == other.name else f"mount path {own.mount_path}"
    if own.source == other.source:
        text = f"{same} is imposed twice. Remove one of the entries."
        return "rule-unsupported", text
    text = f"{other.source} imposes another DataSource with the same {'name' if own.name == other.name else 'path'}, "
    return f"{OWNED}{other.source.scope}", f"{text}and the wider scope wins. Remove the entry from this policy."
