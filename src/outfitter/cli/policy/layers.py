"""A workload of a file with the template and assets that it names, as far as they are among the files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from outfitter.api.refs import AssetRef
from outfitter.api.v1alpha1.asset import AssetSpec
from outfitter.api.v1alpha1.workloadtemplate import WorkloadTemplate
from outfitter.api.v1alpha1.workspace import Assets
from outfitter.cli.documents import Document
from outfitter.cli.policy.files import PolicyFiles
from outfitter.policy.project import submission
from outfitter.resolve.distributed import as_master
from outfitter.resolve.merge import merge
from outfitter.resolve.request import WorkloadRequest, request_for
from outfitter.resolve.template import MASTER, assets_of, given
from outfitter.snapshot import Resource

_ABOUT_THE_ASSET: Final = frozenset({*(str(info.alias) for info in AssetSpec.model_fields.values()), "run"})
_WORKER: Final = "worker."
_MASTER: Final = "master."
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
        place = _PLACES.get(origin.partition(" ")[0], ())
        if path.startswith(_MASTER) and place[1:2] == ("assets",) and MASTER in self.fields:
            place = ("spec", MASTER, *place[1:])
        return place, origin


def submitted(document: Document, files: PolicyFiles) -> Submitted:
    """Merge the fields of a workload with those of its template, Environment and ComputeResource."""
    spec = document.body["spec"]
    request = request_for(files.resource(document.body))
    if request is None:
        return Submitted(spec, complete=True)
    if request.traits.grouped:
        return _of_group(request, spec, files)
    if not any(spec.get(name) for name in ("template", "assets", "artifact")):
        return Submitted(spec, complete=True)
    found = _merged(request, files)
    return replace(found, complete=found.complete and not spec.get("artifact"))


def _of_group(request: WorkloadRequest, spec: Mapping[str, Any], files: PolicyFiles) -> Submitted:
    """Return the submission of the workers and of the master, if there is one. Paths of origins have their section."""
    workers = _merged(request, files)
    fields: dict[str, Any] = {"spec": workers.fields}
    origins = {f"{_WORKER}{path}": origin for path, origin in workers.origins.items()}
    template = _find(files, request, "WorkloadTemplate", request.template)
    of_template = template is not None and MASTER in template.body["spec"]
    own = spec.get(MASTER) is not None
    if not own and workers.fields.get("masterSpecSameAsWorker"):
        copied = {f"{_MASTER}{path}": origin for path, origin in workers.origins.items()}
        return Submitted({**fields, "masterSpecSameAsWorker": True}, workers.complete, {**origins, **copied})
    if not own and not of_template:
        return Submitted(fields, workers.complete, origins)
    given_fields = spec.get(MASTER) or {}
    assets = Assets.model_validate(given_fields.get("assets") or {})
    request = replace(
        as_master(request),
        inline={key: value for key, value in given_fields.items() if key != "assets"},
        environment=assets.environment,
        compute=assets.compute,
    )
    master = _merged(request, files)
    origins |= {f"{_MASTER}{path}": origin for path, origin in master.origins.items()}
    return Submitted({**fields, MASTER: master.fields}, workers.complete and master.complete, origins)


def _merged(request: WorkloadRequest, files: PolicyFiles) -> Submitted:
    template = _find(files, request, "WorkloadTemplate", request.template)
    if template is not None:
        request = _with_template(request, template)
    environment = _find(files, request, "Environment", request.environment)
    compute = _find(files, request, "ComputeResource", request.compute)
    layers = [(_name(environment), _fields(environment)), (_name(compute), {"compute": _fields(compute)})]
    merged = merge([*layers, (_name(template), request.from_template), ("", request.inline)])
    pairs = ((request.template, template), (request.environment, environment), (request.compute, compute))
    complete = all(ref is None or found is not None for ref, found in pairs)
    return Submitted(submission(request, merged), complete, merged.origins)


def _find(files: PolicyFiles, request: WorkloadRequest, kind: str, ref: AssetRef | None) -> Resource | None:
    found = files.asset(kind, request.namespace, ref) if ref else None
    other = found is not None and found.body["spec"].get("workloadType") not in (None, request.type)
    return None if other else found


def _with_template(request: WorkloadRequest, template: Resource) -> WorkloadRequest:
    assert isinstance(template.model, WorkloadTemplate)
    assets = assets_of(template.model, of_master=request.of_master)
    return replace(
        request,
        from_template=given(template, of_master=request.of_master),
        environment=request.environment or assets.environment,
        compute=request.compute or assets.compute,
    )


def _fields(asset: Resource | None) -> dict[str, Any]:
    spec = asset.body["spec"] if asset is not None else {}
    return {key: value for key, value in spec.items() if key not in _ABOUT_THE_ASSET}


def _name(asset: Resource | None) -> str:
    return f"{asset.live.kind} {asset.live.name}" if asset is not None else ""
