"""Every name, label and annotation that Outfitter writes, and its greatest length.

Selector labels, the field manager and annotation keys are frozen: changing one would orphan what older versions made.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Final

from outfitter.api.version import GROUP

FIELD_MANAGER: Final = "outfitter"
# kubectl's copy of the whole object, which includes the data of a Secret.
LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"

# On every child. Informers select by the first; it names the owner across namespaces.
LABEL_OWNER_UID: Final = f"{GROUP}/owner-uid"
LABEL_OWNER_KIND: Final = f"{GROUP}/owner-kind"
LABEL_OWNER_NAME: Final = f"{GROUP}/owner-name"
LABEL_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
MANAGED_BY: Final = "outfitter"
# On claims: "true" if the data outlives its owner and an owner of the same name takes it over; "false" if not.
LABEL_RETAINED: Final = f"{GROUP}/retained"

# In pods of a workspace with idleTimeoutSeconds: the container that watches for use, and its volume.
ACTIVITY: Final = "outfitter-activity"

# In pods that mount a repository or a bucket: the containers that fetch them, whose names begin with this.
DATA_PREFIX: Final = "outfitter-data-"
# What the API server has since Kubernetes 1.35, as a word beside the kinds that it may serve.
IMAGE_VOLUMES: Final = "image volumes"

# On pods of a workload that serves: the key of the container group, the name that it had first. Part of the selector,
# so neither label nor value ever changes.
LABEL_CONTAINER_GROUP: Final = f"{GROUP}/container-group"
# On pods of a distributed workload that are Jobs of their own: their rank, and their number among the workers.
LABEL_RANK: Final = f"{GROUP}/rank"
LABEL_REPLICA: Final = f"{GROUP}/replica"
# On child objects of a tagged Artifact or ArtifactRepository: the beginning of a label for each tag.
TAG_PREFIX: Final = f"tags.{GROUP}/"
# On custom resources that the operator created on demand; it deletes them when nothing needs them.
LABEL_ON_DEMAND: Final = f"{GROUP}/made-by-operator"
# On the claim of a NimCache: the download is complete.
LABEL_FILLED: Final = f"{GROUP}/filled"

# On children, as annotations.
ANNOTATION_DIGEST: Final = f"{GROUP}/digest"  # digest of the manifest; never covers secret material
ANNOTATION_INSTALLATION: Final = f"{GROUP}/installation"  # the one that writes an EffectivePolicy, which has no status
ANNOTATION_SOURCE_VERSION: Final = (
    f"{GROUP}/source-version"  # resourceVersion of the Secret that a copy was last made from
)
ANNOTATION_STOPPED_REVISION: Final = (
    f"{GROUP}/stopped-revision"  # the revision that was current when the workload was suspended
)

ANNOTATION_PASSWD: Final = f"{GROUP}/passwd"  # line of /etc/passwd for the user who runs ssh in a pod
ANNOTATION_REVISION: Final = f"{GROUP}/revision"  # the revision that a controller of a workload that ends runs
ANNOTATION_FIXED: Final = f"{GROUP}/fixed"  # digest of what a Job cannot change after its start
ANNOTATION_PROGRAM: Final = f"{GROUP}/program"  # digest of what it cannot change while it is stopped
ANNOTATION_SCALED: Final = f"{GROUP}/scaled"  # "true" on a controller whose replicas an autoscaler sets
ANNOTATION_REQUESTED_BY: Final = f"{GROUP}/requested-by"  # kind/name of the workload that a NimCache was created for
ANNOTATION_ATTEMPT: Final = f"{GROUP}/attempt"  # number of the attempt of a download Job or of a group, from 1
ANNOTATION_ATTEMPTS: Final = f"{GROUP}/attempts"  # most attempts of a group of Jobs
ANNOTATION_GROUP: Final = f"{GROUP}/group"  # digest of all objects that make the pods of one start of a group
ANNOTATION_LEAST: Final = f"{GROUP}/least"  # fewest pods with which an elastic group goes on
ANNOTATION_GROUP_SIZE: Final = f"{GROUP}/group-size"  # number of the Jobs of a group

BUILD_CONTAINER: Final = "build"  # in the pod of a build
ANNOTATION_BUILD_SOURCE: Final = f"{GROUP}/build-source"  # digest of what the Job of a build makes an image from
ANNOTATION_BUILD_DESTINATION: Final = f"{GROUP}/build-destination"  # repository and tag that it pushes to

# On Namespaces, set by admins.
LABEL_PROJECT: Final = f"{GROUP}/project"
LABEL_DEPARTMENT: Final = f"{GROUP}/department"
LABEL_WORKLOAD_TYPE: Final = f"{GROUP}/workload-type"
LABEL_ELEVATION: Final = f"{GROUP}/elevation"
LABEL_QUEUE: Final = f"{GROUP}/queue"

# On our custom resources, set by users.
ANNOTATION_RECONCILE: Final = f"{GROUP}/reconcile"  # "disabled" pauses
ANNOTATION_RESTARTED_AT: Final = f"{GROUP}/restartedAt"
ANNOTATION_FORCE_DELETE: Final = f"{GROUP}/force-delete"  # "true" lets an object be deleted that is in use or locked

# On our custom resources, set by the API server: who wrote the object, under which binding of the policy that says so.
# Updated: any part of the spec, and in which generation. Authored: what a workload runs, with the ids of the login.
ANNOTATION_CREATED_BY: Final = f"{GROUP}/created-by"
ANNOTATION_CREATED_UNDER: Final = f"{GROUP}/created-under"
ANNOTATION_UPDATED_BY: Final = f"{GROUP}/updated-by"
ANNOTATION_UPDATED_UNDER: Final = f"{GROUP}/updated-under"
ANNOTATION_AUTHORED_BY: Final = f"{GROUP}/authored-by"
ANNOTATION_AUTHORED_UNDER: Final = f"{GROUP}/authored-under"
ANNOTATION_RUN_AS: Final[Mapping[str, str]] = {name: f"{GROUP}/run-as-{name}" for name in ("uid", "gid", "groups")}

KUEUE_QUEUE: Final = "kueue.x-k8s.io/queue-name"  # label of a controller that Kueue starts
LABEL_LIMIT: Final = 63
NAME_LIMIT: Final = 253


def short_hash(text: str | bytes, length: int = 8) -> str:
    """Return the hexadecimal digest of a text, cut to `length` characters: stable over versions and machines."""
    data = text.encode() if isinstance(text, str) else text
    return hashlib.sha256(data).hexdigest()[:length]


def fit(name: str, limit: int = LABEL_LIMIT) -> str:
    """Return the name, or its beginning and a hash if it is longer than `limit`: still unique and valid."""
    if len(name) <= limit:
        return name
    return f"{name[: limit - 9].rstrip('-.')}-{short_hash(name)}"


def dns_label(text: str) -> str:
    """Return a text as a DNS label: lower case, other characters as dashes, a hash if that loses information."""
    plain = re.sub(r"[^a-z0-9-]+", "-", text.lower()).strip("-")
    if plain == text:
        return fit(text)
    return fit(f"{plain or 'x'}-{short_hash(text)}")


def keeps_data(kind: str, labels: Mapping[str, str]) -> bool:
    """Return whether a child is a claim that only a user may delete: any one without the label `false`."""
    return kind == "PersistentVolumeClaim" and labels.get(LABEL_RETAINED) != "false"


def owner_labels(kind: str, name: str, uid: str) -> dict[str, str]:
    """Return the labels of a child of the custom resource `kind`/`name` with `uid`."""
    return {LABEL_MANAGED_BY: MANAGED_BY, LABEL_OWNER_KIND: kind, LABEL_OWNER_NAME: name, LABEL_OWNER_UID: uid}


def selector_labels(kind: str, name: str) -> dict[str, str]:
    """Return the selector of the pods of a workload. By name, so that it survives a re-created owner."""
    return {LABEL_OWNER_KIND: kind, LABEL_OWNER_NAME: name}


def credential_secret(credential: str) -> str:
    """Name of the normalised Secret of a Credential."""
    return fit(f"cred-{credential}", NAME_LIMIT)


def credential_pull_secret(credential: str) -> str:
    """Name of the image pull secret that an ngcApiKey Credential also gives."""
    return fit(f"cred-{credential}-pull", NAME_LIMIT)


def delivered_secret(kind: str, workload: str, credential: str, uid: str) -> str:
    """Name of the Secret that holds a private Credential for one workload; `uid`: that of the Credential."""
    name = fit(f"{workload}-cred-{credential}", NAME_LIMIT - 11)
    return f"{name}-{short_hash(f'{kind}/{workload}/{uid}', 10)}"


def data_source_config_map(data_source: str) -> str:
    """Name of the copies of a shared DataSource's ConfigMap: after the asset, so that two of them cannot clash."""
    return fit(f"dsrc-{data_source}", NAME_LIMIT)


