"""Fields that are valid but need a capability that this operator does not have: one row each.

A row is removed when the capability is built, or gets a setting when an administrator can switch it on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from outfitter.problems import Problem, stalled
from outfitter.reasons import Reason
from outfitter.settings import Settings


@dataclass(frozen=True)
class Capability:
    """Something that a field needs. `setting`: the operator setting that switches it on; "" for none."""

    lacks: str
    remedy: str = "Remove the field."
    setting: str = ""

    def available(self, settings: Settings) -> bool:
        """Return whether an administrator switched it on."""
        return bool(self.setting) and bool(getattr(settings, self.setting))

    def problem(self, field: str) -> Problem:
        """Return the problem of a field that needs it."""
        return stalled(Reason.UNSUPPORTED, f"{self.lacks} {self.remedy}", field)


PROXY: Final = Capability("Limiting access to some users needs an identity-aware proxy, which is not supported.")
SIGN_IN: Final = Capability(
    "Nothing in this cluster checks logins for Outfitter.",
    "Ask an administrator to set ingressAuthAnnotations, or remove the field to let everyone open the URL.",
    setting="ingress_auth_annotations",
)
TOKENS: Final = Capability(
    "The operator makes no tokens of the API server.", "Use source credential with a token of your own."
)
RETRIES: Final = Capability(
    "A workspace that is kept running is restarted without limit.",
    "Set restartPolicy to OnFailure or Never, or remove the field.",
)
COMPLETION: Final = Capability(
    "A workspace that is kept running never completes.",
    "Set restartPolicy to OnFailure or Never, or remove the field.",
)
REQUEST_METRICS: Final = Capability(
    "The metric needs a backend that counts requests, and none is configured.",
    "Use cpu, memory or a metric of the pods.",
)
BUILDS: Final = Capability(
    "This operator builds no images.",
    "Set imageUri alone, or ask an administrator to set buildBackend and what it needs.",
    setting="builds_images",
)
SHARED_VOLUMES: Final = Capability(
    "A claim of a workload is for its own namespace.", "Remove the field, or use a shared DataSource."
)
SHARED_ROLES: Final = Capability(
    "This operator does not share artifacts.",
    "Ask an administrator to set sharedRoles (OUTFITTER_SHARED_ROLES), or remove the field.",
    setting="shared_roles",
)


@dataclass(frozen=True)
class Field:
    """A field and the capability that it needs.

    `path` is relative to the spec; `[]` means every item of a list. Only the values in `only` need the
    capability, where that is given; those in `free` never do.
    """

    path: str
    needs: Capability
    only: Sequence[Any] | None = None
    free: Sequence[Any] = (None, False, "", [], {})

    def concerns(self, value: Any) -> bool:
        """Return whether a value of the field needs the capability."""
        return value not in self.free and (self.only is None or value in self.only)


SUBMISSION: Final = (
    Field("connections[].authorizedUsers", PROXY),
    Field("connections[].authorizedGroups", PROXY),
    Field("exposedUrls[].authorizationType", SIGN_IN, only=("authenticatedUsers",)),
    Field("exposedUrls[].authorizationType", PROXY, only=("authorizedUsers", "authorizedGroups")),
    Field("exposedUrls[].authorizedUsers", PROXY),
    Field("exposedUrls[].authorizedGroups", PROXY),
    Field("servingPort.authorizationType", SIGN_IN, only=("authenticatedUsers",)),
    Field(
        "servingPort.authorizationType", PROXY, only=("authorizedUsers", "authorizedGroups", "authorizedUsersOrGroups")
    ),
    Field("storage.pvc[].dataSharing", SHARED_VOLUMES),
)
"""Fields of a merged submission, and of an Environment."""
KEPT_RUNNING: Final = (
    Field("backoffLimit", RETRIES, free=(None,)),
    Field("autoDeletionTimeAfterCompletionSeconds", COMPLETION, free=(None,)),
)
"""Fields of a merged submission that is kept running."""
SCALING: Final = (
    Field("autoscaling.metric", REQUEST_METRICS, only=("throughput", "concurrency", "latency")),
    Field("containerGroups[].autoscaling.metric", REQUEST_METRICS, only=("throughput", "concurrency", "latency")),
)
"""Fields that say how many pods run: of an Inference, and of `run` of an Artifact."""
BUILT_IMAGE: Final = (Field("containerGroups[].containers[].imageBuildConfig", BUILDS),)
"""Without an image, an Artifact cannot become a version."""
ARTIFACT: Final = (
    *BUILT_IMAGE,
    Field("containerGroups[].containers[].environmentVars[].source", TOKENS, only=("apiToken",)),
)
"""Fields of the containers of an Artifact."""
REPOSITORY: Final = (Field("sharedRoles", SHARED_ROLES),)
"""Fields of an ArtifactRepository."""


def unsupported(
    spec: Mapping[str, Any], fields: Sequence[Field], settings: Settings, prefix: str = "spec"
) -> Iterator[Problem]:
    """Yield a problem for every given value that needs a capability which the operator does not have."""
    for field in fields:
        steps = field.path.split(".")
        if steps[0].removesuffix("[]") not in spec or field.needs.available(settings):
            continue
        for path, value in _values(spec, steps, prefix):
            if field.concerns(value):
                yield field.needs.problem(path)


def _values(node: Any, steps: Sequence[str], at: str) -> Iterator[tuple[str, Any]]:
    """Yield the values at a path, each with its place; items of a list are called by their name."""
    if not steps:
        yield at, node
        return
    step, rest = steps[0], steps[1:]
    name = step.removesuffix("[]")
    if not isinstance(node, Mapping) or node.get(name) is None:
        return
    value, place = node[name], f"{at}.{name}"
    if not step.endswith("[]"):
        yield from _values(value, rest, place)
        return
    for number, item in enumerate(value):
        label = item.get("name", number) if isinstance(item, Mapping) else number
        yield from _values(item, rest, f"{place}[{label}]")
