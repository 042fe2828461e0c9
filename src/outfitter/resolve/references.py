"""References of a workload: Credentials with their keys, Secrets and ConfigMaps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from outfitter.api.refs import CredentialRef
from outfitter.api.v1alpha1.workload import WorkloadFields
from outfitter.naming import ANNOTATION_SOURCE_VERSION, LABEL_PROJECT, credential_secret
from outfitter.problems import Problem, note, waiting
from outfitter.reasons import Reason
from outfitter.resolve.causes import first_cause
from outfitter.resolve.scope import find
from outfitter.snapshot import CachedObject, Dep, Reader, Resource

DOWNLOAD_TYPE: Final = "inference"
"""The type of workload that the download of a model counts as for `supportedTypes`."""


@dataclass(frozen=True)
class Source:
    """One asset that a revision was made from. `version`: that of the content, for Credentials."""

    kind: str
    namespace: str
    name: str
    uid: str
    generation: int
    version: str = ""


class AssetUse(NamedTuple):
    """An asset that a workload uses, and the field that names it."""

    asset: Resource
    field: str


@dataclass
class Found:
    """The problems, sources and named assets that were found while a workload is resolved."""

    problems: list[Problem] = field(default_factory=list)
    sources: dict[tuple[str, str, str], Source] = field(default_factory=dict)
    uses: list[AssetUse] = field(default_factory=list)

    def keep(self, found: Resource | Problem, version: str = "", named_by: str = "") -> Resource | None:
        """Record a source or a problem, and return the asset if it is one. `named_by`: the field that names it."""
        if isinstance(found, Problem):
            self.problems.append(found)
            return None
        if named_by:
            self.uses.append(AssetUse(found, named_by))
        live = found.live
        place = (live.kind, live.namespace, live.name)
        known = self.sources.get(place)
        content = version or (known.version if known else "")
        self.sources[place] = Source(*place, live.uid, live.generation, content)
        return found


def label(asset: Resource) -> str:
    """Return the name of an asset for messages."""
    return f"{asset.live.kind} {asset.live.name}"


def credential_key(
    reader: Reader, namespace: str, ref: CredentialRef, key: str, path: str
) -> tuple[Resource, str] | Problem:
    """Return the Credential and the version of its content, if its Secret here has `key` ("": any)."""
    asset = find(reader, "Credential", namespace, ref, path)
    if isinstance(asset, Problem):
        return asset
    name = credential_secret(asset.live.name)
    live = reader.get("Secret", namespace, name)
    if live is not None and live.owner != asset.live.uid:
        return waiting(Reason.CREDENTIAL_NOT_READY, other_object(live, asset), path)
    if live is None:
        text = f"{asset.key} has not published Secret {namespace}/{name} yet. {first_cause(asset, namespace)}".rstrip()
        at_home = asset.live.namespace == namespace == reader.settings.system_namespace
        if at_home and LABEL_PROJECT not in reader.labels(namespace):
            text = (
                f"Namespace {namespace} cannot use shared {label(asset)}. Ask an administrator to add the label "
                f"{LABEL_PROJECT} to the namespace."
            )
        return waiting(Reason.CREDENTIAL_NOT_READY, text, path)
    keys = _keys(reader, "Secret", namespace, name) if key else frozenset()
    if key and key not in keys:
        remedy = f"Use one of its keys: {', '.join(sorted(keys))}." if keys else "Add the key to the source Secret."
        return waiting(Reason.KEY_NOT_FOUND, f"{asset.key} has no key {key}. {remedy}", path)
    return asset, (live.body["metadata"].get("annotations") or {}).get(ANNOTATION_SOURCE_VERSION, "")


def other_object(live: CachedObject, asset: Resource) -> str:
    """Return the message that an object has the name of a copy of an asset: its namespace does not get that copy."""
    return (
        f"{live.kind} {live.namespace}/{live.name} exists and is not the copy that {asset.key} publishes. Delete or "
        "rename it."
    )


def check_variables(
    reader: Reader,
    namespace: str,
    spec: WorkloadFields,
    found: Found,
    *,
    field: str = "spec.environmentVariables",
) -> None:
    """Look up the sources of environment variables; note unanswered prompts. `field`: path of the list."""
    reader.prefetch(_named_data(namespace, spec))
    for variable in spec.environment_variables:
        path = f"{field}[{variable.name}]"
        if variable.credential:
            ref = variable.credential
            answer = credential_key(reader, namespace, ref, ref.key, f"{path}.credential")
            if isinstance(answer, Problem):
                found.problems.append(answer)
            else:
                found.keep(*answer, named_by=f"{path}.credential")
        for kind, named in (("ConfigMap", variable.config_map), ("Secret", variable.secret)):
            if named:
                problem = key_problem(
                    reader, kind, namespace, named.name, named.key, f"{path}.{kind[0].lower()}{kind[1:]}"
                )
                found.problems += [problem] if problem else []
        sources = (variable.value, variable.credential, variable.config_map, variable.pod_field_ref, variable.secret)
        if all(source is None for source in sources) and variable.user_credential is None:
            purpose = f" Description: {variable.description.rstrip('.')}." if variable.description else ""
            text = f"Variable {variable.name} has no value. Set a value in the workload.{purpose}"
            found.problems.append(note(Reason.PROMPT_UNSET, text, path))


def _named_data(namespace: str, spec: WorkloadFields) -> Iterator[Dep]:
    for variable in spec.environment_variables:
        if variable.credential:
            yield Dep("Secret", namespace, credential_secret(variable.credential.name))
        if variable.secret:
            yield Dep("Secret", namespace, variable.secret.name)
        if variable.config_map:
            yield Dep("ConfigMap", namespace, variable.config_map.name)


def key_problem(reader: Reader, kind: str, namespace: str, name: str, key: str, path: str) -> Problem | None:
    """Return why a key of a Secret or ConfigMap cannot be read; None if it can."""
    if reader.get(kind, namespace, name) is None:
        return waiting(Reason.NOT_CREATED, f"{kind} {namespace}/{name} does not exist. Create it.", path)
    if key and key not in _keys(reader, kind, namespace, name):
        return waiting(Reason.KEY_NOT_FOUND, f"{kind} {namespace}/{name} has no key {key}. Add the key.", path)
    return None


def _keys(reader: Reader, kind: str, namespace: str, name: str) -> frozenset[str]:
    """Return the keys of a Secret or ConfigMap. They must be fetched, so read them only where a key matters."""
    found = reader.keyed_data(kind, namespace, name)
    return found.keys if found is not None else frozenset()