def is_copy_name(name: str, owner: str) -> bool:
    """Return whether a Secret or ConfigMap has the name of a copy that belongs to the asset `owner`."""
    return name in (credential_secret(owner), credential_pull_secret(owner), data_source_config_map(owner))


def connection_service(workload: str, connection: str) -> str:
    """Name of the Ingress of one connection, and of its Service where it has one of its own."""
    return fit(dns_label(f"{workload}-{connection}"))


def workload_volume(workload: str, volume: str) -> str:
    """Name of a PVC that a workload makes for an inline volume."""
    # The names of two volumes never collide: a-b of c is not a of b-c.
    return f"{fit(dns_label(f'{workload}-{volume}'), LABEL_LIMIT - 7)}-{short_hash(f'{workload}/{volume}', 6)}"


def revision(workload: str, content: bytes) -> str:
    """Name of the ControllerRevision with `content`: its digest is too long to find two contents with the same one."""
    return f"{workload}-{short_hash(content, 32)}"


def former_revision(workload: str, content: bytes) -> str:
    """Name that versions up to 0.1 gave to a ControllerRevision with `content`."""
    return f"{workload}-{short_hash(content, 16)}"


def connection_host(workload: str, connection: str, namespace: str, suffix: str) -> str:
    """Host of the URL of a connection under the domain `suffix`; the first label fits DNS limits."""
    return f"{fit(f'{workload}-{connection}-{namespace}')}.{suffix}"


