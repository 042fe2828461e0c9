"""Scopes: the asset of a reference, and the namespaces that an asset reaches."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from outfitter.api.refs import AssetRef
from outfitter.api.v1alpha1.policyfields import SECTIONS
from outfitter.naming import LABEL_DEPARTMENT, LABEL_ELEVATION, LABEL_PROJECT
from outfitter.problems import Problem, note, stalled, waiting
from outfitter.reasons import Reason
from outfitter.snapshot import CachedObject, Reader, Resource

ENFORCE = "pod-security.kubernetes.io/enforce"


@dataclass(frozen=True, slots=True)
class Reach:
    """The scope of an asset: `type` is project, department, cluster or tenant; `name` is that of the department."""

    type: str
    name: str = ""


def reach(asset: Resource, system_namespace: str) -> Reach:
    """Return the scope of an asset. Default: its project, and the cluster in the system namespace."""
    scope = getattr(asset.model.spec, "scope", None)
    if scope is None:
        return Reach("cluster" if asset.live.namespace == system_namespace else "project")
    return Reach(scope.type, scope.name or "")


def is_wide(asset: Resource, system_namespace: str) -> bool:
    """Return whether an asset reaches beyond its own namespace."""
    return reach(asset, system_namespace).type != "project"


def scope_problem(asset: Resource, system_namespace: str) -> Problem | None:
    """Return the problem of a wider scope outside the system namespace."""
    wide = reach(asset, system_namespace).type
    if wide != "project" and asset.live.namespace != system_namespace:
        return stalled(
            Reason.SCOPE_FORBIDDEN,
            f"{asset.key} has scope {wide}, which is valid only in namespace {system_namespace}. Create the object "
            "there, or remove the field.",
            "spec.scope",
        )
    return None


def find(
    reader: Reader, kind: str, namespace: str, ref: AssetRef, field: str, hidden: Collection[str] = ()
) -> Resource | Problem:
    """Return the asset of a reference: from its own namespace, else a shared one. `hidden`: namespaces to pass over."""
    system = reader.settings.system_namespace
    own = reader.resource(kind, namespace, ref.name) if namespace not in hidden else None
    if own is not None and ref.scope in (None, _own_level(own, system)):
        return _usable(own, system, field)
    shared = reader.resource(kind, system, ref.name) if system not in (namespace, *hidden) else None
    labels = reader.labels(namespace)
    if shared is not None:
        where = reach(shared, system)
        if LABEL_PROJECT in labels and _covered(where, labels) and ref.scope in (None, where.type):
            return _usable(shared, system, field)
    offered = _offered(reader, namespace, ref, field) if kind == "DataSource" and namespace not in hidden else None
    if offered is not None:
        return offered
    if shared is not None and (refused := _refused(shared, namespace, labels, system, field)) is not None:
        return refused
    level = f" with scope {ref.scope}" if ref.scope else ""
    return waiting(
        Reason.REFERENCE_NOT_FOUND,
        f"{kind} {ref.name}{level} does not exist in namespace {namespace}, and namespace {system} does not "
        "share one. Create it, or correct the name.",
        field,
    )


def _refused(shared: Resource, namespace: str, labels: Mapping[str, str], system: str, field: str) -> Problem | None:
    """Return why a namespace cannot use an asset of the system namespace; None if only the reference excludes it."""
    kind, name, where = shared.live.kind, shared.live.name, reach(shared, system)
    if LABEL_PROJECT not in labels:
        return waiting(
            Reason.REFERENCE_NOT_FOUND,
            f"Namespace {namespace} cannot use shared {kind} {name}. Ask an administrator to add the label "
            f"{LABEL_PROJECT} to the namespace.",
            field,
        )
    if _covered(where, labels):
        return None
    only = f"{where.type} {where.name}" if where.name else f"namespace {system}"
    return waiting(
        Reason.REFERENCE_NOT_FOUND,
        f"{kind} {system}/{name} is shared only with {only}. Use another {kind}, or ask an administrator "
        "to change its scope.",
        field,
    )


def _covered(where: Reach, labels: Mapping[str, str]) -> bool:
    return where.type in ("cluster", "tenant") or (
        where.type == "department" and labels.get(LABEL_DEPARTMENT) == where.name
    )


def covers(reader: Reader, asset: Resource, namespace: str) -> bool:
    """Return whether a shared asset reaches a namespace, which must have opted in."""
    labels = reader.labels(namespace)
    return LABEL_PROJECT in labels and _covered(reach(asset, reader.settings.system_namespace), labels)


def _offered(reader: Reader, namespace: str, ref: AssetRef, field: str) -> Resource | Problem | None:
    """Return the data volume of that name which another project shares with a namespace; a problem if several do.

    None of them wins: a project could take over the users of another one by a shared name.
    """
    found = []
    for asset in reader.offers(ref.name):
        ways = _ways(reader, asset, namespace) if asset.live.namespace != namespace else set()
        if ways and not asset.live.deleting and (ref.scope is None or ref.scope in ways - {"project"}):
            found.append(asset)
    if len(found) > 1:
        names = ", ".join(asset.live.namespace for asset in found)
        text = (
            f"Several projects share a data volume {ref.name} with namespace {namespace}: {names}. Ask one of them to "
            "choose another name, or not to share it here."
        )
        return stalled(Reason.REFERENCE_INVALID, text, field)
    for asset in found:
        reader.track(*asset.key)  # from now on its user
        return _usable(asset, reader.settings.system_namespace, field)
    return None


def _ways(reader: Reader, asset: Resource, namespace: str) -> set[str]:
    """Return the types of scope by which the project of a data volume shares it with a namespace."""
    volume = getattr(asset.model.spec, "data_volume", None)
    labels = reader.labels(namespace)
    if volume is None or LABEL_PROJECT not in labels:
        return set()
    names = {"cluster": None, "department": labels.get(LABEL_DEPARTMENT, ""), "project": namespace}
    return {scope.type for scope in volume.shared_scopes if scope.name == names[scope.type]}


def usable_in(reader: Reader, asset: Resource, namespace: str) -> bool:
    """Return whether another namespace may use an asset: by its scope, or because its project shares it there."""
    return covers(reader, asset, namespace) or bool(_ways(reader, asset, namespace))


def _own_level(asset: Resource, system: str) -> str:
    return reach(asset, system).type if asset.live.namespace == system else "project"


def _usable(asset: Resource, system: str, field: str) -> Resource | Problem:
    if asset.live.deleting:
        return waiting(
            Reason.REFERENCE_DELETING, f"{asset.key} is being deleted. Use another {asset.live.kind}.", field
        )
    if scope_problem(asset, system) is not None:
        return stalled(
            Reason.REFERENCE_INVALID,
            f"{asset.key} has a scope that is valid only in namespace {system}. Correct the scope of that "
            f"{asset.live.kind}.",
            field,
        )
    return asset


def targets(reader: Reader, asset: Resource) -> list[str]:
    """Return the namespaces that an asset reaches, by name: its own, or every project in its scope."""
    system = reader.settings.system_namespace
    where = reach(asset, system)
    if where.type == "project" or asset.live.namespace != system:
        return [asset.live.namespace]
    found = []
    for namespace, _ in _in_scope(reader, where):
        own = reader.get(asset.live.kind, namespace, asset.live.name)
        if own is None or own.namespace == system or is_imposed(reader, asset, namespace) or _is_private(own):
            found.append(namespace)
    return found


def _is_private(live: CachedObject) -> bool:
    """Return whether an object is a private Credential, which replaces a shared one for its owner only."""
    return live.kind == "Credential" and bool((live.body.get("spec") or {}).get("private"))


def is_imposed(reader: Reader, asset: Resource, namespace: str) -> bool:
    """Return whether a shared policy mounts a shared DataSource into the workloads of a namespace.

    An asset of the same name in that namespace does not replace it then.
    """
    if asset.live.kind != "DataSource":
        return False
    labels, system = reader.labels(namespace), reader.settings.system_namespace
    scopes = [("", ""), ("cluster", ""), ("tenant", ""), ("department", labels.get(LABEL_DEPARTMENT, ""))]
    policies = [policy for name in SECTIONS for policy in reader.policies(system, name, scopes)]
    return any(asset.live.name in _imposed_names(policy.body["spec"].get("imposedAssets")) for policy in policies)


def _imposed_names(given: Any) -> set[str]:
    """Return the names in imposedAssets, whose shape depends on the workload type."""
    lists = given.values() if isinstance(given, Mapping) else [given]
    entries = [entry for entries in lists if isinstance(entries, list) for entry in entries]
    return {name for entry in entries if isinstance(entry, Mapping) and isinstance(name := entry.get("name"), str)}


def _in_scope(reader: Reader, where: Reach) -> Iterator[tuple[str, str]]:
    """Yield the projects in a wide scope, each with its department."""
    only = reader.settings.watch_namespaces
    for namespace in reader.namespaces():
        labels: dict[str, Any] = (namespace.body.get("metadata") or {}).get("labels") or {}
        watched = not only or namespace.name in only
        if LABEL_PROJECT in labels and _covered(where, labels) and watched and not namespace.deleting:
            yield namespace.name, labels.get(LABEL_DEPARTMENT, "")


def projects_in_scope(reader: Reader, asset: Resource) -> dict[str, str]:
    """Return the namespaces that can use an asset, each with its department; also those with one of the same name."""
    system = reader.settings.system_namespace
    where = reach(asset, system)
    if where.type == "project":
        namespace = asset.live.namespace
        return {namespace: reader.labels(namespace).get(LABEL_DEPARTMENT, "")}
    return dict(_in_scope(reader, where)) if asset.live.namespace == system else {}


def namespaces_in_scope(reader: Reader, resource: Resource) -> Iterator[str]:
    """Yield the namespaces that a policy applies to, by name: its own, or every project in its scope."""
    system = reader.settings.system_namespace
    where = reach(resource, system)
    if where.type == "project":
        yield resource.live.namespace
    elif resource.live.namespace == system:
        yield from (namespace for namespace, _ in _in_scope(reader, where))


def reaches_nothing(reader: Reader, asset: Resource) -> Iterator[Problem]:
    """Yield the note that no namespace is in the scope that an asset sets, for example because a name is misspelt."""
    system = reader.settings.system_namespace
    where = reach(asset, system)
    given = getattr(asset.model.spec, "scope", None) is not None
    if not given or where.type == "project" or asset.live.namespace != system or any(_in_scope(reader, where)):
        return
    if where.name:
        text = (
            f"No namespace has both labels {LABEL_PROJECT} and {LABEL_DEPARTMENT}: {where.name}. Check the name of the "
            "department, or ask an administrator to label a namespace."
        )
    else:
        text = f"No namespace has label {LABEL_PROJECT}. Ask an administrator to label the namespaces of projects."
    yield note(Reason.NO_NAMESPACE_IN_SCOPE, text, "spec.scope")


def elevation_allowed(reader: Reader, namespace: str) -> bool:
    """Return whether an administrator allows elevated pods in this namespace."""
    return reader.labels(namespace).get(LABEL_ELEVATION) == "allowed"


def enforced_level(reader: Reader, namespace: str) -> str:
    """Return the Pod Security level that the namespace enforces by its label, "" without one."""
    return reader.labels(namespace).get(ENFORCE, "")
