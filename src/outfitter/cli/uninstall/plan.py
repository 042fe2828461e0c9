"""What a removal deletes and what it leaves. Pure."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from outfitter.cli.changes import gitops_program
from outfitter.cli.installation import HELM_NAME, Installation
from outfitter.managed_fields import made_by_us
from outfitter.naming import LABEL_OWNER_KIND, LABEL_OWNER_NAME, LABEL_OWNER_UID, keeps_data

STAGES: Final[tuple[tuple[str, ...], ...]] = (
    ("Workspace", "Training", "DistributedTraining", "Inference"),
    ("ImageQuery", "Environment", "Registry"),
    ("Artifact",),
    # The operator creates these again as long as an Artifact needs them.
    ("ImageBuild", "ArtifactRepository", "NimCache"),
    ("WorkloadTemplate", "DataSource", "ComputeResource", "Credential", "WorkloadPolicy"),
)
"""Kinds in the order of their deletion: what uses others goes first, so that the operator can clean up after each."""
_CLAIM: Final = "PersistentVolumeClaim"
_FOLLOWS: Final = re.compile("^(Pod|ControllerRevision)$")
Body = Mapping[str, Any]


@dataclass(frozen=True)
class Found:
    """What was found in a cluster. `release`: objects of the installation, in the order of their deletion."""

    installation: Installation
    others: tuple[Installation, ...]
    objects: tuple[Body, ...]
    claims: tuple[Body, ...]
    release: tuple[Body, ...]
    crds: tuple[Body, ...]


@dataclass(frozen=True)
class Plan:
    """What is deleted. `kept`: claims with data that stay; `secrets`: those of users that Credentials refer to."""

    installation: Installation
    objects: tuple[Body, ...]
    lost: tuple[Body, ...]
    data: tuple[Body, ...]
    kept: tuple[Body, ...]
    release: tuple[Body, ...]
    crds: tuple[Body, ...]
    crds_stay: int
    helm: str
    secrets: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether nothing is deleted."""
        return not (self.objects or self.data or self.release or self.crds)


def make_plan(found: Found, *, delete_data: bool, crds: bool) -> Plan:
    """Return the plan for what was found."""
    objects = tuple(body for body in found.objects if belongs(body, found.installation, found.others))
    claims = [body for body in found.claims if _may_take(body, found, objects)]
    keeping = [body for body in claims if keeps_data(_CLAIM, _labels(body))]
    data = tuple(body for body in keeping if delete_data and made_by_us(body))
    release = tuple(body for body in found.release if of_installation(body, found.installation, found.others))
    return Plan(
        installation=found.installation,
        objects=objects,
        lost=tuple(body for body in claims if body not in keeping),
        data=data,
        kept=tuple(body for body in keeping if body not in data),
        release=release,
        crds=found.crds if crds else (),
        crds_stay=0 if crds else len(found.crds),
        helm=_helm(found.installation, release),
        secrets=tuple(sorted(_secrets(objects))),
        notes=tuple(_notes((*objects, *release), found)),
    )


def belongs(body: Body, installation: Installation, others: Sequence[Installation]) -> bool:
    """Return whether an installation manages an object, or no other one does."""
    manager = (body.get("status") or {}).get("installation")
    if manager and any(manager == "/".join(other.lease) for other in others):
        return False
    return not others or manager == "/".join(installation.lease) or installation.serves(body["metadata"]["namespace"])


def _may_take(claim: Body, found: Found, objects: Sequence[Body]) -> bool:
    """Return whether a claim is of one of the objects, or of none that exists where no other installation serves."""
    owner, namespace = _owner(claim), claim["metadata"]["namespace"]
    if any(body["metadata"]["uid"] == owner for body in objects):
        return True
    if any(body["metadata"]["uid"] == owner for body in found.objects):
        return False
    return not any(other.serves(namespace) for other in found.others)


def of_installation(body: Body, installation: Installation, others: Sequence[Installation]) -> bool:
    """Return whether the chart made an object for an installation. Its labels match already."""
    meta = body["metadata"]
    namespace, name = meta.get("namespace", ""), meta["name"]
    if not namespace:
        prefix = installation.cluster_name
        return bool(name == prefix or name.startswith(f"{prefix}-"))
    if not others:
        return namespace in (installation.namespace, installation.shared) or body["kind"] in ("Role", "RoleBinding")
    return namespace in (installation.namespace, *installation.watched)


