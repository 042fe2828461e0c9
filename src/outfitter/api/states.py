"""Words of every status. Without models: commands import it at each start."""

from collections.abc import Mapping
from enum import StrEnum

READY = "Ready"
RECONCILING = "Reconciling"
STALLED = "Stalled"
NOT_OBSERVED: Mapping[str, int] = {"observedGeneration": 0}
"""Status that the API server gives a new object (decision 0065): kstatus counts an object without one as ready."""


class SyncStatus(StrEnum):
    """One word for users: whether the object is synchronized to all its targets."""

    CREATING = "Creating"
    UPDATING = "Updating"
    DELETING = "Deleting"
    FAILED = "Failed"
    ISSUES_FOUND = "Issues found"
    NO_ISSUES_FOUND = "No issues found"
