"""CEL of the rules of policies, over entries: maps of what a field is, what its rule says, and what it has.

`p` is the path, `r` the rule object, `v` the inline value or null, `d` the default or null, and `q`, where it is there,
whether `required` can be judged. A rule that CEL cannot judge as the operator does has no term: the operator refuses
what it let through.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from outfitter.api.quantities import quantity_cel
from outfitter.api.v1alpha1.policyfields import RULES

_SHOWN: Final = 64
_SHOWN_OPTIONS: Final = 160
# Numbers of at most six decimals are judged as integers of millionths, far from the bounds of 64 bits.
_MILLION: Final = 1000000
_BOUND: Final = 1000000000000
_BOUND_TEXTS: Final = {"min": "less than min", "max": "more than max", "step": "not in steps of"}


def same(value_type: str, one: str, other: str) -> str | None:
    """CEL: whether two values mean the same; None where nulls inside of them could make the difference."""
    if value_type == "arbitrary":
        return None
    if value_type == "quantity":
        return f"{quantity_cel(one)}.compareTo({quantity_cel(other)}) == 0"
    return f"{one} == {other}"


def terms(value_type: str, entries: str) -> Iterator[str]:
    """Yield CEL for each rule of a value type: the list of texts about the entries that break it."""
    for word in RULES[value_type]:
        term = _TERMS[word](value_type) if word in _TERMS else _bound(value_type, word)
        if term:
            when, text = term
            yield f"{entries}.filter(e, has(e.r.{word}) && {when}).map(e, e.p + ': ' + {text})"
    if value_type == "quantity":  # an attribute that is one
        when, text = _options(value_type)
        yield f"{entries}.filter(e, has(e.r.options) && {when}).map(e, e.p + ': ' + {text})"


def _required(value_type: str) -> tuple[str, str]:
    sized = value_type in ("string", "array", "arbitrary")
    empty, unset = ("size(e.v) == 0", " || size(e.d) == 0") if sized else ("false", "")
    computed = " && !has(e.r.defaultFrom)" if "defaultFrom" in RULES[value_type] else ""
    missing = f"(e.v == null ? (e.d == null{unset}){computed} : {empty})"
    return f"e.r.required && !variables.references && (!has(e.q) || e.q) && {missing}", "'a value is required'"


def _can_edit(value_type: str) -> tuple[str, str]:
    equal = same(value_type, "e.v", "e.d")
    computed = "!has(e.r.defaultFrom)" if "defaultFrom" in RULES[value_type] else "true"
    differs = f"(e.d == null ? {computed} : {'false' if equal is None else f'!({equal})'})"
    text = "' cannot be set (canEdit)'"
    if equal is not None:
        text = f"(e.d == null ? {text} : ' differs from ' + {_shown(value_type, 'e.d')} + ' (canEdit)')"
    return f"!e.r.canEdit && e.v != null && {differs}", f"{_shown(value_type, 'e.v')} + {text}"


def _options(value_type: str) -> tuple[str, str]:
    inner = "x" if value_type == "array" else "e.v"
    any_option = f"e.r.options.exists(o, {same(value_type, inner, 'o.value')})"
    allowed = f"e.v.all(x, {any_option})" if value_type == "array" else any_option
    values = _cut("e.r.options.map(o, string(o.value)).join(', ')", _SHOWN_OPTIONS)
    return f"e.v != null && !{allowed}", f"{_shown(value_type, 'e.v')} + ' is none of the options ' + {values}"


def _bound(value_type: str, word: str) -> tuple[str, str] | None:
    bound = f"e.r.{word}"
    if word == "defaultFrom":
        return None
    if word == "step":
        wrong = _off_step(value_type)
    elif value_type == "quantity":
        wrong = f"{quantity_cel('e.v')}.compareTo({quantity_cel(bound)}) {'<' if word == 'min' else '>'} 0"
    else:
        wrong = f"e.v {'<' if word == 'min' else '>'} {bound}"
    text = f"{_shown(value_type, 'e.v')} + ' is {_BOUND_TEXTS[word]} ' + string({bound})"
    return f"e.v != null && {wrong}", text


_TERMS: Final = {"required": _required, "canEdit": _can_edit, "options": _options}


def _off_step(value_type: str) -> str:
    """CEL: whether a value is between two steps. A step of more than six decimals is not judged."""
    least, step = "(has(e.r.min) ? e.r.min : 0)", "e.r.step"
    small = " && ".join(_is_small(each) for each in ("e.v", step, least))
    value = f"({_scaled(value_type, 'e.v')} - {_scaled(value_type, least)})"
    off = f"{value} % {_scaled(value_type, step)} != 0"
    if value_type == "integer":
        return f"{small} && {step} > 0 && {off}"
    return (
        f"{small} && {_is_exact(step)} && {_is_exact(least)} && {_scaled(value_type, step)} > 0 && "
        f"(!({_is_exact('e.v')}) || {off})"
    )


def _scaled(value_type: str, value: str) -> str:
    """CEL: a number as an integer."""
    if value_type == "integer":
        return f"int({value})"
    return f"int(double({value}) * {_MILLION}.0 + ({value} < 0.0 ? -0.5 : 0.5))"


def _is_small(value: str) -> str:
    return f"{value} < {_BOUND} && {value} > -{_BOUND}"


def _is_exact(value: str) -> str:
    return f"double({_scaled('number', value)}) / {_MILLION}.0 == double({value})"


def _shown(value_type: str, value: str) -> str:
    """CEL: a value for a message."""
    if value_type == "arbitrary":
        return "'the value'"
    if value_type == "array":
        return _cut(f"{value}.join(', ')", _SHOWN)
    return _cut(f"string({value})", _SHOWN) if value_type == "string" else f"string({value})"


def _cut(text: str, most: int) -> str:
    return f"({text}.size() > {most} ? {text}.substring(0, {most}) + '...' : {text})"
