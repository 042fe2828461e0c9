"""A Workspace, or an Environment with `run`, and all it refers to -> one merged submission, or why not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from outfitter.api.refs import AssetRef, CredentialRef
from outfitter.api.v1alpha1.datasource import DataSource
from outfitter.api.v1alpha1.environment import Environment
from outfitter.api.v1alpha1.workspace import Workspace, WorkspaceSpec
from outfitter.naming import RESTARTED_AT, SOURCE_VERSION, credential_pull_secret, credential_secret, workload_volume
from outfitter.problems import Problem, note, stalled, waiting
from outfitter.resolve.merge import Merged, identity, merge
from outfitter.resolve.scope import find, reach
from outfitter.resolve.volumes import VolumeUse, claim_name, member_of
from outfitter.snapshot import Asset, View

# What an Environment gives to a submission; the rest of its spec is about the asset itself.
_ENVIRONMENT_FIELDS = (
    "image", "imagePullPolicy", "command", "args", "workingDir", "createHomeDir", "tty", "stdin",
    "environmentVariables", "security", "probes", "connections",
)  # fmt: skip
_NOT_COMPUTE = frozenset({"description", "displayName", "scope", "supportedTypes", "distributedFramework"})
_NOT_INLINE = frozenset({"assets", "suspend", "description", "displayName"})
_UID_FIELDS = ("runAsUid", "runAsGid", "supplementalGroups")
NGC_HOST = "nvcr.io/"


@dataclass(frozen=True)
class Subject:
    """What runs: a Workspace, or the workspace that `spec.run` of an Environment means. `asset` owns the children."""

    asset: Asset
    environment: AssetRef | None
    own_environment: bool
    compute: AssetRef | None
    data_sources: tuple[Any, ...]
    inline: Mapping[str, Any]
    stopped: bool
    restarted_at: str

    @property
    def namespace(self) -> str:
        return self.asset.live.namespace

    @property
    def name(self) -> str:
        return self.asset.live.name


@dataclass(frozen=True)
class Source:
    """One asset that a pin was made from. `version`: the Secret content's version, for Credentials."""

    kind: str
    namespace: str
    name: str
    uid: str
    generation: int
    version: str = ""


@dataclass(frozen=True)
class Resolved:
    """The merged submission with everything it stands on. Only without serious problems may a pin be made of it."""

    subject: Subject
    merged: Merged
    spec: WorkspaceSpec
    volumes: tuple[VolumeUse, ...]
    pull_secrets: tuple[str, ...]
    sources: tuple[Source, ...]
    problems: tuple[Problem, ...]


def subject_of(asset: Asset) -> Subject | None:
    """The workload that an object asks for, if any."""
    model, restarted = asset.model, (asset.body["metadata"].get("annotations") or {}).get(RESTARTED_AT, "")
    if isinstance(model, Workspace):
        spec = asset.body.get("spec") or {}
        inline = {key: value for key, value in spec.items() if key not in _NOT_INLINE}
        refs = model.spec.assets
        return Subject(
            asset, refs.environment, False, refs.compute, refs.data_sources, inline, model.spec.suspend, restarted
        )
    if isinstance(model, Environment) and model.spec.run is not None:
        run, body = model.spec.run, asset.body["spec"]["run"] or {}
        inline = {key: body[key] for key in ("environmentVariables", "connections") if key in body}
        stopped = run.suspend or run.replicas == 0
        return Subject(asset, None, True, run.compute, run.data_sources, inline, stopped, restarted)
    return None


@dataclass
class _Found:
    problems: list[Problem] = field(default_factory=list)
    sources: dict[tuple[str, str, str], Source] = field(default_factory=dict)

    def keep(self, found: Asset | Problem, version: str = "") -> Asset | None:
        if isinstance(found, Problem):
            self.problems.append(found)
            return None
        live = found.live
        self.sources[live.kind, live.namespace, live.name] = Source(
            live.kind, live.namespace, live.name, live.uid, live.generation, version
        )
        return found


