"""What is watched besides our own kinds, and how narrowly. A new kind of child is one row here and one in access.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from outfitter.naming import LABEL_OWNER_UID
from outfitter.settings import Settings

_READABLE_SECRETS: Final = (
    "type!=helm.sh/release.v1,type!=kubernetes.io/service-account-token,type!=bootstrap.kubernetes.io/token"
)


@dataclass(frozen=True, slots=True)
class Watch:
    """One list and watch: selectors are evaluated by the server."""

    kind: str
    why: str
    label_selector: str = ""
    field_selector: str = ""
    metadata_only: bool = False
    cluster_wide: bool = False  # needs a ClusterRole: left out where only some namespaces are served
    setting: str = ""  # watched only where an admin has set this


WATCHES: Final[tuple[Watch, ...]] = (
    Watch("StatefulSet", "children", label_selector=LABEL_OWNER_UID),
    Watch("Deployment", "children", label_selector=LABEL_OWNER_UID),
    Watch("Job", "downloads", label_selector=LABEL_OWNER_UID),
    Watch("HorizontalPodAutoscaler", "children", label_selector=LABEL_OWNER_UID),
    Watch("PodDisruptionBudget", "children", label_selector=LABEL_OWNER_UID),
    Watch("Service", "children", label_selector=LABEL_OWNER_UID),
    Watch("Ingress", "children", label_selector=LABEL_OWNER_UID),
    Watch("ControllerRevision", "pins", label_selector=LABEL_OWNER_UID),
    Watch("Pod", "state of workloads", label_selector=LABEL_OWNER_UID),
    Watch("PersistentVolumeClaim", "children, and claims that a DataSource names"),
    Watch(
        "PersistentVolume",
        "children, and the volumes of caches that are shared",
        cluster_wide=True,
        setting="static_pv_drivers",
    ),
    Watch("Role", "children", label_selector=LABEL_OWNER_UID, setting="shared_roles"),
    Watch("RoleBinding", "children", label_selector=LABEL_OWNER_UID, setting="shared_roles"),
    Watch(
        "Secret",
        "children, and what Credentials refer to",
        field_selector=_READABLE_SECRETS,
        metadata_only=True,
    ),
    Watch("ConfigMap", "what environments and data sources refer to", metadata_only=True),
    Watch("StorageClass", "whether a claim binds only with its first pod", cluster_wide=True),
    Watch("Namespace", "project and department labels", metadata_only=True),
    Watch(
        "Event",
        "pods that quota or Pod Security refused",
        field_selector="reason=FailedCreate",
    ),
)


def watches(settings: Settings) -> tuple[Watch, ...]:
    """Those that these settings need."""
    return tuple(watch for watch in WATCHES if not watch.setting or getattr(settings, watch.setting))


POD_MAKERS: Final = ("StatefulSet", "Job")
"""Kinds that tell by Events only why they cannot make a pod; a Deployment says so in its status."""

CHILD_KINDS: Final = (
    "StatefulSet", "Deployment", "Job", "HorizontalPodAutoscaler", "PodDisruptionBudget", "Service", "Ingress",
    "ControllerRevision", "PersistentVolumeClaim", "PersistentVolume", "Secret", "ConfigMap",
    "Role", "RoleBinding",
)  # fmt: skip
"""Kinds that Outfitter creates, and therefore sweeps."""
