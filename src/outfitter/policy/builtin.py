"""The rules that always hold, whatever an administrator declares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from outfitter.api.v1alpha1 import runs_to_end
from outfitter.api.v1alpha1.asset import AssetSpec
from outfitter.api.v1alpha1.environment import Environment
from outfitter.policy import without_effect
from outfitter.policy.capabilities import ARTIFACT, KEPT_RUNNING, SCALING, SUBMISSION, unsupported
from outfitter.policy.checks import Candidate, Check
from outfitter.policy.elevation import elevated, forbidden
from outfitter.policy.pod_security import violations
from outfitter.problems import Problem, stalled
from outfitter.reasons import Reason
from outfitter.resolve.login import uses_login
from outfitter.resolve.merge import clean_path
from outfitter.resolve.references import AssetUse
from outfitter.resolve.volumes import HostPathVolume, NfsVolume, S3Volume, not_for_inference
from outfitter.snapshot import Key

_USER_AND_GROUPS: Final = ("runAsUid", "runAsGid", "supplementalGroups")
_HIDING: Final = ("/", "/dev")  # a volume there would hide the system of the container
_RESERVED: Final = ("/proc", "/sys", "/var/run/secrets", "/run/secrets")  # of the kernel and of Kubernetes
_NOT_SERVING: Final = ("allowPrivilegeEscalation", "hostIpc", "hostNetwork")


def type_conflicts(uses: Iterable[AssetUse], workload_type: str) -> Iterator[Problem]:
    """Yield the assets that exclude a type of workload: each once, at the first field that names it."""
    first: dict[Key, AssetUse] = {}
    for use in uses:
        first.setdefault(use.asset.key, use)
    for asset, field in first.values():
        spec = asset.model.spec
        supported = spec.supported_types if isinstance(spec, AssetSpec) else ()
        if supported and workload_type not in supported:
            text = f"{asset.key} supports {', '.join(supported)}, not {workload_type}. Use another {asset.live.kind}."
            yield stalled(Reason.TYPE_NOT_SUPPORTED, text, field)


def _supported_types(candidate: Candidate) -> Iterator[Problem]:
    return type_conflicts(candidate.resolved.assets, candidate.request.type)


def _frameworks(candidate: Candidate) -> Iterator[Problem]:
    """Yield the assets that are for another framework: each once, at the first field that names it."""
    framework = getattr(candidate.resolved.spec, "distributed_framework", None)
    first: dict[Key, AssetUse] = {}
    for use in candidate.resolved.assets if framework else ():
        first.setdefault(use.asset.key, use)
    for asset, field in first.values():
        only = asset.model.spec.distributed_framework if isinstance(asset.model.spec, AssetSpec) else None
        if only not in (None, framework):
            text = f"{asset.key} is for {only}, not {framework}. Use another {asset.live.kind}."
            yield stalled(Reason.TYPE_NOT_SUPPORTED, text, field)


def _user_override(candidate: Candidate) -> Iterator[Problem]:
    environment, request = candidate.resolved.environment, candidate.request
    if environment is None or request.own_definition:
        return
    assert isinstance(environment.model, Environment)
    if environment.model.spec.security.override_uid_gid_in_workspace:
        return
    inline, templated = (fields.get("security") or {} for fields in (request.inline, request.from_template))
    if environment.model.spec.security.custom_ids and any(map(uses_login, (request.inline, request.from_template))):
        text = f"{environment.key} sets the ids, and does not allow other ones (overrideUidGidInWorkspace is false)."
        field = "spec.security.uidGidSource" if uses_login(request.inline) else "spec.template"
        yield stalled(Reason.OVERRIDE_FORBIDDEN, f"{text} Remove the field.", field)
    for name in (name for name in _USER_AND_GROUPS if name in {**templated, **inline}):
        text = f"{environment.key} does not allow this override (overrideUidGidInWorkspace is false). Remove the field."
        field = f"spec.security.{name}" if name in inline else "spec.template"
        yield stalled(Reason.OVERRIDE_FORBIDDEN, text, field)


def _not_for_serving(candidate: Candidate) -> Iterator[Problem]:
    """Fields and volumes that a workload which answers requests cannot have."""
    if not candidate.request.traits.serves or candidate.resolved.artifact is not None:
        return
    fields = candidate.resolved.merged.fields
    security = fields.get("security") or {}
    given = [f"security.{name}" for name in _NOT_SERVING if security.get(name)]
    given += [name for name in ("tty", "stdin") if fields.get(name)]
    for name in given:
        text = "An Inference cannot have this field. Use another Environment."
        yield stalled(Reason.TYPE_NOT_SUPPORTED, text, f"spec.{name}")
    yield from not_for_inference(candidate.resolved.volumes)


def _one_writer(candidate: Candidate) -> Iterator[Problem]:
    """A claim keeps the copy of one pod."""
    several = candidate.request.traits.grouped or int(candidate.resolved.merged.fields.get("parallelism") or 1) > 1
    parts = (part for part in (candidate.resolved, candidate.resolved.master) if part is not None and several)
    for volume in (volume for part in parts for volume in part.volumes):
        if isinstance(volume, S3Volume) and volume.cached:
            text = f"{volume.use.origin} keeps its copy in a claim, for workloads with one pod. Remove cache there."
            yield stalled(Reason.INVALID_SPEC, text, volume.use.field)


def _elevation(candidate: Candidate) -> Iterator[Problem]:
    found = elevated(candidate.templates)
    if found and not candidate.namespace.elevation_allowed:
        yield forbidden(found, candidate.request.namespace)


def _pod_security(candidate: Candidate) -> Iterator[Problem]:
    """The API server would reject the new pod after the old one has ended."""
    level, namespace = candidate.namespace.enforced, candidate.request.namespace
    if elevated(candidate.templates) and not candidate.namespace.elevation_allowed:
        return
    found = [field for template in candidate.templates for field in violations(template, level)]
    inline_nfs = {f"volume {volume['name']} of type nfs" for volume in _volumes(candidate) if "nfs" in volume}
    fields = [field for field in dict.fromkeys(found) if field not in inline_nfs]  # told by its own check
    if fields:
        text = (
            f"Namespace {namespace} enforces Pod Security level {level}, which rejects the pod: {', '.join(fields)}. "
            "Change these settings, or ask an administrator to change the label pod-security.kubernetes.io/enforce."
        )
        yield stalled(Reason.POD_SECURITY_VIOLATION, text)


def _volumes(candidate: Candidate) -> Iterator[Mapping[str, Any]]:
    return (volume for template in candidate.templates for volume in template["spec"].get("volumes", ()))


def _nfs_under_restricted(candidate: Candidate) -> Iterator[Problem]:
    if candidate.settings.nfs_backend != "inline" or not candidate.namespace.restricted:
        return
    for volume in candidate.resolved.volumes:
        if isinstance(volume, NfsVolume):
            text = (
                f"{volume.use.origin} has an inline nfs volume, which Pod Security level restricted forbids. Ask an "
                f"administrator to set nfsBackend to csi, or to relax namespace {candidate.request.namespace} to "
                "baseline."
            )
            yield stalled(Reason.NFS_OUTSIDE_RESTRICTED, text, volume.use.field)


def _reserved_mount_paths(candidate: Candidate) -> Iterator[Problem]:
    """Yield volumes that would hide the system of the container, or what Kubernetes mounts."""
    for volume in candidate.resolved.volumes:
        problem = reserved_path(volume.use.mount_path, volume.use.origin, volume.use.field)
        if problem is not None:
            yield problem


def reserved_path(path: str, origin: str, field: str) -> Problem | None:
    """Return why nothing can be mounted at a path; None if it can. `origin` names the volume."""
    real = clean_path(path)
    if ".." not in path.split("/") and real not in _HIDING and not any(_below(real, each) for each in _RESERVED):
        return None
    text = (
        f"{origin} cannot be mounted at {path}. Choose a path outside /, /proc, /sys, /dev and "
        "/var/run/secrets, without `..`."
    )
    return stalled(Reason.INVALID_SPEC, text, field)


def _below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _one_propagation(candidate: Candidate) -> Iterator[Problem]:
    volumes = candidate.resolved.volumes
    modes = {volume.mount_propagation or "None" for volume in volumes if isinstance(volume, HostPathVolume)}
    if len(modes) > 1:
        text = "The hostPath volumes have different values of mountPropagation. Set one value for all."
        yield stalled(Reason.CONFLICT, text, "spec.storage.hostPath")


def _locked_replaces_locked(candidate: Candidate) -> Iterator[Problem]:
    target, running = candidate.resolved.artifact, candidate.running
    if target is None or candidate.request.own_definition or target.definition.locked:
        return
    live = target.definition.resource.live
    if running and running["locked"] and running["uid"] != live.uid:
        text = (
            f"Artifact {live.name} is a draft and cannot replace Artifact {running['name']}, which is locked and "
            f"runs. Lock Artifact {live.name} first."
        )
        yield stalled(Reason.DRAFT_FORBIDDEN, text, "spec.artifact")


def _version_is_one_content(candidate: Candidate) -> Iterator[Problem]:
    """A number means one content for good, also where the version or its repository was deleted and made again."""
    target, running = candidate.resolved.artifact, candidate.running or {}
    if target is None or target.version is None or running.get("uid") == target.definition.resource.live.uid:
        return
    same_number = (running.get("repository"), running.get("version")) == (target.definition.repository, target.version)
    if same_number and running.get("digest", target.definition.digest) != target.definition.digest:
        text = (
            f"Version {target.version} of ArtifactRepository {target.definition.repository} is not the content that "
            f"ran under this number: Artifact {running['name']} was deleted and another took its number. Lock the "
            "content as a new version."
        )
        yield stalled(Reason.VERSION_CHANGED, text, "spec.artifact")


def _capabilities(candidate: Candidate) -> Iterator[Problem]:
    """Fields that need what this operator does not have."""
    request, settings = candidate.request, candidate.settings
    prefix = "spec.run" if request.own_definition else "spec"
    inline = "spec.run" if request.own_artifact else "spec"
    yield from unsupported(candidate.resolved.merged.fields, SUBMISSION, settings, inline)
    if not runs_to_end(request.traits, candidate.resolved.spec):
        yield from unsupported(candidate.resolved.merged.fields, KEPT_RUNNING, settings, inline)
    spec = request.resource.body.get("spec") or {}
    yield from unsupported(spec.get("run") or {} if request.own_definition else spec, SCALING, settings, prefix)
    if candidate.resolved.artifact is not None:
        yield from unsupported(candidate.resolved.artifact.definition.spec_fields, ARTIFACT, settings)


BUILTIN: Final = (
    Check("supported-types", _supported_types),
    Check("supported-frameworks", _frameworks),
    Check("user-override", _user_override),
    Check("not-for-serving", _not_for_serving),
    Check("one-writer", _one_writer),
    Check("elevation", _elevation),
    Check("pod-security", _pod_security),
    Check("nfs-under-restricted", _nfs_under_restricted),
    Check("reserved-mount-paths", _reserved_mount_paths),
    Check("one-mount-propagation", _one_propagation),
    Check("locked-replaces-locked", _locked_replaces_locked),
    Check("version-is-one-content", _version_is_one_content),
    Check("capabilities", _capabilities),
    Check("one-serving-port", without_effect.one_serving_port),
    Check("login-without-ingress", without_effect.login_without_ingress),
    Check("a-port", without_effect.no_port_at_all),
    Check("home-directory", without_effect.home_directory),
    Check("root-user", without_effect.root_user),
)
"""In the order in which their problems are reported."""
