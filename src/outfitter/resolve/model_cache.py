"""The NimCache of a workload: the one that serves it, and the one to create on demand."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from outfitter.api.v1alpha1.containers import Container
from outfitter.naming import ANNOTATION_DIGEST, ANNOTATION_REQUESTED_BY, short_hash
from outfitter.problems import Problem, note
from outfitter.reasons import Reason
from outfitter.resolve.credentials import usable_key
from outfitter.resolve.model_choice import PROFILE, ModelChoice, holds, made_on_demand
from outfitter.resolve.nim import CACHE_VARIABLE, NGC_KEY, PORT_VARIABLES
from outfitter.resolve.private import find_credential
from outfitter.resolve.references import Found
from outfitter.resolve.request import WorkloadRequest
from outfitter.resolve.scope import covers, scope_problem
from outfitter.snapshot import Reader, Resource

# Fields that a cache on demand takes from the shared cache of the same model.
_FROM_ADMIN: Final = (
    "size", "storageClass", "accessModes", "profiles", "environmentVariables", "compute", "nodeType", "nodePools",
    "tolerations", "retain",
)  # fmt: skip
# Parts of the compute of a workload that its download gets: a quota that admits its pods admits the download.
_COMPUTE: Final = ("cpuCoreRequest", "cpuCoreLimit", "cpuMemoryRequest", "cpuMemoryLimit")
# Where the workload has no requests: a pod without any is evicted first.
_LEAST: Final = {"cpuCoreRequest": 0.1, "cpuMemoryRequest": "512Mi"}
_PLACEMENT: Final = ("nodeType", "nodePools", "tolerations")
_OF_THE_SERVER: Final = (CACHE_VARIABLE, *PORT_VARIABLES)


@dataclass(frozen=True)
class CacheRequest:
    """A NimCache to create on demand: wholly derived from the workload that asks for it."""

    name: str
    spec: Mapping[str, Any]
    requester: str  # kind/name

    @property
    def annotations(self) -> dict[str, str]:
        """Return the annotations by which a later request of the same workload is compared."""
        digest = short_hash(orjson.dumps(self.spec, option=orjson.OPT_SORT_KEYS), 16)
        return {ANNOTATION_REQUESTED_BY: self.requester, ANNOTATION_DIGEST: digest}


def cache_request(
    reader: Reader,
    request: WorkloadRequest,
    container: Container,
    wanted: ModelChoice,
    submission: Mapping[str, Any],
    notes: Found,
) -> CacheRequest:
    """Return the cache of a workload: with the key, variables, compute and nodes of the container that needs the model.

    `submission`: the merged fields of the workload, with the compute of that container.
    """
    admin = shared_cache(reader, request.namespace, wanted)
    given = admin.body["spec"] if admin else {}
    spec = {"image": wanted.image, **{key: given[key] for key in _FROM_ADMIN if key in given}}
    private = _private(reader, request.namespace, container, notes)
    variables, credential = _variables(container, private)
    if credential is None and not any(item["name"] == NGC_KEY for item in variables):
        key = usable_key(reader, request.namespace, Found(), workload_type=request.type)
        credential = {"name": key.live.name} if key is not None else None
    if credential is not None:
        spec["credential"] = credential
    inherited = [
        item for item in spec.get("environmentVariables") or () if item["name"] not in {v["name"] for v in variables}
    ]
    if inherited or variables:
        spec["environmentVariables"] = [*inherited, *variables]
    profile = dict(wanted.profile).get(PROFILE)
    if profile and not profile.startswith("{"):
        spec["profiles"] = [profile]
    if "compute" not in spec:
        compute = submission.get("compute") or {}
        own = {key: compute[key] for key in _COMPUTE if compute.get(key) is not None}
        spec["compute"] = own or dict(_LEAST)
    spec |= {key: submission[key] for key in _PLACEMENT if submission.get(key) and key not in spec}
    return CacheRequest(wanted.cache_name, spec, f"{request.resource.live.kind}/{request.name}")


def _private(reader: Reader, namespace: str, container: Container, notes: Found) -> set[str]:
    """Return the variables whose private Credential a cache cannot use, because it serves all users, with a note."""
    names = set()
    for item in container.environment_vars:
        if item.credential is None:
            continue
        field = f"spec.containerGroups.environmentVars[{item.name}].credential"
        answer = find_credential(reader, namespace, item.credential, field, None)
        if isinstance(answer, Problem) and answer.reason in (Reason.CREDENTIAL_FORBIDDEN, Reason.NEEDS_IDENTITY):
            names.add(item.name)
            if answer.reason is Reason.CREDENTIAL_FORBIDDEN:
                notes.problems.append(note(answer.reason, answer.message, field))
    return names


def _variables(container: Container, without: Collection[str]) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """Return the variables of the download, and the Credential with its key if the container names one."""
    variables: list[dict[str, Any]] = []
    credential = None
    for item in container.environment_vars:
        if item.name in _OF_THE_SERVER or item.name in without or item.source == "apiToken":
            continue
        source = item.credential.to_dict() if item.credential is not None else None
        if item.name == NGC_KEY and source is not None and source["key"] == NGC_KEY:
            credential = {key: value for key, value in source.items() if key != "key"}
        elif source is not None:
            variables.append({"name": item.name, "credential": source})
        else:
            variables.append({"name": item.name, "value": item.value})
    return variables, credential


def serving_cache(reader: Reader, namespace: str, wanted: ModelChoice) -> Resource | None:
    """Return the NimCache of a model in a namespace: one of a user, else the one on demand."""
    reader.track("NimCache", namespace, wanted.cache_name)
    found = [cache for cache in reader.caches(namespace, wanted.image) if not cache.live.deleting]
    return min((cache for cache in found if holds(cache, wanted)), key=made_on_demand, default=None)


def shared_cache(reader: Reader, namespace: str, wanted: ModelChoice) -> Resource | None:
    """Return the shared NimCache of a model whose scope covers the namespace."""
    system = reader.settings.system_namespace
    if namespace == system:
        return None
    for resource in reader.caches(system, wanted.image):
        usable = holds(resource, wanted) and covers(reader, resource, namespace)
        if usable and not resource.live.deleting and scope_problem(resource, system) is None:
            return resource
    return None


def outgrown(reader: Reader, cache: Resource, request: CacheRequest) -> bool:
    """Return whether a cache on demand that holds no model yet has to be created again, because its request changed.

    Only the workload that asked for it decides, and any other one once that is gone.
    """
    annotations = cache.body["metadata"].get("annotations") or {}
    status = cache.body.get("status") or {}
    if not made_on_demand(cache) or status.get("phase") == "Ready" or ANNOTATION_DIGEST not in annotations:
        return False
    kind, _, name = annotations.get(ANNOTATION_REQUESTED_BY, "").partition("/")
    if request.requester != f"{kind}/{name}" and name and reader.get(kind, cache.live.namespace, name) is not None:
        return False
    return bool(annotations[ANNOTATION_DIGEST] != request.annotations[ANNOTATION_DIGEST])
