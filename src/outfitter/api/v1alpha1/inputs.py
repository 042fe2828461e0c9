"""Fields of a spec that decide nothing of what a workload runs: who changes them does not become its author."""

from typing import Final

NOT_INPUTS: Final = (
    "suspend", "replicas", "autoscaling", "description", "displayName", "tags", "locked", "version", "repositoryRef",
    "templateId",
)  # fmt: skip
"""Fields of the spec of a workload or definition, and of `run`."""
GROUP_SIZE: Final = ("replicas", "autoscaling")
"""Fields of each item of `containerGroups`."""