def resolve_workload(view: View, subject: Subject) -> Resolved:
    """Look everything up, merge environment < compute < inline, and check what the assets themselves allow."""
    found = _Found()
    where, prefix = subject.namespace, "spec.run" if subject.own_environment else "spec.assets"
    layers: list[tuple[str, Mapping[str, Any]]] = []
    environment = subject.asset if subject.own_environment else None
    if subject.environment is not None:
        environment = found.keep(find(view, "Environment", where, subject.environment, f"{prefix}.environment"))
    if environment is not None:
        body = environment.body["spec"]
        layers.append((label(environment), {key: body[key] for key in _ENVIRONMENT_FIELDS if key in body}))
        found.problems += _allowed(environment, subject)
    if subject.compute is not None:
        compute = found.keep(find(view, "ComputeResource", where, subject.compute, f"{prefix}.compute"))
        if compute is not None:
            body = compute.body["spec"]
            layers.append((label(compute), {"compute": {k: v for k, v in body.items() if k not in _NOT_COMPUTE}}))
    layers.append((label(subject.asset), subject.inline))
    merged = merge(layers)
    spec = _read(merged, found)
    volumes = [*_asset_volumes(view, subject, found, prefix), *_inline_volumes(subject, spec)]
    _check_variables(view, where, spec, found)
    _check_volumes(view, where, volumes, found)
    pull = _pull_secrets(view, where, spec, found)
    if not spec.image and not found.problems:
        found.problems.append(
            stalled("ImageMissing", "no image: set it here or refer to an Environment that has one", "spec.image")
        )
    return Resolved(subject, merged, spec, tuple(volumes), pull, tuple(found.sources.values()), tuple(found.problems))


def label(asset: Asset) -> str:
    """How an asset is named to people."""
    return f"{asset.live.kind} {asset.live.name}"


def _read(merged: Merged, found: _Found) -> WorkspaceSpec:
    try:
        return WorkspaceSpec.model_validate(merged.fields)
    except ValidationError as error:
        for item in error.errors():
            path = ".".join(str(part) for part in item["loc"])
            found.problems.append(stalled("InvalidSpec", item["msg"], f"spec.{path}"))
        return WorkspaceSpec()


def _allowed(environment: Asset, subject: Subject) -> Iterator[Problem]:
    assert isinstance(environment.model, Environment)
    spec = environment.model.spec
    if spec.supported_types and "workspace" not in spec.supported_types:
        yield stalled(
            "TypeNotSupported", f"{label(environment)} supports {', '.join(spec.supported_types)}, not workspace", "spec.assets"
        )
    given = [name for name in _UID_FIELDS if name in (subject.inline.get("security") or {})]
    if given and not subject.own_environment and not spec.security.override_uid_gid_in_workspace:
        for name in given:
            yield stalled(
                "OverrideForbidden",
                f"{label(environment)} does not let a workspace choose it (overrideUidGidInWorkspace is false): remove it",
                f"spec.security.{name}",
            )


def _asset_volumes(view: View, subject: Subject, found: _Found, prefix: str) -> Iterator[VolumeUse]:
    for index, ref in enumerate(subject.data_sources):
        path = f"{prefix}.dataSources[{index}]"
        asset = found.keep(find(view, "DataSource", subject.namespace, ref, path))
        if asset is None:
            continue
        assert isinstance(asset.model, DataSource)
        member, leaf = member_of(asset.model.spec)
        if leaf is None:
            found.problems.append(stalled("ReferenceInvalid", f"{label(asset)} has no data source in it", path))
            continue
        default = getattr(leaf, "mount_path", None) or getattr(leaf, "path", None) or ""
        claim = ""
        if member == "pvc":
            ephemeral = leaf.ephemeral
            claim = workload_volume(subject.name, asset.live.name) if ephemeral else claim_name(leaf, asset.live.name)
        yield VolumeUse(label(asset), asset.live.name, member, leaf, ref.mount_path or default, path, claim, asset)


def _inline_volumes(subject: Subject, spec: WorkspaceSpec) -> Iterator[VolumeUse]:
    who = label(subject.asset)
    for member, items in (
        ("nfs", spec.storage.nfs),
        ("hostPath", spec.storage.host_path),
        ("pvc", spec.storage.pvc),
        ("configMapVolume", spec.storage.config_map_volume),
        ("secretVolume", spec.storage.secret_volume),
        ("emptyDirVolume", spec.storage.empty_dir_volume),
        ("git", spec.storage.git),
        ("s3", spec.storage.s3),
        ("dataVolume", spec.storage.data_volume),
    ):
        for item in items:
            name = identity(f"storage.{member}", item.to_dict())
            mount = getattr(item, "mount_path", None) or getattr(item, "path", None) or ""
            claim = ""
            if member == "pvc":
                claim = getattr(item, "claim_name", None) or workload_volume(subject.name, name)
            yield VolumeUse(who, name, member, item, mount, f"spec.storage.{member}[{name}]", claim, None)


