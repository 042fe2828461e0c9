"""A request and its references -> one merged submission per container, or the problems."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import ValidationError

from outfitter.api.v1alpha1 import WorkloadTraits
from outfitter.api.v1alpha1.containers import DEFAULT_GROUP, Container
from outfitter.api.v1alpha1.workload import WorkloadFields
from outfitter.api.validation import incomplete, runtime_violations
from outfitter.naming import credential_pull_secret, credential_secret
from outfitter.problems import Problem, note, stalled
from outfitter.reasons import Level, Reason
from outfitter.resolve.artifact_target import ArtifactTarget
from outfitter.resolve.credentials import usable_credentials
from outfitter.resolve.groups import place_groups
from outfitter.resolve.layers import asset_layers, environment_of
from outfitter.resolve.login import with_login
from outfitter.resolve.merge import Merged, merge, repeated_items
from outfitter.resolve.model_cache import CacheRequest
from outfitter.resolve.policies import Policies
from outfitter.resolve.ports import serving_port
from outfitter.resolve.private import Use, foreign_delivery, is_private, private_use, requester
from outfitter.resolve.references import AssetUse, Found, Source, check_variables, other_object, user_credential
from outfitter.resolve.request import WorkloadRequest
from outfitter.resolve.scheduling import NOT_SCHEDULED, Scheduling, scheduling
from outfitter.resolve.template import with_template
from outfitter.resolve.volumes import (
    Volume,
    asset_volumes,
    check_volumes,
    imposed_volumes,
    inline_volumes,
    mounted_images,
    not_imposed,
    with_nodes,
)
from outfitter.snapshot import CachedObject, Reader, Resource

MAIN = "main"
_ABSENT: Final = (Reason.REFERENCE_NOT_FOUND, Reason.REFERENCE_DELETING)
_LAYERS: Final = (".environment", ".compute", ".artifact", ".template")
NGC_HOST = "nvcr.io/"

Spec = WorkloadFields


@dataclass(frozen=True)
class ContainerUse:
    """One container: its merged submission, and its definition in an artifact. `port`: where it serves."""

    name: str
    spec: Spec
    origins: Mapping[str, str]
    port: int | None = None
    definition: Container | None = None
    field: str = "spec"
    nim: bool = False  # runs a NIM image
    compute_field: str = "spec.compute"


@dataclass(frozen=True)
class GroupUse:
    """Containers that run in one pod, the primary first. `key`: the value of their label in selectors."""

    name: str
    key: str
    containers: tuple[ContainerUse, ...]


@dataclass(frozen=True)
class Resolved:
    """The merged submission and everything that it refers to. A revision needs one without serious problems."""

    request: WorkloadRequest
    merged: Merged
    spec: Spec
    volumes: tuple[Volume, ...]
    pull_secrets: tuple[str, ...]
    sources: tuple[Source, ...]
    problems: tuple[Problem, ...]
    groups: tuple[GroupUse, ...]  # the main group first
    artifact: ArtifactTarget | None = None
    environment: Resource | None = None
    assets: tuple[AssetUse, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    missing_cache: CacheRequest | None = None
    outgrown_cache: CachedObject | None = None  # to create again with what its workload asks for now
    scheduling: Scheduling = NOT_SCHEDULED
    master: Resolved | None = None
    """The master of a distributed workload; the rest is about its workers."""

    @property
    def incomplete(self) -> bool:
        """Return whether a layer is missing, because the asset or artifact that it comes from is not there."""
        return any(
            problem.reason in _ABSENT and problem.field.removesuffix(".name").endswith(_LAYERS)
            for problem in self.problems
        )


def resolve_workload(reader: Reader, request: WorkloadRequest, policies: Policies) -> Resolved:
    """Resolve a workload that is made of assets and inline fields."""
    found = Found(requester(request))
    request = with_template(reader, request, found)
    environment = environment_of(reader, request, found)
    found.problems += repeated(request)
    merged = merge(asset_layers(reader, request, environment, found))
    attached = list(asset_volumes(reader, request, found))
    merged = with_login(reader, request, policies.apply(request, merged, attached, found), found)
    spec = read_submission(request.traits, merged, found)
    imposed = imposed_volumes(reader, request, policies.imposed, found)
    volumes = [*not_imposed(attached, policies.imposed), *inline_volumes(request, spec.storage), *imposed]
    contained = check_variables(reader, request.namespace, spec, found)
    volumes = check_volumes(reader, request.namespace, volumes, found)
    pull = pull_secrets(
        reader, request.namespace, spec, [spec.image or "", *mounted_images(volumes)], found, request.type
    )
    # A master is scheduled as the workers are.
    of_workers = not request.of_master
    scheduled = scheduling(reader, request, merged.fields, policies.allows, found) if of_workers else NOT_SCHEDULED
    explained = any(problem.level > Level.NOTE for problem in found.problems)
    found.problems += shape_problems(request.traits, merged, complete=not explained)
    if request.traits.serves:
        volumes = with_nodes(reader, request.namespace, volumes)
    (placed,) = place_groups([DEFAULT_GROUP], request.running)
    container = ContainerUse(MAIN, contained, merged.origins, serving_port(spec))
    group = GroupUse(placed.name, placed.key, (container,))
    return Resolved(
        request,
        merged,
        spec,
        tuple(volumes),
        pull,
        tuple(found.sources.values()),
        tuple(found.problems),
        (group,),
        environment=environment,
        assets=tuple(found.uses),
        facts=imposed_facts(policies),
        scheduling=scheduled,
    )


def imposed_facts(policies: Policies) -> dict[str, Any]:
    """Return the status field that names the DataSources which policies mount."""
    names = sorted({asset.live.name for asset in policies.imposed})
    return {"imposedDataSources": names} if names else {}


def read_submission(traits: WorkloadTraits, merged: Merged, found: Found) -> Spec:
    """Return the merged fields as a model; an empty one, with problems, if they do not fit it."""
    model = traits.spec
    try:
        return model.model_validate(merged.fields)
    except ValidationError as error:
        for item in error.errors():
            text = f"The merged value is not valid: {item['msg']}. Correct the field."
            found.problems.append(stalled(Reason.INVALID_SPEC, text, field_text(item["loc"])))
        return model()


def repeated(request: WorkloadRequest) -> Iterator[Problem]:
    """Yield the items of the workload, or of its template, that replace an earlier one of the same list."""
    for error in repeated_items(request.inline):
        yield stalled(Reason.INVALID_SPEC, error.message, field_text(error.path))
    if request.template is not None:
        for error in repeated_items(request.from_template):
            place = field_text(error.path, "spec.masterSpec" if request.of_master else "spec")
            text = f"WorkloadTemplate {request.template.name} is invalid: {place}: {error.message}"
            yield stalled(Reason.INVALID_SPEC, text, "spec.template")


def shape_problems(traits: WorkloadTraits, merged: Merged, *, complete: bool) -> Iterator[Problem]:
    """Yield contradictions of the merged submission, and with `complete` its missing fields."""
    missing = incomplete(traits.spec, merged.fields) if complete else ()
    for error in (*missing, *runtime_violations(merged.fields)):
        yield stalled(Reason.INVALID_SPEC, error.message, field_text(error.path))


def field_text(path: Iterable[str | int], root: str = "spec") -> str:
    """Return the path of a field for messages: ("ports", 0, "name") -> spec.ports[0].name."""
    steps = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return f"{root}{steps}" if root else steps.removeprefix(".")


def pull_secrets(
    reader: Reader, namespace: str, spec: Spec, images: Iterable[str], found: Found, workload_type: str
) -> tuple[str, ...]:
    """Return the pull secrets: named ones, those of dockerRegistry Credentials, and the NGC key for NGC images."""
    names: dict[str, None] = {}
    for item in spec.image_pull_secrets:
        name = _of_author(reader, namespace, item.name, found) if item.user_credential else item.name
        names |= {name: None} if name else {}
        field = f"spec.imagePullSecrets[{item.name}]"
        if not item.user_credential and (taken := foreign_delivery(reader, namespace, name, field, found.user)):
            found.problems.append(taken)
    of_ngc = any(image.startswith(NGC_HOST) for image in images)
    types = ("dockerRegistry", *(("ngcApiKey",) if of_ngc else ()))
    for asset in usable_credentials(reader, namespace, types, workload_type, found.user):
        if found.user is not None and is_private(asset):
            use = private_use(reader, asset, "", "", found.user)
            if isinstance(use, Problem):
                found.problems.append(note(use.reason, use.message))
            else:
                found.keep_use(use)
                names[use.secret] = None
            continue
        found.keep(asset)
        of_key = getattr(asset.model.spec, "type", "") == "ngcApiKey"
        name = (credential_pull_secret if of_key else credential_secret)(asset.live.name)
        names[name] = None
        live = reader.get("Secret", namespace, name)
        if live is not None and live.owner != asset.live.uid:
            found.problems.append(note(Reason.REPLICATION_ERROR, other_object(live, asset)))
    return tuple(names)


def _of_author(reader: Reader, namespace: str, name: str, found: Found) -> str:
    """Return the Secret with the login of a private Credential of the author; "" and a problem without one."""
    field = f"spec.imagePullSecrets[{name}].userCredential"
    use = user_credential(reader, namespace, name, "", field, found.user)
    if not isinstance(use, Problem):
        use = _login(use, field)
    if isinstance(use, Problem):
        found.problems.append(use)
        return ""
    found.keep_use(use, field)
    return use.secret


def _login(use: Use, field: str) -> Use | Problem:
    kind = getattr(use.asset.model.spec, "type", "")
    if kind == "dockerRegistry":
        return use
    text = f"{use.asset.key} has type {kind}, which holds no login to a registry. Name one of type dockerRegistry."
    return stalled(Reason.REFERENCE_INVALID, text, field)