def group_workload(workload: str, group: str, *, first: bool) -> str:
    """Name of the Deployment (after the key) or Service (after the name) of one container group.

    The main group, which comes first, has the workload's own name.
    """
    return workload if first else fit(f"{workload}-{group}")


def group_labels(kind: str, name: str, group: str) -> dict[str, str]:
    """Return the selector of the pods of one container group. `group` is its key, which outlives renames."""
    return {**selector_labels(kind, name), LABEL_CONTAINER_GROUP: group}


def serving_host(workload: str, namespace: str, suffix: str) -> str:
    """Host at which a workload serves under the domain `suffix`."""
    return f"{fit(f'{workload}-{namespace}')}.{suffix}"


def device_template(workload: str, content: bytes) -> str:
    """Name of a ResourceClaimTemplate, which never changes: another content has another name."""
    return f"{workload}-gpu-{short_hash(content)}"


def rank_group(workload: str) -> str:
    """Name of what connects the pods of a distributed workload; with a role and numbers, it still is a DNS label."""
    return fit(workload, 40)


def model_claim(workload: str) -> str:
    """Name of the PVC that holds the model of one workload alone."""
    return fit(f"{workload}-model")


def nim_cache(image: str, choice: str = "") -> str:
    """Name of the NimCache (and its PVC) of an image as written. `choice`: the variables that choose its model."""
    return f"nim-{short_hash(f'{image} {choice}' if choice else image)}"


def download_job(cache: str, attempt: int) -> str:
    """Name of the Job that fills a NimCache, one per attempt."""
    return fit(f"{cache}-download-{attempt}")


def image_build(artifact: str, source: str, request: int) -> str:
    """Name of the ImageBuild of one source that an Artifact asks for; 0 for one that its lock asks for."""
    return f"{fit(artifact, LABEL_LIMIT - 9)}-{short_hash(f'{source}/{request}')}"


def build_job(build: str) -> str:
    """Name of the Job of an ImageBuild."""
    return fit(build)


def shared_claim(cache: str) -> str:
    """Name of the claim by which another namespace mounts the volume of a NimCache."""
    return fit(f"{cache}-shared")


READ_ONLY_CLAIM: Final = "outfitter-ro-"
"""Beginning of the name of a claim that pods may only mount read-only, which an admission policy sees to."""


def data_source_claim(data_source: str, uid: str, *, read_only: bool) -> str:
    """Name of the claim by which another namespace mounts the volume of a DataSource: two of one name never clash."""
    prefix = READ_ONLY_CLAIM if read_only else ""
    return f"{prefix}{fit(data_source, LABEL_LIMIT - 9 - len(prefix))}-{short_hash(uid)}"


def shared_volume(owner_uid: str, namespace: str) -> str:
    """Name of the PersistentVolume behind such a claim, one for each namespace."""
    return f"outfitter-{short_hash(f'{namespace}/{owner_uid}', 16)}"


def bucket_claim(kind: str, workload: str, content: bytes) -> str:
    """Name of the claim by which a workload mounts a bucket; another bucket, or other options, has another claim."""
    digest = short_hash(f"{kind}/{workload}/".encode() + content, 10)
    return f"{READ_ONLY_CLAIM}{fit(workload, LABEL_LIMIT - 11 - len(READ_ONLY_CLAIM))}-{digest}"


def bucket_volume(owner_uid: str, claim: str) -> str:
    """Name of the PersistentVolume behind such a claim."""
    return f"outfitter-s3-{short_hash(f'{owner_uid}/{claim}', 16)}"


SHARED_ROLE_PREFIX: Final = "artrepo-"


def shared_role(repository: str, level: str) -> str:
    """Name of the Role and RoleBinding of one level of a shared ArtifactRepository."""
    return fit(f"{SHARED_ROLE_PREFIX}{repository}-{level}", NAME_LIMIT)


def clone_snapshot(artifact: str) -> str:
    """Name of the ControllerRevision with the snapshot of a clone."""
    return fit(f"{artifact}-cloned")
