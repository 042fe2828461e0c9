"""Base classes of all models: names of fields, parsing and serialization."""

from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from outfitter.api.rules import Rule, Transition
from outfitter.api.version import API_VERSION


def _kubernetes(schema: dict[str, Any], model: "type[Model]") -> None:
    """Complete the schema of a model: remove absent fields, add mandatory fields and rules."""
    for name in model.without():
        schema.get("properties", {}).pop(to_camel(name), None)
    if not model.PARTIAL:
        names = [to_camel(name) for name in model.MANDATORY]
        required = [*schema.get("required", ()), *(name for name in names if name not in schema.get("required", ()))]
        if required:
            schema["required"] = required
    kept = [rule.manifest() for rule in model.rules() if not (model.PARTIAL and rule.complete)]
    kept += [transition.manifest() for transition in model.transitions()]
    if kept:
        schema["x-kubernetes-validations"] = kept


class Model(BaseModel):
    """A part of the API.

    Parsing ignores unknown fields, because an older operator reads newer objects, and treats null as absent.
    """

    model_config = ConfigDict(
        frozen=True,
        populate_by_name=True,
        alias_generator=to_camel,
        extra="ignore",
        use_attribute_docstrings=True,
        json_schema_extra=_kubernetes,
    )

    RULES: ClassVar[tuple[Rule, ...]] = ()
    """Cross-field rules of this class; those of its bases apply as well."""
    TRANSITIONS: ClassVar[tuple[Transition, ...]] = ()
    """Changes that are forbidden after creation; those of its bases apply as well."""
    MANDATORY: ClassVar[tuple[str, ...]] = ()
    """Fields that a complete object must have; a partial one may omit them."""
    PARTIAL: ClassVar[bool] = False
    """True for inline fields: assets and policies may set absent fields, so mandatory fields are checked after the
    merge.
    """
    REFERS: ClassVar[Mapping[str, str]] = {}
    """String fields that name another object in the same namespace, with its kind."""
    WITHOUT: ClassVar[tuple[str, ...]] = ()
    """Optional fields of the bases that this class does not have. Code for the base class reads them as unset, and the
    rules of the bases about them do not apply.
    """

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, data: Any) -> Any:
        if data.__class__ is not dict and not isinstance(data, Mapping):  # an abstract class is slow to ask about
            return data
        gone = _spellings(cls)
        if None not in data.values() and gone.isdisjoint(data):
            return data
        return {key: value for key, value in data.items() if value is not None and key not in gone}

    @classmethod
    def without(cls) -> tuple[str, ...]:
        """Return the fields that the class or one of its bases omits."""
        return tuple(name for base in reversed(cls.__mro__) for name in vars(base).get("WITHOUT", ()))

    @classmethod
    def rules(cls) -> list[Rule]:
        """Return the rules of the class and its bases, each once."""
        found = (rule for base in reversed(cls.__mro__) for rule in vars(base).get("RULES", ()))
        gone = {to_camel(name) for name in cls.without()}
        return list(dict.fromkeys(rule for rule in found if rule.field not in gone))

    @classmethod
    def transitions(cls) -> list[Transition]:
        """Return the transitions of the class and its bases, each once."""
        found = (rule for base in reversed(cls.__mro__) for rule in vars(base).get("TRANSITIONS", ()))
        return list(dict.fromkeys(found))

    def to_dict(self) -> dict[str, Any]:
        """Return the object as a manifest: camelCase, only fields that are set."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)


@cache
def _spellings(model: type[Model]) -> frozenset[str]:
    """Return the fields that a model omits, in both spellings."""
    return frozenset(spelling for name in model.without() for spelling in (name, to_camel(name)))


class ObjectMeta(Model):
    """The part of Kubernetes metadata that the operator reads."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None


class Column(Model):
    """One column of `kubectl get`."""

    name: str
    path: str
    type: str = "string"
    wide: bool = False


class CustomResource(Model):
    """A custom resource as the API server stores it."""

    COLUMNS: ClassVar[tuple[Column, ...]] = ()
    """Columns of `kubectl get`, before Age."""
    SELECTABLE: ClassVar[tuple[str, ...]] = ()
    """Fields that `kubectl get --field-selector` accepts."""
    SCALE: ClassVar[str | None] = None
    """Path of the replicas that `kubectl scale` sets, if any."""

    api_version: str = API_VERSION
    kind: str = ""
    metadata: ObjectMeta = ObjectMeta()
    spec: Model
    status: Model = Model()

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Read an object from the API server; unknown fields are ignored."""
        return cls.model_validate(body)
