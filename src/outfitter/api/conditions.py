"""Conditions and issues: the shape of every status."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from outfitter.api.base import Model
from outfitter.api.types import Message, StatusName


class Condition(Model):
    """One aspect of the state of an object."""

    MANDATORY: ClassVar[tuple[str, ...]] = ("message", "last_transition_time")

    type: Annotated[str, Field(min_length=1, max_length=63)]
    """Ready is always present. Reconciling and Stalled are present only while True."""
    status: Literal["True", "False", "Unknown"]
    """True, False or Unknown."""
    reason: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z]([A-Za-z0-9_]*[A-Za-z0-9])?$")]
    """Reason in CamelCase, which scripts may compare."""
    message: Message = ""
    """Cause, and the remedy where a user must act."""
    observed_generation: Annotated[int, Field(ge=0)] = 0
    """The `metadata.generation` that this condition was computed from."""
    last_transition_time: Annotated[str, Field(max_length=32, json_schema_extra={"format": "date-time"})] = ""
    """When `status` last changed, RFC 3339 in UTC."""


class Issue(Model):
    """One problem in one scope."""

    scope_type: Literal["project"]
    """Type of the affected scope: always project. An asset of wider scope has one issue for each namespace."""
    scope_id: StatusName
    """Namespace of the project."""
    issue: Annotated[str, Field(min_length=1, max_length=63)]
    """NotCreated: a dependency is missing or was not created. ReplicationError: the copy failed or is blocked.
    LostPhase: its volume is gone. Other reasons are about the object itself.
    """
    message: Message = ""
    """Cause and remedy."""
