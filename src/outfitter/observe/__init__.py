"""States of live child objects: from Kubernetes objects to Observations."""

from outfitter.observe.autoscaling import observe_autoscaler
from outfitter.observe.builds import Built, Failed, built, revision
from outfitter.observe.claims import diagnose_claim
from outfitter.observe.controllers import observe_run
from outfitter.observe.diagnosis import crashed, diagnose, limits_added, not_ending
from outfitter.observe.downloads import observe_download
from outfitter.observe.events import newest_message
from outfitter.observe.fetches import Fetched, fetched, is_fetching, under_way
from outfitter.observe.fields import FieldNames, field_names
from outfitter.observe.pods import PodSummary, condition, observe_pods, phase, preempted
from outfitter.observe.refusals import refusal
from outfitter.observe.state import READY, UNSEEN, Observation, State, failed, progressing

__all__ = [
    "READY",
    "UNSEEN",
    "Built",
    "Failed",
    "Fetched",
    "FieldNames",
    "Observation",
    "PodSummary",
    "State",
    "built",
    "condition",
    "crashed",
    "diagnose",
    "diagnose_claim",
    "failed",
    "fetched",
    "field_names",
    "is_fetching",
    "limits_added",
    "newest_message",
    "not_ending",
    "observe_autoscaler",
    "observe_download",
    "observe_pods",
    "observe_run",
    "phase",
    "preempted",
    "progressing",
    "refusal",
    "revision",
    "under_way",
]
