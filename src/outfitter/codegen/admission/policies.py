"""The ValidatingAdmissionPolicies of the chart, by the value that switches each on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from outfitter.codegen.admission import (
    deletion,
    effective_policies,
    identity,
    namespace_labels,
    offers,
    operator_account,
    project_policy,
    requester_rights,
    share,
)

POLICIES: Final[Mapping[str, Callable[[], dict[str, Any]]]] = {
    "protect": deletion.policy_spec,
    "labels": namespace_labels.policy_spec,
    "requester": requester_rights.policy_spec,
    "share": share.policy_spec,
    "operator": operator_account.policy_spec,
    "effective": effective_policies.policy_spec,
    "offers": offers.policy_spec,
    "origins": offers.origins_spec,
    "readers": offers.readers_spec,
}
"""NAME of `admission.NAME.enabled` in the values -> spec of the policy. Clusters hold policies of these names."""


PROJECT_POLICIES: Final = tuple(f"policy-{name}" for name in project_policy.judged())
"""Names of the policies that `policy.admission` in the values switches."""


IDENTITY_POLICIES: Final[Mapping[str, Callable[[], dict[str, Any]]]] = {
    "identity": identity.policy_spec,
    "identity-guard": identity.guard_spec,
}
"""The policies that `identity.enabled` in the values switches, by name: the one that mutates comes first."""


def files() -> Iterable[tuple[str, str, dict[str, Any]]]:
    """Yield the name of each policy's file in the chart, the path of its module, and its content."""
    for name, spec in {**POLICIES, **IDENTITY_POLICIES}.items():
        module = spec.__module__.replace(".", "/")
        yield f"{name}.yaml", f"src/{module}.py", spec()
    for name, subject in zip(PROJECT_POLICIES, project_policy.judged().values(), strict=True):
        module = project_policy.__name__.replace(".", "/")
        yield f"{name}.yaml", f"src/{module}.py", project_policy.policy_spec(*subject)
