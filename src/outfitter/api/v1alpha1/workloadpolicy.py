"""WorkloadPolicy: defaults, rules and imposed assets for one workload type and scope."""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final

from pydantic import Field

from outfitter.api.base import Column, CustomResource, Model
from outfitter.api.rules import Node, Rule, Transition
from outfitter.api.types import Message, StatusName, list_atomic
from outfitter.api.v1alpha1.asset import SCOPE_KEPT, Description, Scope, Status, WorkloadType
from outfitter.api.v1alpha1.policyfields import SECTIONS, policy_fields
from outfitter.api.v1alpha1.policyschema import defaults_schema, imposed_schema, rules_schema

LISTED_ERRORS = 64
"""Most errors and conflicts in a status; the others are counted in the message."""
_PLAIN: Final = tuple(name for name, sections in SECTIONS.items() if "" in sections)
_PARTS: Final = ("defaults", "rules")


@dataclass(frozen=True)
class LazySchema:
    """Gives a field a schema that is made when it is asked for: it is large, and the operator does not need it."""

    make: Callable[[], dict[str, Any]]

    def __get_pydantic_json_schema__(self, _core: Any, _handler: Any) -> dict[str, Any]:
        """Return the schema; the caller modifies it."""
        return deepcopy(self.make())


Defaults = Annotated[dict[str, Any], LazySchema(defaults_schema)]
Rules = Annotated[dict[str, Any], LazySchema(rules_schema)]
Imposed = Annotated[Any, LazySchema(imposed_schema)]


def _given(node: Any, path: str) -> Any:
    for part in path.split("."):
        node = node.get(part) if isinstance(node, Mapping) else None
    return node


def _has(path: str) -> str:
    """Return CEL that is true where a field, and all objects above it, are set."""
    parts = path.split(".")
    return " && ".join(f"has(self.{'.'.join(parts[:end])})" for end in range(1, len(parts) + 1))


def _some_of(types: tuple[str, ...]) -> str:
    return f"self.workloadType in {list(types)}"


def _only_for(path: str, types: tuple[str, ...]) -> Rule:
    def check(spec: Node) -> bool:
        return spec.get("workloadType") in types or all(_given(spec, f"{part}.{path}") is None for part in _PARTS)

    listed = " and ".join(types) if types else "no type"
    absent = " && ".join(f"!({_has(f'{part}.{path}')})" for part in _PARTS)
    text = f"Only {listed} workloads have {path}. Remove it from defaults and rules, or change workloadType."
    return Rule(f"{_some_of(types)} || ({absent})", text, check, reason="FieldValueForbidden")


def _types_with(path: str) -> tuple[str, ...]:
    """Return the types, other than distributed, that have a field or a group of this path."""
    return tuple(
        name for name in _PLAIN if any(known == path or known.startswith(f"{path}.") for known in policy_fields(name))
    )


