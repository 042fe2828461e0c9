"""NimCache -> its claim and the Job that downloads the model; and the NimCache on demand."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from outfitter.api.v1alpha1.nimcache import NimCacheSpec
from outfitter.api.v1alpha1.volumes import ClaimInfo
from outfitter.api.v1alpha1.workspace import WorkspaceSpec
from outfitter.api.version import API_VERSION
from outfitter.naming import (
    ANNOTATION_ATTEMPT,
    ANNOTATION_SOURCE_VERSION,
    LABEL_FILLED,
    LABEL_ON_DEMAND,
    download_job,
    owner_labels,
)
from outfitter.problems import Problem, stalled
from outfitter.reasons import Reason
from outfitter.render import computeresource, environment, gpu, placement, scheduling
from outfitter.render.claims import persistent_volume_claim
from outfitter.render.container import NIM_POD
from outfitter.render.owner import child_meta, labelled_by_user
from outfitter.render.pod import MAIN, PodPatch, assemble
from outfitter.resolve.model_cache import CacheRequest
from outfitter.resolve.nim import CACHE_PATH, CACHE_VARIABLE, given_cache_path
from outfitter.resolve.references import label
from outfitter.resolve.scheduling import Scheduling
from outfitter.settings import Settings
from outfitter.snapshot import CachedObject, Resource

_VOLUME = "model"
_PREEMPTIBILITY = "non-preemptible"  # a download that starts again from the beginning may never end
_DISRUPTED: Mapping[str, Any] = {
    "rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
}


def on_demand(namespace: str, request: CacheRequest) -> dict[str, Any]:
    """Return the NimCache on demand of a model. It has no owner and is deleted some time after its last user."""
    meta = {"name": request.name, "namespace": namespace, "labels": {LABEL_ON_DEMAND: "true"}}
    return {
        "apiVersion": API_VERSION,
        "kind": "NimCache",
        "metadata": {**meta, "annotations": request.annotations},
        "spec": dict(request.spec),
    }


def claim(resource: Resource, spec: NimCacheSpec, settings: Settings, *, filled: bool) -> dict[str, Any]:
    """Return the claim of a cache; a label on it records that the model is complete."""
    info = ClaimInfo.model_validate(
        {
            "size": spec.size or settings.nim_volume_size,
            "accessModes": spec.access_modes.to_dict() if spec.access_modes else {"readWriteMany": True},
            **({"storageClass": spec.storage_class} if spec.storage_class else {}),
        }
    )
    meta = child_meta(resource)
    labels = {**meta["labels"], **({LABEL_FILLED: "true"} if filled else {})}
    manifest = persistent_volume_claim(info, resource.live.name, resource.live.namespace, labels, retain=False)
    manifest["metadata"]["ownerReferences"] = meta["ownerReferences"]
    return labelled_by_user(manifest, user_labels(spec, settings))


def job(
    resource: Resource,
    spec: NimCacheSpec,
    attempt: int,
    version: str,
    pull_secrets: Sequence[str],
    settings: Settings,
    queue: str = "",
    *,
    as_made: CachedObject | None = None,
) -> tuple[dict[str, Any], list[Problem]]:
    """Return the Job of one attempt. It ends with its first failure; the operator starts the next attempt.

    A pod that is evicted or preempted, or whose node is drained, is replaced within the attempt. `as_made`: the Job of
    this attempt, which keeps a policy and a queue that no longer can change.
    """
    meta = child_meta(resource)
    scheduled = Scheduling(queue, preemptibility=_PREEMPTIBILITY)
    template, problems = _template(resource, spec, pull_secrets, scheduled, settings)
    labels = scheduling.download_labels(scheduled, settings)
    if as_made is not None:
        made = as_made.body["spec"]["template"]
        template, labels = scheduling.kept(template, made), scheduling.own_labels(made)
    manifest = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            **meta,
            "labels": {**meta["labels"], **labels},
            "name": download_job(resource.live.name, attempt),
            "annotations": {ANNOTATION_ATTEMPT: str(attempt), ANNOTATION_SOURCE_VERSION: version},
        },
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": settings.nim_download_seconds,
            **(
                {"podFailurePolicy": _DISRUPTED}
                if as_made is None or "podFailurePolicy" in as_made.body["spec"]
                else {}
            ),
            "template": template,
        },
    }
    return labelled_by_user(manifest, user_labels(spec, settings)), problems


def user_labels(spec: NimCacheSpec, settings: Settings) -> dict[str, dict[str, str]]:
    """Return labels and annotations of the user for the children of a cache."""
    labels, annotations, _ = placement.user_metadata(submission(spec), settings)
    return {"labels": labels, "annotations": annotations}


def submission(spec: NimCacheSpec) -> WorkspaceSpec:
    """Return the download as a submission."""
    words = ["download-to-cache", *(["--profiles", *spec.profiles] if spec.profiles else [])]
    key: list[dict[str, Any]] = []
    if spec.credential is not None:
        key = [{"name": "NGC_API_KEY", "credential": {**spec.credential.to_dict(), "key": "NGC_API_KEY"}}]
    given = [item.to_dict() for item in spec.environment_variables if not item.exclude]
    names = {item.name for item in spec.environment_variables}
    usual: list[dict[str, Any]] = [{"name": CACHE_VARIABLE, "value": CACHE_PATH}, *key]
    fields = {
        "image": spec.image,
        "command": shlex.join(words),
        "environmentVariables": [*(item for item in usual if item["name"] not in names), *given],
        "compute": spec.compute.to_dict(),
        "nodeType": spec.node_type,
        "nodePools": list(spec.node_pools),
        "tolerations": [item.to_dict() for item in spec.tolerations],
        "labels": [item.to_dict() for item in spec.labels],
        "annotations": [item.to_dict() for item in spec.annotations],
    }
    return WorkspaceSpec.model_validate(fields)


def _mount_path(spec: NimCacheSpec) -> str:
    """Return where the download writes the model; the plan reports a path that cannot be used."""
    path = given_cache_path(spec.environment_variables, "spec.environmentVariables")
    return path if isinstance(path, str) else CACHE_PATH


def gpu_problems(spec: NimCacheSpec, settings: Settings) -> list[Problem]:
    """Return why a download cannot have the GPUs that it asks for. Device claims are for workloads."""
    use = gpu.GpuUse(MAIN, spec.compute, "")
    gpus = gpu.render([use], "", settings)
    if not gpus.claims:
        return list(gpus.problems)
    text = "A download cannot claim devices. Remove the GPU of the NimCache."
    return [*gpus.problems, stalled(Reason.UNSUPPORTED, text, f"{use.field}.gpuDevicesRequest")]


def _template(
    resource: Resource, spec: NimCacheSpec, pull_secrets: Sequence[str], scheduled: Scheduling, settings: Settings
) -> tuple[dict[str, Any], list[Problem]]:
    who, live = label(resource), resource.live
    workload = submission(spec)
    labels = owner_labels(live.kind, live.name, live.uid)
    problems: list[Problem] = []
    parts: list[PodPatch] = []
    for part, found in (
        environment.pod_patch(workload, who, settings),
        computeresource.pod_patch(workload.compute, who),
        placement.pod_patch(workload, who, labels, settings),
    ):
        parts.append(part)
        problems += found
    parts += gpu.render([gpu.GpuUse(MAIN, workload.compute, who)], live.name, settings).patches
    parts += scheduling.pod_patch(scheduled, who, who, settings)
    own = PodPatch(
        who,
        volumes=[{"name": _VOLUME, "persistentVolumeClaim": {"claimName": live.name}}],
        mounts=[{"name": _VOLUME, "mountPath": _mount_path(spec)}],
        pull_secrets=pull_secrets,
        labels=labels,
        # The end of the log has the cause of a failed download; only its category is reported.
        container={"terminationMessagePolicy": "FallbackToLogsOnError"},
        pod={"restartPolicy": "Never", **NIM_POD},
    )
    assembled = assemble([*parts, own])
    return assembled.template, [*problems, *assembled.problems]
