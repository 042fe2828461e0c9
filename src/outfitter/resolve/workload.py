"""A Workspace, or an Environment with `run`, and all it refers to -> one merged submission, or why not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from outfitter.api.refs import AssetRef
from outfitter.api.v1alpha1.datasource import DataSource
from outfitter.api.v1alpha1.environment import Environment
from outfitter.api.v1alpha1.workspace import Workspace, WorkspaceSpec
from outfitter.api.validation import incomplete, runtime_violations
from outfitter.naming import (
    RESTARTED_AT,
    credential_pull_secret,
    credential_secret,
    data_source_config_map,
    workload_volume,
)
from outfitter.problems import Problem, stalled
from outfitter.resolve.merge import Merged, identity, merge
from outfitter.resolve.references import Found, Source, check_variables, check_volumes, label
from outfitter.resolve.scope import find, is_wide
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
        """Where it runs."""
        return self.asset.live.namespace

    @property
    def name(self) -> str:
        """Name of the workload and of its StatefulSet."""
        return self.asset.live.name


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


def resolve_workload(view: View, subject: Subject) -> Resolved:
    """Look everything up, merge environment < compute < inline, and check what the assets themselves allow."""
    found = Found()
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
    check_variables(view, where, spec, found)
    check_volumes(view, where, volumes, found)
    pull = _pull_secrets(view, where, spec, found)
    found.problems += _shape(merged, complete=not found.problems)
    return Resolved(subject, merged, spec, tuple(volumes), pull, tuple(found.sources.values()), tuple(found.problems))


def _read(merged: Merged, found: Found) -> WorkspaceSpec:
    try:
        return WorkspaceSpec.model_validate(merged.fields)
    except ValidationError as error:
        for item in error.errors():
            path = ".".join(str(part) for part in item["loc"])
            found.problems.append(stalled("InvalidSpec", item["msg"], f"spec.{path}"))
        return WorkspaceSpec()


def _shape(merged: Merged, *, complete: bool) -> Iterator[Problem]:
    """What the merged submission lacks or contradicts. Gaps are told only where nothing else explains them."""
    errors = [
        *(incomplete("Workspace", merged.fields) if complete else ()),
        *runtime_violations("Workspace", merged.fields),
    ]
    for error in errors:
        yield stalled("InvalidSpec", error.message, field_text(error.path))


def field_text(path: Iterable[str | int]) -> str:
    """A field of the spec as people write it: ("ports", 0, "name") -> spec.ports[0].name."""
    return "spec" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)


def _allowed(environment: Asset, subject: Subject) -> Iterator[Problem]:
    assert isinstance(environment.model, Environment)
    spec = environment.model.spec
    if spec.supported_types and "workspace" not in spec.supported_types:
        yield stalled(
            "TypeNotSupported",
            f"{label(environment)} supports {', '.join(spec.supported_types)}, not workspace",
            "spec.assets",
        )
    given = [name for name in _UID_FIELDS if name in (subject.inline.get("security") or {})]
    if given and not subject.own_environment and not spec.security.override_uid_gid_in_workspace:
        for name in given:
            yield stalled(
                "OverrideForbidden",
                f"{label(environment)} lets nobody else choose it (overrideUidGidInWorkspace is false): remove it",
                f"spec.security.{name}",
            )


def _asset_volumes(view: View, subject: Subject, found: Found, prefix: str) -> Iterator[VolumeUse]:
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
        claim = getattr(leaf, "config_map", None) or ""
        if member == "configMapVolume" and is_wide(asset, view.settings.system_namespace):
            claim = data_source_config_map(asset.live.name)
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
            claim = getattr(item, "config_map", None) or ""
            if member == "pvc":
                claim = getattr(item, "claim_name", None) or workload_volume(subject.name, name)
            yield VolumeUse(who, name, member, item, mount, f"spec.storage.{member}[{name}]", claim, None)


def _pull_secrets(view: View, namespace: str, spec: WorkspaceSpec, found: Found) -> tuple[str, ...]:
    """Secrets that the user names, those of every dockerRegistry Credential in scope, NGC's for its own images."""
    names: dict[str, None] = {}
    for item in spec.image_pull_secrets:
        if not item.user_credential:
            names[item.name] = None
    system = view.settings.system_namespace
    own = view.assets("Credential", namespace)
    shared = view.assets("Credential", system) if namespace != system else []
    for asset in (*own, *shared):
        kind = getattr(asset.model.spec, "type", "")
        if (
            kind not in ("dockerRegistry", "ngcApiKey")
            or asset.live.deleting
            or getattr(asset.model.spec, "private", False)
        ):
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
