"""The API server's rejection of a pod, with the remedy."""

from __future__ import annotations

import re
from typing import Final

from outfitter.observe.state import Observation, failed
from outfitter.reasons import Reason

_CONTROLLER_PREFIX: Final = re.compile(r"^(create Pod \S+ in StatefulSet \S+ failed error|Error creating): ")
_REMEDIES: Final = (
    (
        "violates PodSecurity",
        Reason.POD_SECURITY_VIOLATION,
        "Change the Environment (runAsNonRoot, no added capabilities, no hostPath), or ask an administrator to relax "
        "the label pod-security.kubernetes.io/enforce of the namespace.",
    ),
    (
        "exceeded quota",
        Reason.QUOTA_EXCEEDED,
        "Free some of the quota, request less compute, or ask an administrator to raise the quota.",
    ),
    ("failed quota", Reason.QUOTA_EXCEEDED, "The quota requires these resources. Set them in compute."),
)
"""Part of the server's answer, reason, remedy."""


def refusal(message: str) -> Observation:
    """The observation of a pod that the server rejected: quota, Pod Security or an admission policy."""
    answer = _CONTROLLER_PREFIX.sub("", message).strip().rstrip(".")
    for part, reason, remedy in _REMEDIES:
        if part in message:
            return failed(reason, f"The API server rejected a pod: {answer}. {remedy}")
    return failed(Reason.POD_REFUSED, f"The API server rejected a pod: {answer}.")
