"""The API server's rejection of a pod, with the remedy."""

from __future__ import annotations

import re
from typing import Final

from outfitter.observe.causes import Source, explain
from outfitter.observe.fields import INLINE, FieldNames
from outfitter.observe.state import Observation, failed
from outfitter.problems import quoted
from outfitter.reasons import Reason

_CONTROLLER_PREFIX: Final = re.compile(r"^(create Pod \S+ in StatefulSet \S+ failed error|Error creating): ")

_LIMIT: Final = 600  # characters; the list of Pod Security is long


def refusal(message: str, names: FieldNames = INLINE) -> Observation:
    """The observation of a pod that the server rejected: quota, LimitRange, Pod Security or an admission policy."""
    answer = _CONTROLLER_PREFIX.sub("", message).strip().rstrip(".")
    cause = explain(Source.ADMISSION, "", answer, names)
    answer = quoted(answer if len(answer) <= _LIMIT else f"{answer[:_LIMIT].rsplit(' ', 1)[0]} ...")
    remedy = f" {cause.remedy}" if cause and cause.remedy else ""
    reason = cause.reason if cause else Reason.POD_REFUSED
    return failed(reason, f"The API server rejected a pod: {answer}.{remedy}")
