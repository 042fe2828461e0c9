"""The part of an object that the caches keep, by kind: small, and never the data of a Secret."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from outfitter.api.version import GROUP
from outfitter.naming import LABEL_OWNER_UID, LAST_APPLIED
from outfitter.observe.causes import Source, known
from outfitter.snapshot import CachedObject

Body = Mapping[str, Any]
Projection = Callable[[str, Body], CachedObject | None]
"""From kind and object to what is cached; None for an object that must not be cached."""

_REPORTED: Final[Mapping[str, frozenset[str]]] = {
    "StatefulSet": frozenset({"FailedCreate"}),
    "Job": frozenset({"FailedCreate"}),
    "Pod": known(Source.POD),
    "PersistentVolumeClaim": known(Source.CLAIM),
}
"""Kind -> the reasons of the Events that explain its state."""
_NAMESPACE_META: Final = (
    "name",
    "uid",
    "resourceVersion",
    "labels",
    "annotations",
    "deletionTimestamp",
    "creationTimestamp",
)
_OWN_META: Final = ("namespace", *_NAMESPACE_META, "ownerReferences", "generation")
_OTHERS_META: Final = ("namespace", "name", "uid", "resourceVersion", "creationTimestamp", "ownerReferences")
_OURS: Final = f"{GROUP}/"
_CLAIM_STATUS: Final = ("phase", "capacity", "conditions")
_VOLUME_SPEC: Final = ("capacity", "claimRef", "csi", "mountOptions", "nodeAffinity", "volumeMode")
_EVENT_META: Final = ("name", "namespace", "uid", "resourceVersion")
_EVENT: Final = ("involvedObject", "message", "reason", "firstTimestamp", "lastTimestamp", "eventTime", "series")


def whole(kind: str, body: Body) -> CachedObject:
    """Everything but managedFields and kubectl's copy."""
    return CachedObject.of(_slim(body), kind)


def metadata_only(kind: str, body: Body) -> CachedObject:
    """The metadata alone; of objects that are not ours only what users cannot make large."""
    meta = _pick(body["metadata"], _OWN_META)
    if LABEL_OWNER_UID not in (meta.get("labels") or {}):
        meta.pop("ownerReferences", None)
    kept = {key: value for key, value in (meta.pop("annotations", None) or {}).items() if key.startswith(_OURS)}
    return CachedObject.of({"metadata": {**meta, "annotations": kept} if kept else meta}, kind)


def ingress(kind: str, body: Body) -> CachedObject:
    """An Ingress of Outfitter; of others, and of one that lost its label, the hosts and the owner."""
    meta = body["metadata"]
    if LABEL_OWNER_UID in (meta.get("labels") or {}):
        return whole(kind, body)
    rules = [_pick(rule, ("host",)) for rule in (body.get("spec") or {}).get("rules") or ()]
    return CachedObject.of({"metadata": _pick(meta, _OTHERS_META), "spec": {"rules": rules}}, kind)


def namespace(kind: str, body: Body) -> CachedObject:
    """Name, labels and annotations of a Namespace."""
    return CachedObject.of({"metadata": _pick(_slim(body)["metadata"], _NAMESPACE_META)}, kind)


def pod(kind: str, body: Body) -> CachedObject:
    """Metadata, node, images, claims, image volumes and status of a Pod."""
    given = body.get("spec") or {}
    spec = _pick(given, ("nodeName",))
    volumes = [_pick(item, ("persistentVolumeClaim", "image")) for item in given.get("volumes") or ()]
    spec |= {"volumes": kept} if (kept := [item for item in volumes if item]) else {}
    spec["containers"] = [_pick(item, ("name", "image")) for item in given.get("containers") or ()]
    return _of(kind, body, spec=spec, status=body.get("status") or {})


def claim(kind: str, body: Body) -> CachedObject:
    """Metadata, spec and the state of binding of a PersistentVolumeClaim."""
    status = _pick(body.get("status") or {}, _CLAIM_STATUS)
    return _of(kind, body, spec=body.get("spec") or {}, status=status)


def revision(kind: str, body: Body) -> CachedObject | None:
    """A ControllerRevision that Outfitter created."""
    found = whole(kind, body)
    # Revisions of the StatefulSet controller copy the pod's labels, and so also our owner-uid label.
    return found if found.owner and found.controller == found.owner else None


def event(kind: str, body: Body) -> CachedObject | None:
    """An Event that explains the state of the object that it is about."""
    about = body.get("involvedObject") or {}
    if body.get("reason") not in _REPORTED.get(about.get("kind", ""), ()):
        return None
    found = CachedObject.of({"metadata": _pick(body["metadata"], _EVENT_META), **_pick(body, _EVENT)}, kind)
    # Its owner is the object that it is about, so that Store.owned(uid of that object) finds it.
    return replace(found, owner=about.get("uid", ""))


def volume(kind: str, body: Body) -> CachedObject:
    """Source, capacity and phase of a PersistentVolume."""
    spec = _pick(body.get("spec") or {}, _VOLUME_SPEC)
    phase = (body.get("status") or {}).get("phase", "")
    return _of(kind, body, spec=spec, status={"phase": phase})


def storage_class(kind: str, body: Body) -> CachedObject:
    """Name and binding mode of a StorageClass."""
    return CachedObject.of(_pick(body, ("metadata", "volumeBindingMode")), kind)


def _of(kind: str, body: Body, **fields: Body) -> CachedObject:
    return CachedObject.of({"metadata": _slim(body)["metadata"], **fields}, kind)


def _slim(body: Body) -> Body:
    annotations = body["metadata"].get("annotations")
    if not annotations or LAST_APPLIED not in annotations:
        return body
    kept = {key: value for key, value in annotations.items() if key != LAST_APPLIED}
    return {**body, "metadata": {**body["metadata"], "annotations": kept}}


def _pick(body: Body, fields: tuple[str, ...]) -> dict[str, Any]:
    return {field: body[field] for field in fields if field in body}
