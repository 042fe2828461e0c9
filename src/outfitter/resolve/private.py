"""Private Credentials: who may use one, and the Secret that holds it for one workload.

Reading a private Credential makes a workload its user only if its author owns it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from outfitter.api.refs import AssetRef, CredentialRef
from outfitter.api.v1alpha1 import KINDS
from outfitter.api.v1alpha1.credential import CredentialSpec
from outfitter.naming import ANNOTATION_SOURCE_VERSION, LABEL_OWNER_KIND, LABEL_OWNER_NAME, delivered_secret
from outfitter.problems import Problem, foreign_name, stalled, waiting
from outfitter.reasons import Reason
from outfitter.resolve.identity import needs_identity, owner, shown
from outfitter.resolve.request import WorkloadRequest
from outfitter.resolve.scope import covers, find, scope_problem
from outfitter.snapshot import CachedObject, Reader, Resource

_RUN: Final = {kind.name for kind in KINDS if kind.runs is not None}
LOGIN: Final = ".dockerconfigjson"
"""The key of a login to an image registry, the only one of a dockerRegistry."""


class Requester(NamedTuple):
    """The workload that asks for a Credential, and the author of its spec ("": unknown)."""

    live: CachedObject
    name: str

    def owns(self, reader: Reader, credential: Resource) -> bool:
        """Return whether the author of the workload created a Credential."""
        return bool(self.name) and owner(reader, credential.live) == self.name

    def secret(self, credential: Resource) -> str:
        """Return the name of the Secret that holds a private Credential for the workload."""
        return delivered_secret(self.live.kind, self.live.name, credential.live.name, credential.live.uid)


def requester(request: WorkloadRequest) -> Requester:
    """Return the requester of a workload."""
    return Requester(request.resource.live, request.author.name)


@dataclass(frozen=True)
class Use:
    """A Credential and the version of its content. `secret`: the Secret that a workload gets of a private one."""

    asset: Resource
    version: str
    secret: str = ""


def is_private(credential: Resource) -> bool:
    """Return whether only workloads of its creator may use a Credential."""
    spec: Any = credential.model.spec
    return bool(spec.private)


def find_credential(
    reader: Reader,
    namespace: str,
    ref: CredentialRef,
    field: str,
    user: Requester | None,
    hidden: Collection[str] = (),
) -> Resource | Problem:
    """Return the Credential of a reference, which is no private one of another user.

    `user`: the workload that asks for it; None for a download, which serves all users. `hidden`: namespaces to pass
    over.
    """
    others = [item for item in _named(reader, namespace, ref.name) if is_private(item)]
    others = [item for item in others if user is None or not user.owns(reader, item)]
    if not others:
        return find(reader, "Credential", namespace, ref, field, hidden=hidden)
    private = {item.live.namespace for item in others}
    found = find(reader, "Credential", namespace, ref, field, hidden={*hidden, *private})
    if not isinstance(found, Problem):
        return found
    return _refusal(reader, namespace, others[0], field, user)


def find_user_credential(
    reader: Reader, namespace: str, name: str, field: str, user: Requester | None
) -> Resource | Problem:
    """Return the private Credential of that name which the author of a workload created."""
    named = list(_named(reader, namespace, name))
    private = [item for item in named if is_private(item)]
    for item in private:
        if user is not None and user.owns(reader, item):
            hidden = {other.live.namespace for other in named} - {item.live.namespace}
            return find(reader, "Credential", namespace, AssetRef(name=name), field, hidden=hidden)
    if (absent := needs_identity(reader, field)) is not None:
        return absent
    if private:
        return _refusal(reader, namespace, private[0], field, user)
    if named:
        text = f"{named[0].key} is not private. Use credential instead of userCredential, or name a private Credential."
        return stalled(Reason.CREDENTIAL_FORBIDDEN, text, field)
    text = (
        f"No private Credential {name} exists in namespace {namespace} or is shared with it. Create it with "
        "private: true, or correct the name."
    )
    return waiting(Reason.REFERENCE_NOT_FOUND, text, field)


def foreign_delivery(reader: Reader, namespace: str, name: str, field: str, user: Requester | None) -> Problem | None:
    """Return the problem of a Secret that holds a private Credential for another workload."""
    live = reader.get("Secret", namespace, name)
    labels: Mapping[str, str] = (live.body["metadata"].get("labels") or {}) if live is not None else {}
    kind = labels.get(LABEL_OWNER_KIND, "")
    if live is None or kind not in _RUN or (user is not None and live.owner == user.live.uid):
        return None
    text = (
        f"Secret {namespace}/{name} holds a private Credential for {kind} {labels.get(LABEL_OWNER_NAME)} alone. Create "
        "your own Credential."
    )
    return stalled(Reason.CREDENTIAL_FORBIDDEN, text, field)


def usable_private(reader: Reader, credential: Resource, user: Requester | None) -> bool:
    """Return whether a workload may use a Credential as far as its creator is concerned."""
    return not is_private(credential) or (user is not None and user.owns(reader, credential))


def _named(reader: Reader, namespace: str, name: str) -> Iterator[Resource]:
    """Yield the Credentials of a name that a namespace can use, its own first."""
    system = reader.settings.system_namespace
    own = reader.unused_resource("Credential", namespace, name)
    if own is not None:
        yield own
    shared = reader.unused_resource("Credential", system, name) if namespace != system else None
    if shared is not None and scope_problem(shared, system) is None and covers(reader, shared, namespace):
        yield shared


def _refusal(reader: Reader, namespace: str, credential: Resource, field: str, user: Requester | None) -> Problem:
    """Return why a workload cannot use a private Credential. In other namespaces, its creator stays unnamed."""
    if (absent := needs_identity(reader, field)) is not None:
        return absent
    if user is None:
        text = (
            f"{credential.key} is private, and what a download or a build makes serves all users. Use a Credential "
            "that is not private."
        )
        return stalled(Reason.CREDENTIAL_FORBIDDEN, text, field)
    creator = owner(reader, credential.live)
    if not creator:
        text = (
            f"Outfitter does not know who created private {credential.key}: it is older than the admission policy that "
            "records it. Create the Credential again."
        )
        return stalled(Reason.IDENTITY_MISSING, text, field)
    if not user.name:
        text = (
            f"Outfitter does not know who wrote this {user.live.kind}, and {credential.key} is private. Change what "
            "it runs, such as its arguments, so that the API server records its author."
        )
        return stalled(Reason.IDENTITY_MISSING, text, field)
    whose = f"user {foreign_name(shown(creator))}" if credential.live.namespace == namespace else "another user"
    text = (
        f"{credential.key} is private and belongs to {whose}. The author of this {user.live.kind} is "
        f"{foreign_name(shown(user.name))}. Create your own Credential, or let its owner change what it runs."
    )
    return stalled(Reason.CREDENTIAL_FORBIDDEN, text, field)


def other_keys(known: str, key: str) -> str:
    """Return what to do about a key that a Credential lacks. `known`: the keys that it has."""
    if not known:
        return "Add the key to the source Secret."
    return f"Use one of its keys: {known}, or create a Credential with {key} in spec.keys."


def private_use(reader: Reader, credential: Resource, key: str, field: str, user: Requester) -> Use | Problem:
    """Return the use of a private Credential by a workload of its owner, if its source Secret has `key` ("": any)."""
    spec: Any = credential.model.spec
    live, secret = user.live, user.secret(credential)
    copy = reader.get("Secret", live.namespace, secret)
    if copy is not None and live.uid not in (copy.owner, copy.controller):
        text = (
            f"Secret {live.namespace}/{secret} exists and is not the one that Outfitter makes for {credential.key}. "
            "Delete it."
        )
        return waiting(Reason.CREDENTIAL_NOT_READY, text, field)
    place = (credential.live.namespace, spec.secret_ref.name)
    source = reader.get("Secret", *place)
    if source is None:
        text = f"{credential.key} has no content: Secret {'/'.join(place)} does not exist. Create it."
        return waiting(Reason.CREDENTIAL_NOT_READY, text, field)
    if source.owner:  # the status of the Credential says the same
        text = f"{credential.key} has no content: Secret {'/'.join(place)} is a copy that Outfitter created."
        return waiting(Reason.CREDENTIAL_NOT_READY, text, field)
    keys = _keys(reader, spec, place) if key else ()
    if key and key not in keys:
        known = ", ".join(sorted(keys))
        remedy = other_keys(known, key)
        return waiting(Reason.KEY_NOT_FOUND, f"{credential.key} has no key {key}. {remedy}", field)
    version = str(source.resource_version)
    if copy is not None:
        version = (copy.body["metadata"].get("annotations") or {}).get(ANNOTATION_SOURCE_VERSION, version)
    return Use(credential, version, secret)


def _keys(reader: Reader, spec: CredentialSpec, place: tuple[str, str]) -> Collection[str]:
    """Return the keys that a private Credential publishes: private are only dockerRegistry and genericSecret."""
    if spec.type == "dockerRegistry":
        return {LOGIN}
    held = reader.keyed_data("Secret", *place)
    found = held.keys if held is not None else frozenset[str]()
    return {name for name, key in spec.keys.items() if key in found} if spec.keys else found
