"""Amounts as exact numbers, for comparing what users typed."""

import re
from decimal import Decimal
from fractions import Fraction

_SUFFIXES = {
    "n": Fraction(1, 10**9), "u": Fraction(1, 10**6), "m": Fraction(1, 1000), "": Fraction(1),
    "k": Fraction(10**3), "K": Fraction(10**3), "M": Fraction(10**6), "G": Fraction(10**9), "T": Fraction(10**12),
    "P": Fraction(10**15), "E": Fraction(10**18), "Ki": Fraction(2**10), "Mi": Fraction(2**20), "Gi": Fraction(2**30),
    "Ti": Fraction(2**40), "Pi": Fraction(2**50), "Ei": Fraction(2**60),
}  # fmt: skip
_SHAPE = re.compile(r"[+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([A-Za-z]{1,2}|[eE][-+]?[0-9]{1,3})?")


def as_number(amount: float | str) -> Fraction:
    """Return the exact value of a number or quantity; ValueError where it is neither."""
    if not isinstance(amount, str):
        return Fraction(Decimal(repr(amount)))
    match = _SHAPE.fullmatch(amount)
    if match is None:
        raise ValueError(f"not a quantity: {amount!r}")
    digits, suffix = match[1], match[2] or ""
    if suffix in _SUFFIXES:
        return Fraction(Decimal(digits)) * _SUFFIXES[suffix]
    if suffix[0] in "eE" and len(suffix) > 1 and not suffix[1].isalpha():
        return Fraction(Decimal(digits + suffix))
    raise ValueError(f"not a quantity: {amount!r}")
