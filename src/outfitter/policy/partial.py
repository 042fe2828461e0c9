"""Defaults of a policy for a part of an object that a workload does not have."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Final

from outfitter.api.base import Model
from outfitter.api.validation import incomplete
from outfitter.policy.values import drop, get

_ALONE: Final[Mapping[str, tuple[str, ...]]] = {"autoscaling": ("maxReplicas", "metric")}
"""Objects whose fields are all optional -> those that ask for the object by themselves."""


_OPTIONAL: Final = ("probes", "podAffinity")
"""Objects that are nothing without some of their fields, and that a workload need not have."""


def without_partial_defaults(model: type[Model], fields: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields without objects that defaults began and cannot complete, such as a probe without a handler.

    A default for the period of a probe is for the workloads that have a probe. `given`: what the workload sets.
    """
    result = deepcopy(fields)
    for name, wanted in _ALONE.items():
        if name in result and not given.get(name) and not any(part in result[name] for part in wanted):
            del result[name]
    for error in incomplete(model, result):
        steps = [str(step) for step in error.path]
        if not steps or steps[0] not in _OPTIONAL:
            continue
        for length in range(1, len(steps) + 1):
            path = steps[:length]
            if isinstance(get(result, path), Mapping) and not get(given, path):
                drop(result, path)
                break
    return result
