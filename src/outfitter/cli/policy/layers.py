"""A workload of a file with the template and assets that it names, as far as they are among the files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from outfitter.api.refs import AssetRef
from outfitter.api.v1alpha1.asset import AssetSpec
from outfitter.api.v1alpha1.workloadtemplate import WorkloadTemplate
from outfitter.cli.documents import Document
from outfitter.cli.policy.files import PolicyFiles
from outfitter.policy.project import submission
from outfitter.resolve.merge import merge
from outfitter.resolve.request import WorkloadRequest, request_for
from outfitter.resolve.template import given
from outfitter.snapshot import Resource

_ABOUT_THE_ASSET: Final = frozenset({*(str(info.alias) for info in AssetSpec.model_fields.values()), "run"})
_PLACES: Final = {
    "WorkloadTemplate": ("spec", "template"),
    "Environment": ("spec", "assets", "environment"),
    "ComputeResource": ("spec", "assets", "compute"),
}


@dataclass(frozen=True)
class Submitted:
    """What policies judge of a workload of a file."""

    fields: Mapping[str, Any]
    complete: bool
    """Nothing else can set a field: all that it names is among the files, and it runs no artifact."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """Path of a field or keyed item -> kind and name of the object that sets it."""

    def elsewhere(self, path: str) -> tuple[tuple[str, ...], str]:
        """Return the reference to the object that sets a field, and its kind and name; nothing for an inline field."""
        origin = self.origins.get(path, "")
        return _PLACES.get(origin.partition(" ")[0], ()), origin


def submitted(document: Document, files: PolicyFiles) -> Submitted:
    """Merge the fields of a workload with those of its template, Environment and ComputeResource."""
    spec = document.body["spec"]
    request = request_for(files.resource(document.body))
    if request is None or not any(spec.get(name) for name in ("template", "assets", "artifact")):
        return Submitted(spec, complete=True)
    template = _find(files, request, "WorkloadTemplate", request.template)
    if template is not None:
        request = _with_template(request, template)
    environment = _find(files, request, "Environment", request.environment)
    compute = _find(files, request, "ComputeResource", request.compute)
    layers = [(_name(environment), _fields(environment)), (_name(compute), {"compute": _fields(compute)})]
    merged = merge([*layers, (_name(template), request.from_template), ("", request.inline)])
    pairs = ((request.template, template), (request.environment, environment), (request.compute, compute))
    complete = not spec.get("artifact") and all(ref is None or found is not None for ref, found in pairs)
    return Submitted(submission(request, merged), complete, merged.origins)


def _find(files: PolicyFiles, request: WorkloadRequest, kind: str, ref: AssetRef | None) -> Resource | None:
    found = files.asset(kind, request.namespace, ref) if ref else None
    other = found is not None and found.body["spec"].get("workloadType") not in (None, request.type)
    return None if other else found


def _with_template(request: WorkloadRequest, template: Resource) -> WorkloadRequest:
    assert isinstance(template.model, WorkloadTemplate)
    assets = template.model.spec.assets
    return replace(
        request,
        from_template=given(template),
        environment=request.environment or assets.environment,
        compute=request.compute or assets.compute,
    )


def _fields(asset: Resource | None) -> dict[str, Any]:
    spec = asset.body["spec"] if asset is not None else {}
    return {key: value for key, value in spec.items() if key not in _ABOUT_THE_ASSET}


def _name(asset: Resource | None) -> str:
    return f"{asset.live.kind} {asset.live.name}" if asset is not None else ""
