"""The end of each reference page: the meaning of the phases, and steps for an object that does not work."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final, get_args

from outfitter.api.v1alpha1 import Kind
from outfitter.api.v1alpha1.artifact import ArtifactPhase
from outfitter.api.v1alpha1.artifactstatus import CachePhase
from outfitter.api.v1alpha1.datasource import DataPhase
from outfitter.api.v1alpha1.imagebuild import BuildState
from outfitter.api.v1alpha1.running import Phase

MEANINGS: Final[Mapping[type[StrEnum], Mapping[str, str]]] = {
    Phase: {
        Phase.CREATING: "The child objects are created. No controller has observed them yet.",
        Phase.PENDING: "A referenced object is missing, or the pods are not scheduled. See `issues`.",
        Phase.INITIALIZING: "The pods are scheduled and start: images are pulled, models are loaded.",
        Phase.RUNNING: "All pods are ready.",
        Phase.DEGRADED: "It was running, and at least one pod is not ready now. See `issues`.",
        Phase.UPDATING: "Newer pods replace the old ones.",
        Phase.STOPPING: "The pods end, because the workload is suspended.",
        Phase.STOPPED: "The workload is suspended. Volumes, Services and addresses stay. It is Ready: this is the "
        "requested state.",
        Phase.RESUMING: "It was stopped and starts again.",
        Phase.COMPLETED: "It ran to its end with success. It does not run again by itself.",
        Phase.FAILED: "It never started, or it ran to its end without success. You must fix something. See `issues`.",
        Phase.DELETING: "It is being deleted.",
    },
    ArtifactPhase: {
        ArtifactPhase.DRAFT: "You can edit it freely. Lock it with `locked: true`.",
        ArtifactPhase.LOCKING: "It waits for the number that its ArtifactRepository assigns. This takes a moment.",
        ArtifactPhase.LOCKED: "It is version `status.version`. Everything but `run` is frozen. Clone it to change it.",
        ArtifactPhase.LOCK_FAILED: "It cannot become a version. See `issues`. Edit it, or set `locked` to false.",
        ArtifactPhase.DELETING: "It is being deleted.",
    },
    DataPhase: {
        DataPhase.READY: "Workloads in its scope can mount the volume.",
        DataPhase.NOT_READY: "It cannot be shared, or its claim is missing. See `issues`.",
        DataPhase.CREATING: "Its claim has no volume yet.",
        DataPhase.DELETING: "It is being deleted.",
        DataPhase.UNKNOWN: "Its claim is bound, and the operator has not seen its PersistentVolume. This takes a "
        "moment.",
    },
    BuildState: {
        BuildState.PENDING: "It waits: for something that is missing, for its turn, or for its pod. See `issues`.",
        BuildState.IN_PROGRESS: "Its pod fetches the source, or builds the image.",
        BuildState.BUILT: "The image is pushed, and the Job is about to end.",
        BuildState.COMPLETED: "The Artifact uses `status.image`.",
        BuildState.FAILED: "It ended without an image. See `status.failure` and `status.logTail`.",
        BuildState.CANCELLED: "`spec.cancel` stopped it.",
        BuildState.UNKNOWN: "Its Job is gone, and Outfitter saw no result. Build again.",
    },
    CachePhase: {
        CachePhase.PENDING: "A requirement of the download is missing, for example the key or the claim.",
        CachePhase.DOWNLOADING: "The Job `status.jobName` downloads the model since `status.progress.startedAt`.",
        CachePhase.READY: "The claim `status.claimName` holds the model.",
        CachePhase.FAILED: "The last attempt failed for `status.failure.reason`. The next one starts at "
        "`status.nextAttemptAt`.",
        CachePhase.DELETING: "It is being deleted.",
    },
}
"""Enumeration of phases -> the meaning of each phase that an object can show."""


def phases(kind: Kind) -> dict[str, type[StrEnum]]:
    """The fields of a kind's status that hold a phase, with their enumeration."""
    status = kind.model.model_fields["status"].annotation
    found = {}
    for model in (status, *get_args(status)):
        for name, field in getattr(model, "model_fields", {}).items():
            for enumeration in {*get_args(field.annotation)} & MEANINGS.keys():
                found[field.alias or name] = enumeration
    return found


