"""When are a manifest we want and an object the server holds the same? Server defaults and quantities understood."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import Any

import orjson

from outfitter.naming import ANNOTATION_DIGEST, short_hash

_SUFFIXES: Mapping[str, Decimal] = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    "k": Decimal(10**3),
    "K": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
    "Pi": Decimal(2**50),
    "Ei": Decimal(2**60),
}

# Lists that server-side apply merges by key: others may add elements of their own. All other lists are taken whole.
_KEYED: Mapping[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "ports": ("containerPort", "port", "protocol"),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "imagePullSecrets": ("name",),
    "ownerReferences": ("uid",),
}
# Maps that are taken whole: a key that somebody adds changes what the object does.
_WHOLE_MAPS = frozenset({"selector", "matchLabels", "nodeSelector", "data"})
# What a Secret or ConfigMap is there for: kept to the letter, and never hashed.
_CONTENT = frozenset({"data", "stringData", "binaryData"})
_SCALARS = frozenset({str, int, float, bool})
# Maps of text, where an empty value is a value.
_TEXT_MAPS = frozenset({"labels", "annotations", "matchLabels", "nodeSelector"})
# Maps that say something by being there.
_MEANT_EMPTY = frozenset({"emptyDir"})
# Text that says something by being empty: no class, instead of the default one.
_MEANT_EMPTY_TEXT = frozenset({"storageClassName"})
# Maps whose values are quantities, and single fields that are one.
_QUANTITY_MAPS = frozenset({"limits", "requests", "hard", "capacity"})
_QUANTITY_FIELDS = frozenset({"sizeLimit", "storage"})


def quantity(value: str | int | float) -> Decimal:
    """The number behind a quantity such as `500m`, `32Gi`, `1e3` or 4; ValueError where it is none."""
    text = str(value).strip().lstrip("+")
    for length in (2, 1, 0):
        suffix = text[len(text) - length :] if length else ""
        if suffix in _SUFFIXES:
            try:
                number = Decimal(text[: len(text) - length] if length else text)
            except InvalidOperation:
                continue
            if number.is_finite():
                return number * _SUFFIXES[suffix]
    raise ValueError(f"{value!r} is not a quantity like 500m, 4 or 32Gi")


def quantity_text(value: str | int | float) -> str:
    """A quantity as the server accepts it: `K` becomes `k`, numbers become text; otherwise as typed."""
    text = str(value)
    return text[:-1] + "k" if text.endswith("K") else text


def cores_text(value: float) -> str:
    """CPU cores as a quantity, three decimals rounded up: 0.5 -> 500m, 4 -> 4."""
    milli = (Decimal(str(value)) * 1000).to_integral_value(rounding=ROUND_CEILING)
    return str(int(milli) // 1000) if milli % 1000 == 0 else f"{int(milli)}m"


def without_empty(value: Any) -> Any:
    """`value` without what the server would not store: None anywhere, empty text and empty lists in a map."""
    kind = value.__class__  # an abstract class is slow to ask about
    if kind in _SCALARS:
        return value
    if kind is dict or isinstance(value, Mapping):
        return {
            key: item if key in _TEXT_MAPS or item.__class__ in _SCALARS else without_empty(item)
            for key, item in value.items()
            if item is not None and (item not in ("", []) or (key in _MEANT_EMPTY_TEXT and item == ""))
        }
    if kind is list or isinstance(value, (list, tuple)):
        return [without_empty(item) for item in value]
    return value


def digest(manifest: Mapping[str, Any]) -> str:
    """A short digest of what we ask for. Secret material is left out: no hash of it may stand anywhere."""
    plain = {key: item for key, item in manifest.items() if key not in _CONTENT}
    return short_hash(orjson.dumps(plain, option=orjson.OPT_SORT_KEYS), 16)


def stamp(manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest, pruned, with its own digest as an annotation: so that a field we stop asking for is noticed."""
    # Content is kept to the letter: an empty value in a Secret is a value.
    clean: dict[str, Any] = {key: item if key in _CONTENT else without_empty(item) for key, item in manifest.items()}
    meta = clean["metadata"]
    meta["annotations"] = {**meta.get("annotations", {}), ANNOTATION_DIGEST: digest(clean)}
    return clean


def covers(want: Any, live: Any, field: str = "") -> bool:
    """Whether every field of `want` has that value in `live`; what only `live` has is somebody else's or a default."""
    if want == live:
        return True
    if isinstance(want, Mapping):
        if not isinstance(live, Mapping):
            return not want and live is None and field not in _MEANT_EMPTY
        if field in _WHOLE_MAPS and len(want) != len(live) and "matchLabels" not in want:
            return False
        inner = "storage" if field in _QUANTITY_MAPS else ""
        return all(covers(item, live.get(key), inner or key) for key, item in want.items())
    if isinstance(want, (list, tuple)):
        if live is None:
            return not want
        return isinstance(live, Sequence) and not isinstance(live, str) and _covers_list(want, live, field)
    return field in _QUANTITY_FIELDS and _same_quantity(want, live)


def _covers_list(want: Sequence[Any], live: Sequence[Any], field: str) -> bool:
    if len(want) == len(live) and all(covers(a, b) for a, b in zip(want, live, strict=True)):
        return True
    keys = _KEYED.get(field)
    if keys is None or not all(isinstance(item, Mapping) for item in (*want, *live)):
        return False

    def identity(item: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(item.get(key, "TCP" if key == "protocol" else None) for key in keys)

    by_key = {identity(item): item for item in live}
    return all(identity(item) in by_key and covers(item, by_key[identity(item)]) for item in want)


def _same_quantity(want: Any, live: Any) -> bool:
    try:
        return quantity(want) == quantity(live)
    except (ValueError, TypeError):
        return False
