"""Look-ups -> the layers of a submission, from the most general to the most specific.

Precedence, low to high: environment, compute, inline fields of the workload. Later layers win, field by field.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from outfitter.api.v1alpha1.asset import AssetSpec
from outfitter.resolve.references import AssetUse, Found, label
from outfitter.resolve.request import WorkloadRequest
from outfitter.resolve.scope import find
from outfitter.snapshot import Reader, Resource

# Fields about the asset itself, and `run`, are no part of what it gives to a submission. All other fields are.
_ABOUT_THE_ASSET: Final = frozenset({*(str(field.alias) for field in AssetSpec.model_fields.values()), "run"})


class Layer(NamedTuple):
    """Fields of a submission in camelCase, and the name of the object that they come from."""

    origin: str
    fields: Mapping[str, Any]


def environment_of(reader: Reader, request: WorkloadRequest, found: Found) -> Resource | None:
    """Return the Environment that runs: its own definition, or the one it refers to."""
    if request.own_definition and not request.own_artifact:
        found.uses.append(AssetUse(request.resource, "spec.supportedTypes"))
        return request.resource
    if request.environment is None:
        return None
    field = request.asset_field("environment")
    return found.keep(find(reader, "Environment", request.namespace, request.environment, field), named_by=field)


def asset_layers(
    reader: Reader, request: WorkloadRequest, environment: Resource | None, found: Found
) -> Iterator[Layer]:
    """Yield the layers of an Environment and of the ComputeResource, then the inline fields."""
    if environment is not None:
        yield Layer(label(environment), given_fields(environment))
    yield from compute_layer(reader, request, found)
    yield from own_layers(request)


def compute_layer(reader: Reader, request: WorkloadRequest, found: Found) -> Iterator[Layer]:
    """Yield the layer of the ComputeResource, where one is named and exists."""
    if request.compute is None:
        return
    field = request.asset_field("compute")
    compute = found.keep(find(reader, "ComputeResource", request.namespace, request.compute, field), named_by=field)
    if compute is not None:
        yield Layer(label(compute), {"compute": given_fields(compute)})


def own_layers(request: WorkloadRequest) -> Iterator[Layer]:
    """Yield the fields of the template, then the inline fields."""
    if request.template is not None and request.from_template:
        yield Layer(f"WorkloadTemplate {request.template.name}", request.from_template)
    yield Layer(label(request.resource), request.inline)


def given_fields(asset: Resource) -> dict[str, Any]:
    """Return the fields that an Environment or a ComputeResource gives to a submission."""
    return {key: value for key, value in asset.body["spec"].items() if key not in _ABOUT_THE_ASSET}
