"""The words for the priority of a workload, and for whether it may be preempted."""

from collections.abc import Mapping
from typing import Final, Literal

Preemptibility = Literal["preemptible", "non-preemptible", "semi-preemptible"]

PRIORITIES: Final[Mapping[str, int]] = {
    "very-low": 25,
    "low": 40,
    "train": 50,
    "medium-low": 65,
    "interactive-preemptible": 75,
    "build-preemptible": 75,
    "medium": 80,
    "medium-high": 90,
    "build": 100,
    "high": 125,
    "inference": 125,
    "very-high": 150,
}
"""Word -> value of its PriorityClass. KAI takes pods from 100 on for non-preemptible unless a label says otherwise."""
CLASS_PREFIX: Final = "outfitter-"
"""The PriorityClasses of the chart are named by this and the word."""
