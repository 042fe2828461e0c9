"""The home directory of a submission: where variable HOME says."""

from __future__ import annotations

from outfitter.api.v1alpha1.workload import WorkloadFields


def home_variable(spec: WorkloadFields) -> str | None:
    """Return the plain value of variable HOME, "" if it has none; None without such a variable."""
    given = next((item for item in spec.environment_variables if item.name == "HOME" and not item.exclude), None)
    return None if given is None else given.value or ""


def usable_home(path: str) -> bool:
    """Return whether a directory can be mounted at a value of HOME: the kubelet expands no variables in mount paths."""
    return path.startswith("/") and path.strip("/") != "" and "$(" not in path
