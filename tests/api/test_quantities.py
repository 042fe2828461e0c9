"""Quantities: which text is one, its exact value, and how it is sent to the API server."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outfitter.api.patterns import matches
from outfitter.api.quantities import QUANTITY_PATTERN, cores_text, is_whole, parse_quantity, quantity_text

POWERS = {"": 0, "n": -3, "u": -2, "m": -1, "k": 1, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}
SUFFIXES = [*POWERS, "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]
numbers = st.one_of(
    st.integers(0, 10**9).map(str),
    st.decimals(0, 10**6, places=3, allow_nan=False).map(lambda value: f"{value:f}"),
    st.integers(0, 10**30).map(str),
)
quantities = st.one_of(
    st.builds(lambda number, suffix: number + suffix, numbers, st.sampled_from(SUFFIXES)),
    st.builds(lambda number, power: f"{number}e{power}", st.integers(0, 999), st.integers(-9, 12)),
)


@given(quantities)
def test_values_are_exact(text: str) -> None:
    """As fractions give them."""
    assert re.search(QUANTITY_PATTERN, text)
    digits, suffix = re.fullmatch(r"([0-9.]+)(.*)", text).groups()  # type: ignore[union-attr]
    if suffix.startswith("e"):
        factor = Fraction(10) ** int(suffix[1:])
    else:
        factor = Fraction(1024 if suffix.endswith("i") else 1000) ** POWERS[suffix.removesuffix("i")]
    assert Fraction(parse_quantity(text)) == Fraction(digits) * factor


@pytest.mark.parametrize(
    ("quantity", "value"),
    [
        ("1", 1), (2, 2), (3.0, 3), (0.1, Fraction(1, 10)), (-0.0, 0), ("1.", 1), ("5.", 5), (".5", Fraction(1, 2)),
        ("+2", 2), ("500m", Fraction(1, 2)), ("5n", Fraction(5, 10**9)), ("1k", 1000), ("1K", 1000),
        ("20M", 20_000_000), ("2E", 2 * 10**18), ("1Ki", 1024), (".5Gi", 2**29), ("1.5Gi", 1610612736),
        ("32Gi", 32 * 2**30), ("1e3", 1000), ("1E3", 1000), ("1E2", 100), ("1e-3", Fraction(1, 1000)),
    ],
)  # fmt: skip
def test_values(quantity: float | str, value: Fraction | int) -> None:
    """Suffixes of both kinds, exponents, a sign, numbers."""
    assert parse_quantity(quantity) == value


@pytest.mark.parametrize(
    "text",
    ["", "m", "B", "Gi", "1GB", "1GiB", "one", "1 2", "1 G", "1 Gi", "1..2", "-", "-1", "1e", "1mm", "1gi", "1mi",
     "1KI", "NaN", "Infinity", "inf"],
)  # fmt: skip
def test_text_that_is_no_quantity(text: str) -> None:
    """The schema rejects it too; the error names it and gives examples."""
    assert not matches(QUANTITY_PATTERN, text)
    with pytest.raises(ValueError, match="is not a quantity such as"):
        parse_quantity(text)


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), True, None])
def test_values_that_are_no_quantity(value: float) -> None:
    """Numbers included."""
    with pytest.raises(ValueError, match="is not a quantity such as"):
        parse_quantity(value)


@given(st.from_regex(QUANTITY_PATTERN.removesuffix("$") + r"\Z"))
def test_every_accepted_quantity_is_a_number(text: str) -> None:
    """The pattern accepts nothing that cannot be compared."""
    assert parse_quantity(text) >= 0


@pytest.mark.parametrize(
    ("quantity", "whole"),
    [(1, True), ("1k", True), ("1.5k", True), ("1000m", True), ("1e30", True), ("1.5", False), ("1m", False),
     ("1e-1", False)],
)  # fmt: skip
def test_whole_numbers(quantity: int | str, whole: bool) -> None:
    """By value, not by spelling."""
    assert is_whole(quantity) is whole


@given(quantities)
def test_the_sent_text_has_the_same_value(text: str) -> None:
    """And is left alone when it is sent again."""
    sent = quantity_text(text)
    assert parse_quantity(sent) == parse_quantity(text)
    assert quantity_text(sent) == sent
    assert not sent.endswith("K")


@given(st.floats(0, 10**6, allow_nan=False))
def test_cores_are_rounded_up(value: float) -> None:
    """Never less than asked, at most a thousandth more, at most three decimals."""
    text = cores_text(value)
    assert re.fullmatch(r"[0-9]+m?", text)
    assert Decimal(str(value)) <= parse_quantity(text) <= Decimal(str(value)) + Decimal("0.001")


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (4, "4"), (0.5, "500m"), (4.0, "4"), (0.0001, "1m"), (1.2345, "1235m"), (0.1, "100m")]
)
def test_text_of_cores(value: float, text: str) -> None:
    """Whole cores without a unit, the rest in thousandths."""
    assert cores_text(value) == text
