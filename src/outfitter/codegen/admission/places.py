"""The parts of a spec that decide what pods get, so that each check of rights covers all of them.

A part has the fields of a workload: the spec itself, which is that of a template too, `run` of an asset, `masterSpec`
of a distributed workload, and the defaults of a policy with their sections. In defaults, the items of a list are below
`instances`, and `attributes` has values for items that lack them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from outfitter.api.v1alpha1.policyfields import SECTIONS
from outfitter.codegen.admission.presence import has_value, has_values

_HARMLESS: Final = "readOnly"
"""An attribute that, set for the items of others, can only take rights away: absent, it is false."""
_PARTS: Final = (
    ("run",),
    ("masterSpec",),
    ("defaults",),
    *(("defaults", section) for section in SECTIONS["distributed"]),
)


def variables() -> Iterator[dict[str, Any]]:
    """Variables: whether the object is a policy, and the parts of its spec that have the fields of a workload."""
    yield {"name": "isPolicy", "expression": "request.resource.resource == 'workloadpolicies'"}
    inner = " + ".join(
        f"({has_values('object.spec', part)} ? [dyn(object.spec.{'.'.join(part)})] : [])" for part in _PARTS
    )
    yield {"name": "parts", "expression": f"[dyn(object.spec)] + {inner}"}


def any_part(condition: str) -> str:
    """CEL: whether a part `p` meets a condition."""
    return f"variables.parts.exists(p, {condition})"


def any_item(path: str, condition: str) -> str:
    """CEL: whether an item `i` of a list of part `p` meets a condition. An item that is excluded is none."""
    field = f"p.{path}"
    instances, attributes = f"{field}.instances", f"{field}.attributes"
    set_there = f"{attributes}.exists(a, a != '{_HARMLESS}' && {attributes}[a] != null)"
    defaults = (
        f"({has_value(instances)} ? {instances} : []) + ({has_value(attributes)} && {set_there} ? [{attributes}] : [])"
    )
    present = has_values("p", tuple(path.split(".")))
    return (
        f"({present} && (variables.isPolicy ? {defaults} : {field})"
        f".exists(i, !({has_value('i.exclude')} && i.exclude) && ({condition})))"
    )
