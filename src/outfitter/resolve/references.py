"""References of a workload: Credentials with their keys, Secrets and ConfigMaps."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeVar

from outfitter.api.refs import CredentialRef, SecretKeyRef
from outfitter.api.v1alpha1.variables import WorkloadEnvironmentVariable
from outfitter.api.v1alpha1.workload import WorkloadFields
from outfitter.naming import ANNOTATION_SOURCE_VERSION, LABEL_PROJECT, credential_secret
from outfitter.problems import Problem, note, waiting
from outfitter.reasons import Reason
from outfitter.resolve.causes import first_cause
from outfitter.resolve.private import (
    Requester,
    Use,
    find_credential,
    find_user_credential,
    foreign_delivery,
    is_private,
    other_keys,
    private_use,
)
from outfitter.snapshot import CachedObject, Dep, Reader, Resource

Spec = TypeVar("Spec", bound=WorkloadFields)
DOWNLOAD_TYPE: Final = "inference"
"""The type of workload that the download of a model counts as for `supportedTypes`."""


@dataclass(frozen=True)
class Source:
    """One asset that a revision was made from. `version`: that of the content, for Credentials.

    `secret`: the Secret that the workload gets of a private Credential.
    """

    kind: str
    namespace: str
    name: str
    uid: str
    generation: int
    version: str = ""
    secret: str = ""


class AssetUse(NamedTuple):
    """An asset that a workload uses, and the field that names it."""

    asset: Resource
    field: str


@dataclass
class Found:
    """The problems, sources and named assets that were found while a workload is resolved.

    `user`: the workload and its author; None for a download, which serves all users.
    """

    user: Requester | None = None
    problems: list[Problem] = field(default_factory=list)
    sources: dict[tuple[str, str, str], Source] = field(default_factory=dict)
    uses: list[AssetUse] = field(default_factory=list)

    def keep(
        self, found: Resource | Problem, version: str = "", named_by: str = "", secret: str = ""
    ) -> Resource | None:
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
        self.sources[place] = Source(*place, live.uid, live.generation, content, secret)
        return found

    def keep_use(self, use: Use, named_by: str = "") -> None:
        """Record the use of a Credential."""
        self.keep(use.asset, use.version, named_by, use.secret)


def label(asset: Resource) -> str:
    """Return the name of an asset for messages."""
    return f"{asset.live.kind} {asset.live.name}"


def credential_key(
    reader: Reader,
    namespace: str,
    ref: CredentialRef,
    key: str,
    path: str,
    user: Requester | None = None,
    hidden: Collection[str] = (),
) -> Use | Problem:
    """Return the Credential and the version of its content, if its Secret here has `key` ("": any).

    `user`: the workload that asks for it; without one, no private Credential can be used. `hidden`: namespaces whose
    Credentials do not count.
    """
    asset = find_credential(reader, namespace, ref, path, user, hidden)
    if isinstance(asset, Problem):
        return asset
    if user is not None and is_private(asset):
        return private_use(reader, asset, key, path, user)
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
        remedy = other_keys(", ".join(sorted(keys)), key)
        return waiting(Reason.KEY_NOT_FOUND, f"{asset.key} has no key {key}. {remedy}", path)
    return Use(asset, (live.body["metadata"].get("annotations") or {}).get(ANNOTATION_SOURCE_VERSION, ""))


def other_object(live: CachedObject, asset: Resource) -> str:
    """Return the message that an object has the name of a copy of an asset: its namespace does not get that copy."""
    return (
        f"{live.kind} {live.namespace}/{live.name} exists and is not the copy that {asset.key} publishes. Delete or "
        "rename it."
    )


def check_variables(
    reader: Reader,
    namespace: str,
    spec: Spec,
    found: Found,
    *,
    field: str = "spec.environmentVariables",
) -> Spec:
    """Look up the sources of environment variables; note unanswered prompts. `field`: path of the list.

    Returns the submission with the Secrets of private Credentials in place of these.
    """
    reader.prefetch(_named_data(namespace, spec))
    private: dict[str, SecretKeyRef] = {}
    for variable in spec.environment_variables:
        path = f"{field}[{variable.name}]"
        if (named_credential := _credential_of(reader, namespace, variable, path, found.user)) is not None:
            key, answer, place = named_credential
            if isinstance(answer, Problem):
                found.problems.append(answer)
            else:
                found.keep_use(answer, place)
                private |= {variable.name: SecretKeyRef(name=answer.secret, key=key)} if answer.secret else {}
        if named := variable.config_map:
            problem = key_problem(reader, "ConfigMap", namespace, named.name, named.key, f"{path}.configMap")
            found.problems += [problem] if problem else []
        if own := variable.secret:
            problem = secret_problem(reader, namespace, own.name, own.key, f"{path}.secret", found.user)
            found.problems += [problem] if problem else []
        sources = (variable.value, variable.credential, variable.config_map, variable.pod_field_ref, variable.secret)
        if all(source is None for source in sources) and variable.user_credential is None:
            purpose = f" Description: {variable.description.rstrip('.')}." if variable.description else ""
            text = f"Variable {variable.name} has no value. Set a value in the workload.{purpose}"
            found.problems.append(note(Reason.PROMPT_UNSET, text, path))
    return _with_secrets(spec, private) if private else spec


def _credential_of(
    reader: Reader, namespace: str, variable: WorkloadEnvironmentVariable, path: str, user: Requester | None
) -> tuple[str, Use | Problem, str] | None:
    """Return the key that a variable reads from a Credential, the Credential or a problem, and the field."""
    if variable.credential is not None:
        ref, place = variable.credential, f"{path}.credential"
        return ref.key, credential_key(reader, namespace, ref, ref.key, place, user), place
    if variable.user_credential is not None:
        own, place = variable.user_credential, f"{path}.userCredential"
        return own.key, user_credential(reader, namespace, own.name, own.key, place, user), place
    return None


def user_credential(
    reader: Reader, namespace: str, name: str, key: str, path: str, user: Requester | None
) -> Use | Problem:
    """Return the private Credential of the author, if it has `key`."""
    asset = find_user_credential(reader, namespace, name, path, user)
    if isinstance(asset, Problem):
        return asset
    assert user is not None, "a download has no Credentials of its own"
    return private_use(reader, asset, key, path, user)


def _with_secrets(spec: Spec, private: Mapping[str, SecretKeyRef]) -> Spec:
    """Return the submission with variables that read the Secrets that the workload gets."""
    variables = tuple(
        variable.model_copy(update={"credential": None, "user_credential": None, "secret": private[variable.name]})
        if variable.name in private
        else variable
        for variable in spec.environment_variables
    )
    return spec.model_copy(update={"environment_variables": variables})


def _named_data(namespace: str, spec: WorkloadFields) -> Iterator[Dep]:
    for variable in spec.environment_variables:
        if variable.credential:
            yield Dep("Secret", namespace, credential_secret(variable.credential.name))
        if variable.secret:
            yield Dep("Secret", namespace, variable.secret.name)
        if variable.config_map:
            yield Dep("ConfigMap", namespace, variable.config_map.name)


def secret_problem(
    reader: Reader, namespace: str, name: str, key: str, path: str, user: Requester | None
) -> Problem | None:
    """Return why a workload cannot read a key of a Secret that it names; None if it can."""
    return foreign_delivery(reader, namespace, name, path, user) or key_problem(
        reader, "Secret", namespace, name, key, path
    )


def key_problem(reader: Reader, kind: str, namespace: str, name: str, key: str, path: str) -> Problem | None:
    """Return why a key of a Secret or ConfigMap cannot be read; None if it can."""
    if reader.get(kind, namespace, name) is None:
        return waiting(Reason.NOT_CREATED, f"{kind} {namespace}/{name} does not exist. Create it.", path)
    if key and key not in _keys(reader, kind, namespace, name):
        return waiting(Reason.KEY_NOT_FOUND, f"{kind} {namespace}/{name} has no key {key}. Add the key.", path)
    return None


def has_key(reader: Reader, namespace: str, secret: str, key: str) -> bool:
    """Return whether a Secret has a key. For users who may read it."""
    return key in _keys(reader, "Secret", namespace, secret)


def _keys(reader: Reader, kind: str, namespace: str, name: str) -> frozenset[str]:
    """Return the keys of a Secret or ConfigMap. They must be fetched, so read them only where a key matters."""
    found = reader.keyed_data(kind, namespace, name)
    return found.keys if found is not None else frozenset()