def steps(kind: Kind) -> Iterator[str]:
    """What to look at when an object of a kind does not work, in order."""
    name = kind.singular
    yield (
        f"Read every issue in full: `kubectl -n team-a get {name} -o wide`, then `outfitter status {name}/NAME -n "
        "team-a`."
    )
    runs = Phase in phases(kind).values()
    if runs:
        yield (
            "See the origin of each value of the pod, and newer versions of its inputs: "
            f"`outfitter explain {name}/NAME -n team-a`."
        )
        yield (
            f"List the pods: `kubectl -n team-a get pods -l outfitter.dev/owner-kind={kind.name},"
            "outfitter.dev/owner-name=NAME`. Then run `describe` and `logs --previous` for a pod that is not ready."
        )
    yield from _STEPS.get(kind.name, ())
    if runs:
        yield (
            "An edit of an asset does not change running pods. `status.outdated` lists it. Restart the object: "
            f"`kubectl -n team-a annotate {name} NAME --overwrite outfitter.dev/restartedAt=$(date +%s)`."
        )
    if kind.asset:
        yield (
            "`status.usedBy` lists the users. The labels `outfitter.dev/project` and `outfitter.dev/department` of a "
            "namespace decide whether it can use the asset."
        )
    yield (
        "If the status is empty, check that the object has no annotation `outfitter.dev/reconcile: disabled`, that the "
        "operator runs, and that `watchNamespaces` covers the namespace."
    )


