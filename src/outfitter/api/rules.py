"""Cross-field rules: declared once beside their model, enforced by the API server (CEL) and offline (Python)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from outfitter.api.patterns import LOGIN_IN_URL_PATTERN, PATTERN_WORDS, matches
from outfitter.api.quantities import parse_quantity, quantity_cel

Node = Mapping[str, Any]
Reason = Literal["FieldValueInvalid", "FieldValueForbidden", "FieldValueRequired"]
"""FieldValueDuplicate is excluded: the API server drops its message."""


@dataclass(frozen=True)
class Rule:
    """One rule over one object of the API.

    `cel` and `check` are equivalent; both get the object without defaults.
    """

    cel: str
    message: str
    check: Callable[[Node], bool]
    field: str | None = None
    """Field of the error, relative to the object, in dotted camelCase."""
    reason: Reason = "FieldValueInvalid"
    complete: bool = False
    """Applies only to a complete object, not to inline fields, which an asset or a policy may complete."""
    alternatives: tuple[str, ...] = ()
    """Fields of which an object has one: setting another one replaces it."""

    def manifest(self) -> dict[str, str]:
        """Render the entry of `x-kubernetes-validations`."""
        entry = {"rule": self.cel, "message": self.message, "reason": self.reason}
        if self.field:
            entry["fieldPath"] = "." + self.field
        return entry


@dataclass(frozen=True)
class Transition:
    """One rule about a change of an object after its creation."""

    cel: str
    message: str
    check: Callable[[Node, Node], bool]
    """Called with the new object and the old one."""
    field: str | None = None
    reason: Reason = "FieldValueForbidden"

    def manifest(self) -> dict[str, str]:
        """Render the entry of `x-kubernetes-validations`."""
        entry = {"rule": self.cel, "message": self.message, "reason": self.reason}
        if self.field:
            entry["fieldPath"] = "." + self.field
        return entry


def frozen(field: str, remedy: str) -> Transition:
    """Forbid setting, changing or removing one optional field after creation."""

    def same(new: Node, old: Node) -> bool:
        return (field in new) == (field in old) and new.get(field) == old.get(field)

    cel = f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})"
    return Transition(cel, f"{field} cannot change after creation. {remedy}", same, field)


def at_least_a_mebibyte(field: str) -> Rule:
    """Refuse a size in bytes that was meant in another unit: nothing fits into it."""
    return Rule(
        f"!has(self.{field}) || {quantity_cel(f'self.{field}')}.compareTo(quantity('1Mi')) >= 0",
        f"{field} is less than 1Mi, and a number without a unit is bytes. Set a size such as 512Mi or 4Gi.",
        lambda node: field not in node or parse_quantity(node[field]) >= parse_quantity("1Mi"),
        field=field,
    )


def url_rules(field: str, pattern: str, without_login: str) -> tuple[Rule, Rule]:
    """Refuse what is no URL, and a URL with a user or password, which everybody who reads the object would see."""
    return (
        Rule(
            f"!has(self.{field}) || !self.{field}.matches(r'{LOGIN_IN_URL_PATTERN}')",
            f"{field} contains a user or password. {without_login} Put the login into a Credential.",
            lambda node: field not in node or not matches(LOGIN_IN_URL_PATTERN, node[field]),
            field=field,
        ),
        Rule(
            f"!has(self.{field}) || self.{field}.matches(r'{LOGIN_IN_URL_PATTERN}') || "
            f"self.{field}.matches(r'{pattern}')",
            f"{field} is no URL that can be used. {PATTERN_WORDS[pattern]}",
            lambda node: (
                field not in node or matches(LOGIN_IN_URL_PATTERN, node[field]) or matches(pattern, node[field])
            ),
            field=field,
        ),
    )


def inner_path(field: str) -> Rule:
    """Reject a path that leaves the folder in which it starts."""

    def check(node: Node) -> bool:
        path = node.get(field, "")
        return not path.startswith("/") and ".." not in path.split("/")

    return Rule(
        f"!has(self.{field}) || !self.{field}.matches(r'^/|(^|/)[.][.](/|$)')",
        f"{field} must stay inside the volume. Set a relative path without `..`.",
        check,
        field=field,
    )


def unique_names(field: str) -> Rule:
    """Allow each name once among the items of a list, whose names are optional."""

    def check(node: Node) -> bool:
        names = [item["name"] for item in node.get(field, ()) if "name" in item]
        return len(set(names)) == len(names)

    items = f"self.{field}"
    cel = f"!has({items}) || {items}.all(a, !has(a.name) || {items}.exists_one(b, has(b.name) && b.name == a.name))"
    return Rule(cel, f"Two items of {field} have the same name. Rename one of them.", check, field=field)


def positive(field: str) -> Rule:
    """Reject a quantity of zero."""
    return Rule(
        f"!has(self.{field}) || {quantity_cel(f'self.{field}')}.isGreaterThan(quantity('0'))",
        f"{field} must be more than 0. Set a size such as 10Gi.",
        lambda node: field not in node or parse_quantity(node[field]) > 0,
        field=field,
    )


def not_only_scaled(kind: str) -> Transition:
    """Forbid that a write of the scale subresource runs what was only a definition.

    The API server stores the default of `suspend` in every `run` that an object is written with. Only the scale
    subresource adds a `run` without it, so no manifest can break the rule.
    """
    return Transition(
        "has(oldSelf.run) || !has(self.run) || has(self.run.suspend)",
        f"The {kind} does not run, so it cannot be scaled. Set spec.run in the {kind} to run it.",
        lambda new, old: True,
        "run",
    )


def exclusive(fields: tuple[str, ...], message: str, *, exactly: bool = False, complete: bool = False) -> Rule:
    """Allow at most one (or exactly one) of the given sibling fields."""

    def check(node: Node) -> bool:
        count = sum(field in node for field in fields)
        return count == 1 if exactly else count <= 1

    listed = ", ".join(f"has(self.{field})" for field in fields)
    cel = f"[{listed}].filter(x, x).size() {'==' if exactly else '<='} 1"
    return Rule(cel, message, check, complete=complete, alternatives=fields)
