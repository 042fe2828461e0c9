"""Whether the operator runs and leads. Pure, but for the second look at the Lease."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from outfitter.cli.check.definitions import Versions
from outfitter.cli.check.findings import Finding, note, ok, problem
from outfitter.cli.installation import Installation

Body = Mapping[str, Any]
_LONGEST_LOOK: Final = 60.0


def deployment_finding(installation: Installation) -> Finding:
    """Judge the Deployment of the operator."""
    body, title = installation.deployment, f"Deployment {installation.title}"
    spec, status = body["spec"], body.get("status") or {}
    wanted, available = spec.get("replicas", 1), status.get("availableReplicas", 0)
    image = installation.image
    if wanted == 0:
        return problem("operator", f"{title} is scaled to 0. Scale it to 1 or more.")
    if available == 0:
        pods = (
            f"kubectl -n {installation.namespace} describe pods -l app.kubernetes.io/instance={installation.instance}"
        )
        return problem("operator", f"{title} has no available pod of image {image}. Read: {pods}")
    if status.get("observedGeneration", 0) < body["metadata"].get("generation", 0) or available < wanted:
        return note("operator", f"{title} has {available} of {wanted} pods available: a rollout is under way.")
    return ok("operator", f"{title} runs image {image} with {available} of {wanted} pods available.")


def skew_finding(versions: Versions) -> Finding:
    """Compare the version of the operator with that of this command."""
    if not versions.operator:
        return note("versions", "The labels of the operator's Deployment name no version.")
    if versions.operator == versions.command:
        return ok("versions", f"Operator and command are of version {versions.command}.")
    text = f"The operator is of version {versions.operator}, and this command of version {versions.command}."
    return note("versions", f"{text} Install the command of the operator's version: it can judge fields otherwise.")


def newest(versions: Iterable[str]) -> str:
    """Return the newest of the versions; "" without one."""
    return max(versions, key=lambda version: [int(number) for number in re.findall(r"\d+", version)], default="")


def shared_crds(installations: Sequence[Installation]) -> list[Finding]:
    """Report operators of several versions: they have the same CustomResourceDefinitions."""
    if len({item.version for item in installations}) < 2:
        return []
    listed = ", ".join(f"{item.title} {item.version or 'without a version'}" for item in installations)
    text = f"Operators of several versions share the CustomResourceDefinitions: {listed}."
    return [note("crds", f"{text} Upgrade the older ones; below, the newest counts.")]


def shared_lease(installation: Installation, others: Sequence[Installation]) -> list[Finding]:
    """Report another installation with the same Lease: one of the two operators waits without end."""
    rivals = [item.title for item in others if item.lease == installation.lease and item.title != installation.title]
    if not rivals:
        return []
    text = f"Lease {'/'.join(installation.lease)} is also that of {', '.join(rivals)}, so one operator at a time works."
    return [problem("leader", f"{text} Set another settings.leaseName in one of them.")]


def holder(lease: Body | None) -> str:
    """Return the replica that holds a Lease; "" if none does."""
    return str(((lease or {}).get("spec") or {}).get("holderIdentity") or "")


def duration(lease: Body) -> float:
    """Return the seconds within which a Lease must be renewed."""
    return float((lease.get("spec") or {}).get("leaseDurationSeconds") or 15)


def look_seconds(lease: Body) -> float:
    """Return the seconds in which a Lease is expected to be renewed while it is looked at. It can have any duration."""
    return min(duration(lease), _LONGEST_LOOK)


def is_fresh(lease: Body, now: datetime) -> bool:
    """Return whether a Lease was renewed in time, if the clocks of both machines are right."""
    try:
        renewed = datetime.fromisoformat(lease["spec"]["renewTime"])
    except (KeyError, TypeError, ValueError):
        return False
    return abs((now - renewed.replace(tzinfo=renewed.tzinfo or UTC)).total_seconds()) <= duration(lease)


def lease_finding(place: str, before: Body | None, after: Body | None, *, fresh: bool) -> Finding:
    """Judge the Lease. `after`: as it was later, unless it is `fresh` by the local clock."""
    text = "Look at the log of the operator, and at the rights of its ServiceAccount."
    if before is None:
        return problem("leader", f"Lease {place} does not exist, so no operator has led yet. {text}")
    if not holder(before):
        return problem("leader", f"Lease {place} is held by no replica, so no operator leads. {text}")
    if fresh or before["spec"].get("renewTime") != ((after or {}).get("spec") or {}).get("renewTime"):
        return ok("leader", f"{holder(after or before)} leads and renews Lease {place}.")
    since = before["spec"].get("renewTime", "an unknown time")
    return problem("leader", f"Lease {place} has not been renewed since {since}, so no operator leads. {text}")
