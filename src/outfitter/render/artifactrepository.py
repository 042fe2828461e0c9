"""Rights on the artifacts of a repository: a Role and a RoleBinding for each of four levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from outfitter.api.v1alpha1.artifactrepository import ArtifactRepository, Role, RoleSubject
from outfitter.api.version import GROUP
from outfitter.naming import shared_role
from outfitter.render.owner import child_meta, labelled
from outfitter.render.tags import tag_labels
from outfitter.snapshot import Resource

Manifest = dict[str, Any]

RBAC: Final = "rbac.authorization.k8s.io"
SHARE: Final = "share"
"""Verb on an ArtifactRepository that allows to change sharedRoles; the admission policy checks it."""


@dataclass(frozen=True, slots=True)
class Level:
    """A level of rights: verbs on the artifacts, on drafts, and on the list."""

    name: str
    roles: tuple[Role, ...]
    artifacts: tuple[str, ...]
    drafts: tuple[str, ...]
    repository: tuple[str, ...]


_SEE: Final = ("get", "list")
_READ: Final = (*_SEE, "watch")
_CHANGE: Final = (*_READ, "patch", "update")

LEVELS: Final = (
    Level("owner", ("OWNER", "ADMIN"), (*_CHANGE, "delete"), (), (*_CHANGE, "delete", SHARE)),
    Level("editor", ("READ_WRITE", "EDITOR", "DATA_SCIENTIST"), _CHANGE, ("delete",), _READ),
    Level("reader", ("USER", "CONSUMER", "READ_ONLY"), _READ, (), _READ),
    Level("observer", ("OBSERVER",), _SEE, (), _SEE),
)
"""From most to least. NO_ROLE has no level. The operator must hold every verb of the table itself."""


def shared(resource: Resource, artifacts: Sequence[str], drafts: Sequence[str]) -> list[tuple[Manifest, Manifest]]:
    """Return a Role and its RoleBinding for each level in use. `drafts`: the artifacts without a number."""
    assert isinstance(resource.model, ArtifactRepository)
    entries = resource.model.spec.shared_roles
    found = []
    for level in LEVELS:
        subjects = [entry.subject for entry in entries if entry.role in level.roles]
        if subjects:
            found.append((_role(resource, level, artifacts, drafts), _binding(resource, level, subjects)))
    return found


def _role(resource: Resource, level: Level, artifacts: Sequence[str], drafts: Sequence[str]) -> Manifest:
    given = (
        ("artifacts", artifacts, level.artifacts),
        ("artifacts", drafts, level.drafts),
        ("artifactrepositories", (resource.live.name,), level.repository),
    )
    rules = [
        {"apiGroups": [GROUP], "resources": [plural], "resourceNames": sorted(names), "verbs": sorted(verbs)}
        for plural, names, verbs in given
        if names and verbs  # an empty list of names would mean all objects
    ]
    return {**_object(resource, "Role", level), "rules": rules}


def _binding(resource: Resource, level: Level, subjects: Sequence[RoleSubject]) -> Manifest:
    reference = {"apiGroup": RBAC, "kind": "Role", "name": shared_role(resource.live.name, level.name)}
    listed = [_subject(resource, subject) for subject in subjects]
    return {**_object(resource, "RoleBinding", level), "roleRef": reference, "subjects": listed}


def _object(resource: Resource, kind: str, level: Level) -> Manifest:
    meta = {"name": shared_role(resource.live.name, level.name), **child_meta(resource)}
    labels = tag_labels(resource.body["spec"].get("tags") or ())
    return labelled({"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": meta}, labels)


def _subject(resource: Resource, subject: RoleSubject) -> Manifest:
    """Return the RBAC subject; a service account is one of the namespace of the repository."""
    if subject.kind == "ServiceAccount":
        return {"kind": subject.kind, "name": subject.name, "namespace": resource.live.namespace}
    return {"apiGroup": RBAC, "kind": subject.kind, "name": subject.name}
