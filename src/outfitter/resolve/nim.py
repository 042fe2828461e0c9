"""What NVIDIA inference microservices (NIM) share: where an image keeps its model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from outfitter.problems import Problem, stalled
from outfitter.reasons import Reason

CACHE_PATH: Final = "/opt/nim/.cache"
"""Where an image keeps its model, unless NIM_CACHE_PATH says otherwise."""
CACHE_VARIABLE: Final = "NIM_CACHE_PATH"
NGC_KEY: Final = "NGC_API_KEY"
PORT_VARIABLES: Final = ("NIM_SERVER_PORT", "NIM_HTTP_API_PORT")
_SOURCES: Final = ("credential", "secret", "config_map", "pod_field_ref", "user_credential")


def given_cache_path(variables: Iterable[Any], field: str) -> str | Problem | None:
    """Return the directory that NIM_CACHE_PATH names, where the volume is mounted; None if it is not set.

    `variables`: those of an Artifact or NimCache. `field`: path of their list.
    """
    item = next((item for item in variables if item.name == CACHE_VARIABLE), None)
    if item is None or getattr(item, "exclude", False):
        return None
    if item.value is None and all(getattr(item, source, None) is None for source in _SOURCES):
        return None  # an unanswered prompt
    if item.value is None or not item.value.startswith("/") or "$(" in item.value:
        text = (
            f"Outfitter mounts the volume of the model where {CACHE_VARIABLE} points. Set value to an absolute path, "
            f"or remove the variable to use {CACHE_PATH}."
        )
        return stalled(Reason.INVALID_SPEC, text, f"{field}[{CACHE_VARIABLE}]")
    return item.value.rstrip("/") or "/"
