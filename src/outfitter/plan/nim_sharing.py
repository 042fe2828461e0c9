"""`sharing: staticPV` of a NimCache: the volume with the model, read-only in every namespace that uses it."""

from __future__ import annotations

from outfitter.naming import shared_claim
from outfitter.plan import shared_volume
from outfitter.plan.shared_volume import Sharing
from outfitter.plan.writes import Plan
from outfitter.problems import Problem, stalled
from outfitter.reasons import Reason
from outfitter.resolve.scope import covers, is_wide
from outfitter.snapshot import Reader, Resource

_FIELD = "spec.sharing"


def unshareable(reader: Reader, resource: Resource) -> Problem | None:
    """Return why a cache cannot be mounted in other namespaces."""
    system = reader.settings.system_namespace
    if not is_wide(resource, system):
        text = f"Only a NimCache of wider scope in namespace {system} is shared. Remove the field."
        return stalled(Reason.INVALID_SPEC, text, _FIELD)
    return shared_volume.unshareable(reader, _sharing(reader, resource))


def share(reader: Reader, resource: Resource, made: Plan) -> Plan:
    """Return the plan of a cache, extended by the volumes for the namespaces of its users once the model is there."""
    sharing, facts = _sharing(reader, resource), made.status.facts
    source = None
    if facts.get("phase") == "Ready":
        claim = reader.get("PersistentVolumeClaim", resource.live.namespace, facts["claimName"])
        source = shared_volume.source_of(reader, claim, sharing) if claim is not None else None
    return shared_volume.share(reader, resource, made, sharing, source)


def _sharing(reader: Reader, resource: Resource) -> Sharing:
    return Sharing(
        shared_claim(resource.live.name),
        _FIELD,
        "set the field to download.",
        lambda namespace: covers(reader, resource, namespace),
    )
