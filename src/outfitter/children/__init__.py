"""The kinds of objects that Outfitter creates or watches next to its own."""

from outfitter.children.kinds import CHILD_KINDS, ApiResource, ChildKind, Immutable, Watch, child_kind
from outfitter.children.projection import Body, Projection, whole

__all__ = [
    "CHILD_KINDS",
    "ApiResource",
    "Body",
    "ChildKind",
    "Immutable",
    "Projection",
    "Watch",
    "child_kind",
    "whole",
]
