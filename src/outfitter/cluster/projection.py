"""What is kept of each kind in the caches: little, and never a secret's value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from outfitter.cluster.watches import POD_MAKERS
from outfitter.snapshot import CachedObject

Body = Mapping[str, Any]

# kubectl's copy of the whole object, a Secret's data included.
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_NAMESPACE_META: Final = (
    "name",
    "uid",
    "resourceVersion",
    "labels",
    "annotations",
    "deletionTimestamp",
    "creationTimestamp",
)
_PVC_STATUS: Final = ("phase", "capacity", "conditions")
_PV_SPEC: Final = ("capacity", "claimRef", "csi", "mountOptions", "nodeAffinity", "volumeMode")
_EVENT: Final = (
    "involvedObject",
    "message",
    "reason",
    "firstTimestamp",
    "lastTimestamp",
    "eventTime",
)


def project(kind: str, body: Body) -> CachedObject | None:
    """The Live of an object as the server showed it; None for one that must not be cached."""
    special = _SPECIAL.get(kind)
    if special is not None:
        return special(kind, body)
    return CachedObject.of(_slim(body), kind)


def _slim(body: Body) -> Body:
    annotations = body["metadata"].get("annotations")
    if not annotations or _LAST_APPLIED not in annotations:
        return body
    kept = {key: value for key, value in annotations.items() if key != _LAST_APPLIED}
    return {**body, "metadata": {**body["metadata"], "annotations": kept}}


def _metadata_only(kind: str, body: Body) -> CachedObject:
    return CachedObject.of({"metadata": _slim(body)["metadata"]}, kind)


def _namespace(kind: str, body: Body) -> CachedObject:
    meta = _slim(body)["metadata"]
    return CachedObject.of({"metadata": {key: meta[key] for key in _NAMESPACE_META if key in meta}}, kind)


def _pod(kind: str, body: Body) -> CachedObject:
    node = (body.get("spec") or {}).get("nodeName")
    spec = {"nodeName": node} if node else {}
    return CachedObject.of(
        {
            "metadata": _slim(body)["metadata"],
            "spec": spec,
            "status": body.get("status") or {},
        },
        kind,
    )


def _claim(kind: str, body: Body) -> CachedObject:
    status = body.get("status") or {}
    kept = {key: status[key] for key in _PVC_STATUS if key in status}
    return CachedObject.of(
        {
            "metadata": _slim(body)["metadata"],
            "spec": body.get("spec") or {},
            "status": kept,
        },
        kind,
    )


def _revision(kind: str, body: Body) -> CachedObject | None:
    live = CachedObject.of(_slim(body), kind)
    # The StatefulSet controller's own revisions copy the pod labels, ours among them.
    return live if live.owner and live.controller == live.owner else None


def _event(kind: str, body: Body) -> CachedObject | None:
    if (body.get("involvedObject") or {}).get("kind") not in POD_MAKERS:
        return None
    meta = {
        key: body["metadata"][key] for key in ("name", "namespace", "uid", "resourceVersion") if key in body["metadata"]
    }
    live = CachedObject.of({"metadata": meta, **{key: body[key] for key in _EVENT if key in body}}, kind)
    # Found by what it is about: Store.owned(uid of the StatefulSet).
    return replace(live, owner=(body.get("involvedObject") or {}).get("uid", ""))


def _volume(kind: str, body: Body) -> CachedObject:
    meta, spec = _slim(body)["metadata"], body.get("spec") or {}
    kept = {key: spec[key] for key in _PV_SPEC if key in spec}
    phase = (body.get("status") or {}).get("phase", "")
    return CachedObject.of({"metadata": meta, "spec": kept, "status": {"phase": phase}}, kind)


def _storage_class(kind: str, body: Body) -> CachedObject:
    return CachedObject.of({key: body[key] for key in ("metadata", "volumeBindingMode") if key in body}, kind)


_SPECIAL: Final[Mapping[str, Callable[[str, Body], CachedObject | None]]] = {
    "Secret": _metadata_only,
    "ConfigMap": _metadata_only,
    "Namespace": _namespace,
    "Pod": _pod,
    "PersistentVolumeClaim": _claim,
    "ControllerRevision": _revision,
    "PersistentVolume": _volume,
    "StorageClass": _storage_class,
    "Event": _event,
}
