"""The ValidatingAdmissionPolicies that the chart installs, by the value that switches each on, and what they share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from outfitter.codegen.admission import deletion as protect
from outfitter.codegen.admission import namespace_labels as assign
from outfitter.codegen.admission import requester_rights as requester

POLICIES: Final[Mapping[str, Callable[[], dict[str, Any]]]] = {
    "protect": protect.policy_spec,
    "labels": assign.policy_spec,
    "requester": requester.policy_spec,
}
"""`admission.<name>.enabled` in the values -> the spec of the policy."""


def files() -> Iterable[tuple[str, str, dict[str, Any]]]:
    """Name of each policy's file in the chart, the module that it is made by, and its content."""
    for name, spec in POLICIES.items():
        module = spec.__module__.replace(".", "/")
        yield f"{name}.yaml", f"src/{module}.py", spec()
