"""What an installation of this version has on a cluster: CRDs and admission policies, each as a digest.

`make generate` writes the digests to installed.json, because the generators are not part of the wheel. Defaults that
the API server adds, and what the chart fills in, do not change a digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

import orjson

from outfitter.api.version import VERSION
from outfitter.naming import short_hash

FILE: Final = "installed.json"
OPERATOR: Final = "system:serviceaccount:OPERATOR"
"""Placeholder of the operator's account in the policies of the chart."""
SHARED_NAMESPACE: Final = "NAMESPACE-OF-SHARED-ASSETS"
"""Placeholder of the namespace of shared assets in the policies of the chart."""
_DEFAULTS: Final[tuple[tuple[str, Any], ...]] = (("matchPolicy", "Equivalent"), ("scope", "*"))
_OF_A_VERSION: Final = ("schema", "subresources", "selectableFields", "additionalPrinterColumns")


@dataclass(frozen=True)
class Installed:
    """Digests of CRDs by plural, and of admission policies by the end of their name.

    A policy that the chart fills with values of the user has the digest "".
    """

    kubernetes: tuple[int, int]
    """The oldest supported version."""
    crds: Mapping[str, str]
    policies: Mapping[str, str]


def installed() -> Installed:
    """Return what this version installs."""
    data = orjson.loads(files("outfitter").joinpath(FILE).read_bytes())
    major, minor = map(int, data["kubernetes"].split("."))
    return Installed((major, minor), data["crds"], data["policies"])


def crd_digest(crd: Mapping[str, Any]) -> str:
    """Return the digest of the schema and columns of our version in a CustomResourceDefinition; "" without it."""
    found = next((version for version in crd["spec"]["versions"] if version["name"] == VERSION), None)
    return _digest(compared(found)) if found else ""


def compared(version: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the part of a version of a CustomResourceDefinition that its digest covers, without defaults."""
    part: Mapping[str, Any] = _bare({key: version.get(key) for key in _OF_A_VERSION})
    return part


def policy_digest(spec: Mapping[str, Any], account: str = OPERATOR, shared: str = SHARED_NAMESPACE) -> str:
    """Return the digest of an admission policy, with the operator's account and namespace as placeholders."""
    text = _text(spec).replace(account, OPERATOR).replace(f"'{shared}'", f"'{SHARED_NAMESPACE}'")
    return short_hash(text, 16)


def _digest(data: Any) -> str:
    return short_hash(_text(data), 16)


def _text(data: Any) -> str:
    return orjson.dumps(_bare(data), option=orjson.OPT_SORT_KEYS).decode()


def _bare(data: Any) -> Any:
    """Return data without empty values and defaults, and with whole numbers as integers."""
    if isinstance(data, Mapping):
        kept = {str(key): _bare(value) for key, value in data.items()}
        return {
            key: value for key, value in kept.items() if value not in (None, [], {}) and (key, value) not in _DEFAULTS
        }
    if isinstance(data, list | tuple):
        return [_bare(item) for item in data]
    if isinstance(data, float) and data.is_integer():
        return int(data)
    return str(data) if isinstance(data, str) else data
