"""Whether a plan starts, stops or restarts its workload: for the log and the Events."""

from __future__ import annotations

from outfitter.actions import Action
from outfitter.plan.workload.observed import ObservedState
from outfitter.plan.workload.renewal import Renewal
from outfitter.plan.writes import Decision
from outfitter.resolve.request import WorkloadRequest


def decision(request: WorkloadRequest, observed: ObservedState, renewal: Renewal) -> Decision | None:
    """Return the decision that the writes of a workload carry out; None where it goes on as before."""
    if request.stopped:
        if observed.was_stopped or not observed.controllers:
            return None
        halted = request.halted or {}
        return Decision(Action.STOP, str(halted.get("reason", "")), str(halted.get("message", "")))
    if observed.was_stopped:
        return Decision(Action.START)
    current, new = observed.revision, renewal.revision if renewal.new else None
    restarts = current is not None and new is not None and new.restarted_at != current.restarted_at
    return Decision(Action.RESTART) if restarts else None
