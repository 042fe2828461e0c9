"""One way in which a submission breaks the policies of its project."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from outfitter.policy.rule import Source

_TEXTS: Final = {
    "required": "has no value, and {by} requires one. Set the field.",
    "canEdit": "{given} differs from {allowed}, which {by} does not let you change. Remove the field.",
    "options": "{given} is not allowed. {by} allows {allowed}.",
    "min": "{given} is less than {allowed}, the least that {by} allows. Raise it.",
    "max": "{given} is more than {allowed}, the most that {by} allows. Lower it.",
    "step": "{given} is not in steps of {allowed}, as {by} demands. Change it.",
    "canAdd": "{by} does not let you add items. Remove the item.",
    "locked": "{by} locks this item: it can neither change nor be excluded. Remove it from the workload.",
    "duplicate": "occurs twice. Remove one of the items.",
    "unsupported": "Workloads of type {allowed} do not have this field. Remove it, or set supportedTypes without "
    "{allowed}.",
    "mountPath": "{given} is the mount path of DataSource {allowed}, which {by} mounts into every workload. Use "
    "another path.",
}


@dataclass(frozen=True)
class Violation:
    """One violation of one rule."""

    field: str
    """`compute.gpuDevicesRequest`, `labels.instances[cost]`, `storage.nfs.attributes.server[data]`."""
    rule: str
    given: str = ""
    allowed: str = ""
    source: Source | None = None
    """The policy that the rule comes from; None for what no policy has to say."""

    @property
    def message(self) -> str:
        """What is wrong, whose rule it is, what to do; without the field."""
        by = str(self.source) if self.source else "the API"
        return _TEXTS[self.rule].format(given=self.given or "An empty value", allowed=self.allowed or "nothing", by=by)

    def __str__(self) -> str:
        """Put the field in front."""
        return f"{self.field}: {self.message}"