def credential_key(view: View, namespace: str, ref: CredentialRef, key: str, path: str) -> tuple[Asset, str] | Problem:
    """The Credential and the version of its content in this namespace, once the Secret there has `key` ("": any)."""
    asset = find(view, "Credential", namespace, ref, path)
    if isinstance(asset, Problem):
        return asset
    name = credential_secret(asset.live.name)
    secret = view.native("Secret", namespace, name)
    if secret is None:
        return waiting(
            "CredentialNotReady", f"{label(asset)} has not delivered Secret {name} yet: see its status", path
        )
    if key and not secret.keys and view.wanted:
        return asset, ""
    if key and key not in secret.keys:
        has = ", ".join(sorted(secret.keys)) or "no key"
        return waiting("KeyNotFound", f"{label(asset)} has no key {key}, it has {has}", path)
    live = view.live("Secret", namespace, name)
    version = ((live.body["metadata"].get("annotations") or {}) if live else {}).get(SOURCE_VERSION, "")
    return asset, version


def _check_variables(view: View, namespace: str, spec: WorkspaceSpec, found: _Found) -> None:
    for variable in spec.environment_variables:
        path = f"spec.environmentVariables[{variable.name}]"
        if variable.credential:
            ref = variable.credential
            answer = credential_key(view, namespace, ref, ref.key, f"{path}.credential")
            if isinstance(answer, Problem):
                found.problems.append(answer)
            else:
                found.keep(*answer)
        for kind, named in (("ConfigMap", variable.config_map), ("Secret", variable.secret)):
            if named:
                problem = key_problem(view, kind, namespace, named.name, named.key, f"{path}.{kind[0].lower()}{kind[1:]}")
                found.problems += [problem] if problem else []
        sources = (variable.value, variable.credential, variable.config_map, variable.pod_field_ref, variable.secret)
        if all(source is None for source in sources) and variable.user_credential is None:
            text = f": {variable.description}" if variable.description else ""
            found.problems.append(note("PromptUnset", f"the environment asks you to set it{text}", path))


def key_problem(view: View, kind: str, namespace: str, name: str, key: str, path: str) -> Problem | None:
    """Why a key of a Secret or ConfigMap in the namespace cannot be read yet; None where it can."""
    found = view.native(kind, namespace, name)
    if found is None:
        return waiting("NotCreated", f"{kind} {namespace}/{name} does not exist: create it", path)
    if key and not found.keys and view.wanted:
        return None  # not fetched yet: the pass looks again
    if key and key not in found.keys:
        return waiting("KeyNotFound", f"{kind} {namespace}/{name} has no key {key}: add it", path)
    return None


def _check_volumes(view: View, namespace: str, volumes: list[VolumeUse], found: _Found) -> None:
    for use in volumes:
        problem: Problem | None = None
        if use.member == "configMapVolume":
            problem = key_problem(view, "ConfigMap", namespace, use.leaf.config_map, "", use.field)
        elif use.member == "secretVolume" and getattr(use.leaf, "credential", None):
            answer = credential_key(view, namespace, use.leaf.credential, "", f"{use.field}.credential")
            if isinstance(answer, Problem):
                problem = answer
            else:
                found.keep(*answer)
        elif use.member == "secretVolume":
            problem = key_problem(view, "Secret", namespace, use.leaf.secret, "", use.field)
        elif use.member == "pvc" and (use.leaf.existing_pvc or (use.asset and not use.leaf.ephemeral)):
            claim = view.live("PersistentVolumeClaim", namespace, use.claim)
            if claim is None:
                problem = waiting("NotCreated", f"PersistentVolumeClaim {namespace}/{use.claim} does not exist yet", use.field)
        if problem:
            found.problems.append(problem)


def _pull_secrets(view: View, namespace: str, spec: WorkspaceSpec, found: _Found) -> tuple[str, ...]:
    """Secrets named by the user, then those of every dockerRegistry Credential in scope, and NGC's for its own images."""
    names: dict[str, None] = {}
    for item in spec.image_pull_secrets:
        if not item.user_credential:
            names[item.name] = None
    system = view.settings.system_namespace
    own = view.assets("Credential", namespace)
    shared = view.assets("Credential", system) if namespace != system else []
    for asset in (*own, *shared):
        kind = getattr(asset.model.spec, "type", "")
        if kind not in ("dockerRegistry", "ngcApiKey") or asset.live.deleting or getattr(asset.model.spec, "private", False):
            continue
        if kind == "ngcApiKey" and not (spec.image or "").startswith(NGC_HOST):
            continue
        ref = AssetRef(name=asset.live.name)
        usable = find(view, "Credential", namespace, ref, "")
        if isinstance(usable, Problem) or usable.live.uid != asset.live.uid:
            continue
        found.keep(usable)
        name = asset.live.name
        names[credential_pull_secret(name) if kind == "ngcApiKey" else credential_secret(name)] = None
    return tuple(names)


def is_wide(asset: Asset, system_namespace: str) -> bool:
    """Whether an asset reaches beyond its own namespace."""
    return reach(asset, system_namespace).type != "project"
