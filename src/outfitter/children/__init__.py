"""The kinds of objects that Outfitter creates or watches next to its own."""

from outfitter.children.kinds import CHILD_KINDS, ApiResource, ChildKind, Immutable, Watch, child_kind
from outfitter.children.projection import whole
from outfitter.children.readiness import observe

__all__ = [
    "CHILD_KINDS",
    "ApiResource",
    "ChildKind",
    "Immutable",
    "Watch",
    "child_kind",
    "observe",
    "whole",
]
