"""Write the status of an object, and report what its change means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from outfitter.actions import Action
from outfitter.cluster.events import EVENT_LIMIT
from outfitter.cluster.protocol import Cluster
from outfitter.errors import Invalid, NotFound, TooLarge
from outfitter.plan.diff import too_large
from outfitter.plan.refusers import refuser
from outfitter.problems import foreign_name
from outfitter.reasons import Reason
from outfitter.reconcile.act_log import ActLog, Acts
from outfitter.reconcile.acts import Act, shown_by
from outfitter.reconcile.state import EngineState
from outfitter.settings import Settings
from outfitter.snapshot import CachedObject, Key, Resource
from outfitter.status import StatusInput, compose, hold, hold_edits, is_stalled, least, marked, marks_first

_TROUBLE: Final = (Action.STALL, Action.WAIT)


class StatusWriter:
    """Writes a status only if it changed, and holds back what may be over in a moment."""

    def __init__(
        self,
        cluster: Cluster,
        settings: Settings,
        state: EngineState,
        log: ActLog,
        clock: Callable[[], datetime],
    ) -> None:
        self._cluster = cluster
        self._settings = settings
        self._state = state
        self._log = log
        self._clock = clock

    def acts(
        self, live: CachedObject, body: Mapping[str, Any], facts: Mapping[str, Any], *, by_user: bool = False
    ) -> Acts:
        """Return the acts of a reconciliation. The first is a change of the spec, if there is one.

        `body`: that of the object; `facts`: of its new status.
        """
        new = (body.get("status") or {}).get("observedGeneration") != live.generation
        acts = Acts(self._log, live, facts, by_user=by_user or new)
        key = Key(live.kind, live.namespace, live.name)
        fields = self._state.changed_fields(key)
        if new and self._state.is_news(key, live.generation):
            acts.change(fields)
        return acts

    async def write(
        self, resource: Resource, wanted: StatusInput, acts: Acts, *, if_unchanged: bool
    ) -> tuple[float | None, int]:
        """Write the status if it changed; see `hold` and `hold_edits` for what is written later.

        `if_unchanged`: only over the version that the status was made from, and at once.
        """
        key, now = resource.key, self._clock()
        status = marked(compose(wanted, resource.body, now), resource.body, self._settings.installation)
        previous = resource.body.get("status") or {}
        left = hold(previous, status, self._state.unready_since(key), now, self._settings.hold_seconds)
        if left is not None and not if_unchanged:
            self._state.unready(key, now)
            return left + 0.1, 0
        left = hold_edits(previous, status, self._state.edited_since(key), now, self._settings.used_by_seconds)
        if left is not None and not if_unchanged:
            self._state.edited(key, now)
            return left + 0.1, 0
        written = await self.put(resource.live, status, acts, if_unchanged=if_unchanged)
        self._state.settled(key)
        return None, written

    async def put(
        self, live: CachedObject, status: Mapping[str, Any], acts: Acts | None = None, *, if_unchanged: bool = False
    ) -> int:
        """Write a status, and return the number of writes. `acts`: of this reconciliation, if it had other writes."""
        body = live.body
        previous, status = body.get("status") or {}, marked(status, body, self._settings.installation)
        if status == previous:
            return 0
        acts = acts or self.acts(live, body, status)
        # Of two installations that meet a new object, one gets it.
        claims = marks_first(status, body)
        version = live.resource_version if if_unchanged or claims else 0
        try:
            await self._cluster.write_status(live.kind, live.namespace, live.name, live.uid, status, version)
        except NotFound:
            return 0  # deleted during its reconciliation
        except Invalid as error:
            acts.add(Act(Action.REFUSE, manager=refuser(error), reason=Reason.REFUSED, message=error.message))
            try:
                short = least(status, body)
                await self._cluster.write_status(live.kind, live.namespace, live.name, live.uid, short, version)
            except TooLarge:
                # No status fits beside the spec, so an Event reports it. A change of the object is the next attempt.
                text = too_large({"kind": live.kind, **body, "status": short})
                await self._cluster.emit(live, type_="Warning", reason=Reason.REFUSED, message=text, action="Reconcile")
                return 0
        await self._report_status(live, previous, status, acts)
        return 1

    async def _report_status(
        self, live: CachedObject, previous: Mapping[str, Any], status: Mapping[str, Any], acts: Acts
    ) -> None:
        """Report what a status that was written means: by lines, by Events, and by one where the user must act."""
        news = [
            act for act in shown_by(live, previous, status) if not (act.action in _TROUBLE and acts.told(act.reason))
        ]
        shown = Acts(self._log, live, status)
        for act in news:
            shown.add(act)
        await shown.emit(self._cluster)
        ready = status["conditions"][0]
        violated = any(act.action is Action.VIOLATE for act in news)
        if is_stalled(status) and not is_stalled(previous) and not violated:
            author = f" Last change of the spec{_by(user)}." if (user := status.get("updatedBy", "")) else ""
            message = ready["message"][: EVENT_LIMIT - len(author)] + author
            await self._cluster.emit(live, type_="Warning", reason=ready["reason"], message=message, action="Reconcile")


def _by(user: str) -> str:
    return f" by {foreign_name(user)}" if user else ""
