"""WorkloadPolicies of files, and the namespaces and data sources that they need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from outfitter.api.refs import AssetRef, DataSourceRef
from outfitter.cli.documents import Document
from outfitter.naming import LABEL_DEPARTMENT, LABEL_PROJECT
from outfitter.policy.chain import PolicyError, effective_policy
from outfitter.policy.effective import EffectivePolicy
from outfitter.policy.selection import Selected, select, to_policy
from outfitter.resolve.scope import reach
from outfitter.snapshot import CachedObject, Resource
from outfitter.snapshot.objects import read_resource


@dataclass(frozen=True)
class InForce:
    """What the policies of files say about a workload type in a namespace."""

    policy: EffectivePolicy
    errors: tuple[PolicyError, ...]
    selected: Selected


@dataclass
class PolicyFiles:
    """The objects of files, by kind. A namespace that is not among them is a project of `department`."""

    documents: Iterable[Document]
    system_namespace: str
    default_namespace: str = "default"
    department: str = ""
    _known: dict[tuple[str, str], InForce] = field(default_factory=dict)

    @cached_property
    def policies(self) -> list[Resource]:
        """All WorkloadPolicies."""
        return self._of("WorkloadPolicy")

    @cached_property
    def _data_sources(self) -> dict[tuple[str, str], Resource]:
        return {(item.live.namespace, item.live.name): item for item in self._of("DataSource")}

    @cached_property
    def _labels(self) -> dict[str, Mapping[str, str]]:
        spaces = (document.body for document in self.documents if document.body.get("kind") == "Namespace")
        return {body["metadata"]["name"]: body["metadata"].get("labels") or {} for body in spaces}

    def _of(self, kind: str) -> list[Resource]:
        found = (document.body for document in self.documents if document.body.get("kind") == kind)
        return [self.resource(body) for body in found]

    def resource(self, body: Mapping[str, Any]) -> Resource:
        """Return a custom resource of a file, in the namespace where it would be."""
        return read_resource(CachedObject.of(self._placed(body)))

    def asset(self, kind: str, namespace: str, ref: AssetRef) -> Resource | None:
        """Return the asset of a reference in a namespace, if it is among the files: its own, else a shared one."""
        found = {item.live.namespace: item for item in self._of(kind) if item.live.name == ref.name}
        own, shared = found.get(namespace), found.get(self.system_namespace)
        if own is not None and ref.scope in (None, "project"):
            return own
        where = reach(shared, self.system_namespace) if shared is not None else None
        if where is None or ref.scope not in (None, where.type):
            return None
        labels = self.labels(namespace)
        wide = where.type in ("cluster", "tenant") or labels.get(LABEL_DEPARTMENT) == where.name
        return shared if wide and LABEL_PROJECT in labels else None

    def _placed(self, body: Mapping[str, Any]) -> dict[str, Any]:
        scope = (body["spec"].get("scope") or {}).get("type", "project")
        meta = dict(body["metadata"])
        meta.setdefault("namespace", self.default_namespace if scope == "project" else self.system_namespace)
        return {**body, "metadata": meta}

    def labels(self, namespace: str) -> Mapping[str, str]:
        """Return the labels of a namespace."""
        if namespace in self._labels:
            return self._labels[namespace]
        return {LABEL_PROJECT: namespace, **({LABEL_DEPARTMENT: self.department} if self.department else {})}

    def in_force(self, namespace: str, workload_type: str) -> InForce:
        """Return the effective policy of a namespace for a workload type, and what is wrong with its policies."""
        key = (namespace, workload_type)
        if key not in self._known:
            labels = self.labels(namespace)
            selected = select(self.policies, namespace, labels, self.system_namespace, workload_type)
            chain = [to_policy(policy, self.system_namespace, self._find) for policy in selected.policies]
            self._known[key] = InForce(*effective_policy(chain, workload_type), selected)
        return self._known[key]

    @property
    def errors(self) -> list[PolicyError]:
        """Return what is wrong with the policies that were used so far; conflicts are left out."""
        return [error for found in self._known.values() for error in found.errors if not error.conflict]

    def _find(self, namespace: str, ref: DataSourceRef) -> Mapping[str, Any] | None:
        for place in dict.fromkeys((namespace, self.system_namespace)):
            found = self._data_sources.get((place, ref.name))
            if found is not None and ref.scope in (None, reach(found, self.system_namespace).type):
                spec: Mapping[str, Any] = found.body["spec"]
                return spec
        return None
