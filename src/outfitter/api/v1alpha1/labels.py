"""Labels and annotations for the objects that Outfitter creates."""

from typing import Annotated, ClassVar

from pydantic import Field

from outfitter.api.base import Model
from outfitter.api.types import LabelValue, QualifiedName, list_map


class LabelItem(Model):
    """A label for the pods."""

    PARTIAL: ClassVar[bool] = True
    MANDATORY: ClassVar[tuple[str, ...]] = ("value",)

    name: Annotated[QualifiedName, Field(max_length=317)]
    """Key of the label; the part after the slash has at most 63 characters."""
    value: LabelValue | None = None
    """Value of the label."""
    exclude: bool | None = None
    """Drop the label of this name that would otherwise be inherited. Default: false."""


class AnnotationItem(Model):
    """An annotation for the pods."""

    PARTIAL: ClassVar[bool] = True
    MANDATORY: ClassVar[tuple[str, ...]] = ("value",)

    name: QualifiedName
    """Key of the annotation; the part after the slash has at most 63 characters."""
    value: Annotated[str, Field(max_length=16384)] | None = None
    """Value of the annotation."""
    exclude: bool | None = None
    """Drop the annotation of this name that would otherwise be inherited. Default: false."""


Labels = Annotated[tuple[LabelItem, ...], list_map("name", 64)]
Annotations = Annotated[tuple[AnnotationItem, ...], list_map("name", 64)]
