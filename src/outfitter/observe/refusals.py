"""The API server's refusal to create a pod, with the remedy."""

from __future__ import annotations

import re

from outfitter.observe.state import Observation, failed
from outfitter.reasons import Reason

_CONTROLLER_PREFIX = re.compile(r"^(create Pod \S+ in StatefulSet \S+ failed error|Error creating): ")


def refusal(message: str) -> Observation:
    """The observation for a pod that the server refused because of quota, Pod Security or an admission policy."""
    answer = _CONTROLLER_PREFIX.sub("", message).strip()
    if "violates PodSecurity" in message:
        fix = (
            "make the environment fit (runAsNonRoot, no added capabilities, no hostPath), or let an admin relax the "
            "namespace's pod-security.kubernetes.io/enforce label"
        )
        return failed(Reason.POD_SECURITY_VIOLATION, f"{answer}; {fix}")
    if "exceeded quota" in message:
        fix = "free some of the quota, ask for less compute, or let an admin raise it"
        return failed(Reason.QUOTA_EXCEEDED, f"{answer}; {fix}")
    if "failed quota" in message:
        fix = "the namespace's quota wants every pod to say this much: set it in compute"
        return failed(Reason.QUOTA_EXCEEDED, f"{answer}; {fix}")
    return failed(Reason.POD_REFUSED, answer)
