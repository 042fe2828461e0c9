"""One module per controller that runs pods; the list of kinds names the module of each kind."""

from outfitter.backends.base import (
    Backend,
    ControllerState,
    Progress,
    Run,
    backend_of,
    backend_that_runs,
    child_kinds,
    controller_kinds,
    pods_in_order,
    progress,
)

__all__ = [
    "Backend",
    "ControllerState",
    "Progress",
    "Run",
    "backend_of",
    "backend_that_runs",
    "child_kinds",
    "controller_kinds",
    "pods_in_order",
    "progress",
]
