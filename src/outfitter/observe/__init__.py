"""States of live child objects: from Kubernetes objects to Observations."""

from outfitter.observe.downloads import observe_download
from outfitter.observe.pods import PodSummary, observe_pods
from outfitter.observe.refusals import refusal
from outfitter.observe.state import READY, UNSEEN, Observation, State

__all__ = [
    "READY",
    "UNSEEN",
    "Observation",
    "PodSummary",
    "State",
    "observe_download",
    "observe_pods",
    "refusal",
]
