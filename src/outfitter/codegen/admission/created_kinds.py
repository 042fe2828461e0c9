"""The part of the policy `requester` about objects that cost money or open a way in: addresses, URLs and volumes.

It reads the object alone. What a referenced asset adds was checked when that asset was written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from outfitter.codegen.admission.presence import has_value


@dataclass(frozen=True)
class _Created:
    """A kind of object that Outfitter creates because the spec asks for it."""

    variable: str
    group: str
    plural: str
    what: str
    when: str  # CEL
    verb: str = "create"


def variables() -> Iterator[dict[str, Any]]:
    """Variables: whether the spec asks for an object of each kind."""
    return ({"name": each.variable, "expression": f"variables.edited && ({each.when})"} for each in _CREATED)


def checks() -> Iterator[dict[str, Any]]:
    """The user may create such objects directly."""
    for each in _CREATED:
        need = f"You need the verb {each.verb} on {each.plural} in namespace "
        yield {
            "expression": f"!variables.{each.variable} || authorizer.group('{each.group}').resource('{each.plural}')"
            f".namespace(request.namespace).check('{each.verb}').allowed()",
            "reason": "Forbidden",
            "messageExpression": f"object.kind + ' ' + object.metadata.name + ' {each.what}. {need}' + "
            "request.namespace + '.'",
            "message": f"it {each.what}: you need the verb {each.verb} on {each.plural}",
        }


def _any_item(field: str, condition: str, start: str = "object.spec") -> str:
    """CEL: whether an item of a list meets a condition."""
    return f"({has_value(f'{start}.{field}')} && {start}.{field}.exists(i, {condition}))"


def _any_connection(*types: str) -> str:
    """CEL: whether a connection, of the spec or of `run`, has one of the types."""
    condition = _one_of("connectionType", *types)
    inside = _any_item("connections", condition, "object.spec.run")
    return f"{_any_item('connections', condition)} || ({has_value('object.spec.run')} && {inside})"


def _one_of(field: str, *values: str) -> str:
    return f"{has_value(f'i.{field}')} && i.{field} in {list(values)}"


def _new(claim: str) -> str:
    """CEL: whether a volume is a new claim."""
    return f"!({has_value(f'{claim}.existingPvc')} && {claim}.existingPvc)"


# A model has a volume: of a cache on demand, or of the artifact alone.
_MODEL: Final = (
    f"(request.resource.resource == 'artifacts' && {has_value('object.spec.run')} && "
    f"{has_value('object.spec.type')} && object.spec.type == 'nim')"
)
_PUBLIC: Final = " || ".join(
    f"({above}{has_value(f'{start}.servingPort')} && !({has_value(f'{start}.servingPort.clusterLocalAccessOnly')} && "
    f"{start}.servingPort.clusterLocalAccessOnly))"
    for start, above in (("object.spec", ""), ("object.spec.run", f"{has_value('object.spec.run')} && "))
)
_OPEN_PORTS: Final = ("LoadBalancer", "NodePort")
_CREATED: Final = (
    _Created(
        "addresses",
        "",
        "services",
        "opens a port outside the cluster",
        f"{_any_connection(*_OPEN_PORTS)} || {_any_item('ports', _one_of('serviceType', *_OPEN_PORTS))}",
    ),
    _Created(
        "urls",
        "networking.k8s.io",
        "ingresses",
        "has a URL",
        f"{_any_connection('ExternalUrl')} || {_any_item('exposedUrls', 'true')} || {_PUBLIC}",
    ),
    _Created(
        "claims",
        "",
        "persistentvolumeclaims",
        "creates a volume",
        f"request.resource.resource == 'nimcaches' || {_MODEL} || "
        f"({has_value('object.spec.pvc')} && {_new('object.spec.pvc')}) || "
        f"({has_value('object.spec.storage')} && {_any_item('storage.pvc', _new('i'))})",
    ),
    _Created(
        "deletesData",
        "",
        "persistentvolumeclaims",
        "deletes its volumes with reclaimPolicy Delete",
        f"oldObject != null && {has_value('object.spec.reclaimPolicy')} && object.spec.reclaimPolicy == 'Delete' && "
        f"(!{has_value('oldObject.spec.reclaimPolicy')} || oldObject.spec.reclaimPolicy != 'Delete')",
        verb="delete",
    ),
)
