"""The installations of Outfitter in a cluster: the Deployment of each operator, and what its chart named after it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from outfitter.api.version import GROUP
from outfitter.cli.reader import DEPLOYMENT, Reader
from outfitter.errors import Forbidden
from outfitter.settings import Settings

PART_OF: Final = "app.kubernetes.io/part-of=outfitter"
_LABEL: Final = "app.kubernetes.io/{}"
HELM_NAME: Final = "meta.helm.sh/release-name"
_DEFAULT: Final = "outfitter"
_DEFAULT_NAMESPACE: Final = "outfitter-system"


@dataclass(frozen=True)
class Installation:
    """One installation. Without a Deployment, it has the names that the chart gives by default.

    `proven`: the Deployment is in the namespace of shared assets, or its ServiceAccount has the rights of an operator.
    """

    namespace: str
    deployment: Mapping[str, Any] = field(default_factory=dict)
    proven: bool = True

    @property
    def name(self) -> str:
        """Name of the Deployment."""
        return str(self._meta.get("name") or _DEFAULT)

    @property
    def title(self) -> str:
        """Namespace and name of the Deployment."""
        return f"{self.namespace}/{self.name}"

    @property
    def version(self) -> str:
        """Version of the operator; "" if the labels do not name it."""
        return self._label("version")

    @property
    def instance(self) -> str:
        """Value of the label that all objects of the installation have."""
        return self._label("instance") or _DEFAULT

    @property
    def helm(self) -> str:
        """Name of the Helm release; "" for an installation from manifests."""
        return str((self._meta.get("annotations") or {}).get(HELM_NAME) or "")

    @property
    def account(self) -> str:
        """Name of the operator's ServiceAccount."""
        return str(self._pod.get("serviceAccountName") or self.name)

    @property
    def user(self) -> str:
        """The operator, as the API server names it."""
        return f"system:serviceaccount:{self.namespace}:{self.account}"

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups of the operator's user."""
        return "system:serviceaccounts", f"system:serviceaccounts:{self.namespace}", "system:authenticated"

    @property
    def cluster_name(self) -> str:
        """Beginning of the names of cluster-wide objects."""
        return self.name if self.namespace == _DEFAULT_NAMESPACE else f"{self.namespace}-{self.name}"

    @property
    def shared(self) -> str:
        """Namespace of shared assets."""
        return self.setting("system_namespace") or self.namespace

    @property
    def lease(self) -> tuple[str, str]:
        """Namespace and name of the Lease."""
        return self.setting("lease_namespace") or self.shared, self.setting("lease_name")

    @property
    def watched(self) -> tuple[str, ...]:
        """Namespaces that the operator serves; empty for all."""
        parts = [part.strip() for part in self.setting("watch_namespaces").split(",")]
        return tuple(sorted({*filter(None, parts), self.shared})) if any(parts) else ()

    @property
    def image(self) -> str:
        """Image of the operator."""
        return str(self._container.get("image") or "")

    def serves(self, namespace: str) -> bool:
        """Return whether the operator serves a namespace."""
        return not self.watched or namespace in self.watched

    def setting(self, name: str) -> str:
        """Return a setting as text, from the variables of the container; its default if none sets it."""
        variable = f"OUTFITTER_{name.upper()}"
        given = [item for item in self._container.get("env") or () if item["name"] == variable]
        if given and "valueFrom" not in given[-1]:  # the last one of a name counts
            return str(given[-1].get("value") or "")
        if given and "metadata.namespace" in str(given[-1]["valueFrom"]):
            return self.namespace
        default = Settings.model_fields[name].default
        return "" if name in ("system_namespace", "watch_namespaces") else str(default)

    def _label(self, name: str) -> str:
        return str((self._meta.get("labels") or {}).get(_LABEL.format(name)) or "")

    @property
    def _meta(self) -> Mapping[str, Any]:
        return self.deployment.get("metadata") or {}

    @property
    def _pod(self) -> Mapping[str, Any]:
        spec: Mapping[str, Any] = ((self.deployment.get("spec") or {}).get("template") or {}).get("spec") or {}
        return spec

    @property
    def _container(self) -> Mapping[str, Any]:
        return next((item for item in self._pod.get("containers") or () if item["name"] == _DEFAULT), {})


async def find_installations(reader: Reader, system: str) -> list[Installation]:
    """Return the installations whose Deployment the user can list, at least in Namespace `system`. Proven ones first.

    Labels prove nothing: any user who can create a Deployment can give it those of an operator.
    """
    try:
        found = await reader.items(DEPLOYMENT, labels=PART_OF)
    except Forbidden:
        found = await reader.items(DEPLOYMENT, system, labels=PART_OF)
    judged = [
        replace(item, proven=item.namespace == system or await _has_rights(reader, item)) for item in _operators(found)
    ]
    return sorted(judged, key=lambda item: (not item.proven, item.title))


async def _has_rights(reader: Reader, installation: Installation) -> bool:
    """Return whether the operator may write statuses, a right that only administrators give."""
    right = {"verb": "patch", "group": GROUP, "resource": "workspaces", "subresource": "status"}
    try:
        for namespace in installation.watched or ("",):
            if not await reader.may({**right, "namespace": namespace}, installation.user, installation.groups):
                return False
    except Forbidden:  # the user may not ask
        return True
    return True


def _operators(deployments: Iterable[Mapping[str, Any]]) -> Iterable[Installation]:
    for body in deployments:
        containers = body["spec"]["template"]["spec"]["containers"]
        if any(item["name"] == _DEFAULT and "run" in (item.get("args") or ()) for item in containers):
            yield Installation(body["metadata"]["namespace"], body)
