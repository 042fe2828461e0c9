"""Who refused a write: the name in the answer of the API server."""

from __future__ import annotations

import re
from typing import Final

from outfitter.errors import ApiError, Forbidden, Invalid, NotFound, TooLarge

# Pattern of the answer -> name of the refuser; "{}" is what the pattern found.
_NAMED: Final = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"ValidatingAdmissionPolicy '([^']+)'", "ValidatingAdmissionPolicy/{}"),
        (r'admission webhook "([^"]+)"', "webhook/{}"),
        (r"exceeded quota: ([^,\s]+)", "ResourceQuota/{}"),
        (r"failed quota: ([^:\s]+)", "ResourceQuota/{}"),
        (r'violates PodSecurity "([^"]+)"', "PodSecurity/{}"),
        (r"(?:minimum|maximum) \S+ usage per (\w+)", "LimitRange"),
        (r'User "[^"]*" cannot (\w+) resource', "RBAC"),
        (r"being terminated", "Namespace"),
    )
)


def refuser(error: ApiError) -> str:
    """Return who refused a write, such as `ResourceQuota/small`."""
    for pattern, name in _NAMED:
        if match := pattern.search(error.message):
            return name.format(match[1]) if "{}" in name else name
    if isinstance(error, TooLarge):
        return "etcd"
    if isinstance(error, Invalid):
        return "validation"
    if isinstance(error, NotFound):
        return "Namespace"
    return "admission" if isinstance(error, Forbidden) else "API server"