def left_children(children: Iterable[Body], owners: frozenset[str], gone: frozenset[str] | None = None) -> list[Body]:
    """Return the children without an owner that are still to go. `owners`: uids of all custom resources.

    Users can write labels as well: children have an owner reference, or content that the operator wrote.
    `gone`: only children of these owners, where other installations have children as well.
    """
    return [
        body
        for body in children
        if _owner(body) not in owners
        and (gone is None or _owner(body) in gone)
        and not keeps_data(body["kind"], _labels(body))
        and (body["metadata"].get("ownerReferences") or made_by_us(body))
    ]


def deletable(body: Body) -> bool:
    """Return whether a child is the operator's, and only the operator would delete it."""
    meta = body["metadata"]
    if meta.get("ownerReferences") or meta.get("deletionTimestamp") or _FOLLOWS.match(body["kind"]):
        return False
    return made_by_us(body)


def counts(plan: Plan) -> list[tuple[str, str, int]]:
    """Return kind, namespace and number of the custom resources, in the order of their deletion."""
    order = {kind: number for number, kind in enumerate(kind for stage in STAGES for kind in stage)}
    found = Counter((body["kind"], body["metadata"]["namespace"]) for body in plan.objects)
    rows = [(kind, namespace, number) for (kind, namespace), number in found.items()]
    return sorted(rows, key=lambda row: (order[row[0]], row))


def place(body: Body) -> str:
    """Return namespace and name."""
    meta = body["metadata"]
    return f"{meta['namespace']}/{meta['name']}" if meta.get("namespace") else str(meta["name"])


def leftovers(plan: Plan, namespaces: Iterable[str], login: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Return what stays, and the command that deletes it in the same cluster. `namespaces`: those that exist.

    `login`: flags that choose the cluster and the user.
    """

    def delete(kind: str, name: str, namespace: str = "") -> str:
        where = ("-n", namespace) if namespace else ()
        return shlex.join(("kubectl", "delete", kind, name, *where, *login))

    found = [
        (
            f"PersistentVolumeClaim {place(body)}, with data{_of(body)}",
            delete("persistentvolumeclaim", body["metadata"]["name"], body["metadata"]["namespace"]),
        )
        for body in plan.kept
    ]
    found += [
        (f"Secret {namespace}/{name}, which a Credential referred to", delete("secret", name, namespace))
        for namespace, name in plan.secrets
    ]
    if plan.crds_stay:
        text = shlex.join(("outfitter", "uninstall", "--crds", *login))
        found.append((f"{plan.crds_stay} CustomResourceDefinitions", text))
    home = plan.installation.namespace
    if plan.release and home in namespaces:
        found.append((f"Namespace {home}", delete("namespace", home)))
    return found


def _of(body: Body) -> str:
    labels = _labels(body)
    kind, name = labels.get(LABEL_OWNER_KIND, ""), labels.get(LABEL_OWNER_NAME, "")
    return f" of {kind} {name}" if kind and name else ""


def _helm(installation: Installation, release: Iterable[Body]) -> str:
    """Return the name of the Helm release, also if an interrupted removal deleted the Deployment."""
    if installation.deployment:
        return installation.helm
    names = ((body["metadata"].get("annotations") or {}).get(HELM_NAME) for body in release)
    return next((str(name) for name in names if name), "")


def _secrets(objects: Iterable[Body]) -> set[tuple[str, str]]:
    """Return the Secrets that Credentials refer to: users made them."""
    found = set()
    for body in objects:
        if body["kind"] == "Credential":
            name = (body["spec"].get("secretRef") or {}).get("name")
            if name:
                found.add((body["metadata"]["namespace"], name))
    return found


def _notes(objects: Sequence[Body], found: Found) -> Iterable[str]:
    """Yield what can undo the removal, or what it does not touch."""
    programs = Counter(program for body in objects for program in _programs(body))
    for program, number in sorted(programs.items()):
        yield f"{program} applied {number} of these objects and can create them again. Remove them in Git first."
    for other in found.others:
        yield f"Installation {other.title} stays, with the objects that it manages."


def _programs(body: Body) -> set[str]:
    """Return the GitOps tools that wrote an object."""
    entries = body["metadata"].get("managedFields") or ()
    return set(filter(None, (gitops_program(entry.get("manager", "")) for entry in entries)))


def _owner(body: Body) -> str:
    return str(_labels(body).get(LABEL_OWNER_UID, ""))


def _labels(body: Body) -> Mapping[str, str]:
    return body["metadata"].get("labels") or {}
