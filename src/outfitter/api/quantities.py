"""Kubernetes quantities: their shape, exact value, canonical text and CEL."""

import re
from decimal import ROUND_CEILING, Context, Decimal

QUANTITY_PATTERN = r"^[+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([KMGTPE]i|[numkKMGTPE]|[eE][-+]?[0-9]{1,3})?$"
"""Non-negative quantities. `K` is accepted as well as `k`, which is the only spelling that the API server accepts."""

_SHAPE = re.compile(QUANTITY_PATTERN)
_FACTORS = {
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate(("n", "u", "m", "", *"kMGTPE"), -3)},
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", 1)},
    "K": Decimal(1000),
}
# The longest text of the API (32 digits) times 2^60; the default context of 28 digits would round.
_EXACT = Context(prec=64)


def parse_quantity(quantity: float | str) -> Decimal:
    """Return the exact value of a quantity such as `500m`, `32Gi`, `1e3` or 4.

    Raises ValueError for anything else, negative numbers included.
    """
    text = str(quantity + 0.0) if isinstance(quantity, float) else str(quantity)  # -0.0 becomes 0.0
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a quantity such as 500m, 4 or 32Gi")
    digits, suffix = match[1], match[2] or ""
    if suffix in _FACTORS:
        return _EXACT.multiply(Decimal(digits), _FACTORS[suffix])
    return Decimal(digits + suffix)


def is_whole(quantity: float | str) -> bool:
    """Whether a quantity is a whole number."""
    value = parse_quantity(quantity)
    return value == value.to_integral_value()


def quantity_text(quantity: float | str) -> str:
    """Return a quantity as the API server accepts it: a final `K` becomes `k`, the rest stays as typed."""
    text = str(quantity)
    return text[:-1] + "k" if text.endswith("K") else text


def cores_text(cores: float) -> str:
    """Return CPU cores as a quantity with three decimals, rounded up: 0.5 -> 500m, 4 -> 4."""
    milli = int((Decimal(str(cores)) * 1000).to_integral_value(rounding=ROUND_CEILING))
    return f"{milli}m" if milli % 1000 else str(milli // 1000)


def quantity_cel(path: str) -> str:
    """Return CEL that reads an int-or-string quantity; a final `K` is taken as `k`, as in `quantity_text`."""
    text = f"string({path})"
    return f"quantity({text}.endsWith('K') ? {text}.replace('K', 'k') : {text})"
