"""The part of the policy `requester` about objects that cost money or open a way in: addresses, URLs and volumes.

It reads the object alone, with the defaults of a policy. What a referenced asset adds was checked when that asset was
written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from outfitter.codegen.admission.places import any_item, any_part
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
    """The user may create such objects directly; or share what has them created in other namespaces only."""
    for each in _CREATED:
        instead = " || variables.mayShare" if each.verb == "create" else ""
        need = f"You need the verb {each.verb} on {each.plural} in namespace "
        yield {
            "expression": f"!variables.{each.variable} || authorizer.group('{each.group}').resource('{each.plural}')"
            f".namespace(request.namespace).check('{each.verb}').allowed(){instead}",
            "reason": "Forbidden",
            "messageExpression": f"object.kind + ' ' + object.metadata.name + ' {each.what}. {need}' + "
            "request.namespace + '.'",
            "message": f"it {each.what}: you need the verb {each.verb} on {each.plural}",
        }


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
_PUBLIC: Final = (
    f"({has_value('p.servingPort')} && !({has_value('p.servingPort.clusterLocalAccessOnly')} && "
    "p.servingPort.clusterLocalAccessOnly))"
)
_OPEN_PORTS: Final = ("LoadBalancer", "NodePort")
_CREATED: Final = (
    _Created(
        "addresses",
        "",
        "services",
        "opens a port outside the cluster",
        any_part(
            f"{any_item('connections', _one_of('connectionType', *_OPEN_PORTS))} || "
            f"{any_item('ports', _one_of('serviceType', *_OPEN_PORTS))}"
        ),
    ),
    _Created(
        "urls",
        "networking.k8s.io",
        "ingresses",
        "has a URL",
        any_part(
            f"{any_item('connections', _one_of('connectionType', 'ExternalUrl'))} || "
            f"{any_item('exposedUrls', 'true')} || {_PUBLIC}"
        ),
    ),
    _Created(
        "claims",
        "",
        "persistentvolumeclaims",
        "creates a volume",
        f"request.resource.resource == 'nimcaches' || {_MODEL} || "
        + any_part(f"({has_value('p.pvc')} && {_new('p.pvc')}) || {any_item('storage.pvc', _new('i'))}"),
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
