"""On which nodes a pod may run."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from outfitter.api.base import Model
from outfitter.api.patterns import matches
from outfitter.api.rules import Rule
from outfitter.api.types import ItemName, LabelValue, PositiveInt32, QualifiedName, list_atomic, list_map

_WHOLE_NUMBER = "^[0-9]{1,18}$"


class MatchExpression(Model):
    """One requirement on a label of the node."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.operator in ['Exists', 'DoesNotExist'] ? !has(self.values) || size(self.values) == 0 : "
            "has(self.values) && size(self.values) > 0",
            "In, NotIn, Gt and Lt need values, and Exists and DoesNotExist allow none. Set or remove values.",
            lambda item: (item.get("operator") in ("Exists", "DoesNotExist")) != bool(item.get("values")),
            field="values",
        ),
        Rule(
            "!(self.operator in ['Gt', 'Lt']) || (has(self.values) && size(self.values) == 1)",
            "Gt and Lt compare with exactly one value, a whole number. Correct values.",
            lambda item: item.get("operator") not in ("Gt", "Lt") or len(item.get("values", ())) == 1,
            field="values",
        ),
        Rule(
            "!(self.operator in ['Gt', 'Lt']) || !has(self.values) || size(self.values) == 0 || "
            f"self.values[0].matches('{_WHOLE_NUMBER}')",
            "Gt and Lt compare whole numbers. Set a value of 1 to 18 digits.",
            lambda item: (
                item.get("operator") not in ("Gt", "Lt")
                or all(matches(_WHOLE_NUMBER, value) for value in item.get("values", ())[:1])
            ),
            field="values",
        ),
    )

    key: QualifiedName
    """Key of the label."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]
    """Operator of the comparison."""
    values: Annotated[tuple[LabelValue, ...], list_atomic(64)] = ()
    """Values of the comparison."""


class NodeSelectorTerm(Model):
    """Requirements that a node must all meet."""

    match_expressions: Annotated[tuple[MatchExpression, ...], list_atomic(32)] = ()
    """Requirements on labels of the node."""


class NodeAffinityRequired(Model):
    """The nodes a pod may run on."""

    node_selector_terms: Annotated[tuple[NodeSelectorTerm, ...], list_atomic(16)] = ()
    """Alternatives: a node must satisfy at least one of them."""


class PodAffinity(Model):
    """Affinity between the pods of a workload."""

    PARTIAL: ClassVar[bool] = True
    MANDATORY: ClassVar[tuple[str, ...]] = ("key",)

    type: Literal["Required", "Preferred"] | None = None
    """`Required` (default): the pod waits for such a node. `Preferred`: it prefers one."""
    key: QualifiedName | None = None
    """Label of nodes with the topology domain, such as `topology.kubernetes.io/zone`. Required."""


class Toleration(Model):
    """Permission to run on nodes with a taint."""

    PARTIAL: ClassVar[bool] = True
    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.operator) || self.operator != 'Exists' || !has(self.value)",
            "operator Exists allows no value. Remove value.",
            lambda item: item.get("operator") != "Exists" or "value" not in item,
            field="value",
        ),
        Rule(
            "!has(self.seconds) || !has(self.effect) || self.effect == 'NoExecute'",
            "seconds is valid only for effect NoExecute. Remove seconds, or change effect.",
            lambda item: "seconds" not in item or item.get("effect", "NoExecute") == "NoExecute",
            field="seconds",
        ),
        Rule(
            "has(self.key) || (has(self.operator) && self.operator == 'Exists')",
            "The toleration has no key. Set key, or set operator to Exists to tolerate every taint.",
            lambda item: "key" in item or item.get("operator") == "Exists",
            field="key",
            reason="FieldValueRequired",
            complete=True,
        ),
        Rule(
            "(has(self.operator) && self.operator == 'Exists') || has(self.value)",
            "operator Equal needs value. Set value, or change operator.",
            lambda item: item.get("operator") == "Exists" or "value" in item,
            field="value",
            reason="FieldValueRequired",
            complete=True,
        ),
    )

    name: ItemName
    """Name of this toleration for policies, unique in the list."""
    operator: Literal["Equal", "Exists"] | None = None
    """`Equal` (default): the taint has this value. `Exists`: any value."""
    key: QualifiedName | None = None
    """Key of the taint."""
    value: LabelValue | None = None
    """Value of the taint. Required for Equal, rejected for Exists."""
    effect: Literal["NoSchedule", "NoExecute", "PreferNoSchedule", "Any"] | None = None
    """Effect of the taint. Default: Any."""
    seconds: PositiveInt32 | None = None
    """Seconds that the pod stays after the taint appears. Default: no limit. Only for effect NoExecute."""
    exclude: bool | None = None
    """Drop the toleration of this name that would otherwise be inherited. Default: false."""


NodePools = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=63)], ...], list_atomic(32)]
Tolerations = Annotated[tuple[Toleration, ...], list_map("name", 32)]