_STEPS: Final[Mapping[str, tuple[str, ...]]] = {
    "ComputeResource": ("See what a pod gets from it: `outfitter explain workspace/NAME -n team-a`.",),
    "DataSource": (
        "Check StorageClass, capacity, access modes and events of the claims: `kubectl -n team-a describe pvc -l "
        "outfitter.dev/owner-kind=DataSource,outfitter.dev/owner-name=NAME`.",
        "Find claims that outlived their DataSource: `kubectl get pvc -A -l outfitter.dev/retained`.",
    ),
    "Credential": (
        "List the keys of the Secret, without values: `kubectl -n team-a describe secret NAME`. `status.keys` lists "
        "the published keys.",
        "List the namespaces that have it: `kubectl get secrets -A -l outfitter.dev/owner-kind=Credential,"
        "outfitter.dev/owner-name=NAME`. `status.targets` counts them.",
    ),
    "Registry": (
        "If the host is not allowed, ask an administrator to add it to the setting `registryHosts`.",
        "If the registry is not reachable, Outfitter asks again after a minute, and then less often. An edit of the "
        "spec, or of the Secret of its Credential, makes it ask at once.",
        "If a repository is missing, the login may not see it: `status.repositories` holds what the registry shows to "
        "the Credential.",
        "If `watchImages` lists no image that moved, check that `url` and `repositories` cover the image, that its "
        "pods report a digest in `containerStatuses[].imageID`, and that `settings.imageWatchSeconds` is not 0.",
    ),
    "ImageQuery": (
        "The answer is final. Delete the object, and create a new one to ask again: `outfitter images` does both.",
        "If the registry is not reachable, Outfitter asks again after a minute, until it deletes the object.",
        "If the object disappeared, its time was over: `settings.imageQuerySeconds`.",
        "If Registry and Credential are the problem, run `kubectl -n team-a describe registry NAME`.",
    ),
    "ImageBuild": (
        "`status.logTail` has the end of the log. While the pod exists, read all of it: `outfitter build logs NAME -n "
        "team-a`.",
        "If it stays `PENDING`, the issues say what it waits for. Else check its pod: `kubectl -n team-a describe pod "
        "-l outfitter.dev/owner-kind=ImageBuild,outfitter.dev/owner-name=NAME`.",
        "A build that has ended never runs again. Raise `buildRequest` of the Artifact, or create a new ImageBuild.",
        'To stop it: `kubectl -n team-a patch imagebuild NAME --type merge -p \'{"spec":{"cancel":true}}\'`.',
    ),
    "Training": (
        "`status.progress` counts its pods. A failed one leaves its exit code and last words in the issue; its whole "
        "log: `kubectl -n team-a logs job/NAME --all-pods`.",
        "A completed training never runs again by itself, also after an edit. Run it again: `kubectl -n team-a "
        "annotate training NAME --overwrite outfitter.dev/restartedAt=$(date +%s)`.",
        "A failed one runs again after that annotation, or once it was suspended and started.",
        "An edit that needs another Job (`RestartRequired`) takes effect once it was suspended and started.",
    ),
    "DistributedTraining": (
        "`status.backend` shows what creates its pods; `status.master` and `status.worker` count them. The log of rank "
        "0: `kubectl -n team-a logs -l outfitter.dev/owner-name=NAME,outfitter.dev/container-group=master`, or "
        "`=worker` if all pods are alike.",
        "A pod that fails has all pods start again, after 10 seconds, 20 seconds and so on; `status.run.attempt` "
        "counts. With `restartPolicy: OnFailure` or `minReplicas` it alone starts again.",
        "It never runs again by itself once it ended: `kubectl -n team-a annotate distributedtraining NAME "
        "--overwrite outfitter.dev/restartedAt=$(date +%s)`.",
        "If it stays `Creating` with backend `jobset` or `kubeflow`, check that the controller of these objects runs: "
        "`kubectl get pods -A | grep -e jobset -e mpi-operator`.",
    ),
    "Inference": (
        "`status.artifact` shows what runs: name, version and generation. `status.containerGroups` counts the pods of "
        "each group.",
        "If it does not answer, check `status.url`, then `kubectl -n team-a get endpointslices -l "
        "kubernetes.io/service-name=NAME`. No address means that no pod is ready.",
        "If it does not scale, run `kubectl -n team-a describe hpa NAME`. The metrics `cpu` and `memory` need requests "
        "and a metrics server. With `autoscaling`, `kubectl scale` has no effect.",
        "If a new version does not start, it is missing (`VersionNotFound`, `CacheNotReady`), rejected "
        "(`DraftForbidden`), or its pods do not become ready. The previous version keeps running.",
    ),
    "Artifact": (
        "If locking does not end, read the issues and numbers of its repository: `kubectl -n team-a get artrepo "
        "$(kubectl -n team-a get artifact NAME -o jsonpath={.status.repository}) -o yaml`.",
        "If an edit is rejected as frozen, the object is a version. Create a new Artifact with `cloneFrom: {name: "
        "NAME}`.",
        "If a deletion is rejected, the object is a version or is in use. The message names the users. The annotation "
        "`outfitter.dev/force-delete=true` permits the deletion.",
        "If it waits for an image, read its builds: `kubectl -n team-a get imagebuilds --field-selector "
        "spec.artifact.name=NAME`.",
        "If the model does not load, `status.nimCache` names the NimCache, and `status.claimName` the volume. The "
        "first start can take 20 minutes. `kubectl -n team-a logs deployment/NAME -f` shows the progress.",
    ),
    "ArtifactRepository": (
        "List its artifacts: `kubectl -n team-a get artifacts --field-selector status.repository=NAME`.",
        "A missing number belonged to a deleted Artifact (`status.retiredVersions`), or a `spec.version` skipped it. "
        "Outfitter never assigns a number twice.",
        "If a deletion is rejected, the repository holds Artifacts. Delete those first. Outfitter deletes an unused "
        "repository that it created itself.",
        "List the rights of a user on its artifacts: `kubectl -n team-a auth can-i --list --as USER`. List the Roles: "
        "`kubectl -n team-a get roles,rolebindings -l outfitter.dev/owner-name=NAME`.",
    ),
    "NimCache": (
        "Follow the download: `kubectl -n team-a logs job/$(kubectl -n team-a get nimcache NAME -o "
        "jsonpath={.status.jobName}) -f`.",
        "`status.failure` shows the last failure, `status.attempts` counts the attempts, and `status.nextAttemptAt` "
        "shows the next one. Outfitter retries at once after a change to the Secret or the NimCache.",
        "If the pod of the Job does not start, check image, taints and claim: `kubectl -n team-a describe pod -l "
        "outfitter.dev/owner-kind=NimCache,outfitter.dev/owner-name=NAME`.",
        "If the claim is not bound, run `kubectl -n team-a describe pvc NAME`. The default access mode is "
        "ReadWriteMany. If no StorageClass offers it, create the NimCache yourself with `accessModes: {readWriteOnce: "
        "true}`.",
        "If no Artifact uses it, compare `image` with the image of the Artifact. Registry and tag must be equal.",
        "If it disappeared, Outfitter had created it, and deleted it `nimCacheGraceSeconds` after its last use. Set "
        "`retain: true` to keep it.",
    ),
}
"""Further steps by kind. A kind without any needs no entry."""
