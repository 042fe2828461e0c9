"""The Reader: everything that a planner may read, and a record of what it read.

One module: it is one class, and each way to read records its dependency.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from outfitter.snapshot.objects import CachedObject, Dep, Key, KeyedData, Override, Resource, readable
from outfitter.snapshot.registries import ImageAnswer, ImageQuestion, RegistryAnswer, RegistryQuestion

if TYPE_CHECKING:
    from outfitter.settings import Settings


class Lookup(Protocol):
    """The caches as a Reader sees them: synchronous, in memory."""

    def get(self, kind: str, namespace: str, name: str) -> CachedObject | None:
        """Return one object."""

    def owned(self, uid: str) -> Iterable[CachedObject]:
        """Return the objects of any kind whose owner-uid label is `uid`."""

    def serves(self, kind: str) -> bool:
        """Whether the API server serves a kind."""

    def in_namespace(self, kind: str, namespace: str) -> Iterable[CachedObject]:
        """Return the objects of one kind in one namespace."""

    def all(self, kind: str) -> Iterable[CachedObject]:
        """Return all objects of one kind."""

    def indexed(self, kind: str, value: str) -> Iterable[CachedObject]:
        """Return the objects under an index value: Ingresses by host, Artifacts by repository ..."""

    def values(self, kind: str) -> Iterable[str]:
        """Return all index values of one kind."""

    def owner(self, uid: str) -> CachedObject | None:
        """Return the custom resource with that uid."""


class NeedsData(Exception):
    """Secrets and ConfigMaps must be fetched before planning can continue; True: with their content."""

    def __init__(self, needed: Mapping[Dep, bool]) -> None:
        super().__init__(", ".join(f"{dep.kind} {dep.namespace}/{dep.name}" for dep in needed))
        self.needed = needed


class _EveryKey(frozenset[str]):
    """The keys of an object that was not fetched, where its keys do not matter."""

    def __contains__(self, key: object) -> bool:
        return True

    def __bool__(self) -> bool:
        return True


class Reader:
    """The caches at one instant, for one reconciliation. Records in `deps` what was read, found or not.

    The caches hold no keys of Secrets and ConfigMaps. `keyed_data` holds those that were fetched for this
    reconciliation; reading another one raises NeedsData.

    `references_only`: the plan is not wanted, only the references in `deps`. Every key counts as present then, and a
    workload is resolved but not rendered.
    """

    def __init__(
        self,
        lookup: Lookup,
        settings: Settings,
        keyed_data: Mapping[Dep, KeyedData] | None = None,
        users: tuple[Key, ...] = (),
        now: datetime | None = None,
        *,
        references_only: bool = False,
        overrides: Mapping[tuple[str, str, str], Override] | None = None,
        answers: Callable[[Key, RegistryQuestion], RegistryAnswer | None] = lambda key, question: None,
        images: Callable[[ImageQuestion], ImageAnswer | None] = lambda question: None,
    ) -> None:
        self.settings = settings
        self.users = users
        self.now = now or datetime.fromtimestamp(0).astimezone()
        self.deps: set[Dep] = set()
        self._lookup = lookup
        self._keyed_data = keyed_data or {}
        self.retry_after: float | None = None  # seconds until the result changes with time alone
        self._overrides = overrides or {}
        self.references_only = references_only
        self._answers = answers
        self.questions: set[RegistryQuestion] = set()  # that are due
        self._images = images
        self.images: set[ImageQuestion] = set()  # that the operator asks from time to time
        self.image_registry: RegistryQuestion | None = None  # how to ask the registry of this Registry about images

    def get(self, kind: str, namespace: str, name: str) -> CachedObject | None:
        """Return an object by name."""
        self.deps.add(Dep(kind, namespace, name))
        return self._lookup.get(kind, namespace, name)

    def serves(self, kind: str) -> bool:
        """Whether the API server serves an optional kind, whose CRD may not be installed."""
        self.deps.add(Dep.on_kind(kind))
        return self._lookup.serves(kind)

    def track(self, kind: str, namespace: str, name: str) -> None:
        """Record a dependency on an object without reading it."""
        self.deps.add(Dep(kind, namespace, name))

    def get_untracked(self, kind: str, namespace: str, name: str) -> CachedObject | None:
        """Return an object by name without a dependency: a change of a child requeues its owner in any case."""
        return self._lookup.get(kind, namespace, name)

    def resource(self, kind: str, namespace: str, name: str) -> Resource | None:
        """Return a custom resource by name."""
        found = self.get(kind, namespace, name)
        return readable(found) if found else None

    def unused_resource(self, kind: str, namespace: str, name: str) -> Resource | None:
        """Return a custom resource by name that does not count as used: the dependency is on all of its kind."""
        self.deps.add(Dep(kind, namespace, "*"))
        found = self._lookup.get(kind, namespace, name)
        return readable(found) if found else None

    def resources(self, kind: str, namespace: str) -> list[Resource]:
        """Return all custom resources of a kind in a namespace, by name."""
        self.deps.add(Dep(kind, namespace, "*"))
        found = sorted(self._lookup.in_namespace(kind, namespace), key=lambda live: live.name)
        return [asset for live in found if (asset := readable(live))]

    def children(self, owner: CachedObject, *, anywhere: bool = False) -> list[CachedObject]:
        """Return the children of a custom resource. Their changes requeue it without a dependency.

        Only a shared asset has children in other namespaces, and a data volume, whose planner asks for those with
        `anywhere`. Labels of other objects there prove nothing.
        """
        places = {"", owner.namespace}
        shared = anywhere or owner.namespace == self.settings.system_namespace
        found = [live for live in self._lookup.owned(owner.uid) if shared or live.namespace in places]
        return sorted(found, key=lambda live: (live.kind, live.namespace, live.name))

    def namespaces(self) -> list[CachedObject]:
        """Return all Namespaces, by name."""
        self.deps.add(Dep("Namespace", "", "*"))
        return sorted(self._lookup.all("Namespace"), key=lambda live: live.name)

    def labels(self, namespace: str) -> Mapping[str, str]:
        """Return the labels of a Namespace; none for an unknown one."""
        found = self.get("Namespace", "", namespace)
        labels: Mapping[str, str] = ((found.body.get("metadata") or {}).get("labels") or {}) if found else {}
        return labels

    def owner(self, uid: str) -> CachedObject | None:
        """Return the custom resource with that uid, if it exists."""
        return self._lookup.owner(uid)

    def claimants(self, host: str) -> list[CachedObject]:
        """Return the managed Ingresses that serve a host, oldest first."""
        return self._oldest_first(self._lookup.indexed("Ingress", host))

    def members(self, namespace: str, repository: str) -> list[Resource]:
        """Return the Artifacts of a repository, oldest first. No dependency: an Artifact requeues its repository."""
        found = self._oldest_first(self._lookup.indexed("Artifact", f"{namespace}/{repository}"))
        return [asset for live in found if (asset := readable(live))]

    def caches(self, namespace: str, image: str) -> list[Resource]:
        """Return the NimCaches of an image in a namespace, oldest first, with a dependency on each."""
        found = self._oldest_first(self._lookup.indexed("NimCache", f"{namespace}/{image}"))
        return [asset for live in found if (asset := self.resource("NimCache", namespace, live.name))]

    def offers(self, name: str) -> list[Resource]:
        """Return the DataSources of that name that share their volume with other projects, oldest first.

        With a dependency on all DataSources of that name, in any namespace.
        """
        self.deps.add(Dep("DataSource", "*", name))
        found = self._oldest_first(self._lookup.indexed("DataSource", name))
        return [asset for live in found if (asset := readable(live))]

    def builds(self, namespace: str, artifact: str) -> list[Resource]:
        """Return the ImageBuilds of an Artifact, the newest first, with a dependency on all builds of the namespace."""
        self.deps.add(Dep("ImageBuild", namespace, "*"))
        found = self._oldest_first(self._lookup.indexed("ImageBuild", f"{namespace}/{artifact}"))
        return [build for live in reversed(found) if (build := readable(live))]

    def mounted(self, namespace: str, claim: str) -> bool:
        """Return whether a pod of ours that has not ended mounts a claim. With a dependency on the pods there."""
        self.deps.add(Dep("Pod", namespace, "*"))
        return any(_mounts(pod.body, claim) for pod in self._lookup.in_namespace("Pod", namespace))

    def policies(self, namespace: str, workload_type: str, scopes: Iterable[tuple[str, str]]) -> list[Resource]:
        """Return the WorkloadPolicies for a type in a namespace, with a dependency on all policies there.

        `scopes`: type and name of `spec.scope`, both "" for a policy without one.
        """
        self.deps.add(Dep("WorkloadPolicy", namespace, "*"))
        values = (f"{namespace}/{workload_type}/{scope}/{name}" for scope, name in scopes)
        found = [live for value in values for live in self._lookup.indexed("WorkloadPolicy", value)]
        return [policy for live in found if not live.deleting and (policy := readable(live))]

    def policy_scopes(self, workload_type: str) -> set[tuple[str, str, str]]:
        """Return namespace, type and name of the scope of every WorkloadPolicy for a type, with a dependency on all.

        Type and name are those of `spec.scope`, both "" for a policy without one.
        """
        self.deps.add(Dep("WorkloadPolicy", "*", "*"))
        found = (value.split("/") for value in self._lookup.values("WorkloadPolicy"))
        return {(namespace, scope, name) for namespace, kind, scope, name in found if kind == workload_type}

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Make the dependencies that are recorded meanwhile deferred ones, without those that another one includes."""
        before, self.deps = self.deps, set()
        try:
            yield
        finally:
            included = {dep for dep in self.deps if self.deps & {*dep.wider()}}
            self.deps = before | {dep.deferred for dep in self.deps - included}

    @contextmanager
    def without_use(self, kinds: Collection[str]) -> Iterator[None]:
        """Make the dependencies on objects of these kinds ones on all of their kind: none of them counts as used."""
        before, self.deps = self.deps, set()
        try:
            yield
        finally:
            read = {Dep(dep.kind, dep.namespace, "*") if dep.kind in kinds else dep for dep in self.deps}
            self.deps = before | read

    def older(self, live: CachedObject, most: int) -> int:
        """Return how many objects of its kind in its namespace are older than one, at most `most`. No dependency."""
        age = _age(live)
        others = self._lookup.in_namespace(live.kind, live.namespace)
        return sum(1 for _ in islice((other for other in others if _age(other) < age), most))

    def peers(self, live: CachedObject) -> list[tuple[CachedObject, bool]]:
        """Return the other objects of its kind in its namespace, each with whether it is older than it.

        With a dependency on all of them.
        """
        self.deps.add(Dep(live.kind, live.namespace, "*"))
        others = self._lookup.in_namespace(live.kind, live.namespace)
        return [(other, _age(other) < _age(live)) for other in others if other.uid != live.uid]

    @staticmethod
    def _oldest_first(found: Iterable[CachedObject]) -> list[CachedObject]:
        return sorted(found, key=_age)

    def events(self, about: CachedObject) -> list[CachedObject]:
        """Return the Events about an object. A new one requeues its owner and its dependents.

        An Event in another namespace that names its uid is not about it: its author may have no right here.
        """
        found = (live for live in self._lookup.owned(about.uid) if live.kind == "Event")
        return [live for live in found if live.namespace == about.namespace]

    def override(self, kind: str, namespace: str, name: str) -> Override | None:
        """Return why a child is not written for now, if another writer changes it back."""
        known = self._overrides.get((kind, namespace, name))
        if known is None or known.until <= self.now:
            return None
        self._look_again(known.until)
        return known

    def held(self, since: str) -> bool:
        """Return whether a state began less than the hold time ago, so that it may end by itself. Requeues at its end.

        `since`: RFC 3339, "" for an unknown time.
        """
        return bool(since) and not self.passed(since, self.settings.hold_seconds)

    def passed(self, since: str, seconds: float) -> bool:
        """Return whether so many seconds have passed since a time in RFC 3339. Requeues at their end."""
        end = datetime.fromisoformat(since.replace("Z", "+00:00")) + timedelta(seconds=seconds)
        if end <= self.now:
            return True
        self._look_again(end)
        return False

    def registry(self, key: Key, question: RegistryQuestion) -> RegistryAnswer | None:
        """Return the newest answer of a registry to a Registry; None before the first. Asks again once it is old."""
        answer = self._answers(key, question)
        if answer is None or answer.good_until <= self.now:
            self.questions.add(question)
        else:
            self._look_again(answer.good_until)
        return answer

    def image(self, question: ImageQuestion) -> ImageAnswer | None:
        """Return what a tag is now; None before the first answer. The key is requeued once the answer is another."""
        self.images.add(question)
        return self._images(question)

    def _look_again(self, when: datetime) -> None:
        left = (when - self.now).total_seconds()
        self.retry_after = left if self.retry_after is None else min(left, self.retry_after)

    def binds_late(self, claim: CachedObject) -> bool:
        """Return whether the storage class of a claim binds it only once a pod uses it."""
        if self.settings.watch_namespaces:
            return True  # StorageClasses cannot be read there: the claim counts as ready instead of pending without end
        name = (claim.body.get("spec") or {}).get("storageClassName", "")
        found = self.get("StorageClass", "", name) if name else None
        return found is not None and found.body.get("volumeBindingMode") == "WaitForFirstConsumer"

    def has_priority_class(self, name: str) -> bool | None:
        """Return whether a PriorityClass exists; None where the operator cannot read them."""
        if self.settings.watch_namespaces or not self.serves("PriorityClass"):
            return None
        return self.get("PriorityClass", "", name) is not None

    def keyed_data(self, kind: str, namespace: str, name: str, *, data: bool = False) -> KeyedData | None:
        """A Secret or ConfigMap with its keys, and with `data` its content; None where it does not exist.

        Raises NeedsData where it exists but was not fetched.
        """
        found = self.get(kind, namespace, name)
        if found is None:
            return None
        dep = Dep(kind, namespace, name)
        fetched = self._keyed_data.get(dep)
        if fetched is not None and (not data or fetched.data is not None):
            return fetched
        if self.references_only and not data:
            return KeyedData(kind, namespace, name, str(found.resource_version), _EveryKey())
        raise NeedsData({dep: data})

    def unchanged_data(self) -> dict[Dep, KeyedData]:
        """Return the Secrets and ConfigMaps that were fetched, as far as the caches still have the same version."""
        found = ((dep, data, self._lookup.get(*dep)) for dep, data in self._keyed_data.items())
        return {dep: data for dep, data, live in found if live and str(live.resource_version) == data.version}

    def prefetch(self, deps: Iterable[Dep], *, data: bool = False) -> None:
        """Ask for several Secrets and ConfigMaps at once, so that they are fetched together."""
        needed: dict[Dep, bool] = {}
        for dep in deps:
            try:
                self.keyed_data(*dep, data=data)
            except NeedsData as request:
                needed.update(request.needed)
        if needed:
            raise NeedsData(needed)


def _age(live: CachedObject) -> tuple[str, str]:
    return live.body["metadata"].get("creationTimestamp", ""), live.uid


def _mounts(pod: Mapping[str, Any], claim: str) -> bool:
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return False
    volumes = (pod.get("spec") or {}).get("volumes") or ()
    return any((volume.get("persistentVolumeClaim") or {}).get("claimName") == claim for volume in volumes)
