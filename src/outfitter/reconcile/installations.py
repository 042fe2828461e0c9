"""Several installations of Outfitter in one cluster: the status of an object names the one that manages it."""

from __future__ import annotations

from outfitter.actions import Action
from outfitter.cluster.protocol import Cluster
from outfitter.cluster.store import Caches
from outfitter.naming import ANNOTATION_INSTALLATION
from outfitter.plan.diff import place
from outfitter.plan.policy import EFFECTIVE
from outfitter.reconcile.act_log import ActLog
from outfitter.reconcile.acts import Act
from outfitter.settings import Settings
from outfitter.snapshot import CachedObject, Dep, Key
from outfitter.status import manager_of


def _writer_of(live: CachedObject) -> str:
    """Return the installation that writes an EffectivePolicy: it has no status, and users cannot write it."""
    return str((live.body["metadata"].get("annotations") or {}).get(ANNOTATION_INSTALLATION, ""))


class Installations:
    """Finds the objects of other installations, and reports each of them once."""

    def __init__(self, cluster: Cluster, caches: Caches, settings: Settings, log: ActLog) -> None:
        self._cluster = cluster
        self._caches = caches
        self._settings = settings
        self._log = log
        self._reported: dict[Key, str] = {}
        self._logged: set[tuple[str, str]] = set()  # namespace and installation

    def other(self, live: CachedObject) -> str:
        """Return the other installation that manages an object, "" if this one may.

        An installation whose namespace is gone manages nothing. One does not manage assets in the namespace of another.
        """
        mark = _writer_of(live) if live.kind == EFFECTIVE else manager_of(live.body)
        own = self._settings
        if mark in ("", own.installation) or mark in own.replaced:
            return ""
        home = mark.partition("/")[0]
        if live.namespace == own.system_namespace != home:
            return ""
        if not own.watch_namespaces and self._caches["Namespace"].get("", home) is None:
            return ""
        return mark

    @staticmethod
    def dependency(mark: str) -> Dep:
        """The dependency on the namespace of another installation."""
        return Dep("Namespace", "", mark.partition("/")[0])

    async def report(self, live: CachedObject, mark: str) -> None:
        """Report by an Event, because the status belongs to the other installation, and by one log line a namespace."""
        key = Key(live.kind, live.namespace, live.name)
        if self._reported.get(key) == mark:
            return
        self._reported[key] = mark
        text = (
            f"{place(live.kind, live.namespace, live.name)} is managed by the installation {mark}. The installation "
            f"{self._settings.installation} leaves the object alone. Let only one of them serve namespace "
            f"{live.namespace}, by settings.watchNamespaces, or name the stopped one in settings.replacedInstallations."
        )
        if (live.namespace, mark) not in self._logged:
            self._logged.add((live.namespace, mark))
            act = Act(Action.OTHER_INSTALLATION, manager=mark, message=text)
            self._log.write(key, act, generation=live.generation)
        reason = Action.OTHER_INSTALLATION.event
        await self._cluster.emit(live, type_="Warning", reason=reason, message=text, action="Reconcile")

    def forget(self, key: Key) -> None:
        """Drop what is remembered of an object that is gone."""
        self._reported.pop(key, None)