def _partial_paths() -> Iterator[str]:
    """Yield the widest group or field that only some of the types have."""
    seen = set()
    for name in _PLAIN:
        for path in policy_fields(name):
            parts = path.split(".")
            wider = [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
            found = next((part for part in wider if len(_types_with(part)) < len(_PLAIN)), None)
            if found is not None and found not in seen:
                seen.add(found)
                yield found


def _item_rules() -> Iterator[Rule]:
    """Yield a rule for each field of an item that only some of the types have, unless its default is false."""
    for path, table in policy_fields(_PLAIN[0]).items():
        for name in table.content:
            types = tuple(kind for kind in _PLAIN if name in _content(kind, path))
            if types and len(types) < len([kind for kind in _PLAIN if path in policy_fields(kind)]):
                yield _only_in_items(path, name, types)


def _content(workload_type: str, path: str) -> Mapping[str, Any]:
    table = policy_fields(workload_type).get(path)
    return table.content if table else {}


def _only_in_items(path: str, name: str, types: tuple[str, ...]) -> Rule:
    def check(spec: Node) -> bool:
        if spec.get("workloadType") in (*types, "distributed"):
            return True
        defaults = _given(spec, f"defaults.{path}") or {}
        items = [_given(defaults, "attributes") or {}, *(_given(defaults, "instances") or [])]
        return _given(spec, f"rules.{path}.attributes.{name}") is None and not any(item.get(name) for item in items)

    attribute, rule = f"defaults.{path}.attributes.{name}", f"rules.{path}.attributes.{name}"
    instances = f"defaults.{path}.instances"
    cel = (
        f"{_some_of((*types, 'distributed'))} || (!({_has(rule)}) && (!({_has(attribute)}) || !self.{attribute}) && "
        f"(!({_has(instances)}) || self.{instances}.all(i, !has(i.{name}) || !i.{name})))"
    )
    text = f"Only {', '.join(types)} and distributed workloads have {name} in {path}. Remove it, or set it to false."
    return Rule(cel, text, check, reason="FieldValueForbidden")


def _sections() -> Iterator[Rule]:
    names = tuple(SECTIONS["distributed"])
    plain = tuple(dict.fromkeys(path.partition(".")[0] for name in _PLAIN for path in policy_fields(name)))
    for part in _PARTS:

        def no_sections(spec: Node, part: str = part) -> bool:
            given = spec.get(part) or {}
            return spec.get("workloadType") == "distributed" or not any(name in given for name in names)

        def no_fields(spec: Node, part: str = part) -> bool:
            given = spec.get(part) or {}
            return spec.get("workloadType") != "distributed" or not any(name in given for name in plain)

        unset = f"self.workloadType == 'distributed' || !has(self.{part}) || "
        yield Rule(
            unset + "(" + " && ".join(f"!has(self.{part}.{name})" for name in names) + ")",
            f"Only distributed workloads have a worker and a master. Move the fields of {part} out of them.",
            no_sections,
            field=part,
            reason="FieldValueForbidden",
        )
        unset = f"self.workloadType != 'distributed' || !has(self.{part}) || "
        yield Rule(
            unset + "(" + " && ".join(f"!has(self.{part}.{name})" for name in plain) + ")",
            f"A distributed workload has a worker and a master. Move the fields of {part} into worker and master.",
            no_fields,
            field=part,
            reason="FieldValueForbidden",
        )


class WorkloadPolicySpec(Model):
    """Defaults, rules and imposed assets for one workload type."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        *_sections(),
        *(_only_for(path, _types_with(path)) for path in _partial_paths()),
        *_item_rules(),
    )
    TRANSITIONS: ClassVar[tuple[Transition, ...]] = (SCOPE_KEPT,)

    description: Description | None = None
    """Purpose, in 1 to 250 characters."""
    scope: Scope | None = None
    """Namespaces that it applies to. Default: its own; for a policy in the operator's namespace, the whole cluster.
    Cannot change after creation.
    """
    workload_type: WorkloadType
    """The type of workloads that it applies to. Only the oldest policy of a scope and type counts."""
    defaults: Defaults | None = None
    """Values for fields that a workload does not set; the narrowest scope wins. Itemized fields such as `labels` have
    `instances` (items to add) and `attributes` (values for every item). For distributed: in `worker` and `master`.
    """
    field_rules: Annotated[Rules | None, Field(alias="rules")] = None
    """Limits on the final values, by field: required, canEdit, options, min, max, step and defaultFrom, as the type of
    the field allows; for itemized fields canAdd and locked in `instances`, and rules of fields in `attributes`. The
    widest scope with a rule for a field wins. For distributed: in `worker` and `master`.
    """
    imposed_assets: Imposed | None = None
    """DataSources to mount into every workload, each with name, and with scope to pin the level: a list; for
    distributed, lists in `worker` and `master`. Users cannot exclude them. They cannot refer to a credential.
    """


class PolicyFault(Model):
    """One error of a policy."""

    field: StatusName
    """Field of the policy, without defaults or rules in front."""
    reason: StatusName
    """Reason in one word, such as min-above-max."""
    message: Message = ""
    """What is wrong, and what to do."""


class PolicyConflict(Model):
    """One field that a wider policy owns."""

    field: StatusName
    """Field of the policy, without defaults or rules in front."""
    owner: StatusName
    """The WorkloadPolicy that owns it, as namespace and name."""
    message: Message = ""
    """What is wrong, and what to do."""


class Affects(Model):
    """How far a policy reaches."""

    projects: Annotated[int, Field(ge=0)] = 0
    """Namespaces that it applies to."""
    workloads: Annotated[int, Field(ge=0)] = 0
    """Workloads that run with an older version of it."""


class WorkloadPolicyStatus(Status):
    """State of the policy."""

    errors: Annotated[tuple[PolicyFault, ...], list_atomic(LISTED_ERRORS)] = ()
    """Errors, at most 64. Until they are corrected, no workload in the scope gets a new revision."""
    conflicts: Annotated[tuple[PolicyConflict, ...], list_atomic(LISTED_ERRORS)] = ()
    """Fields that a wider policy owns, at most 64. They have no effect here."""
    affects: Affects | None = None
    """How far it reaches."""


class WorkloadPolicy(CustomResource):
    """Defaults and rules for the workloads of one type, in a project, a department or the whole cluster."""

    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column(name="Type", path=".spec.workloadType"),
        Column(name="Scope", path=".spec.scope.type"),
        Column(name="Ready", path=".status.conditions[?(@.type=='Ready')].status"),
        Column(name="Reason", path=".status.conditions[?(@.type=='Ready')].reason"),
        Column(name="Projects", path=".status.affects.projects", type="integer"),
        Column(name="Outdated", path=".status.affects.workloads", type="integer", wide=True),
        Column(name="Status", path=".status.syncStatus", wide=True),
        Column(name="Message", path=".status.message", wide=True),
    )
    SELECTABLE: ClassVar[tuple[str, ...]] = (
        ".spec.workloadType",
        ".spec.scope.type",
        ".status.syncStatus",
        ".status.createdBy",
        ".status.updatedBy",
    )

    spec: WorkloadPolicySpec
    """Desired state."""
    status: WorkloadPolicyStatus = WorkloadPolicyStatus()
    """Observed state. Only the operator writes it."""
